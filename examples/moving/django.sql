-- Django 3.1 and later with django.contrib.sessions.backends.db: the table
-- django_session. Import SECRET_KEY as a key of the purpose
-- django.contrib.sessions.SessionStore first, and read docs/guides/moving.md.
-- The cookie, sessionid, is the id. The client for Django has a command that
-- copies rows with pickled data, too.

-- Has the ids that were copied, so that no row is copied twice.
CREATE TABLE IF NOT EXISTS moved (sid text PRIMARY KEY, session_id uuid NOT NULL);

-- Copies the live sessions that have not been copied. What the key does not
-- prove, and what is no JSON object, is left: the next statement counts it.
INSERT INTO moved
SELECT session_key, (session_create(
         d.data ->> '_auth_user_id',
         d.data - 'iat',
         lifetime => expire_date - clock_timestamp(),
         max_sessions => 0,
         token => session_key,
         authenticated_at => to_timestamp(0))).id
  FROM django_session
 CROSS JOIN session_cookie_decode(session_data, 'django.contrib.sessions.SessionStore') AS d (data)
 WHERE expire_date > clock_timestamp() AND session_key NOT IN (SELECT sid FROM moved)
   AND d.data IS NOT NULL;

-- Counts the sessions whose clients still have the old id, the others, which
-- have an ordinary token or have ended, and the live rows that could not be
-- read.
SELECT count(*) FILTER (WHERE session_status(sid) = 'active') AS not_moved,
       count(*) FILTER (WHERE session_status(sid) <> 'active') AS moved_or_ended,
       (SELECT count(*) FROM django_session
         WHERE expire_date > now() AND session_key NOT IN (SELECT sid FROM moved)) AS not_read
  FROM moved;

-- The way back. Brings the deadlines of old rows up to date that are still in
-- use, and deletes the others. Only Django can sign data, so that of the rows
-- is left as it was.
UPDATE django_session AS o
   SET expire_date = s.expires_at
  FROM moved AS m CROSS JOIN session_validate(m.sid) AS s
 WHERE o.session_key = m.sid;

DELETE FROM django_session
 WHERE session_key IN (SELECT sid FROM moved WHERE session_status(sid) <> 'active');
