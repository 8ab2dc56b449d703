"""Runs the statements of this package.

Rules:
* Values are parameters. psycopg 3 sends them apart from the text. psycopg2 cannot:
  it writes them into the text as literals.
* A token is not in Django's logs: the statements run on the driver's cursor, not on
  Django's, which records the parameters in connection.queries and in the log
  "django.db.backends" while DEBUG is on.
* A statement that fails leaves the transaction of the caller usable.
"""
from contextlib import nullcontext

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connections, transaction

try:
    import psycopg
except ImportError:
    psycopg = None

# The errors with which the database refuses a login: session.risk_function, and
# session.max_sessions with session.on_limit = reject.
REFUSED = ("28000", "53400")


def store_alias():
    """Returns the alias of the database that has the sessions."""
    return getattr(settings, "SESSION_DATABASE", "default")


def identity_alias():
    """Returns the alias of the database whose policies read the identity."""
    return getattr(settings, "SESSION_IDENTITY_DATABASE", store_alias())


def row(sql, values, using=None):
    """Runs a statement that reads. Returns its first row, or None."""
    with connections[using or store_alias()].cursor() as cursor:
        with cursor.db.wrap_database_errors, _driver_cursor(cursor) as raw:
            raw.execute(sql, values)
            return raw.fetchone()


def change(sql, values):
    """Runs a statement that writes. Returns its first row, or None.

    Raises PermissionDenied if the database refuses the login.
    """
    using = store_alias()
    within = connections[using].in_atomic_block
    try:
        with transaction.atomic(using=using) if within else nullcontext():
            return row(sql, values, using)
    except DatabaseError as error:
        state = getattr(error.__cause__, "pgcode", None) or getattr(
            error.__cause__, "sqlstate", None)
        if state in REFUSED:
            raise PermissionDenied("the database refuses the login") from None
        raise


def _driver_cursor(cursor):
    """Returns a new cursor of the driver on the connection of Django's cursor."""
    connection = cursor.db.connection
    if psycopg is not None and isinstance(connection, psycopg.Connection):
        return psycopg.Cursor(connection)
    return connection.cursor()
