-- What the forms of a request need: notes of many users, sessions of each kind,
-- and a role for each way to let a user see the own notes only.
--
-- The role shop owns the notes and names the user in its statements. Row-level
-- security applies to the others: notes_app, which the forms with an identity
-- connect as, and the roles of PostgREST.
CREATE SCHEMA auth;
CREATE EXTENSION session SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO PUBLIC;
ALTER DATABASE bench SET search_path = public, auth;
SET search_path = public, auth;

CREATE ROLE shop LOGIN;
CREATE ROLE notes_app LOGIN;
CREATE ROLE web_anon;
CREATE ROLE web_user;
CREATE ROLE jwt_user;
CREATE ROLE authenticator LOGIN NOINHERIT IN ROLE web_anon, web_user, jwt_user;
SELECT session_grant('shop', 'app') \g /dev/null

CREATE TABLE note (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    title text NOT NULL,
    body text NOT NULL
);
ALTER TABLE note OWNER TO shop;
INSERT INTO note (owner, title, body)
SELECT 'user-' || u, 'Note ' || n || ' of user ' || u, repeat('What is to be done. ', 2 + n % 5)
  FROM generate_series(1, 25) AS n, generate_series(0, :users - 1) AS u;
CREATE INDEX ON note (owner, id);

ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON note TO notes_app, web_user
    USING (owner = session_user_id());
CREATE POLICY own_jwt ON note TO jwt_user
    USING (owner = (SELECT current_setting('request.jwt.claims')::json ->> 'sub'));
GRANT SELECT ON note TO notes_app, web_user, jwt_user;

-- Authenticates and returns a page, in one call: no row without a session, and
-- one row of NULLs if the user has no notes.
CREATE FUNCTION my_notes(cookie text) RETURNS SETOF note
LANGUAGE plpgsql AS $$
BEGIN
    IF session_authenticate(session_cookie_read(cookie)) THEN
        RETURN QUERY SELECT * FROM note ORDER BY id DESC LIMIT 20;
        IF NOT FOUND THEN
            RETURN NEXT NULL;
        END IF;
    END IF;
END $$;

-- The sessions of the extension, seen at different times in the last ten
-- minutes, which is the default of session.update_age.
CREATE TABLE token AS
SELECT u, (session_create('user-' || u, role => 'web_user')).token
  FROM generate_series(0, :users - 1) AS u;
UPDATE session.sessions
   SET last_seen_at = last_seen_at - random() * interval '10 min';

-- The sessions of connect-pg-simple, in the table of its manual. Each of its two
-- forms has a table of its own.
CREATE TABLE web_touched (
    sid varchar NOT NULL COLLATE "default" PRIMARY KEY,
    sess json NOT NULL,
    expire timestamp(6) NOT NULL
);
CREATE INDEX ON web_touched (expire);
INSERT INTO web_touched
SELECT replace(gen_random_uuid()::text, '-', ''),
       json_build_object('cookie', json_build_object('originalMaxAge', 86400000,
           'expires', to_char(now() AT TIME ZONE 'UTC' + interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
           'httpOnly', true, 'path', '/'), 'user', 'user-' || u),
       now() + interval '1 day'
  FROM generate_series(0, :users - 1) AS u;
CREATE TABLE web_untouched (LIKE web_touched INCLUDING ALL);
INSERT INTO web_untouched SELECT * FROM web_touched;
ALTER TABLE web_touched OWNER TO shop;
ALTER TABLE web_untouched OWNER TO shop;

-- The answers that the forms are compared with: as JSON.stringify writes a page,
-- and as PostgREST does.
CREATE TABLE answer AS
SELECT u, array_to_json(array_agg(page ORDER BY page.id DESC))::text AS node,
       json_agg(page ORDER BY page.id DESC)::text AS postgrest
  FROM generate_series(0, :users - 1) AS u,
       LATERAL (SELECT id, title, body FROM note WHERE owner = 'user-' || u
                 ORDER BY id DESC LIMIT 20) AS page
 GROUP BY u;

VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
