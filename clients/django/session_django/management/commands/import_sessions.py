"""Copies the live sessions of Django's table, so that users stay logged in.

The keys become foreign tokens: session.foreign_tokens must be on. The rows that were
copied are deleted in the same transaction. A key that a session of the database has
already is an error, and nothing is copied.
"""
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand
from django.db import router, transaction
from django.utils import timezone

from ...configuration import store_alias
from ...database import row
from ...store import SessionStore

IMPORT = """
    SELECT token FROM session_create(%(user_id)s, %(data)s::jsonb, %(tenant_id)s, %(role)s,
                                     lifetime => make_interval(secs => %(age)s),
                                     max_sessions => 0, token => %(token)s,
                                     authenticated_at => to_timestamp(0))"""


class Command(BaseCommand):
    help = "Copies the live sessions of the table django_session and deletes them there."

    def handle(self, *args, **options):
        source = router.db_for_write(Session)
        now = timezone.now()
        with transaction.atomic(using=source), transaction.atomic(using=store_alias()):
            live = Session.objects.using(source).filter(expire_date__gt=now)
            copied = sum(self.copy(session, now) for session in live.select_for_update().iterator())
        self.stdout.write(f"copied {copied} sessions")

    def copy(self, session, now):
        store = SessionStore()
        data = session.get_decoded()
        texts = store._texts(data)
        row(IMPORT, dict(store._identity(data), data=store._json(data, texts),
                            age=(session.expire_date - now).total_seconds(),
                            token=session.session_key))
        session.delete()
        return 1
