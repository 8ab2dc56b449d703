"""Notes behind a login, with a connection pool.

    DATABASE_URL=postgresql://notes_app@/notes PORT=8080 python3 app.py

Requires psycopg 3 (Debian: python3-psycopg).
"""
import json
import os
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import LifoQueue

import psycopg


class Pool:
    """A few connections, opened on first use. In production, use psycopg_pool."""

    def __init__(self, conninfo, size=4):
        self.conninfo = conninfo
        self.free = LifoQueue()
        for _ in range(size):
            self.free.put(None)

    @contextmanager
    def connection(self):
        connection = self.free.get()
        try:
            if connection is None:
                connection = psycopg.connect(self.conninfo, autocommit=True)
            yield connection
        finally:
            self.free.put(None if connection is None or connection.closed else connection)


def as_session(pool, cookie, sql, *values):
    """Runs a query as the session of the cookie, in one round trip.

    Returns its rows, and whether there is a session; without one it runs
    anonymously. Both statements are sent before one Sync, so they are one
    transaction: session_user_id() and the policies have the identity. It ends at
    the Sync.
    """
    with pool.connection() as connection:
        with connection.pipeline():
            known = connection.execute(
                "SELECT session_authenticate(session_cookie_read(%s))", [cookie], prepare=True)
            result = connection.execute(sql, values, prepare=True)
        return known.fetchone()[0], result.fetchall()


def lines(pool, sql, *values):
    with pool.connection() as connection:
        return [line for line, in connection.execute(sql, values, prepare=True)]


# The routes. Each returns a status, the content of the answer, and cookies. The
# origin is the header Cookie, the address and the user agent of the request.

def log_in(pool, body, origin):
    cookies = lines(
        pool, """SELECT session_cookie_header(token)
                 FROM log_in(%s, %s, %s, %s, %s) AS token WHERE token IS NOT NULL""",
        body.get("name"), body.get("password"), *origin)
    return 204 if cookies else 401, None, cookies


def log_out(pool, body, origin):
    as_session(pool, origin[0], "SELECT session_revoke_mine(session_id())")
    return 204, None, lines(pool, "SELECT session_cookie_clear(NULL, %s)", origin[0])


def list_notes(pool, body, origin):
    known, rows = as_session(pool, origin[0], "SELECT id, body FROM api.note ORDER BY id")
    if not known:
        return 401, None, []
    return 200, [{"id": id, "body": text} for id, text in rows], []


def add_note(pool, body, origin):
    known, rows = as_session(
        pool, origin[0], """INSERT INTO api.note (body)
                            SELECT %s::text WHERE session_id() IS NOT NULL
                            RETURNING id, body""", body.get("body"))
    if not known:
        return 401, None, []
    return 200, [{"id": id, "body": text} for id, text in rows], []


ROUTES = {
    "POST /login": log_in,
    "POST /logout": log_out,
    "GET /notes": list_notes,
    "POST /notes": add_note,
}


class Handler(BaseHTTPRequestHandler):
    timeout = 20

    def read(self):
        try:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or "{}") if 0 <= length <= 10000 else None
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def answer(self):
        route = ROUTES.get(f"{self.command} {self.path}")
        body = self.read()
        if route is None or body is None:
            return (404 if route is None else 400), None, []
        # Behind a proxy, the address is the header that the proxy sets,
        # self.headers.get("X-Forwarded-For").
        origin = (self.headers.get("Cookie"), self.client_address[0],
                  self.headers.get("User-Agent"))
        try:
            return route(self.server.pool, body, origin)
        except psycopg.Error as error:
            self.log_error("%s", error)
            return 500, None, []

    def handle_request(self):
        status, result, cookies = self.answer()
        content = b"" if result is None else json.dumps(result).encode()
        self.send_response(status)
        for cookie in cookies:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = handle_request


class Server(ThreadingHTTPServer):
    # The number of connections that may wait to be accepted. With the default
    # of 5, the system resets connections when many clients connect at once.
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(os.environ.get("PORT", 0))), Handler)
    server.pool = Pool(os.environ["DATABASE_URL"])
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
