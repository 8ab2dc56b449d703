"""Middleware: the client of a session, and the identity of a request.

SessionMiddleware takes the place of Django's, and tells the session the address and
the user agent of the request.

IdentityMiddleware runs each view in a transaction that is bound to the session, so
that session_user_id() and the policies of row-level security know the user. The
identity ends with the transaction, so a connection that is kept open has none for
the next request.
"""
from contextlib import ExitStack

from django.conf import settings
from django.contrib.sessions import middleware
from django.db import transaction

from .database import identity_alias, row


class SessionMiddleware(middleware.SessionMiddleware):
    def process_request(self, request):
        super().process_request(request)
        hops = getattr(settings, "SESSION_PROXIES", 0)
        header = "HTTP_X_FORWARDED_FOR" if hops else "REMOTE_ADDR"
        request.session.address = _text(request.META.get(header))
        request.session.hops = hops or 1
        request.session.agent = _text(request.META.get("HTTP_USER_AGENT"))


class IdentityMiddleware:
    sync_capable = True
    async_capable = False

    def __init__(self, get_response):
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


def _text(value):
    """Returns the value of a header as the database accepts it."""
    return value and value.replace("\0", "").encode("utf-8", "replace").decode()
