-- A request in one round trip, as docs/guides/requests.md shows it: validation
-- and the query in one statement, authentication and the query in one implicit
-- transaction, and a function that does both.
CREATE EXTENSION session;
CREATE ROLE regress_session_web;
CREATE TABLE note (id int GENERATED ALWAYS AS IDENTITY, owner text NOT NULL DEFAULT session_user_id(), body text NOT NULL);
CREATE INDEX note_owner ON note (owner);
INSERT INTO note (owner, body) SELECT 'user' || n % 100, 'note ' || n FROM generate_series(1, 1000) n;
INSERT INTO note (owner, body) VALUES ('ada', 'tea');
ANALYZE note;
GRANT SELECT, INSERT ON note TO regress_session_web;
SELECT session_grant('regress_session_web', 'app');
SELECT '__Host-session=' || token AS ada FROM session_create('ada') \gset
SELECT '__Host-session=' || token AS ben FROM session_create('ben') \gset
SELECT '__Host-session=' || token AS over FROM session_create('ada') \gset
SELECT session_revoke(session_cookie_read(:'over'));
\set junk '__Host-session=st_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

-- A table of cookies: live with a note, live without, ended, unknown, junk,
-- empty, missing.
CREATE TABLE cookie (n int, header text);
INSERT INTO cookie VALUES (1, :'ada'), (2, :'ben'), (3, :'over'), (4, :'junk'), (5, 'junk'), (6, ''), (7, NULL);

-- The one-statement form.  With LEFT JOIN, a session without notes is a row
-- with NULL, and no session is no row.  With CROSS JOIN both are no row.
PREPARE page (text) AS
SELECT s.user_id, n.body
  FROM session_validate(session_cookie_read($1)) AS s
  LEFT JOIN LATERAL (SELECT body FROM note WHERE owner = s.user_id ORDER BY id DESC LIMIT 20) AS n ON true;
PREPARE listing (text) AS
SELECT s.user_id, n.body
  FROM session_validate(session_cookie_read($1)) AS s
 CROSS JOIN LATERAL (SELECT body FROM note WHERE owner = s.user_id) AS n;
EXECUTE page (:'ada');
EXECUTE page (:'ben');
EXECUTE page (:'over');
EXECUTE page (:'junk');
EXECUTE page ('');
EXECUTE page (NULL);
EXECUTE listing (:'ada');
EXECUTE listing (:'ben');
EXECUTE listing (NULL);

