"""The contract of a session engine, and what this engine promises beyond it."""
import asyncio
import datetime
import io
import json
import logging
import re
import unittest
from pathlib import Path

from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.models import Session
from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.core import management
from django.core.exceptions import PermissionDenied
from django.db import connection, connections, transaction
from django.test import override_settings
from django.utils import timezone

import session_django
from run import README, ROLE, blocks, module, run_sql
from session_django.store import SessionStore

ORDINARY = re.compile(r"st_[-\w]{64}")
DJANGOS = "abcdefghijklmnopqrstuvwxyz012345"


def value(sql, *values, alias="owner"):
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


def made(**data):
    store = SessionStore()
    store.update(data)
    store.save()
    return store


def again(store):
    return SessionStore(store.session_key)


def seconds_left(store):
    return value("""SELECT extract(epoch FROM expires_at - clock_timestamp())::float8
                      FROM session_validate(%s)""", store.session_key)


def lapse(store, seconds):
    """Moves the times of a session into the past."""
    store.load()
    run_sql("owner", "UPDATE session.sessions SET " + ", ".join(
        f"{column} = {column} - interval '{seconds} s'"
        for column in ("created_at", "authenticated_at", "refreshed_at", "expires_at"))
        + f" WHERE id = '{store.id}'")


class Contract(unittest.TestCase):
    def test_version(self):
        "the version is that of the extension"
        meta = Path(__file__).resolve().parents[3] / "META.json"
        self.assertEqual(session_django.__version__, json.loads(meta.read_text())["version"])

    def test_round_trip(self):
        "what is saved is loaded, under an ordinary token"
        store = made(cart=["tea", {"count": 2}], name="Zoë 🍵", big=2 ** 70, half=0.5, none=None)
        self.assertRegex(store.session_key, ORDINARY)
        self.assertEqual(dict(again(store).items()), dict(store.items()))
        self.assertEqual(value("SELECT session_data(%s)->'cart'->>0", store.session_key), "tea")

    def test_order(self):
        "an object keeps the order of its keys, is readable in SQL and can be changed there"
        cart = {"tea": 2, "cup": 1, "bag": [{"zz": 1, "b": {"y": 1, "x": 2}}], "": 0}
        store = made(cart=cart)
        self.assertEqual(json.dumps(again(store)["cart"]), json.dumps(cart))
        self.assertEqual(value("SELECT session_data(%s)->'cart'->>'tea'", store.session_key), "2")
        value("SELECT session_data_merge(%s, %s)", store.session_key,
              '{"cart": {"cup": null, "pot": 1, "": null}}')
        self.assertEqual(list(again(store)["cart"]), ["tea", "bag", "pot"])
        for keys in ('[{}]', "1", "null", '["tea", 7, "tea"]'):
            value("SELECT session_data_save(%s, %s)", store.session_key,
                  '{"cart": {"tea": 2, "_keys": %s}}' % keys)
            self.assertEqual(again(store)["cart"]["tea"], 2)

    def test_unreadable(self):
        "data that jsonb cannot hold is loaded as it was saved"
        for data in ({"nul": "a\0b"}, {"half": "\ud800"}, {"many": float("inf")},
                     {"_encoded": "mine"}, {"cart": {"_keys": ["x"]}}, {"many": [1e25]}, {"cart": 1, "more": {"nul": ["\0"]}}):
            store = made(**data)
            self.assertEqual(dict(again(store).items()), data)
            loaded = again(store)
            loaded.clear()
            loaded["plain"] = "\\u0041"
            loaded.save()
            self.assertEqual(dict(again(store).items()), {"plain": "\\u0041"})

    def test_serializer(self):
        "another serializer than JSON works, signed, and reads what JSON has saved"
        with override_settings(SESSION_SERIALIZER="test_store.Repr"):
            store = made(when=datetime.date(2026, 11, 30))
            self.assertEqual(again(store)["when"], datetime.date(2026, 11, 30))
        plain = made(cart=[1])
        with override_settings(SESSION_SERIALIZER="test_store.Repr"):
            self.assertEqual(again(plain)["cart"], [1])
        value("SELECT session_data_save(%s, %s)", store.session_key,
              json.dumps({"_encoded": "forged:x:y"}))
        logging.disable(logging.CRITICAL)
        self.assertEqual(dict(again(store).items()), {})
        logging.disable(logging.NOTSET)

    def test_unknown_key(self):
        "an unknown key is no session, and does not become the key of one"
        before = value("SELECT count(*) FROM session.sessions")
        for key in ("1", "12345678", DJANGOS, "st_" + "A" * 64, "nul\0character", "\ud800" * 9,
                    "ü" * 30, "x" * 5000, "a' OR true --"):
            store = SessionStore(key)
            self.assertEqual(dict(store.items()), {})
            self.assertIsNone(store.session_key)
            self.assertFalse(SessionStore().exists(key))
            SessionStore(key).delete()
        self.assertEqual(value("SELECT count(*) FROM session.sessions"), before)
        planted = SessionStore(DJANGOS)
        planted["cart"] = 1
        planted.save()
        self.assertRegex(planted.session_key, ORDINARY)
        self.assertFalse(planted.exists(DJANGOS))

    def test_must_create(self):
        "save(must_create=True) takes no key from the caller"
        with self.assertRaises(CreateError):
            SessionStore(DJANGOS).save(must_create=True)
        store = SessionStore()
        store["cart"] = 1
        store.save(must_create=True)
        self.assertEqual(again(store)["cart"], 1)
        with self.assertRaises(CreateError):
            store.save(must_create=True)

    def test_ended(self):
        "a session that was deleted or revoked is not saved, nor cycled"
        for end in (lambda store: again(store).delete(), lambda store: again(store).flush(),
                    lambda store: value("SELECT session_revoke(%s)", store.session_key)):
            store = made(cart=1, _auth_user_id="9")
            late, cleared, cycled, switched = (again(store) for _ in range(4))
            for loaded in (late, cycled, switched):
                loaded["cart"]
            end(store)
            late["cart"] = 2
            cleared.clear()
            switched["_auth_user_id"] = "10"
            before = value("SELECT count(*) FROM session.sessions")
            for loaded in (late, cleared, switched):
                with self.assertRaises(UpdateError):
                    loaded.save()
            with self.assertRaises(SessionInterrupted):
                cycled.cycle_key()
            self.assertEqual(value("SELECT count(*) FROM session.sessions"), before)
            self.assertEqual(dict(again(store).items()), {})

    def test_cycle(self):
        "cycle_key() gives a new key, keeps id and data, and ends the old key"
        for prepare in (lambda store: None, lambda store: store.pop("gone")):
            store = made(cart=1, gone=2)
            old, id = store.session_key, store.id
            prepare(store)
            store["new"] = 3
            store.cycle_key()
            self.assertNotEqual(store.session_key, old)
            self.assertEqual(store.id, id)
            self.assertFalse(store.exists(old))
            self.assertTrue(store.modified)
            self.assertEqual(dict(again(store).items()), dict(store.items()))
        unread = again(store)
        unread.cycle_key()
        self.assertEqual(dict(again(unread).items()), dict(store.items()))
        fresh = SessionStore()
        fresh.cycle_key()
        self.assertTrue(fresh.exists(fresh.session_key))

    def test_flush(self):
        "flush() ends the session, and the next save makes another"
        store = made(cart=1, _auth_user_id="9")
        old, id = store.session_key, store.id
        store.flush()
        self.assertIsNone(store.session_key)
        self.assertIsNone(store.id)
        self.assertFalse(store.exists(old))
        store["cart"] = 2
        store.save()
        self.assertNotEqual(store.id, id)
        self.assertIsNone(value("SELECT user_id FROM session_validate(%s)", store.session_key))

    def test_parallel(self):
        "parallel requests that change different keys keep both changes"
        store = made(a=1, b=[1], c=1)
        one, two = again(store), again(store)
        one["a"], two["d"] = 2, None
        two["b"].append(2)
        two.modified = True
        del one["c"]
        one.save()
        two.save()
        self.assertEqual(dict(again(store).items()), {"a": 2, "b": [1, 2], "d": None})
        third, other = again(store), again(store)
        third["a"]
        other["more"] = 1
        other.save()
        third.clear()
        third["z"] = 1
        third.save()
        self.assertEqual(dict(again(store).items()), {"z": 1})

    def test_clear_expired(self):
        "clear_expired() does nothing without the right, and deletes with it"
        store = SessionStore()
        store.set_expiry(-1)
        store.save()
        rows = "SELECT count(*) FROM session.sessions WHERE id = %s"
        with override_settings(SESSION_ENGINE="session_django.store"):
            management.call_command("clearsessions")
            self.assertEqual(value(rows, store.id), 1)
            with override_settings(SESSION_DATABASE="owner"):
                management.call_command("clearsessions")

    def test_async(self):
        "the async methods do the same"
        async def visit():
            store = SessionStore()
            store["cart"] = 1
            await store.acreate()
            key = store.session_key
            await store.acycle_key()
            self.assertFalse(await store.aexists(key))
            store["cart"] = 2
            await store.asave()
            other = SessionStore(store.session_key)
            self.assertEqual(await other.aload(), {"cart": 2})
            await other.adelete()
            await store.aflush()
            await SessionStore.aclear_expired()
            return store
        self.assertIsNone(asyncio.run(visit()).session_key)


