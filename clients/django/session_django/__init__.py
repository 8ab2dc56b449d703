"""Sessions of Django in the PostgreSQL extension "session"."""

__version__ = "1.0.0"
