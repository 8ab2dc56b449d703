"""What Django's own tests ask of every session engine and of its middleware, in the order
of its file tests/sessions_tests/tests.py. original.py runs those themselves."""
import datetime
import logging
import unittest

import django
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core import management
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.utils import timezone

from session_django.middleware import SessionMiddleware
from session_django.store import SessionStore
from test_store import ORDINARY, again, made, value

NAME = settings.SESSION_COOKIE_NAME
TEN = datetime.timedelta(seconds=10)


class Engine(unittest.TestCase):
    def setUp(self):
        self.store = SessionStore()

    def flags(self, accessed, modified, store=None):
        store = store or self.store
        self.assertEqual((store.accessed, store.modified), (accessed, modified))

    def unmarked(self, **data):
        """Returns a store that has data, as if it were just loaded."""
        self.store.update(data)
        self.store.accessed = self.store.modified = False
        return self.store

    def test_new(self):
        "a new session has neither a key nor flags"
        self.flags(False, False)
        self.assertIsNone(self.store.session_key)

    def test_get(self):
        "get() of an empty session returns None, and its default"
        self.assertIsNone(self.store.get("cart"))
        self.assertEqual(self.store.get("cart", []), [])
        self.flags(True, False)

    def test_set(self):
        "a value that was set is there, and the session is modified"
        self.store["cart"] = "tea"
        self.flags(True, True)
        self.assertEqual(self.store.pop("cart"), "tea")

    def test_pop(self):
        "pop() takes a value out, and the session is modified"
        self.unmarked(cart="tea")
        self.assertEqual(self.store.pop("cart"), "tea")
        self.flags(True, True)
        self.assertIsNone(self.store.get("cart"))

    def test_pop_default(self):
        "pop() of a key that is missing returns the default, and modifies nothing"
        self.assertEqual(self.store.pop("cart", "none"), "none")
        self.assertEqual(self.store.pop("cart", default="none"), "none")
        self.flags(True, False)

    def test_pop_nothing(self):
        "pop() of a key that is missing raises KeyError without a default"
        with self.assertRaises(KeyError):
            self.store.pop("cart")
        with self.assertRaises(KeyError):
            self.store["cart"]
        with self.assertRaises(KeyError):
            del self.store["cart"]

    def test_setdefault(self):
        "setdefault() sets a key that is missing, and leaves another"
        self.assertEqual(self.store.setdefault("cart", "tea"), "tea")
        self.flags(True, True)
        self.unmarked()
        self.assertEqual(self.store.setdefault("cart", "cup"), "tea")
        self.flags(True, False)

    def test_update(self):
        "update() sets the keys, and the session is modified"
        self.store.update({"cart": "tea"})
        self.flags(True, True)
        self.assertEqual(self.store.get("cart"), "tea")

    def test_has_key(self):
        "has_key() and in find a key, and modify nothing"
        self.unmarked(cart=1)
        self.assertTrue(self.store.has_key("cart") and "cart" in self.store)
        self.assertFalse(self.store.has_key("cup") or "cup" in self.store)
        self.flags(True, False)

    def test_lists(self):
        "values(), keys() and items() list what is there, and modify nothing"
        for method, empty, full in (("values", [], ["tea"]), ("keys", [], ["cart"]),
                                    ("items", [], [("cart", "tea")])):
            self.store = SessionStore()
            self.assertEqual(list(getattr(self.store, method)()), empty)
            self.flags(True, False)
            self.unmarked(cart="tea")
            self.assertEqual(list(getattr(self.store, method)()), full)
            self.flags(True, False)

    def test_clear(self):
        "clear() leaves nothing, and the session is modified"
        self.unmarked(cart="tea")
        self.store.clear()
        self.flags(True, True)
        self.assertEqual(list(self.store.items()), [])

    def test_empty(self):
        "is_empty() says whether there is neither a key nor data"
        self.assertTrue(self.store.is_empty())
        self.assertFalse(made().is_empty() or self.unmarked(cart=1).is_empty())

    def test_save(self):
        "save() makes a session that exists, also without data"
        self.store.save()
        self.assertTrue(self.store.exists(self.store.session_key))
        self.assertRegex(self.store.session_key, ORDINARY)

    def test_delete(self):
        "delete() ends the session, also by its key"
        one, two = made(cart=1), made(cart=1)
        one.delete()
        self.store.delete(two.session_key)
        for store in one, two:
            self.assertFalse(self.store.exists(store.session_key))
        self.store.delete()
        self.store.delete(None)

    def test_flush(self):
        "flush() ends the session and leaves an empty one without a key"
        store = made(cart="tea")
        old = store.session_key
        store.flush()
        self.assertFalse(store.exists(old))
        self.assertIsNone(store.session_key)
        self.flags(True, True, store)

    def test_cycle(self):
        "cycle_key() gives another key and keeps the data"
        store = made(cart="tea")
        data, old = list(store.items()), store.session_key
        store.cycle_key()
        self.assertFalse(store.exists(old))
        self.assertNotEqual(store.session_key, old)
        self.assertEqual(list(store.items()), data)

    def test_cycle_uncached(self):
        "cycle_key() keeps the data of a session that was not read before"
        store = made(cart="tea", cup=[1])
        unread = again(store)
        self.assertFalse(hasattr(unread, "_session_cache"))
        unread.cycle_key()
        self.assertEqual(dict(unread.items()), {"cart": "tea", "cup": [1]})
        self.assertFalse(unread.exists(store.session_key))

    def test_save_twice(self):
        "save() leaves the data in the store"
        store = made(cart=1)
        store.save()
        self.assertEqual(dict(store.items()), {"cart": 1})

    def test_unknown(self):
        "a key that no session has does not become the key of one"
        store = SessionStore("1")
        store.save()
        self.assertNotEqual(store.session_key, "1")
        self.assertIsNone(store.get("cart"))
        self.assertFalse(store.exists("1"))
        store = SessionStore("someunknownkey")
        store.load()
        self.assertIsNone(store.session_key)
        self.assertFalse(store.exists(store.session_key) or store.exists("someunknownkey"))

    def test_key(self):
        "session_key is read only, and a text that is too short is none"
        with self.assertRaises(AttributeError):
            self.store.session_key = "0123456789"
        for key, kept in (("", None), ("1234567", None), ("12345678", "12345678")):
            self.store._session_key = key
            self.assertEqual(self.store.session_key, kept)

    def test_default_expiry(self):
        "the age is SESSION_COOKIE_AGE, also with an expiry of 0 and after a reset"
        for choose in ([], [0], [None, 10, None]):
            for expiry in choose:
                self.store.set_expiry(expiry)
            self.assertEqual(self.store.get_expiry_age(), settings.SESSION_COOKIE_AGE)

    def test_custom_expiry(self):
        "seconds, a timedelta and a date set the age and the date"
        now = timezone.now()
        for expiry in (10, TEN, now + TEN):
            store = SessionStore()
            store.set_expiry(expiry)
            self.assertAlmostEqual(store.get_expiry_age(modification=now), 10, delta=2)
            self.assertAlmostEqual(store.get_expiry_date(modification=now), now + TEN,
                                   delta=datetime.timedelta(seconds=2))

    def test_browser_close(self):
        "the expiry and SESSION_EXPIRE_AT_BROWSER_CLOSE say whether the cookie ends with the browser"
        for default in (False, True):
            with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=default):
                for expiry, ends in ((10, False), (0, True), (None, default)):
                    self.store.set_expiry(expiry)
                    self.assertIs(self.store.get_expire_at_browser_close(), ends)

    def test_decode(self):
        "decode() reads what encode() has made"
        data = {"a key": "a value", "cart": [1, {"tea": None}]}
        self.assertEqual(self.store.decode(self.store.encode(data)), data)

    def test_decode_failure(self):
        "decode() of a forged text is empty, and in the log of security"
        disabled = logging.root.manager.disable
        logging.disable(logging.NOTSET)
        try:
            with self.assertLogs("django.security.SuspiciousSession", "WARNING") as log:
                self.assertEqual(self.store.decode("bad:encoded:value"), {})
        finally:
            logging.disable(disabled)
        self.assertIn("Session data corrupted", log.output[0])

    def test_past(self):
        "a session whose date has passed has no data and cannot be read"
        past = -TEN if django.VERSION >= (4, 1) else -10
        self.store["cart"] = "tea"
        self.store.set_expiry(past)
        self.store.save()
        self.assertNotIn("cart", again(self.store))

    def test_no_record(self):
        "loading a key that no session has makes none"
        before = value("SELECT count(*) FROM session.sessions")
        for key in ("someunknownkey", "s" * 32):
            self.assertEqual(SessionStore(key).load(), {})
        self.assertEqual(value("SELECT count(*) FROM session.sessions"), before)

    def test_no_resurrection(self):
        "a session that was deleted elsewhere is not brought back"
        store = SessionStore()
        store["cart"] = "tea"
        store.save(must_create=True)
        again(store).delete()
        store["cart"] = "cup"
        with self.assertRaises(UpdateError):
            store.save()
        self.assertEqual(store.load(), {})

    def test_clearsessions(self):
        "clearsessions deletes the sessions that have ended, and leaves the others"
        live, ended = made(cart=1), made(cart=1)
        ended.set_expiry(-10)
        ended.save()
        rows = "SELECT count(*) FROM session.sessions WHERE id = %s"
        value("UPDATE session.sessions SET revoked_at = revoked_at - interval '9 d', "
              "purge_at = purge_at - interval '9 d' WHERE id = %s RETURNING 1", ended.id)
        with override_settings(SESSION_DATABASE="owner"):
            management.call_command("clearsessions")
        self.assertEqual((value(rows, live.id), value(rows, ended.id)), (1, 0))


