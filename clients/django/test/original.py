"""Runs Django's own tests of a session engine, from the folder DJANGO_SOURCE, with the
engine of this package."""
from django.conf import settings
from django.test import TestCase, override_settings
from sessions_tests import tests
from session_django.store import SessionStore

ENGINE = "session_django.store"

# Their SessionStore is the engine that the test runs.
tests.DatabaseSession = SessionStore


class OriginalEngineTests(tests.SessionTestsMixin, TestCase):
    backend = SessionStore


@override_settings(SESSION_ENGINE=ENGINE)
class OriginalMiddlewareTests(tests.SessionMiddlewareTests):
    def test_empty_session_saved(self):
        self.skipTest("reads Django's table")


def load_tests(loader, suite, pattern):
    """Leaves the tests of other engines out."""
    assert settings.SESSION_ENGINE == ENGINE
    return loader.suiteClass(map(loader.loadTestsFromTestCase, (
        OriginalEngineTests, OriginalMiddlewareTests)))
