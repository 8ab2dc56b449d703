-- Auth.js 5 with sessions in the database: the table sessions of
-- @auth/pg-adapter. docs/guides/moving.md tells when to run which statement.
-- The cookie, authjs.session-token, is the id.

-- Has the ids that were copied, so that no row is copied twice.
CREATE TABLE IF NOT EXISTS moved (sid text PRIMARY KEY, session_id uuid NOT NULL);

-- Copies the live sessions that have not been copied. Auth.js keeps no data in
-- them.
INSERT INTO moved
SELECT "sessionToken", (session_create(
         "userId"::text,
         lifetime => expires - clock_timestamp(),
         max_sessions => 0,
         token => "sessionToken",
         authenticated_at => to_timestamp(0))).id
  FROM sessions
 WHERE expires > clock_timestamp() AND "sessionToken" NOT IN (SELECT sid FROM moved);

-- Counts the sessions whose clients still have the old id, and the others:
-- they have an ordinary token, or have ended.
SELECT count(*) FILTER (WHERE session_status(sid) = 'active') AS not_moved,
       count(*) FILTER (WHERE session_status(sid) <> 'active') AS moved_or_ended
  FROM moved;

-- The way back. Brings the old rows up to date that are still in use, and
-- deletes the others.
UPDATE sessions AS o
   SET expires = s.expires_at
  FROM moved AS m CROSS JOIN session_validate(m.sid) AS s
 WHERE o."sessionToken" = m.sid;

DELETE FROM sessions
 WHERE "sessionToken" IN (SELECT sid FROM moved WHERE session_status(sid) <> 'active');
