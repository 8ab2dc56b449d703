"""Middleware: the client of a session, and the identity of a request.

SessionMiddleware takes the place of Django's, and tells the session the address and
the user agent of the request.

IdentityMiddleware runs each view in a transaction that is bound to the session, so
that session_user_id() and the policies of row-level security know the user. The
identity ends with the transaction, so a connection that is kept open has none for
the next request.
"""
from contextlib import ExitStack

from django.contrib.sessions import middleware
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction

from . import configuration
from .configuration import identity_alias
from .database import row, state


class SessionMiddleware(middleware.SessionMiddleware):
    def __init__(self, get_response):
        super().__init__(get_response)
        configuration.check()

    def process_request(self, request):
        super().process_request(request)
        hops = configuration.proxies()
        header = "HTTP_X_FORWARDED_FOR" if hops else "REMOTE_ADDR"
        request.session.address = _text(request.META.get(header))
        request.session.hops = hops or 1
        request.session.agent = _text(request.META.get("HTTP_USER_AGENT"))


class IdentityMiddleware:
    sync_capable = True
    async_capable = False

    def __init__(self, get_response):
        configuration.check()
        self.get_response = get_response

    def __call__(self, request):
        with ExitStack() as request.session_transaction:
            return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        using = identity_alias()
        if using not in getattr(view, "_non_atomic_requests", ()):
            request.session_transaction.enter_context(transaction.atomic(using=using))
            bind(request.session, using)

    def process_exception(self, request, exception):
        """Rolls back what the view did, before the page of the error is made."""
        request.session_transaction.__exit__(type(exception), exception, None)


def bind(session, using=None):
    """Binds a session to the running transaction. Returns whether the session is live.

    Without a live session, the transaction has no identity.
    """
    using = using or identity_alias()
    if not transaction.get_connection(using).in_atomic_block:
        raise transaction.TransactionManagementError(
            "bind() needs a transaction: call it in transaction.atomic()")
    key = session.session_key
    if not (key and key.isascii() and key.isprintable()):
        key = None
    return row("""SELECT COALESCE(session_authenticate(%(token)s,
                           ip => session_ip(%(address)s, %(hops)s),
                           user_agent => %(agent)s), false)""",
               {"token": key, "address": getattr(session, "address", None),
                "hops": getattr(session, "hops", 1),
                "agent": getattr(session, "agent", None)}, using)[0]


def require(auth_level=1, max_age=None, amr=None, scope=None, using=None):
    """Raises PermissionDenied unless the session that the transaction is bound to is live
    and its user has proven that much: see session_require. max_age is a timedelta or an
    interval of PostgreSQL, such as "5 min"."""
    using = using or identity_alias()
    try:
        with transaction.atomic(using=using):
            row("""SELECT session_require(%(auth_level)s::integer, %(max_age)s::interval,
                                          %(amr)s::text[], %(scope)s::text)""",
                {"auth_level": auth_level, "max_age": max_age,
                 "amr": None if amr is None else list(amr), "scope": scope}, using)
    except DatabaseError as error:
        if state(error) != "42501":
            raise
        raise PermissionDenied(str(error).splitlines()[0]) from None


def _text(value):
    """Returns the value of a header as the database accepts it."""
    return value and value.replace("\0", "").encode("utf-8", "replace").decode()
