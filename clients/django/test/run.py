"""Makes a database, configures Django with the settings of README.md, runs the tests
and prints TAP."""
import json
import os
import re
import sys
import types
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = (HERE.parent / "README.md").read_text()
ROLE, DATABASE = "session_django", "session_django"
SOURCE = os.environ.get("DJANGO_SOURCE")
sys.path[:0] = [str(HERE), str(HERE.parent)] + ([f"{SOURCE}/tests"] if SOURCE else [])


def blocks(name):
    """Returns the code of README.md that is marked with a name."""
    found = re.findall(r"<!-- test: %s -->\n\s*```\w+\n(.*?)```" % name, README, re.S)
    assert found, name
    return [re.sub(r"^ {2,3}(?=\S| )", "", code, flags=re.M) if code.startswith("  ") else code
            for code in found]


def module(name, text):
    """Makes a module of code."""
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec(compile(text, f"README.md {name}", "exec"), made.__dict__)
    return made


def server(name, user, **settings):
    return dict({"ENGINE": "django.db.backends.postgresql", "NAME": name, "USER": user,
                 "HOST": os.environ["PGHOST"], "PORT": os.environ.get("PGPORT", "5432")},
                **settings)


def configure():
    import django
    from django.conf import settings

    chosen = {}
    for code in blocks("settings"):
        exec(code, chosen)
    user = os.environ.get("PGUSER", "postgres")
    options = {"CONN_MAX_AGE": None}
    settings.configure(
        SECRET_KEY="a secret key that is only for tests",
        DATABASES={
            "default": server(DATABASE, ROLE, **options),
            "owner": server(DATABASE, user),
            "server": server(os.environ.get("PGDATABASE", "postgres"), user),
        },
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes",
                        "django.contrib.sessions", "session_django"]
        + (["sessions_tests"] if SOURCE else []),
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        ROOT_URLCONF="urls",
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        SESSION_ENGINE=chosen["SESSION_ENGINE"],
        MIDDLEWARE=chosen["MIDDLEWARE"],
        LOGGING_CONFIG=None,
    )
    django.setup()


def run_sql(alias, *statements):
    from django.db import connections

    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def set_up():
    from django.core import management

    run_sql("server", f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}",
            f"DROP ROLE IF EXISTS {ROLE}", f"CREATE ROLE {ROLE} LOGIN")
    for statement in blocks("sql") + blocks("foreign"):
        run_sql("owner", re.sub(r"\bshop\b", ROLE, statement))
    management.call_command("migrate", database="owner", verbosity=0)
    run_sql("owner", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}",
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {ROLE}")
    module("readme_views", "\n".join(blocks("views")))


def tear_down():
    from django.db import connections

    for alias in ("default", "owner"):
        connections[alias].close()
    run_sql("server", f"DROP DATABASE {DATABASE} WITH (FORCE)", f"DROP ROLE {ROLE}")


class Tap(unittest.TestResult):
    count = 0

    def say(self, ok, test, note=""):
        self.count += 1
        print(f"{ok} {self.count} - django: {test.shortDescription() or test.id()}{note}",
              flush=True)

    def addSuccess(self, test):
        self.say("ok", test)

    def addSkip(self, test, reason):
        self.say("ok", test, f" # SKIP {reason}")

    def fail(self, test, error):
        self.say("not ok", test)
        for line in self._exc_info_to_string(error, test).splitlines():
            print("#", line)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.fail(test, error)

    def addError(self, test, error):
        super().addError(test, error)
        self.fail(test, error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error:
            self.fail(test, error)


def main(names):
    configure()
    try:
        set_up()
        suite = unittest.defaultTestLoader.loadTestsFromNames(names)
        result = Tap()
        suite.run(result)
    finally:
        tear_down()
    print(f"1..{result.count}")
    return 0 if result.wasSuccessful() and result.count else 1


# The tests read from this module, and have to find one that is configured.
sys.modules["run"] = sys.modules[__name__]

if __name__ == "__main__":
    sys.exit(main(["test_contract", "test_store", "test_requests", "test_settings"]
                  + (["original"] if SOURCE else [])))