-- The answers do not depend on the kind of plan or of join: for each of the
-- settings, what the seven cookies give, and how often session_validate ran.
CREATE FUNCTION pg_temp.calls() RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(pg_stat_get_xact_function_calls('session_validate'::regproc), 0)
$$;
CREATE FUNCTION pg_temp.outcomes(statement text, VARIADIC settings text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    setting text;
    c cookie;
    answer text;
    calls bigint;
    result text := '';
BEGIN
    FOREACH setting IN ARRAY settings LOOP
        PERFORM set_config(split_part(setting, '=', 1), split_part(setting, '=', 2), true);
    END LOOP;
    FOR c IN SELECT * FROM cookie ORDER BY n LOOP
        FOR i IN 1 .. 7 LOOP
            calls := pg_temp.calls();
            EXECUTE format('EXECUTE %I (%L)', statement, c.header) INTO answer;
            calls := pg_temp.calls() - calls;
        END LOOP;
        result := concat_ws(' ', result, coalesce(answer, '-') || ':' || calls);
    END LOOP;
    RETURN result;
END $$;
PREPARE page_row (text) AS
SELECT s.user_id || '=' || coalesce(n.body, 'none')
  FROM session_validate(session_cookie_read($1)) AS s
  LEFT JOIN LATERAL (SELECT body FROM note WHERE owner = s.user_id ORDER BY id DESC LIMIT 20) AS n ON true;
PREPARE listing_row (text) AS
SELECT s.user_id || '=' || n.body
  FROM session_validate(session_cookie_read($1)) AS s
 CROSS JOIN LATERAL (SELECT body FROM note WHERE owner = s.user_id) AS n;
SET track_functions = 'all';
SELECT pg_temp.outcomes('page_row', 'plan_cache_mode=auto');
SELECT pg_temp.outcomes('page_row', 'plan_cache_mode=force_generic_plan');
SELECT pg_temp.outcomes('page_row', 'plan_cache_mode=force_custom_plan');
SELECT pg_temp.outcomes('listing_row', 'plan_cache_mode=auto');
SELECT pg_temp.outcomes('listing_row', 'plan_cache_mode=force_generic_plan');
SELECT pg_temp.outcomes('listing_row', 'plan_cache_mode=force_generic_plan', 'enable_nestloop=off');
SELECT pg_temp.outcomes('listing_row', 'plan_cache_mode=force_generic_plan', 'enable_nestloop=off', 'enable_hashjoin=off');
SELECT pg_temp.outcomes('listing_row', 'plan_cache_mode=force_generic_plan', 'enable_indexscan=off', 'enable_bitmapscan=off');

-- Without a note in the table, a hash join of a CROSS JOIN does not ask for
-- the session at all.  A LEFT JOIN always does.
BEGIN;
DELETE FROM note;
SELECT pg_temp.outcomes('listing_row', 'plan_cache_mode=force_custom_plan', 'enable_nestloop=off', 'enable_mergejoin=off');
SELECT pg_temp.outcomes('page_row', 'plan_cache_mode=force_custom_plan', 'enable_nestloop=off', 'enable_mergejoin=off');
ROLLBACK;
RESET track_functions;

-- One statement also writes, or writes nothing.
PREPARE add (text, text) AS
INSERT INTO note (owner, body) SELECT s.user_id, $2 FROM session_validate(session_cookie_read($1)) AS s RETURNING owner, body;
EXECUTE add (:'ben', 'read');
EXECUTE add (:'over', 'no');
EXECUTE add (NULL, 'no');
SELECT count(*) FROM note WHERE body = 'no';
DELETE FROM note WHERE owner = 'ben';

-- Row-level security: two statements in one implicit transaction.
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON note USING (owner = session_user_id());
SET ROLE regress_session_web;
PREPARE notes AS SELECT body FROM note;
SELECT session_authenticate(session_cookie_read(:'ada')) AS known \; EXECUTE notes;
SELECT session_authenticate(session_cookie_read(:'ben')) AS known \; EXECUTE notes;
SELECT session_authenticate(session_cookie_read(:'over')) AS known \; EXECUTE notes;
SELECT session_authenticate(session_cookie_read(NULL)) AS known \; EXECUTE notes;

-- As two transactions, the second statement has no identity.
SELECT session_authenticate(session_cookie_read(:'ada')) AS known;
EXECUTE notes;

-- An error of the first statement skips the second, and one of the second
-- takes back the first.  What the second writes is kept otherwise.
\set VERBOSITY sqlstate
SELECT session_authenticate(session_cookie_read(:'ada'), ip => 'junk') \; INSERT INTO note (body) VALUES ('no');
SELECT session_authenticate(session_cookie_read(:'junk')) AS known \; INSERT INTO note (body) VALUES ('no');
SELECT session_authenticate(session_cookie_read(:'junk')) AS known \; SELECT session_require() \; SELECT 'not reached';
SELECT session_authenticate(session_cookie_read(:'ada')) AS known \; INSERT INTO note (body) VALUES ('no') \; SELECT 1 / 0;
SELECT session_authenticate(session_cookie_read(:'ada')) AS known \; INSERT INTO note (body) VALUES ('yes') RETURNING owner;
\set VERBOSITY default
EXECUTE notes;
RESET ROLE;
SELECT owner, body FROM note WHERE body IN ('yes', 'no');
DELETE FROM note WHERE body = 'yes';

-- In one statement with the query, the policy sees the identity that was bound
-- before the statement, unless the plan happens to run session_authenticate
-- first.  In a transaction that identity can be another one.
SET ROLE regress_session_web;
SELECT body FROM note WHERE session_authenticate(session_cookie_read(:'ada'));
SELECT body FROM note LEFT JOIN session_authenticate(session_cookie_read(:'ada')) AS known ON true;
SELECT body FROM session_authenticate(session_cookie_read(:'ada')) AS known LEFT JOIN note ON true;
SELECT session_authenticate(session_cookie_read(:'ada')) AS known, (SELECT count(*) FROM note) AS notes;
BEGIN;
SELECT session_authenticate(session_cookie_read(:'ada')) AS known;
SELECT body FROM note LEFT JOIN session_authenticate(session_cookie_read(:'ben')) AS known ON true;
SELECT body FROM note;
COMMIT;
RESET ROLE;

-- A function that authenticates and returns the page, as a new plan and as one
-- that is kept; in SQL, too.
CREATE FUNCTION page(cookies text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF NOT session_authenticate(session_cookie_read(cookies)) THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_object('user', session_user_id(), 'notes', ARRAY(SELECT body FROM note ORDER BY id));
END $$;
CREATE FUNCTION page_sql(cookies text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT session_authenticate(session_cookie_read(cookies));
    SELECT body FROM note;
$$;
GRANT SELECT ON cookie TO regress_session_web;
SET ROLE regress_session_web;
SET plan_cache_mode = force_generic_plan;
SELECT n, page(header), ARRAY(SELECT page_sql(header)) FROM cookie ORDER BY n;
SET plan_cache_mode = force_custom_plan;
SELECT n, page(header), ARRAY(SELECT page_sql(header)) FROM cookie ORDER BY n;
RESET plan_cache_mode;
SELECT session_user_id(), count(*) FROM note;
RESET ROLE;

DROP TABLE note, cookie CASCADE;
DROP EXTENSION session;
DROP OWNED BY regress_session_web;
DROP ROLE regress_session_web;
