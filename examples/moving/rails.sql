-- Rails with activerecord-session_store: the table "sessions". Its session_id
-- is the hash of the id in the cookie, and this hash becomes the token.
-- docs/guides/moving.md tells when to run which statement. SQL can read the
-- data only if the application has "serializer = :json". For Marshal, which is
-- the default, run clients/ruby/import-rails.rb in place of the first two.

-- Has the tokens that were copied, so that no row is copied twice.
CREATE TABLE IF NOT EXISTS moved (sid text PRIMARY KEY, session_id uuid NOT NULL);

-- Copies the live sessions that have not been copied. Rows have no deadline:
-- 30 days is what the task db:sessions:trim leaves. Rails writes times without
-- a zone, in UTC. Versions before 2 have stored the id itself.
INSERT INTO moved
SELECT r.token, (session_create(
         r.data ->> 'user_id',
         r.data,
         lifetime => interval '30 days',
         sliding => true,
         max_sessions => 0,
         token => r.token,
         authenticated_at => to_timestamp(0))).id
  FROM (SELECT CASE WHEN session_id ~ '^\d+::' THEN session_id
                    ELSE '2::' || encode(sha256(convert_to(session_id, 'UTF8')), 'hex') END AS token,
               data::jsonb -> 'value' AS data
          FROM sessions
         WHERE updated_at AT TIME ZONE 'UTC' > clock_timestamp() - interval '30 days') AS r
 WHERE r.token NOT IN (SELECT sid FROM moved);

-- Returns the token of a request, from its Cookie header: that of the new
-- cookie, session.cookie_name, or else the hash of the id in the old one, whose
-- name is that of your application. The new cookie is an ordinary token: a
-- client that sends a hash in it has the hash from a table. NULL if there is
-- neither.
CREATE FUNCTION request_token(cookies text) RETURNS text
LANGUAGE sql
RETURN coalesce(
    substring(session_cookie_read(cookies) FROM '^st_.*'),
    '2::' || encode(sha256(convert_to(session_cookie_read(cookies, '_session_id'), 'UTF8')), 'hex'));

-- Counts the sessions whose clients still have the old id, and the others:
-- they have an ordinary token, or have ended.
SELECT count(*) FILTER (WHERE session_status(sid) = 'active') AS not_moved,
       count(*) FILTER (WHERE session_status(sid) <> 'active') AS moved_or_ended
  FROM moved;

-- The way back. Brings the old rows up to date that are still in use, and
-- deletes the others. Only Rails can write Marshal, so such data is left as it
-- was.
UPDATE sessions AS o
   SET data = CASE WHEN o.data::text LIKE '{%' THEN jsonb_build_object('value', s.data)::text
                   ELSE o.data END,
       updated_at = s.last_seen_at AT TIME ZONE 'UTC'
  FROM moved AS m CROSS JOIN session_validate(m.sid) AS s
 WHERE m.sid IN (o.session_id, '2::' || encode(sha256(convert_to(o.session_id, 'UTF8')), 'hex'));

DELETE FROM sessions AS o
 USING moved AS m
 WHERE m.sid IN (o.session_id, '2::' || encode(sha256(convert_to(o.session_id, 'UTF8')), 'hex'))
   AND session_status(m.sid) <> 'active';
