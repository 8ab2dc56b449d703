-- The context: the identity of a transaction.  It lasts as long as the
-- transaction, and only a session whose token was passed can set it.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- A role without privileges, a role that may create functions, and a function
-- that shows the identity.
CREATE ROLE regress_session_web;
CREATE SCHEMA regress_session_own AUTHORIZATION regress_session_web;
CREATE FUNCTION pg_temp.who() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN concat_ws(' ', coalesce(session_user_id(), 'nobody'), session_tenant_id(), session_role(), session_auth_level());
END
$$;
SELECT id AS alice_id, token AS alice, expires_at FROM session_create('alice', '{"secret": 1}', 'acme', 'clerk', auth_level => 2) \gset
SELECT id AS bob_id, token AS bob FROM session_create('bob') \gset
SELECT id AS visit_id, token AS visit FROM session_create() \gset
SET ROLE regress_session_web;

-- Before a session is bound, there is no identity.
SELECT session_id(), session_user_id(), session_tenant_id(), session_role(), session_auth_level(),
       session_authenticated_at(), session_claims(), session_claim('sub');

-- A token binds its session; any role may pass one.
BEGIN;
SELECT session_authenticate(:'alice');
SELECT session_id() = :'alice_id' AS id, session_user_id(), session_tenant_id(), session_role(), session_auth_level(),
       pg_temp.is_recent(session_authenticated_at()) AS recent, session_claims() - 'sid' AS claims,
       session_claims() ->> 'sid' = :'alice_id' AS sid;
SELECT key, session_claim(key) = :'alice_id' AS id, session_claim(key) AS claim
  FROM unnest(ARRAY['sub', 'tid', 'role', 'lvl', 'SUB', 'uid', 'secret', '', NULL]) AS key;
SELECT session_claim('sid') = :'alice_id' AS id;
COMMIT;
SELECT pg_temp.who();

-- Missing values are NULL; an anonymous session has proven no factor.
BEGIN;
SELECT session_authenticate(:'visit');
SELECT session_id() = :'visit_id' AS id, session_user_id(), session_tenant_id(), session_role(), session_auth_level(),
       session_authenticated_at(), session_claims() - 'sid' AS claims;
COMMIT;

-- The identity ends with the transaction, however it ends, and with a
-- statement that is a transaction of its own.
BEGIN;
SELECT session_authenticate(:'alice');
ROLLBACK;
SELECT pg_temp.who();
BEGIN;
SELECT session_authenticate(:'alice');
SELECT 1 / 0;
COMMIT;
SELECT pg_temp.who();
SELECT session_authenticate(:'alice'), pg_temp.who();
SELECT pg_temp.who();
BEGIN;
SELECT session_authenticate(:'alice');
COMMIT AND CHAIN;
SELECT pg_temp.who();
COMMIT;

-- Binding works in READ ONLY transactions and at every isolation level.
BEGIN READ ONLY;
SELECT session_authenticate(:'alice'), pg_temp.who();
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT session_authenticate(:'alice'), pg_temp.who();
COMMIT;

-- Rolling back to a savepoint restores the identity from before it.
BEGIN;
SELECT session_authenticate(:'alice');
SAVEPOINT a;
SELECT session_authenticate(:'bob'), pg_temp.who();
SAVEPOINT b;
SELECT session_authenticate('junk'), pg_temp.who();
ROLLBACK TO b;
SELECT pg_temp.who();
ROLLBACK TO a;
SELECT pg_temp.who();
SAVEPOINT c;
SELECT session_authenticate(:'bob');
RELEASE c;
SELECT pg_temp.who();
ROLLBACK TO a;
SELECT pg_temp.who();
COMMIT;
BEGIN;
SAVEPOINT a;
SELECT session_authenticate(:'alice');
ROLLBACK TO a;
SELECT pg_temp.who();
COMMIT;

