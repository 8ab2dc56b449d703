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

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import DatabaseError, connections, transaction

from .configuration import store_alias

try:
    import psycopg
except ImportError:
    psycopg = None

# The errors with which the database refuses a login: session.risk_function, and
# session.max_sessions with session.on_limit = reject.
REFUSED = ("28000", "53400")

# The error of a function that the database does not know.
UNDEFINED = "42883"


def row(sql, values, using=None):
    """Runs a statement that reads. Returns its first row, or None."""
    using = using or store_alias()
    try:
        with connections[using].cursor() as cursor:
            with cursor.db.wrap_database_errors, _driver_cursor(cursor) as raw:
                raw.execute(sql, values)
                return raw.fetchone()
    except DatabaseError as error:
        if state(error) != UNDEFINED or "session_" not in str(error):
            raise
        raise ImproperlyConfigured(
            f'the database "{using}" does not have the functions of the extension "session": run '
            "CREATE EXTENSION session in it, and put the schema of the extension into the "
            "search_path of Django's role") from error


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
        if state(error) in REFUSED:
            raise PermissionDenied("the database refuses the login") from None
        raise


def state(error):
    """Returns the SQLSTATE of an error of Django's."""
    return getattr(error.__cause__, "pgcode", None) or getattr(error.__cause__, "sqlstate", None)


def _driver_cursor(cursor):
    """Returns a new cursor of the driver on the connection of Django's cursor."""
    connection = cursor.db.connection
    if psycopg is not None and isinstance(connection, psycopg.Connection):
        return psycopg.Cursor(connection)
    return connection.cursor()