class Repr:
    """A serializer that is not JSON."""

    def dumps(self, data):
        return repr(data).encode()

    def loads(self, data):
        return eval(data.decode())


class Expiry(unittest.TestCase):
    def test_default(self):
        "a session lives for SESSION_COOKIE_AGE, from the last save"
        with override_settings(SESSION_COOKIE_AGE=1000):
            store = made(cart=1)
            self.assertAlmostEqual(seconds_left(store), 1000, delta=5)
            key = store.session_key
            lapse(store, 500)
            loaded = again(store)
            loaded["cart"] = 2
            loaded.save()
            self.assertEqual(loaded.session_key, key)
            self.assertAlmostEqual(seconds_left(store), 1000, delta=5)

    def test_set_expiry(self):
        "set_expiry() moves the deadline, with a new key once"
        store = made(cart=1)
        id, old = store.id, store.session_key
        store.set_expiry(300)
        store.save()
        self.assertNotEqual(store.session_key, old)
        self.assertEqual((store.id, again(store)["cart"]), (id, 1))
        self.assertAlmostEqual(seconds_left(store), 300, delta=5)
        key = store.session_key
        for seconds in (300, datetime.timedelta(seconds=300)):
            loaded = again(store)
            loaded["cart"]
            loaded.set_expiry(seconds if not hasattr(seconds, "seconds") else 300)
            loaded.save()
            self.assertEqual(loaded.session_key, key)
        store.set_expiry(0)
        store.save()
        self.assertGreater(seconds_left(store), 86400)

    def test_date(self):
        "a fixed date stays the deadline, and keeps the key"
        store = SessionStore()
        store["_session_expiry"] = (timezone.now() + datetime.timedelta(hours=1)).isoformat()
        store.get_expiry_age = lambda: 3600
        store.save()
        key = store.session_key
        lapse(store, 600)
        loaded = again(store)
        loaded["cart"] = 1
        loaded.get_expiry_age = lambda: 3000
        loaded.save()
        self.assertEqual(loaded.session_key, key)
        self.assertAlmostEqual(seconds_left(store), 3000, delta=5)

    def test_past(self):
        "a deadline in the past ends the session"
        store = SessionStore()
        store["cart"] = 1
        store.set_expiry(-5)
        store.save()
        self.assertEqual(dict(again(store).items()), {})
        store = made(cart=1)
        store.set_expiry(-5)
        store.save()
        self.assertEqual(dict(again(store).items()), {})
        with self.assertRaises(UpdateError):
            store.save()


