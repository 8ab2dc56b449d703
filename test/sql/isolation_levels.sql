-- Transactions: every isolation level, READ ONLY and rollback, in a single
-- connection.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Returns the results of a session from creation to cleanup, within one
-- transaction, in one line.
CREATE FUNCTION pg_temp.life() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    visit session_credentials;
    login session_credentials;
    story text[];
BEGIN
    visit := session_create(NULL, '{"cart": [1]}', idle_timeout => '1 hour');
    story := story || session_status(visit.token);
    story := story || session_data_set(visit.token, 'cart', '[1, 2]')::text;
    story := story || session_data(visit.token)::text;
    SELECT * INTO login FROM session_regenerate(visit.token, 'alice');
    story := story || session_status(visit.token) || session_status(login.token);
    CALL pg_temp.pass('30 minutes');
    story := story || (SELECT pg_temp.is_recent(last_seen_at)::text FROM session_validate(login.token));
    story := story || (SELECT count(*)::text FROM session_refresh(login.token));
    story := story || (SELECT count(*)::text FROM session_list('alice'));
    story := story || session_touch(login.token)::text;
    story := story || session_revoke(login.token)::text;
    story := story || session_status(login.token);
    story := story || (SELECT count(*)::text FROM session_list('alice'));
    CALL pg_temp.pass('26 hours');
    story := story || session_cleanup()::text;
    story := story || session_status(login.token);
    RETURN array_to_string(story, ' ');
END
$$;
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT pg_temp.life();
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM session.sessions;
SELECT pg_temp.life();
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM session.sessions;
SELECT pg_temp.life();
COMMIT;

-- A transaction with an old snapshot sees its own changes, including those in
-- a savepoint.
SELECT id, token FROM session_create('alice', '{"n": 0}') \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS sessions FROM session.sessions;
SELECT session_data_set(:'token', 'n', '1'), session_data_get(:'token', 'n');
SAVEPOINT s;
SELECT session_data_set(:'token', 'n', '2'), session_data_get(:'token', 'n');
RELEASE s;
SAVEPOINT s;
SELECT session_data_set(:'token', 'n', '3'), session_data_get(:'token', 'n');
ROLLBACK TO s;
SELECT session_data_get(:'token', 'n'), session_data_set(:'token', 'n', '4'), session_data_get(:'token', 'n');
COMMIT;
SELECT session_data(:'token');

-- A rollback to a savepoint undoes all changes since then and keeps those
-- before.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT token AS kept FROM session_create('alice') \gset
SAVEPOINT s;
SELECT token AS regenerated FROM session_regenerate(:'token') \gset
SELECT token AS made FROM session_create('alice') \gset
SELECT session_revoke(:'kept');
SELECT session_status(:'token') AS old, session_status(:'regenerated') AS new,
       session_status(:'made') AS made, session_status(:'kept') AS kept;
ROLLBACK TO s;
SELECT session_status(:'token') AS old, session_status(:'regenerated') AS new,
       session_status(:'made') AS made, session_status(:'kept') AS kept;
COMMIT;
SELECT session_status(:'token') AS old, session_status(:'regenerated') AS new,
       session_status(:'made') AS made, session_status(:'kept') AS kept;

-- An exception undoes the changes of its PL/pgSQL block in the same way.
DO $$
DECLARE
    made session_credentials := session_create('bob');
BEGIN
    BEGIN
        PERFORM session_revoke(made.token);
        RAISE NOTICE 'in the block: %', session_status(made.token);
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        RAISE NOTICE 'after it: %', session_status(made.token);
    END;
END
$$;

-- After an error in a function of the extension, a rollback to a savepoint
-- keeps the earlier changes of the transaction.
\set VERBOSITY sqlstate
BEGIN;
SELECT session_data_set(:'token', 'n', '5');
SAVEPOINT s;
SELECT session_create('alice', id => :'id');
SELECT session_status(:'token');
ROLLBACK TO s;
SELECT session_data_get(:'token', 'n');
COMMIT;
SELECT session_data_get(:'token', 'n');

-- The functions that work in a READ ONLY transaction with a bound session, and
-- the errors of those that do not.
CREATE TABLE to_bind (id text);
CREATE TABLE bound (id text);
SELECT session_bind_users('bound', 'id');
CREATE FUNCTION pg_temp.call(function oid, token text, id uuid) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    call text;
    answer text;
