-- Better Auth: its table "session". docs/guides/moving.md tells when to run
-- which statement.

-- Has the ids that were copied, so that no row is copied twice.
CREATE TABLE IF NOT EXISTS moved (sid text PRIMARY KEY, session_id uuid NOT NULL);

-- Copies the live sessions that have not been copied, with the address and the
-- user agent of each. A row is made at the login. Older versions have times without a zone: the TimeZone
-- here must be that of the old application's connections.
INSERT INTO moved
SELECT token, (session_create(
         "userId"::text,
         ip => session_ip("ipAddress"),
         user_agent => "userAgent",
         lifetime => "expiresAt"::timestamptz - clock_timestamp(),
         max_sessions => 0,
         token => token,
         authenticated_at => least("createdAt"::timestamptz, clock_timestamp()))).id
  FROM "session"
 WHERE "expiresAt"::timestamptz > clock_timestamp() AND token NOT IN (SELECT sid FROM moved);

-- Returns the token of a request, from its Cookie header: that of the new
-- cookie, session.cookie_name, or else the one that Better Auth has signed in
-- the old cookie. It signs as express-session does, without the mark "s:" and
-- with padding. Import its secret as a key of the purpose
-- better-auth.session_token first. Behind HTTPS, the name of the old cookie
-- begins with __Secure-. NULL if there is neither.
CREATE FUNCTION request_token(cookies text) RETURNS text
LANGUAGE sql
RETURN coalesce(
    session_cookie_read(cookies),
    session_cookie_decode(
        's%3A' || regexp_replace(session_cookie_read(cookies, 'better-auth.session_token'), '(=|%3D)$', ''),
        'better-auth.session_token') ->> 'sid');

-- Counts the sessions whose clients still have the old id, and the others:
-- they have an ordinary token, or have ended.
SELECT count(*) FILTER (WHERE session_status(sid) = 'active') AS not_moved,
       count(*) FILTER (WHERE session_status(sid) <> 'active') AS moved_or_ended
  FROM moved;

-- The way back. Brings the old rows up to date that are still in use, and
-- deletes the others.
UPDATE "session" AS o
   SET "expiresAt" = s.expires_at, "updatedAt" = s.last_seen_at
  FROM moved AS m CROSS JOIN session_validate(m.sid) AS s
 WHERE o.token = m.sid;

DELETE FROM "session"
 WHERE token IN (SELECT sid FROM moved WHERE session_status(sid) <> 'active');
