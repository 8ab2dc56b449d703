"""Mistakes of a programmer are errors that name the setting or the argument."""
import re
import unittest

from django.contrib.sessions.exceptions import SessionInterrupted
from django.core import checks
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connections, transaction
from django.test import Client, override_settings

from run import ROLE, blocks, run_sql
from session_django.apps import check_settings
from session_django.middleware import SessionMiddleware, bind, require
from session_django.store import SessionStore
from test_store import again, made, value

OURS = "session_django.middleware.SessionMiddleware"
IDENTITY = "session_django.middleware.IdentityMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"


class Sub(SessionMiddleware):
    pass


class Settings(unittest.TestCase):
    def refused(self, expected, **chosen):
        """Checks that the settings are refused by a check and when the middleware is made."""
        with override_settings(**chosen):
            self.assertIn(expected, [error.msg for error in check_settings()])
            with self.assertRaises(ImproperlyConfigured) as raised:
                Client().get("/who")
            self.assertEqual(str(raised.exception), expected)

    def test_right(self):
        "settings that are right pass, also with a subclass of the middleware"
        self.assertEqual([error for error in checks.run_checks() if "session" in error.id], [])
        with override_settings(MIDDLEWARE=["test_settings.Sub", IDENTITY]):
            self.assertEqual(check_settings(), [])
            self.assertEqual(Client().get("/who").status_code, 200)

    def test_unused(self):
        "an application that does not use the package yet passes"
        with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db",
                               MIDDLEWARE=[DJANGOS]):
            self.assertEqual(check_settings(), [])

    def test_engine(self):
        "an engine of Django's with the middleware of this package is an error"
        self.refused('SESSION_ENGINE must be "session_django.store", or a module with a subclass '
                     'of its SessionStore: it is "django.contrib.sessions.backends.db"',
                     SESSION_ENGINE="django.contrib.sessions.backends.db")

    def test_djangos(self):
        "Django's middleware, in place of that of this package or beside it, is an error"
        message = f'MIDDLEWARE must have "{OURS}" in place of "{DJANGOS}"'
        self.refused(message, MIDDLEWARE=[DJANGOS, OURS])
        self.refused(message, MIDDLEWARE=[DJANGOS, IDENTITY])
        with override_settings(MIDDLEWARE=[DJANGOS]):
            self.assertEqual([error.msg for error in check_settings()], [message])

    def test_order(self):
        "IdentityMiddleware before SessionMiddleware, or without it, is an error"
        self.refused(f'MIDDLEWARE must have "{OURS}" before "{IDENTITY}"',
                     MIDDLEWARE=[IDENTITY, OURS])
        self.refused(f'MIDDLEWARE must have "{OURS}"', MIDDLEWARE=[IDENTITY])
        self.refused(f'MIDDLEWARE must have "{OURS}" once: it has 2', MIDDLEWARE=[OURS, OURS])

    def test_databases(self):
        "an alias that is unknown, or of another database than PostgreSQL, is an error"
        connections.settings["lite"] = dict(connections.settings["default"],
                                            ENGINE="django.db.backends.sqlite3", NAME=":memory:")
        try:
            for setting in ("SESSION_DATABASE", "SESSION_IDENTITY_DATABASE"):
                self.refused(f'{setting} must be a key of DATABASES: it is "none"',
                             **{setting: "none"})
                self.refused(f'{setting} must be a database of PostgreSQL: "lite" is one of '
                             'sqlite', **{setting: "lite"})
            with override_settings(SESSION_DATABASE="none"):
                with self.assertRaisesRegex(ImproperlyConfigured, "SESSION_DATABASE"):
                    SessionStore().save()
        finally:
            del connections.settings["lite"]

    def test_extension(self):
        "a database without the extension is an error that says what is missing"
        with override_settings(SESSION_DATABASE="server"):
            with self.assertRaisesRegex(ImproperlyConfigured, '"server" does not have .* "session"'):
                SessionStore().save()

    def test_proxies(self):
        "SESSION_PROXIES that is no number of proxies is an error"
        for wrong in (-1, "1", True, None, 1.0):
            self.refused("SESSION_PROXIES must be the number of your proxies, 0 or more: "
                         f"it is {wrong!r}", SESSION_PROXIES=wrong)


