"""The application "session_django": its checks, and its command import_sessions."""
from django.apps import AppConfig
from django.core import checks

from . import configuration


def check_settings(**arguments):
    return [checks.Error(problem, id="session_django.E001")
            for problem in configuration.problems()]


class SessionConfig(AppConfig):
    name = "session_django"
    verbose_name = "Sessions in the database"
    default = True

    def ready(self):
        checks.register(check_settings)