-- So does a PL/pgSQL block that fails.
CREATE FUNCTION pg_temp.fail_as(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    inner_who text;
BEGIN
    BEGIN
        PERFORM session_authenticate(token);
        inner_who := pg_temp.who();
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        RETURN concat_ws(', then ', inner_who, pg_temp.who());
    END;
END
$$;
BEGIN;
SELECT session_authenticate(:'alice');
SELECT pg_temp.fail_as(:'bob'), pg_temp.fail_as(NULL), pg_temp.who();
COMMIT;

-- The last token counts, and an invalid token clears the identity.
RESET ROLE;
SELECT token AS revoked, session_revoke(token) FROM session_create('carol') \gset
SELECT id AS over_id, token AS expired, refresh_token FROM session_create('carol', refreshable => true) \gset
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = :'over_id';
SELECT id AS idle_id, token AS idle FROM session_create('carol', idle_timeout => '1 hour') \gset
UPDATE session.sessions SET last_seen_at = clock_timestamp() - interval '1 hour' WHERE id = :'idle_id';
CREATE TEMP TABLE bad AS
SELECT * FROM (VALUES (1, 'null', NULL), (2, 'empty', ''), (3, 'junk', 'junk'), (4, 'an id', :'alice_id'),
                      (5, 'unknown', pg_temp.token_of(decode(repeat('00', 48), 'hex'))),
                      (6, 'another secret', overlay(:'alice' PLACING 'AAAAAAAA' FROM 40)),
                      (7, 'longer', :'alice' || 'A'), (8, 'revoked', :'revoked'), (9, 'expired', :'expired'),
                      (10, 'idle', :'idle'), (11, 'a refresh token', :'refresh_token'),
                      (12, '10 MB', repeat('x', 10 * 1024 * 1024))) AS bad (n, what, token);
GRANT SELECT ON bad TO PUBLIC;
SET ROLE regress_session_web;
SELECT what, session_authenticate(:'alice') AS good, pg_temp.who() AS then, session_authenticate(token) AS bad, pg_temp.who() AS now
  FROM (TABLE bad ORDER BY n) AS bad;

-- Binding to an address and a user agent is checked as in session_validate,
-- and the call counts as a use.
RESET ROLE;
SELECT id AS bound_id, token AS bound FROM session_create('dave', ip => '192.0.2.10', user_agent => 'Firefox') \gset
BEGIN;
SET LOCAL session.bind_ip = 'exact';
SET LOCAL session.bind_user_agent = on;
CALL pg_temp.pass('1 hour');
SELECT session_authenticate(:'bound', '192.0.2.10', 'curl'), pg_temp.who();
SELECT session_authenticate(:'bound', '192.0.2.11', 'Firefox'), pg_temp.who();
SELECT session_authenticate(:'bound'), pg_temp.who();
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'bound_id');
SELECT session_authenticate(:'bound', '192.0.2.10', 'Firefox'), pg_temp.who();
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'bound_id');
ROLLBACK;

-- While a session is bound, it is the current one, even if other sessions are
-- validated or listed.
BEGIN;
SELECT user_id, current FROM session_validate(:'bob');
SELECT session_authenticate(:'alice');
SELECT user_id, current FROM session_validate(:'bob');
SELECT user_id, current FROM session_list('alice');
COMMIT;
SELECT user_id, current FROM session_list('alice');

-- Later changes of the row do not change the identity until the token is
-- passed again.
BEGIN;
SELECT session_authenticate(:'bob'), pg_temp.who();
UPDATE session.sessions SET role = 'admin', auth_level = 3 WHERE id = :'bob_id';
SELECT pg_temp.who();
SELECT session_authenticate(:'bob'), pg_temp.who();
SELECT session_revoke(:'bob'), pg_temp.who();
SELECT session_authenticate(:'bob'), pg_temp.who();
ROLLBACK;