class Middleware(unittest.TestCase):
    def ask(self, view, cookie=None):
        """Runs a request through the middleware. Returns it and its response."""
        request = RequestFactory().get("/")
        if cookie:
            request.COOKIES[NAME] = cookie
        response = SessionMiddleware(lambda request: view(request) or HttpResponse())(request)
        return request, response

    @staticmethod
    def touch(request):
        request.session["cart"] = "tea"

    def test_attributes(self):
        "the settings SESSION_COOKIE_* are the attributes of the cookie"
        for setting, chosen, attribute, text in (
                ("SECURE", True, "secure", "Secure"), ("SECURE", False, "secure", None),
                ("HTTPONLY", True, "httponly", "HttpOnly"), ("HTTPONLY", False, "httponly", None),
                ("SAMESITE", "Strict", "samesite", "SameSite=Strict"),
                ("DOMAIN", ".example.local", "domain", "Domain=.example.local"),
                ("PATH", "/example/", "path", "Path=/example/")):
            with override_settings(**{f"SESSION_COOKIE_{setting}": chosen}):
                cookie = self.ask(self.touch)[1].cookies[NAME]
            self.assertEqual(cookie[attribute] or False, chosen)
            if text:
                self.assertIn(text, str(cookie))
            else:
                self.assertNotIn(attribute, str(cookie).lower())

    def test_age(self):
        "the cookie lives as long as the session, or as the browser"
        cookie = self.ask(self.touch)[1].cookies[NAME]
        self.assertEqual(cookie["max-age"], settings.SESSION_COOKIE_AGE)
        with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=True):
            cookie = self.ask(self.touch)[1].cookies[NAME]
        self.assertEqual((cookie["max-age"], cookie["expires"]), ("", ""))

    def test_untouched(self):
        "a request that does not read its session sends neither a cookie nor Vary"
        response = self.ask(lambda request: None)[1]
        self.assertEqual((dict(response.cookies), response.has_header("Vary")), ({}, False))

    def test_read(self):
        "a request that reads a session sends Vary, and no cookie without SESSION_SAVE_EVERY_REQUEST"
        key = made(cart=1).session_key
        for every in (False, True):
            with override_settings(SESSION_SAVE_EVERY_REQUEST=every):
                response = self.ask(lambda request: request.session["cart"] and None, key)[1]
            self.assertEqual((NAME in response.cookies, response["Vary"]), (every, "Cookie"))

    def test_500(self):
        "a response with the status 500 saves nothing"
        def fail(request):
            self.touch(request)
            return HttpResponse("the view failed", status=500)
        request, response = self.ask(fail)
        self.assertNotIn("cart", request.session.load())
        self.assertEqual(dict(response.cookies), {})

    def test_interrupted(self):
        "a session that was deleted while the request ran is SessionInterrupted"
        def lose(request):
            request.session = SessionStore()
            request.session.save(must_create=True)
            request.session.delete()
        with self.assertRaisesRegex(SessionInterrupted, "deleted before the request completed"):
            self.ask(lose)

    def test_end(self):
        "flush() deletes the cookie, with the domain and the path that it has, and sends Vary"
        for chosen in ({}, {"SESSION_COOKIE_DOMAIN": ".example.local",
                            "SESSION_COOKIE_PATH": "/example/"}):
            with override_settings(**chosen):
                response = self.ask(lambda request: request.session.flush(), "abc")[1]
            cookie = response.cookies[NAME]
            self.assertEqual((cookie.value, cookie["max-age"], cookie["expires"]),
                             ("", 0, "Thu, 01 Jan 1970 00:00:00 GMT"))
            self.assertEqual((cookie["domain"], cookie["path"], cookie["samesite"]),
                             (chosen.get("SESSION_COOKIE_DOMAIN", ""),
                              chosen.get("SESSION_COOKIE_PATH", "/"),
                              settings.SESSION_COOKIE_SAMESITE))
            self.assertEqual(response["Vary"], "Cookie")

    def test_end_without_cookie(self):
        "flush() in a request without a cookie sends none, and Vary"
        response = self.ask(lambda request: request.session.flush())[1]
        self.assertEqual((dict(response.cookies), response["Vary"]), ({}, "Cookie"))

    def test_emptied(self):
        "a session that was emptied and not flushed is saved, and keeps its cookie"
        key = self.ask(self.touch)[1].cookies[NAME].value
        def empty(request):
            del request.session["cart"]
        response = self.ask(empty, key)[1]
        self.assertEqual(response.cookies[NAME].value, key)
        self.assertEqual(response["Vary"], "Cookie")
        self.assertEqual(SessionStore(key).load(), {})
        self.assertTrue(SessionStore().exists(key))
