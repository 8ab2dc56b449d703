"""Requests through the middleware: the views of README.md, and attacks."""
import asyncio
import logging
import unittest

from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.test import AsyncClient, Client, override_settings

from run import ROLE, blocks, run_sql
from session_django.store import SessionStore
from test_store import ORDINARY, lapse, value


class Browser(Client):
    def __init__(self, **headers):
        super().__init__(raise_request_exception=False, HTTP_USER_AGENT="Firefox/145", **headers)

    @property
    def key(self):
        return self.cookies["sessionid"].value

    def text(self, path, **arguments):
        return self.get(path, **arguments).content.decode()

    def log_in(self, name):
        answer = self.post("/login", {"name": name, "password": "secret"})
        assert answer.status_code == 204, answer
        return self


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logging.disable(logging.CRITICAL)
        users = get_user_model().objects
        cls.ada, cls.ben = (users.create_user(name, password="secret") for name in ("ada", "ben"))

    @classmethod
    def tearDownClass(cls):
        logging.disable(logging.NOTSET)
        get_user_model().objects.all().delete()

    def tearDown(self):
        for user in (self.ada, self.ben):
            value("SELECT session_revoke_user(%s)", str(user.pk))
        with connections["owner"].cursor() as cursor:
            cursor.execute("DELETE FROM note")

    def test_readme(self):
        "the example of the README: cart, login, list, logout"
        browser = Browser()
        self.assertEqual(browser.get("/add/tea").json(), ["tea"])
        visitor = browser.key
        self.assertRegex(visitor, ORDINARY)
        browser.log_in("ada")
        self.assertNotEqual(browser.key, visitor)
        self.assertEqual(Browser().post("/login", {"name": "ada", "password": "x"}).status_code, 401)
        self.assertEqual(browser.get("/add/cups").json(), ["tea", "cups"])
        with connections["owner"].cursor() as cursor:
            cursor.execute(blocks("list")[0].replace("'1'", f"'{self.ada.pk}'").rstrip("; \n")
                           + " WHERE status = 'active'")
            self.assertEqual([tuple(map(str, row)) for row in cursor.fetchall()],
                             [(str(self.ada.pk), "active", "127.0.0.1", "Firefox/145")])
        key = browser.key
        self.assertEqual(browser.post("/logout").status_code, 204)
        self.assertEqual(value("SELECT session_status(%s)", key), "revoked")
        self.assertEqual(browser.key, "")

    def test_fixation(self):
        "a key that was planted is worth nothing after the login"
        attacker = Browser()
        attacker.get("/add/tea")
        for key in (attacker.key, "plantedplantedplantedplantedplan", "st_" + "A" * 64):
            victim = Browser()
            victim.cookies["sessionid"] = key
            victim.log_in("ada")
            self.assertNotEqual(victim.key, key)
            attacker.cookies["sessionid"] = key
            self.assertEqual(attacker.text("/who"), "None")

    def test_strange_cookies(self):
        "a cookie that is no key is no error"
        for key in ("a\\000bcdefghij", "\\303\\274" * 20, "x" * 3000):
            browser = Browser()
            self.assertEqual(browser.text("/who", HTTP_COOKIE=f'sessionid="{key}"'), "None")
            self.assertEqual(browser.get("/add/tea", HTTP_COOKIE=f'sessionid="{key}"').json(), ["tea"])

    def test_rls(self):
        "a connection that is kept open has no identity for the next request"
        ada, ben = Browser().log_in("ada"), Browser().log_in("ben")
        ada.post("/notes", {"body": "ada's"})
        ben.post("/notes", {"body": "ben's"})
        pid = value("SELECT pg_backend_pid()", alias="default")
        for _ in range(2):
            self.assertEqual(ada.get("/notes").json(), ["ada's"])
            self.assertEqual(ben.get("/notes").json(), ["ben's"])
            self.assertEqual(Browser().get("/notes").json(), [])
            self.assertEqual(ada.get("/count").json(), [1])
            self.assertIsNone(value("SELECT session_user_id()", alias="default"))
        self.assertEqual(value("SELECT pg_backend_pid()", alias="default"), pid)
        self.assertEqual(Browser().post("/notes", {"body": "of no user"}).status_code, 500)

    def test_devices(self):
        "the page of devices shows the user's own, and ends the others"
        one, two, ben = Browser().log_in("ada"), Browser().log_in("ada"), Browser().log_in("ben")
        self.assertEqual(sorted(row[2] for row in one.get("/devices").json()), [False, True])
        self.assertEqual(len(one.post("/devices").json()), 1)
        self.assertEqual(two.text("/who"), "None")
        self.assertEqual(ben.text("/who"), str(self.ben.pk))
        self.assertEqual(Browser().get("/devices").json(), [])

    def test_everywhere_of_user(self):
        "a user logs out everywhere, and no other user"
        one, two, ben = Browser().log_in("ada"), Browser().log_in("ada"), Browser().log_in("ben")
        self.assertEqual(one.post("/everywhere").status_code, 204)
        self.assertEqual([each.text("/who") for each in (one, two, ben)],
                         ["None", "None", str(self.ben.pk)])

    def test_step_up(self):
        "the operation of the README needs the second factor, and a recent one"
        ada = Browser().log_in("ada")
        self.assertEqual(ada.get("/pay").status_code, 403)
        self.assertEqual(ada.post("/second", {"code": "wrong"}).status_code, 401)
        self.assertEqual(ada.get("/pay").status_code, 403)
        old = ada.key
        self.assertEqual(ada.post("/second", {"code": "123"}).status_code, 204)
        self.assertNotEqual(ada.key, old)
        self.assertEqual(ada.text("/pay"), "paid")
        self.assertEqual(value("SELECT session_status(%s)", old), "unknown")
        lapse(SessionStore(ada.key), 600)
        self.assertEqual(ada.get("/pay").status_code, 403)
        self.assertEqual(Browser().get("/pay").status_code, 403)

    def test_transactions(self):
        "the identity ends with the view, whatever the view does"
        ada = Browser().log_in("ada")
        me = str(self.ada.pk)
        for atomic in (False, True):
            connection.settings_dict["ATOMIC_REQUESTS"] = atomic
            try:
                self.assertEqual(ada.text("/who"), me)
                self.assertEqual(ada.text("/late"), me)
                failed = ada.get("/fail")
                self.assertEqual((failed.status_code, failed.content), (500, b"False None"))
                self.assertEqual(ada.get("/notes").json(), [])
                self.assertEqual(ada.text("/exempt"), "False None")
                streamed = ada.get("/stream")
                self.assertEqual(b"".join(streamed.streaming_content), b"None")
                self.assertEqual(ada.get("/fail_after_login").status_code, 500)
                self.assertEqual(ada.text("/who"), me)
                self.assertEqual(ada.get("/nowhere").status_code, 404)
            finally:
                connection.settings_dict["ATOMIC_REQUESTS"] = False

    def test_switch(self):
        "another user who logs in gets another session, without the data"
        browser = Browser().log_in("ada")
        browser.get("/add/tea")
        key = browser.key
        self.assertEqual(browser.get("/switch").status_code, 204)
        self.assertEqual(value("SELECT session_status(%s)", key), "revoked")
        self.assertEqual(browser.text("/who"), str(self.ben.pk))
        self.assertEqual(browser.get("/add/cups").json(), ["cups"])
        self.assertEqual(Browser().text("/switch_now"), str(self.ben.pk))

    def test_revoked_meanwhile(self):
        "a session that is revoked while a request runs stays revoked"
        browser = Browser().log_in("ada")
        browser.get("/add/tea")
        key = browser.key
        self.assertEqual(browser.get("/slow").status_code, 400)
        self.assertEqual(value("SELECT session_status(%s)", key), "revoked")
        self.assertEqual(browser.text("/who"), "None")

    def test_everywhere(self):
        "the administrator logs a user out everywhere"
        one, two = Browser().log_in("ada"), Browser().log_in("ada")
        value("SELECT session_revoke_user(%s)", str(self.ada.pk))
        self.assertEqual((one.text("/who"), two.text("/who")), ("None", "None"))

    def test_password(self):
        "a new password ends the sessions of before, as in Django"
        browser = Browser().log_in("ada")
        self.ada.set_password("secret")
        self.ada.save()
        browser.get("/add/tea")
        with override_settings(MIDDLEWARE=["session_django.middleware.SessionMiddleware"]):
            self.assertEqual(browser.get("/add/cups").json(), ["tea", "cups"])

    def test_proxies(self):
        "the address is that of X-Forwarded-For, as far as your proxies wrote it"
        address = "SELECT host(ip) FROM session_validate(%s)"
        forged = "203.0.113.9, 198.51.100.7"
        for hops, expected in ((0, "127.0.0.1"), (1, "198.51.100.7"), (2, "203.0.113.9"), (3, None)):
            with override_settings(SESSION_PROXIES=hops):
                browser = Browser(HTTP_X_FORWARDED_FOR=forged).log_in("ada")
                self.assertEqual(value(address, browser.key), expected)

    def test_binding(self):
        "session.bind_ip ties the session to the address"
        run_sql("owner", f"ALTER ROLE {ROLE} SET session.bind_ip = 'exact'")
        connection.close()
        try:
            browser = Browser().log_in("ada")
            self.assertEqual(browser.text("/who"), str(self.ada.pk))
            self.assertEqual(browser.text("/who", REMOTE_ADDR="198.51.100.7"), "None")
            self.assertEqual(browser.get("/add/tea", REMOTE_ADDR="198.51.100.7").json(), ["tea"])
        finally:
            run_sql("owner", f"ALTER ROLE {ROLE} RESET session.bind_ip")
            connection.close()

    def test_alias(self):
        "sessions may use a connection of their own"
        with override_settings(SESSION_DATABASE="owner", SESSION_IDENTITY_DATABASE="default"):
            browser = Browser().log_in("ada")
            self.assertEqual(browser.text("/who"), str(self.ada.pk))
            self.assertEqual(browser.get("/fail_after_login").status_code, 500)

    def test_async(self):
        "an async view has the identity, one user after the other"
        keys = {user: Browser().log_in(user.username).key for user in (self.ada, self.ben)}

        async def visit():
            texts = []
            for user in (self.ada, self.ben, self.ada):
                client = AsyncClient()
                client.cookies["sessionid"] = keys[user]
                texts.append((await client.get("/who_async")).content.decode())
            texts.append((await AsyncClient().get("/who_async")).content.decode())
            return texts
        a, b = self.ada.pk, self.ben.pk
        self.assertEqual(asyncio.run(visit()), [f"{a} {a}", f"{b} {b}", f"{a} {a}", "None None"])
