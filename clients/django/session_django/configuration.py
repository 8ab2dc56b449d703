"""Finds mistakes in the settings.

Rules:
* What would make a request do without the database's protection, such as an address that
  the session does not get, is an error when the application starts, not silence.
* Each message names the setting, and what it must be.
* The middleware raises the first mistake. With "session_django" in INSTALLED_APPS,
  manage.py check lists all.
"""
import inspect
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangosMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import ConnectionDoesNotExist
from django.utils.module_loading import import_string

ENGINE = "session_django.store"
SESSIONS = "session_django.middleware.SessionMiddleware"
IDENTITY = "session_django.middleware.IdentityMiddleware"


def proxies():
    """Returns the number of proxies in front of the application."""
    number = getattr(settings, "SESSION_PROXIES", 0)
    if type(number) is not int or number < 0:
        raise ImproperlyConfigured(
            f"SESSION_PROXIES must be the number of your proxies, 0 or more: it is {number!r}")
    return number


def store_alias():
    """Returns the alias of the database that has the sessions."""
    return _postgresql("SESSION_DATABASE", getattr(settings, "SESSION_DATABASE", None)
                       or DEFAULT_DB_ALIAS)


def identity_alias():
    """Returns the alias of the database whose policies read the identity."""
    alias = getattr(settings, "SESSION_IDENTITY_DATABASE", None)
    return _postgresql("SESSION_IDENTITY_DATABASE", alias) if alias else store_alias()


def problems():
    """Yields what is wrong with the settings, if they use this package."""
    from . import middleware, store

    engine = import_module(settings.SESSION_ENGINE)
    ours = _entries(middleware.SessionMiddleware)
    bound = _entries(middleware.IdentityMiddleware)
    if not (issubclass(engine.SessionStore, store.SessionStore) or ours or bound):
        return
    for find in proxies, store_alias, identity_alias:
        try:
            find()
        except ImproperlyConfigured as error:
            yield str(error)
    if not issubclass(engine.SessionStore, store.SessionStore):
        yield (f'SESSION_ENGINE must be "{ENGINE}", or a module with a subclass of its '
               f'SessionStore: it is "{settings.SESSION_ENGINE}"')
    sessions = _entries(DjangosMiddleware)
    for name in sessions:
        if name not in ours:
            yield f'MIDDLEWARE must have "{SESSIONS}" in place of "{name}"'
    if not sessions:
        yield f'MIDDLEWARE must have "{SESSIONS}"'
    if len(ours) > 1:
        yield f'MIDDLEWARE must have "{SESSIONS}" once: it has {len(ours)}'
    for name in bound:
        before = settings.MIDDLEWARE[:settings.MIDDLEWARE.index(name)]
        if ours and ours[0] not in before:
            yield f'MIDDLEWARE must have "{ours[0]}" before "{name}"'


def check():
    """Raises ImproperlyConfigured for the first mistake."""
    for problem in problems():
        raise ImproperlyConfigured(problem)


def _postgresql(setting, alias):
    try:
        vendor = connections[alias].vendor
    except ConnectionDoesNotExist:
        raise ImproperlyConfigured(f'{setting} must be a key of DATABASES: '
                                   f'it is "{alias}"') from None
    if vendor != "postgresql":
        raise ImproperlyConfigured(f'{setting} must be a database of PostgreSQL: '
                                   f'"{alias}" is one of {vendor}')
    return alias


def _entries(base):
    """Returns the entries of MIDDLEWARE that are subclasses of a class."""
    found = ((name, import_string(name)) for name in settings.MIDDLEWARE)
    return [name for name, what in found if inspect.isclass(what) and issubclass(what, base)]