class Users(unittest.TestCase):
    def user(self, store):
        return value("SELECT user_id FROM session_validate(%s)", store.session_key)

    def test_login(self):
        "_auth_user_id is the user of the session, and a login changes the key"
        store = made(cart=1)
        id, old = store.id, store.session_key
        store["_auth_user_id"] = "7"
        store.save()
        self.assertNotEqual(store.session_key, old)
        self.assertFalse(store.exists(old))
        self.assertEqual((self.user(store), store.id, again(store)["cart"]), ("7", id, 1))
        value("SELECT session_revoke_user(%s)", "7")
        self.assertEqual(dict(again(store).items()), {})

    def test_switch(self):
        "another user, or none, is another session, and the one before ends"
        for user in ("8", None):
            store = made(cart=1, _auth_user_id="7")
            id, old = store.id, store.session_key
            store.pop("_auth_user_id")
            if user:
                store["_auth_user_id"] = user
            store.save()
            self.assertNotEqual(store.id, id)
            self.assertFalse(store.exists(old))
            self.assertEqual((self.user(store), again(store)["cart"]), (user, 1))

    def test_clear(self):
        "clear() before the session was read leaves no session of the user"
        store = made(cart=1, _auth_user_id="7")
        cleared = again(store)
        cleared.clear()
        cleared["cart"] = 2
        cleared.save()
        self.assertIsNone(self.user(cleared))
        self.assertFalse(store.exists(store.session_key))

    def test_refused(self):
        "a login that the database refuses is PermissionDenied, and changes nothing"
        run_sql("owner", f"ALTER ROLE {ROLE} SET session.max_sessions = 1",
                f"ALTER ROLE {ROLE} SET session.on_limit = 'reject'")
        connection.close()
        try:
            made(_auth_user_id="limited")
            for start in (SessionStore, lambda: made(cart=1)):
                with transaction.atomic():
                    store = start()
                    store["_auth_user_id"] = "limited"
                    with self.assertRaises(PermissionDenied):
                        store.save()
                    self.assertEqual(value("SELECT 1", alias="default"), 1)
        finally:
            run_sql("owner", f"ALTER ROLE {ROLE} RESET session.max_sessions",
                    f"ALTER ROLE {ROLE} RESET session.on_limit")
            connection.close()

    def test_engine(self):
        "the subclass of the README gives the session a tenant"
        Store = module("readme_engine", "\n".join(blocks("engine"))).SessionStore
        store = Store()
        store.update({"_auth_user_id": "7", "tenant": "acme"})
        store.save()
        tenant = "SELECT tenant_id FROM session_validate(%s)"
        self.assertEqual(value(tenant, store.session_key), "acme")
        key = store.session_key
        for want, same in (("acme", True), ("more", False), (None, False)):
            loaded = Store(store.session_key)
            loaded["tenant"] = want
            loaded.save()
            self.assertEqual(loaded.session_key == key, same)
            self.assertEqual(value(tenant, loaded.session_key), want)
            store, key = loaded, loaded.session_key


