"""Runs Django's own tests of a session engine, and nothing else:

    original.py /path/to/django

The folder has the sources of the installed version of Django, with its tests. The server is
that of PGHOST, PGPORT, PGUSER and PGDATABASE. Prints TAP. test/run runs them beside the
tests of this package if DJANGO_SOURCE is the folder.
"""
import os
import re
import sys
from pathlib import Path


def main(arguments):
    import django

    if len(arguments) != 1:
        sys.exit("usage: original.py /path/to/django")
    folder = Path(arguments[0]).resolve()
    if not (folder / "tests/sessions_tests/tests.py").exists():
        sys.exit(f"{folder} does not have Django's tests: tests/sessions_tests/tests.py")
    found = re.search(r"^VERSION = \((\d+), (\d+)", (folder / "django/__init__.py").read_text(),
                      re.M).groups()
    if tuple(map(int, found)) != django.VERSION[:2]:
        sys.exit(f"{folder} is Django {'.'.join(found)}, and {django.get_version()} is installed")
    os.environ["DJANGO_SOURCE"] = str(folder)
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import run

    return run.main(["original"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

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
        self.skipTest("reads Django's table; test_contract.py has the same for this engine")


def load_tests(loader, suite, pattern):
    """Leaves the tests of other engines out."""
    assert settings.SESSION_ENGINE == ENGINE
    return loader.suiteClass(map(loader.loadTestsFromTestCase, (
        OriginalEngineTests, OriginalMiddlewareTests)))
