-- Laravel with SESSION_DRIVER=database: the table "sessions".
-- docs/guides/moving.md tells when to run which statement. The token is the id
-- in the table. The cookie has it encrypted with APP_KEY: Laravel, or
-- clients/php/src/laravel.php, reads it there and hands over the id.

-- Has the ids that were copied, so that no row is copied twice.
CREATE TABLE IF NOT EXISTS moved (sid text PRIMARY KEY, session_id uuid NOT NULL);

-- Copies the live sessions that have not been copied: a session lives for
-- SESSION_LIFETIME, two hours, after its last use, and after the copy. What PHP
-- has serialized begins with a:, in base64 YTo, and becomes data that the
-- client for PHP reads. Else it is JSON.
INSERT INTO moved
SELECT id, (session_create(
         user_id::text,
         CASE WHEN payload LIKE 'YT%' THEN jsonb_build_object('_php', payload)
              ELSE convert_from(decode(payload, 'base64'), 'UTF8')::jsonb END,
         ip => session_ip(ip_address),
         user_agent => user_agent,
         lifetime => interval '120 minutes',
         sliding => true,
         max_sessions => 0,
         token => id,
         authenticated_at => to_timestamp(0))).id
  FROM sessions
 WHERE to_timestamp(last_activity) > clock_timestamp() - interval '120 minutes'
   AND id NOT IN (SELECT sid FROM moved);

-- Counts the sessions whose clients still have the old id, and the others:
-- they have an ordinary token, or have ended.
SELECT count(*) FILTER (WHERE session_status(sid) = 'active') AS not_moved,
       count(*) FILTER (WHERE session_status(sid) <> 'active') AS moved_or_ended
  FROM moved;

-- The way back. Brings the old rows up to date that are still in use, and
-- deletes the others. Where the client for PHP has made JSON of what PHP has
-- serialized, the old data stays: only PHP can serialize.
UPDATE sessions AS o
   SET last_activity = extract(epoch FROM s.last_seen_at)::integer,
       payload = CASE WHEN o.payload LIKE 'YT%' THEN coalesce(s.data ->> '_php', o.payload)
                      ELSE translate(encode(convert_to(s.data::text, 'UTF8'), 'base64'), E'\n', '') END
  FROM moved AS m CROSS JOIN session_validate(m.sid) AS s
 WHERE o.id = m.sid;

DELETE FROM sessions
 WHERE id IN (SELECT sid FROM moved WHERE session_status(sid) <> 'active');