class Moving(unittest.TestCase):
    def test_import(self):
        "the sessions of Django's table go on working, until the login"
        def old(**data):
            store = DjangosStore()
            store.update(data)
            store.save()
            return store.session_key
        member = old(_auth_user_id="7", cart=["tea"] * 50)
        visitor, nul = old(cart=[1]), old(nul="\0")
        ended = DjangosStore(old(cart=[2]))
        ended.set_expiry(-5)
        ended.save()
        out = io.StringIO()
        management.call_command("import_sessions", stdout=out)
        self.assertEqual(out.getvalue().strip(), "copied 3 sessions")
        self.assertEqual([row.session_key for row in Session.objects.all()], [ended.session_key])
        self.assertEqual(value("SELECT user_id FROM session_list('7') WHERE status = 'active' "
                               "AND created_at > now() - interval '5 s' "
                               "AND authenticated_at < now() - interval '1 year'"), "7")
        self.assertEqual(SessionStore(nul)["nul"], "\0")
        self.assertEqual(SessionStore(member)["cart"][0], "tea")
        store = SessionStore(visitor)
        store["cart"].append(2)
        store.modified = True
        store.save()
        self.assertEqual((store.session_key, SessionStore(visitor)["cart"]), (visitor, [1, 2]))
        store.cycle_key()
        self.assertRegex(store.session_key, ORDINARY)
        self.assertEqual(store["cart"], [1, 2])
        self.assertFalse(store.exists(visitor))
        Session.objects.all().delete()

    def test_sql(self):
        "examples/moving/django.sql moves the sessions of Django's table in and out"
        text = (Path(__file__).parents[3] / "examples/moving/django.sql").read_text()
        create, copy, count, back, delete = (
            re.sub(r"(?m)^(--.*)?\n", "", part) for part in re.split(r";\n(?:\n|$)", text) if part)

        def old(seconds=3600, **data):
            store = DjangosStore()
            store.update(data)
            store.set_expiry(seconds)
            store.save()
            return store.session_key

        def counted():
            with connections["owner"].cursor() as cursor:
                cursor.execute(count)
                return cursor.fetchone()

        def found(key, what="user_id"):
            return value(f"SELECT max({what}) FROM session_validate(%s)", key)

        member, other = old(_auth_user_id="7", cart=["tea"] * 50), old(_auth_user_id="8")
        visitor, ended = old(60, cart=[1]), old(-5, cart=[2])
        with override_settings(SECRET_KEY="another secret key, of 32 bytes and more"):
            forged = old(_auth_user_id="1")
        run_sql("owner", "SET session.foreign_tokens = on", create)
        value("SELECT session_key_import(convert_to(%s, 'UTF8'), purpose => %s)",
              settings.SECRET_KEY, "django.contrib.sessions.SessionStore")
        run_sql("owner", copy)
        self.assertEqual(counted(), (3, 0, 1))
        self.assertEqual([found(key) for key in (member, other, visitor, ended, forged)],
                         ["7", "8", None, None, None])
        self.assertEqual(found(member, "(authenticated_at < now() - interval '1 year')::int"), 1)
        self.assertEqual(found(member, "data ->> 'cart'"), json.dumps(["tea"] * 50))
        for key, seconds in ((member, 3600), (visitor, 60)):
            self.assertAlmostEqual(found(key, "extract(epoch FROM expires_at - now())::float8"),
                                   seconds, delta=30)

        # Its next login makes an ordinary session. Copied again, nothing comes back.
        token = value("SELECT token FROM session_login(%s, '9')", visitor)
        value("SELECT session_revoke(%s)", other)
        run_sql("owner", copy)
        self.assertEqual(counted(), (1, 2, 1))
        self.assertEqual([found(key) for key in (token, visitor, other)], ["9", None, None])

        # The way back.
        Session.objects.filter(session_key=member).update(expire_date=timezone.now())
        run_sql("owner", back, delete)
        self.assertEqual(DjangosStore(member)["_auth_user_id"], "7")
        self.assertEqual({row.session_key for row in Session.objects.all()},
                         {member, ended, forged})
        value("SELECT session_revoke(%s)", member)
        run_sql("owner", "DROP TABLE moved", "RESET session.foreign_tokens")
        Session.objects.all().delete()


class Secrets(unittest.TestCase):
    def test_queries(self):
        "DEBUG records no statement with a key"
        with override_settings(DEBUG=True):
            connection.queries_log.clear()
            store = made(cart=1)
            store["cart"] = 2
            store.save()
            again(store)["cart"]
            store.cycle_key()
            store.delete()
            self.assertNotIn("st_", str(connection.queries))
            self.assertNotIn(store.session_key, repr(store.__class__))

    def test_text(self):
        "psycopg 3 sends the key apart from the text of the statement"
        if "psycopg2" in str(type(connection.connection or connection.cursor().db.connection)):
            self.skipTest("psycopg2 writes parameters into the text")
        from session_django.database import row
        text, = row("SELECT query || %(key)s FROM pg_stat_activity WHERE pid = pg_backend_pid()",
                    {"key": "THE KEY"})
        self.assertEqual(text.count("THE KEY"), 1)