-- An identity is returned unchanged, whatever characters it consists of.
BEGIN;
CREATE TEMP TABLE names AS
SELECT n, name, (session_create(name, tenant_id => name, role => left(name, 20))).token
  FROM unnest(ARRAY['5:admin', '-1:', ':', '0:', E'\n', E'\t1:1:', '''', '"', '\', '%s', 'ä€😀', repeat('€', 60), '{"sub": "admin"}'])
       WITH ORDINALITY AS t (name, n);
SELECT n, session_authenticate(token), session_user_id() = name AS user_id, session_tenant_id() = name AS tenant_id,
       session_role() = left(name, 20) AS role, session_claim('sub') = name AS sub, session_claims() ->> 'tid' = name AS tid
  FROM (TABLE names ORDER BY n) AS names;
DROP TABLE names;
ROLLBACK;

-- An identity that is bound in a function with a SET clause for another
-- setting stays bound after the function.  With a SET clause for
-- session.context, or if the function raises an error, the identity from
-- before is restored.
CREATE FUNCTION pg_temp.other(token text) RETURNS text LANGUAGE plpgsql SET work_mem = '1MB'
AS 'BEGIN PERFORM session_authenticate(token); RETURN pg_temp.who(); END';
CREATE FUNCTION pg_temp.room(token text) RETURNS text LANGUAGE plpgsql SET session.context = ''
AS 'DECLARE before text := pg_temp.who(); BEGIN PERFORM session_authenticate(token); RETURN before || '', then '' || pg_temp.who(); END';
SET ROLE regress_session_web;
BEGIN;
SELECT pg_temp.other(:'alice'), pg_temp.who();
SELECT pg_temp.other(:'bob'), pg_temp.who();
SELECT pg_temp.room(:'alice'), pg_temp.who();
SELECT pg_temp.room('junk'), pg_temp.who();
SAVEPOINT s;
SELECT pg_temp.room(:'alice') || 1 / (pg_temp.who() IS NULL)::int;
ROLLBACK TO s;
SELECT pg_temp.who();
COMMIT;
SELECT pg_temp.other(:'alice'), pg_temp.who();
SELECT pg_temp.who();

-- The identity can be cleared for the rest of the transaction or savepoint.
BEGIN;
SELECT session_authenticate(:'alice');
SAVEPOINT s;
SET LOCAL session.context = '';
SELECT pg_temp.who();
ROLLBACK TO s;
SELECT pg_temp.who();
RESET session.context;
SELECT pg_temp.who();
ROLLBACK TO s;
SET SESSION session.context TO DEFAULT;
SELECT pg_temp.who();
ROLLBACK TO s;
RESET ALL;
SELECT pg_temp.who();
ROLLBACK TO s;
SELECT set_config('session.context', '', false), pg_temp.who();
SELECT session_authenticate(:'bob'), pg_temp.who();
COMMIT;
SELECT pg_temp.who();
DISCARD ALL;

-- DISCARD ALL dropped the helpers, so they are created again.
\i :here/sql/include/helpers.sql
CREATE FUNCTION pg_temp.who() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN concat_ws(' ', coalesce(session_user_id(), 'nobody'), session_tenant_id(), session_role(), session_auth_level());
END
$$;

-- SHOW and current_setting return the id of the bound session and nothing
-- else.
SET ROLE regress_session_web;
SHOW session.context;
SELECT count(*) AS listed FROM pg_settings WHERE name = 'session.context';
BEGIN;
SELECT session_authenticate(:'alice');
SELECT current_setting('session.context') = :'alice_id' AS shown;
SELECT count(*) AS listed FROM pg_settings WHERE name = 'session.context';
COMMIT;

-- No statement of a role can give the setting a value: neither a valid one,
-- nor the one shown, nor a nearly empty one.  The same holds for roles with
-- more privileges.
RESET ROLE;
CREATE FUNCTION regress_session_own.definer(value text, local boolean) RETURNS text LANGUAGE sql SECURITY DEFINER
AS $$ SELECT set_config('session.context', value, local) $$;
CREATE TEMP TABLE forged AS
SELECT n, value FROM (VALUES
    (1, '1:1:' || repeat('0', 32) || '9:0:0:0:9223372036854775807:0:0:1:9223372036854775807:5:admin-1:-1:-1:-1:-1:-1:-1:'),
    (2, '0:0:' || repeat('0', 32) || '9:0:0:0:9223372036854775807:0:0:1:9223372036854775807:5:admin-1:5:admin-1:-1:-1:-1:-1:'),
    (3, 'admin'), (4, ' '), (5, :'alice_id')) AS forged (n, value);
CREATE TEMP TABLE attempts AS
SELECT row_number() OVER () AS n, attempt FROM unnest(ARRAY[
    'SET session.context = %L',
    'SET SESSION session.context = %L',
    'SET LOCAL session.context TO %L',
    'SET "SESSION"."Context" = %L',
    'SELECT set_config(''session.context'', %L, false)',
    'SELECT set_config(''session.context'', %L, true)',
    'SELECT set_config(''SESSION.CONTEXT'', %L, true)',
    'UPDATE pg_settings SET setting = %L WHERE name = ''session.context'' OR set_config(''session.context'', %1$L, true) = ''''',
    'ALTER ROLE CURRENT_USER SET session.context = %L',
    'ALTER ROLE regress_session_web SET session.context = %L',
    'ALTER ROLE CURRENT_USER IN DATABASE contrib_regression SET session.context = %L',
    'ALTER ROLE ALL SET session.context = %L',
    'ALTER DATABASE contrib_regression SET session.context = %L',
    'CREATE FUNCTION regress_session_own.f() RETURNS text LANGUAGE sql SET session.context = %L AS ''SELECT session_user_id()''',
    'CREATE PROCEDURE regress_session_own.p() LANGUAGE sql SET session.context = %L AS ''SELECT session_user_id()''',
    'ALTER FUNCTION regress_session_own.mine() SET session.context = %L',
    'ALTER ROUTINE regress_session_own.mine() SET "session"."context" TO %L',
    'DO $do$ BEGIN PERFORM set_config(''session.context'', %L, true); END $do$',
    'DO $do$ BEGIN EXECUTE format(''SET LOCAL session.context = %%L'', %L::text); END $do$',
    'SELECT regress_session_own.definer(%L, true)',
    'SELECT regress_session_own.definer(%L, false)',
    'SELECT regress_session_own.security_definer(%L)',
    'WITH s AS MATERIALIZED (SELECT set_config(''session.context'', %L, true)) SELECT session_user_id() FROM s',
    'CREATE TABLE regress_session_own.t (a text DEFAULT set_config(''session.context'', %L, true)); INSERT INTO regress_session_own.t DEFAULT VALUES',
    'CREATE TABLE regress_session_own.t (a text CHECK (set_config(''session.context'', a, true) IS NOT NULL)); INSERT INTO regress_session_own.t VALUES (%L)',
    'INSERT INTO regress_session_own.triggered VALUES (%L)',
    'CREATE FUNCTION regress_session_own.f() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE SET work_mem = ''1MB'' AS $f$ SELECT set_config(''session.context'', %L, true) $f$; SELECT regress_session_own.f()',
    'DEALLOCATE ALL; PREPARE forge AS SELECT set_config(''session.context'', %L, true); EXECUTE forge']) AS attempt;