BEGIN
    SELECT format('SELECT string_agg(%s, '', '') FROM %s(%s) AS r',
                  CASE WHEN p.proretset THEN '''a row''' ELSE 'coalesce(r::text, ''NULL'')' END,
                  p.oid::regproc,
                  (SELECT string_agg(format('%I => ', name) ||
                                     CASE name WHEN 'token' THEN '$1'
                                               WHEN 'id' THEN
                                                   CASE p.proname WHEN 'session_dbsc_refresh' THEN '$2::text' ELSE '$2' END
                                               WHEN 'scope' THEN '''todo:read'''
                                               WHEN 'proof' THEN '''proof'''
                                               WHEN 'method' THEN '''GET'''
                                               WHEN 'url' THEN '''https://api.example.com/'''
                                               WHEN 'scopes' THEN '''{todo:read}'''
                                               WHEN 'reason' THEN '''asked'''
                                               WHEN 'parent_id' THEN 'NULL'
                                               WHEN 'actor_id' THEN 'NULL'
                                               WHEN 'path' THEN '''/bind'''
                                               WHEN 'refresh_path' THEN '''/refresh'''
                                               WHEN 'key' THEN '''n'''
                                               WHEN 'expected' THEN '''1'''
                                               WHEN 'value' THEN '''1'''
                                               WHEN 'data' THEN '''{}'''
                                               WHEN 'patch' THEN '''{}'''
                                               WHEN 'user_id' THEN '''alice'''
                                               WHEN 'tenant_id' THEN '''acme'''
                                               WHEN 'ids' THEN 'ARRAY[$2]'
                                               WHEN 'role' THEN
                                                   CASE p.proname WHEN 'session_grant'
                                                        THEN 'current_user::regrole' ELSE 'NULL' END
                                               WHEN 'lifetime' THEN '''1 hour'''
                                               WHEN 'level' THEN '''app'''
                                               WHEN 'payload' THEN '''{"n": 5}'''
                                               WHEN 'cookie' THEN
                                                   CASE p.proname WHEN 'session_cookie_validate'
                                                        THEN 'current_setting(''test.snapshot'')'
                                                        ELSE 'current_setting(''test.cookie'')' END
                                               WHEN 'cookie_header' THEN '''__Host-session=v'''
                                               WHEN 'forwarded' THEN '''192.0.2.1'''
                                               WHEN 'jwk' THEN
                                                   '''{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'''
                                               WHEN 'purpose' THEN '''other'''
                                               WHEN 'secret' THEN '''0123456789abcdef0123456789abcdef'''
                                               WHEN 'users' THEN
                                                   CASE p.proname WHEN 'session_bind_users'
                                                        THEN '''to_bind''' ELSE '''bound''' END
                                               WHEN 'id_column' THEN '''id'''
                                               WHEN 'kind' THEN '''database'''
                                               WHEN 'kid' THEN '''no such kid'''
                                               WHEN 'relation' THEN '''session.sessions'''
                                               WHEN 'idle_timeout' THEN '''1 hour'''
                                               ELSE CASE WHEN name LIKE '%\_at' THEN 'now()' END END, ', ')
                     FROM unnest(p.proargnames) WITH ORDINALITY AS a (name, n)
                    WHERE a.n <= p.pronargs - p.pronargdefaults OR (a.n <= p.pronargs AND a.name = 'token' AND p.proname <> 'session_create')
                       -- A policy, and the end of all sessions, of another tenant.
                       OR (p.proname ~ 'policy_set|revoke_all' AND a.name IN ('tenant_id', 'lifetime'))))
      INTO call FROM extension_functions p WHERE p.oid = function;
    PERFORM session_authenticate(token);
    EXECUTE call INTO answer USING token, id;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END
$$;
CREATE TEMP VIEW outcomes AS
SELECT p.proname,
       CASE WHEN outcome ~ '^[\w-]+(\.[\w-]*){1,4}$' THEN 'a cookie'
            WHEN outcome ~ '^{"n": 5, .*"jti": ' THEN 'a payload'
            WHEN outcome ~ '^{"acts": ' THEN 'an export'
            WHEN outcome ~ '^(a row, ){9}' THEN 'many rows'
            WHEN p.prorettype = 'timestamptz'::regtype AND outcome !~ '^(NULL$|[0-9A-Z]{5} )' THEN 'a time'
            ELSE replace(outcome, current_setting('test.id'), 'the id') END AS outcome
  FROM extension_functions p,
       pg_temp.call(p.oid, current_setting('test.token'), current_setting('test.id')::uuid) AS outcome
 WHERE p.prorettype <> 'trigger'::regtype
 ORDER BY p.proname COLLATE "C";
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;
SELECT set_config('test.token', :'token', false) = :'token' AS set,
       set_config('test.id', :'id', false) = :'id' AS set,
       set_config('test.cookie', session_cookie_encode('{"n": 5}'), false) <> '' AS set,
       set_config('test.snapshot', session_cookie_issue(:'token'), false) <> '' AS set;
CALL pg_temp.pass('1 hour');
SELECT ctid, xmin FROM session.sessions WHERE id = :'id' \gset
BEGIN READ ONLY;
TABLE outcomes;
COMMIT;

-- The result is the same at every isolation level, and for every way to make a
-- transaction READ ONLY.
BEGIN READ ONLY;
SELECT string_agg(concat(proname, outcome), ' ') AS read_committed FROM outcomes \gset
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT string_agg(concat(proname, outcome), ' ') = :'read_committed' AS same FROM outcomes;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SELECT string_agg(concat(proname, outcome), ' ') = :'read_committed' AS same FROM outcomes;
COMMIT;
BEGIN;
SET TRANSACTION READ ONLY;
SELECT string_agg(concat(proname, outcome), ' ') = :'read_committed' AS same FROM outcomes;
COMMIT;
BEGIN;
SAVEPOINT s;
SET TRANSACTION READ ONLY;
SELECT string_agg(concat(proname, outcome), ' ') = :'read_committed' AS same FROM outcomes;
ROLLBACK TO s;
SELECT session_data_set(:'token', 'n', '6');
ROLLBACK;

-- None of these calls wrote anything.
SELECT ctid = :'ctid' AND xmin = :'xmin' AS untouched FROM session.sessions WHERE id = :'id';

-- In a transaction that may write, no function fails, except because an
-- earlier one ended the session, there is no new master key, or no function that
-- decides who may act as a user.
BEGIN;
SELECT count(*) AS functions, count(*) FILTER (WHERE outcome ~ '^\d{5} (?!a session is required)' AND proname NOT IN ('session_act_as', 'session_master_key_rotate')) AS errors FROM outcomes;
ROLLBACK;

DROP VIEW outcomes;
DROP TABLE to_bind, bound;
DROP EXTENSION session;
