-- Express with express-session and connect-pg-simple: the table "session".
-- docs/guides/moving.md tells when to run which statement.

-- Has the ids that were copied, so that no row is copied twice.
CREATE TABLE IF NOT EXISTS moved (sid text PRIMARY KEY, session_id uuid NOT NULL);

-- Copies the live sessions that have not been copied. connect-pg-simple writes
-- times without a zone: the TimeZone here must be that of the old application's
-- connections. The user is where Passport has it, or in "userId": change it to
-- your key.
INSERT INTO moved
SELECT sid, (session_create(
         coalesce(sess #>> '{passport,user}', sess ->> 'userId'),
         sess::jsonb #- '{cookie,expires}',
         lifetime => expire::timestamptz - clock_timestamp(),
         max_sessions => 0,
         token => sid,
         authenticated_at => to_timestamp(0))).id
  FROM "session"
 WHERE expire::timestamptz > clock_timestamp() AND sid NOT IN (SELECT sid FROM moved);

-- Counts the sessions whose clients still have the old id, and the others:
-- they have an ordinary token, or have ended.
SELECT count(*) FILTER (WHERE session_status(sid) = 'active') AS not_moved,
       count(*) FILTER (WHERE session_status(sid) <> 'active') AS moved_or_ended
  FROM moved;

-- The way back. Brings the old rows up to date that are still in use, with
-- what the new application has stored, and deletes the others.
UPDATE "session" AS o
   SET sess = (s.data || jsonb_build_object('cookie',
                   (o.sess -> 'cookie')::jsonb || jsonb_build_object('expires', s.expires_at)))::json,
       expire = s.expires_at::timestamp
  FROM moved AS m CROSS JOIN session_validate(m.sid) AS s
 WHERE o.sid = m.sid;

DELETE FROM "session"
 WHERE sid IN (SELECT sid FROM moved WHERE session_status(sid) <> 'active');