GRANT SELECT ON forged, attempts TO PUBLIC;
SET ROLE regress_session_web;
CREATE FUNCTION regress_session_own.mine() RETURNS text LANGUAGE sql AS 'SELECT session_user_id()';
CREATE FUNCTION regress_session_own.security_definer(value text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
AS $$ BEGIN RETURN set_config('session.context', value, true); END $$;
CREATE TABLE regress_session_own.triggered (value text);
CREATE FUNCTION regress_session_own.trigger() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN NEW.value := set_config('session.context', NEW.value, true); RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON regress_session_own.triggered FOR EACH ROW EXECUTE FUNCTION regress_session_own.trigger();

-- Runs all attempts with every value; the result of a successful one is the
-- identity after it.
CREATE FUNCTION pg_temp.tried() RETURNS TABLE (n bigint, outcome text, tries bigint) LANGUAGE sql AS $$
    SELECT n, outcome, count(*)
      FROM (SELECT a.n, CASE WHEN outcome = 'done' THEN 'done, then ' || pg_temp.who()
                             WHEN outcome LIKE '%"session.context" cannot be set' THEN outcome
                             ELSE left(outcome, 5) END AS outcome
              FROM (SELECT * FROM attempts, forged AS f (m, value) ORDER BY attempts.n, m OFFSET 0) AS a,
                   pg_temp.outcome_of(format(attempt, value)) AS outcome) AS tries
     GROUP BY n, outcome ORDER BY n, outcome COLLATE "C"
$$;
TABLE attempts;
BEGIN;
SELECT * FROM pg_temp.tried();
COMMIT;
SELECT pg_temp.who();

-- With a session bound the results are the same, and the identity stays.
BEGIN;
SELECT session_authenticate(:'alice');
SELECT outcome, sum(tries) AS tries FROM pg_temp.tried() GROUP BY outcome ORDER BY outcome COLLATE "C";
SELECT attempt, pg_temp.outcome_of(attempt) AS outcome
  FROM unnest(ARRAY[
    'CREATE FUNCTION regress_session_own.kept() RETURNS text LANGUAGE sql SET session.context FROM CURRENT AS ''SELECT session_user_id()''',
    'ALTER FUNCTION regress_session_own.mine() SET session.context FROM CURRENT',
    'ALTER ROLE CURRENT_USER SET session.context FROM CURRENT',
    'SELECT set_config(''session.context'', current_setting(''session.context''), false)']) AS attempt;
SELECT pg_temp.who();
COMMIT;
SELECT pg_temp.who(), regress_session_own.mine();

-- SET session.context FROM CURRENT without a bound session stores no identity.
ALTER FUNCTION regress_session_own.mine() SET session.context FROM CURRENT;
BEGIN;
SELECT session_authenticate(:'alice');
SELECT regress_session_own.mine(), session_user_id();
COMMIT;

-- A superuser cannot set it either.
RESET ROLE;
BEGIN;
SELECT outcome, sum(tries) AS tries FROM pg_temp.tried() GROUP BY outcome ORDER BY outcome COLLATE "C";
ROLLBACK;
SELECT pg_temp.who();
\set VERBOSITY sqlstate
ALTER SYSTEM SET session.context = 'admin';
\set VERBOSITY default
SET session.context = 'admin';
SELECT count(*) AS kept FROM pg_db_role_setting, unnest(setconfig) AS s WHERE s LIKE 'session.context=%';
SELECT DISTINCT s AS kept FROM pg_proc, unnest(proconfig) AS s WHERE s LIKE 'session.context=%';

-- The result of a reader does not change if another session is bound before
-- the row is returned.
SELECT session_user_id() AS one, session_authenticate(:'alice') AS is_bound, session_user_id() AS two, session_claim('sub') AS sub,
       session_authenticate(:'bob') AS is_bound, session_user_id() AS three, session_claim('sub') AS sub, session_authenticate(NULL) AS is_bound,
       session_user_id() AS four, session_claims() AS claims;
CREATE TEMP TABLE turns AS
SELECT n, CASE n % 3 WHEN 0 THEN :'alice' WHEN 1 THEN :'bob' ELSE 'junk' END AS token FROM generate_series(0, 99) AS n;
SELECT token, count(*), array_agg(DISTINCT user_id) AS users, array_agg(DISTINCT id) AS ids, array_agg(DISTINCT claim) AS claims,
       array_agg(DISTINCT claims ->> 'sub') AS subs, array_agg(DISTINCT level) AS levels
  FROM (SELECT CASE n % 3 WHEN 0 THEN 'alice' WHEN 1 THEN 'bob' ELSE 'junk' END AS token, session_authenticate(token) AS is_bound,
               session_user_id() AS user_id,
               CASE session_id() WHEN :'alice_id' THEN 'alice' WHEN :'bob_id' THEN 'bob' END AS id,
               session_claim('sub') AS claim, session_claims() AS claims, session_auth_level() AS level
          FROM (TABLE turns ORDER BY n OFFSET 0) AS turns OFFSET 0) AS answers
 GROUP BY token ORDER BY token COLLATE "C";
BEGIN;
SELECT session_authenticate(:'alice');
SELECT first.user_id, first.id = :'alice_id' AS id, first.claims ->> 'sub' AS sub, first.claim, count(*), count(second.is_bound) FILTER (WHERE is_bound) AS bound
  FROM (SELECT session_user_id() AS user_id, session_id() AS id, session_claims() AS claims, session_claim('role') AS claim OFFSET 0) AS first,
       LATERAL (SELECT session_authenticate(token) AS is_bound, session_user_id() AS user_id, session_claims() AS claims,
                       session_claim(first.claim) FROM turns OFFSET 0) AS second
 GROUP BY first.user_id, first.id, first.claims, first.claim;
COMMIT;

-- The same holds in PL/pgSQL, whose expressions live as long as a transaction.
CREATE FUNCTION pg_temp.turns() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    turn record;
    story text[];
    before text;
    claims jsonb;
BEGIN
    FOR turn IN SELECT * FROM turns WHERE n < 6 ORDER BY n LOOP
        before := session_user_id();
        claims := session_claims();
        PERFORM session_authenticate(turn.token);
        story := story || concat_ws('/', coalesce(before, '-'), coalesce(claims ->> 'sub', '-'), coalesce(session_user_id(), '-'));
    END LOOP;
    RETURN array_to_string(story, ' ');
END
$$;
SELECT pg_temp.turns();

-- The same holds in prepared statements, whose plans are older than the
-- identity.
PREPARE who AS SELECT session_user_id(), session_claims() ->> 'sub' AS sub, n FROM generate_series(1, 2) AS n WHERE session_user_id() IS NOT NULL;
SET plan_cache_mode = force_generic_plan;
BEGIN;
SELECT session_authenticate(:'alice');
EXECUTE who;
SELECT session_authenticate(:'bob');
EXECUTE who;
COMMIT;
EXECUTE who;
RESET plan_cache_mode;
DEALLOCATE who;

-- A cursor uses the identity at the time a row is fetched.
BEGIN;
SELECT session_authenticate(:'alice');
DECLARE c CURSOR FOR SELECT n, session_user_id(), session_claims() ->> 'sub' AS sub FROM generate_series(1, 4) AS n;
FETCH 2 FROM c;
SELECT session_authenticate(:'bob');
FETCH 1 FROM c;
SELECT session_authenticate(NULL);
FETCH 1 FROM c;
COMMIT;

-- A cursor WITH HOLD was filled within its transaction and keeps that
-- identity.
BEGIN;
SELECT session_authenticate(:'alice');
DECLARE c CURSOR WITH HOLD FOR SELECT n, session_user_id() FROM generate_series(1, 2) AS n;
COMMIT;
FETCH ALL FROM c;
CLOSE c;
SELECT pg_temp.who();

-- Deferred triggers at the end of the transaction still have the identity.
CREATE TABLE regress_session_own.done (by text);
CREATE TABLE regress_session_own.noted (by text, claim text);
CREATE FUNCTION regress_session_own.note() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN INSERT INTO regress_session_own.noted VALUES (session_user_id(), session_claim('sub')); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON regress_session_own.done DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION regress_session_own.note();
BEGIN;
SELECT session_authenticate(:'bob');
INSERT INTO regress_session_own.done VALUES (session_user_id());
SELECT count(*) AS noted FROM regress_session_own.noted;
COMMIT;
TABLE regress_session_own.noted;
SELECT pg_temp.who();

-- A procedure that commits must pass the token again.
CREATE PROCEDURE pg_temp.work(token text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM session_authenticate(token);
    RAISE NOTICE 'at first: %', session_user_id();
    COMMIT;
    RAISE NOTICE 'after a commit: %', session_user_id();
    PERFORM session_authenticate(token);
    ROLLBACK;
    RAISE NOTICE 'after a rollback: %', session_user_id();
END
$$;
CALL pg_temp.work(:'alice');

-- Policies use the identity: only the owner of a row can read, change and add
-- it.
CREATE TABLE regress_session_own.todo (owner text, what text);
INSERT INTO regress_session_own.todo SELECT 'user' || n, 'work' FROM generate_series(1, 5000) AS n;
INSERT INTO regress_session_own.todo VALUES ('alice', 'tea'), ('alice', 'cake'), ('bob', 'beer'), (NULL, 'lost');
CREATE INDEX ON regress_session_own.todo (owner);
ALTER TABLE regress_session_own.todo ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON regress_session_own.todo USING (owner = session_user_id());
GRANT SELECT, INSERT, UPDATE, DELETE ON regress_session_own.todo TO regress_session_web;
ANALYZE regress_session_own.todo;
SET ROLE regress_session_web;
PREPARE mine AS SELECT owner, what FROM regress_session_own.todo ORDER BY what COLLATE "C";
\set VERBOSITY sqlstate
EXECUTE mine;
BEGIN;
SELECT session_authenticate(:'alice');
EXECUTE mine;
UPDATE regress_session_own.todo SET what = 'pie' WHERE what = 'cake' OR owner = 'bob';
SAVEPOINT s;
INSERT INTO regress_session_own.todo VALUES ('bob', 'more');
ROLLBACK TO s;
UPDATE regress_session_own.todo SET owner = 'bob';
ROLLBACK TO s;
INSERT INTO regress_session_own.todo VALUES (session_user_id(), 'more');
EXECUTE mine;
COMMIT;
BEGIN;
SELECT session_authenticate(:'bob');
EXECUTE mine;
SELECT session_authenticate(:'visit');
EXECUTE mine;
ROLLBACK;
EXECUTE mine;
INSERT INTO regress_session_own.todo VALUES (NULL, 'nobody''s');
\set VERBOSITY default

-- An index on the owner is used, also together with a condition that could
-- leak other users' rows.
CREATE FUNCTION regress_session_own.peek(owner text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
AS $$ BEGIN RAISE NOTICE 'saw %', owner; RETURN true; END $$;
EXPLAIN (COSTS OFF) SELECT * FROM regress_session_own.todo;
BEGIN;
SELECT session_authenticate(:'alice');
SELECT count(*) FROM regress_session_own.todo WHERE regress_session_own.peek(owner);
COMMIT;
RESET ROLE;

-- Without the tables of the extension, no session is bound or can be.
BEGIN;
SELECT session_authenticate(:'alice');
DROP EXTENSION session CASCADE;
SELECT current_setting('session.context') = '' AS removed;
COMMIT;
SHOW session.context;
CREATE EXTENSION session;
SELECT session_authenticate(:'alice'), session_user_id();

SET client_min_messages = warning;
DROP SCHEMA regress_session_own CASCADE;
DROP EXTENSION session CASCADE;
DROP OWNED BY regress_session_web;
DROP ROLE regress_session_web;