class Arguments(unittest.TestCase):
    def test_identity(self):
        "identity() of a subclass may leave keys out and return numbers, and no other keys"
        class Store(SessionStore):
            def identity(self, data):
                return data["who"]
        store = Store()
        store["who"] = {"user_id": 7}
        store.save()
        key = store.session_key
        self.assertEqual(value("SELECT user_id FROM session_validate(%s)", key), "7")
        loaded = Store(key)
        loaded["more"] = 1
        loaded.save()
        self.assertEqual(loaded.session_key, key)
        store["who"] = {"user_id": 7, "tenant": "acme"}
        with self.assertRaisesRegex(TypeError, "user_id, tenant_id, role: it returned 'tenant'"):
            store.save()

    def test_transaction(self):
        "bind() outside a transaction is an error"
        with self.assertRaisesRegex(transaction.TransactionManagementError, "transaction.atomic"):
            bind(made(cart=1))


class Template(unittest.TestCase):
    def test_template(self):
        "a database that is made of the template of the README has the extension, for the role"
        first, rest = blocks("template")[0].replace("session_template", "session_django_t").split(
            "\\c session_django_t\n")
        name = "session_django_t"
        run_sql("server", f"DROP DATABASE IF EXISTS {name}_made")
        if value("SELECT count(*) FROM pg_database WHERE datname = %s", name, alias="server"):
            run_sql("server", f"ALTER DATABASE {name} IS_TEMPLATE false", f"DROP DATABASE {name}")
        run_sql("server", first)
        for alias, database, user in (("template", name, connections["owner"]),
                                      ("made", f"{name}_made", connections["default"])):
            connections.settings[alias] = dict(user.settings_dict, NAME=database)
        try:
            run_sql("template", re.sub(r"\bshop\b", ROLE, rest))
            connections["template"].close()
            run_sql("server", f"CREATE DATABASE {name}_made TEMPLATE {name}")
            with override_settings(SESSION_DATABASE="made"):
                self.assertEqual(again(made(cart=1))["cart"], 1)
            run_sql("made", "CREATE TABLE t ()")
        finally:
            for alias in "template", "made":
                connections[alias].close()
                del connections.settings[alias]
            run_sql("server", f"ALTER DATABASE {name} IS_TEMPLATE false", f"DROP DATABASE {name}",
                    f"DROP DATABASE IF EXISTS {name}_made")


class StepUp(unittest.TestCase):
    def test_step_up(self):
        "step_up() gives a new key, and require() then passes"
        store = made(cart=1, _auth_user_id="7")
        id, old = store.id, store.session_key
        with transaction.atomic():
            self.assertTrue(bind(store))
            require()
            for arguments, message in (({"auth_level": 2}, "a higher level"),
                                       ({"max_age": "0 s"}, "a more recent"),
                                       ({"amr": ["otp"]}, "another method")):
                with self.assertRaisesRegex(PermissionDenied, message):
                    require(**arguments)
            store["more"] = 2
            store.modified = False
            store.step_up(auth_level=2, amr=["pwd", "otp"])
            self.assertTrue(store.modified)
            with self.assertRaisesRegex(PermissionDenied, "a session is required"):
                require()
            bind(store)
            require(2, "5 min", ("otp", "hwk"))
        self.assertFalse(store.exists(old))
        self.assertEqual((store.id, dict(again(store).items())),
                         (id, {"cart": 1, "more": 2, "_auth_user_id": "7"}))
        with transaction.atomic():
            with self.assertRaisesRegex(PermissionDenied, "a session is required"):
                require()

    def test_refused(self):
        "step_up() is for the live session of a user"
        for store in SessionStore(), made(cart=1):
            with self.assertRaisesRegex(ValueError, "user who has logged in"):
                store.step_up()
        with self.assertRaises(ValueError):
            SessionStore("s" * 32).step_up()
        store = made(_auth_user_id="7")
        again(store).delete()
        with self.assertRaises(SessionInterrupted):
            store.step_up()
