-- Actors of events: the log alone shows who did what to which session, and
-- which administrator changed what.  The kind "accessed" shows when sessions
-- were used.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE ROLE regress_session_shop;
CREATE ROLE regress_session_boss;
CREATE ROLE regress_session_anon;
CREATE ROLE regress_session_gate NOINHERIT;
GRANT regress_session_anon, regress_session_shop TO regress_session_gate;
SELECT session_cleanup() IS NOT NULL AS cleaned;
TRUNCATE session.events;

-- The events in order.  The role of the connection is shown as "me".
CREATE TEMP VIEW story AS
SELECT kind, user_id AS "user", tenant_id AS tenant, actor_kind,
       CASE WHEN actor_kind = 'role' AND actor = session_user THEN 'me' ELSE actor END AS actor,
       detail - 'kid' - 'last_seen_at' AS detail
  FROM session.events ORDER BY id;
CREATE PROCEDURE pg_temp.start_over() LANGUAGE sql AS $$
    SELECT session_cleanup();
    TRUNCATE session.events, session.origins, session.sessions
$$;

-- By default, administration is logged, without secrets.
SELECT session_grant('regress_session_shop', 'app'), session_grant('regress_session_boss', 'admin');
CREATE TABLE users (id text, active boolean);
GRANT TRIGGER ON users TO regress_session_boss;
GRANT INSERT, SELECT, DELETE ON users TO regress_session_shop;
SET ROLE regress_session_boss;
SELECT session_key_rotate() AS kid \gset
SELECT session_key_import('of another system, thirty-two b.', 'theirs', 'legacy');
SELECT session_key_retire(:'kid') AS retired, session_key_retire(:'kid') AS again, session_key_retire('missing') AS missing;
SELECT session_bind_users('users', 'id', 'active');
SELECT session_unbind_users('users');
SELECT session_bind_users('users', 'id');
RESET ROLE;
SELECT session_storage('cache');
SELECT session_storage('filesystem', 'pg_default');
SELECT session_storage('database');
SELECT session_grant('regress_session_boss', 'none'), session_grant('regress_session_boss', 'admin');
REVOKE EXECUTE ON FUNCTION session_id() FROM PUBLIC;
SELECT session.session_restore_privileges(), session.session_restore_privileges() AS again;
TABLE story;
SELECT count(*) AS kids, count(*) FILTER (WHERE detail ->> 'kid' = :'kid') AS made
  FROM session.events WHERE detail ? 'kid';
SELECT count(*) AS secrets FROM session.events AS e WHERE e::text LIKE '%thirty%';

-- An event of administration is rolled back with the change, and calls that
-- fail write none.
TRUNCATE session.events;
BEGIN;
SELECT count(session_key_rotate()) AS made;
SAVEPOINT s;
SELECT session_grant('regress_session_anon', 'app');
ROLLBACK TO s;
SELECT detail ->> 'action' AS action FROM session.events;
ROLLBACK;
SELECT pg_temp.error_of('session_key_import(''short'')'), pg_temp.error_of('session_unbind_users(''session.sessions'')');
TABLE story;
SET session.log_events = '';
SELECT count(session_key_rotate()) AS made;
TABLE story;

-- Without an identity, the actor is the role that the client has: the one that
-- it has set, and not the owner of a function or of the tables.
SET session.log_events = 'all';
CREATE FUNCTION log_in(who text) RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM session_create(who)
$$;
ALTER FUNCTION log_in OWNER TO regress_session_boss;
SELECT id AS alice, token AS alice_token FROM session_create('alice', tenant_id => 'acme') \gset
SET ROLE regress_session_shop;
SELECT count(session_create('alice', tenant_id => 'acme')) AS made;
SELECT count(log_in('carol')) AS made;
SET ROLE regress_session_boss;
SELECT session_revoke_user('carol');
RESET ROLE;
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_session_shop;
SELECT count(session_create('dave')) AS made;
COMMIT;
TABLE story;

-- With an identity that has a user, the actor is the user, until the identity
-- ends.  A user with the name of a role is not taken for it.
SELECT token AS shop_token FROM session_create('regress_session_shop') \gset
SELECT token AS visit_token FROM session_create() \gset
TRUNCATE session.events;
BEGIN;
SELECT session_authenticate(:'alice_token');
SELECT session_revoke_others();
SELECT session_revoke_user('dave');
SAVEPOINT s;
SELECT session_authenticate(:'shop_token');
SELECT count(session_create('erin')) AS made;
ROLLBACK TO s;
SELECT count(session_create('frank')) AS made;
SELECT session_authenticate(:'visit_token');
SELECT count(session_create('grace')) AS made;
COMMIT;
SELECT count(session_create('heidi')) AS made;
TABLE story;
CALL pg_temp.start_over();

-- PostgREST sets the role for each request, and session_pre_request binds the
-- identity and may change the role.
SELECT token AS alice_token FROM session_create('alice') \gset
SELECT token AS shop_token FROM session_create('bob', role => 'regress_session_shop') \gset
SET session.cookie_name = 'sid';
TRUNCATE session.events;
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_session_gate;
SET LOCAL ROLE regress_session_anon;
SELECT session_pre_request();
SELECT set_config('request.cookies', json_build_object('sid', :'alice_token')::text, true) IS NOT NULL AS asked;
SELECT session_pre_request();
SELECT session_revoke_mine(session_id());
COMMIT;
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_session_gate;
SET LOCAL ROLE regress_session_anon;
SELECT set_config('request.cookies', json_build_object('sid', :'shop_token')::text, true) IS NOT NULL AS asked;
SELECT session_pre_request();
SELECT current_user;
SELECT session_authenticate(NULL);
SELECT session_revoke(:'shop_token');
COMMIT;
TABLE story;
RESET session.cookie_name;
CALL pg_temp.start_over();

-- A change of a bound table of users, a limit, the end of a session by itself
-- and a binding mismatch: the reason is in the detail.
SELECT count(session_create(who, ip => '192.0.2.1')) AS made FROM unnest('{alice,bob,carol}'::text[]) AS who;
SELECT token AS dave_token FROM session_create('dave', ip => '192.0.2.1') \gset
SELECT count(session_create('erin', lifetime => '1 minute')) AS made;
INSERT INTO users VALUES ('alice'), ('bob');
TRUNCATE session.events;
SET ROLE regress_session_shop;
DELETE FROM users WHERE id = 'alice';
RESET ROLE;
TRUNCATE users;
SET session.max_sessions = 1;
SET ROLE regress_session_shop;
SELECT count(session_create('carol')) AS made;
RESET ROLE;
RESET session.max_sessions;
SET session.bind_ip = exact;
SET session.on_mismatch = revoke;
SET ROLE regress_session_shop;
SELECT count(*) AS valid FROM session_validate(:'dave_token', '192.0.2.2');
RESET ROLE;
RESET session.on_mismatch;
UPDATE session.sessions SET created_at = created_at - interval '2 days', expires_at = now() - interval '1 day', purge_at = now() - interval '1 hour' WHERE user_id = 'erin';
SET ROLE regress_session_boss;
SELECT session_cleanup();
RESET ROLE;
SELECT kind, "user", actor_kind, actor, detail - 'ended_at' AS detail FROM story;
CALL pg_temp.start_over();

-- Evidence has the actor of the failure, not of the backend that writes it:
-- the role, or the user of the identity if the id has at most 63 bytes.
SELECT count(session_create(who, ip => '192.0.2.1', id => id)) AS made
  FROM (VALUES ('alice', '00000000-0000-4000-8000-000000000001'::uuid), ('bob', '00000000-0000-4000-8000-000000000002'),
               ('carol', '00000000-0000-4000-8000-000000000003')) AS t (who, id);
SELECT token AS short_token FROM session_create(repeat('s', 63), ip => '192.0.2.1') \gset
SELECT token AS long_token FROM session_create(repeat('l', 64), ip => '192.0.2.1') \gset
SELECT refresh_token AS refresh_1 FROM session_create('frank', refreshable => true, ip => '192.0.2.1') \gset
SELECT refresh_token AS refresh_2 FROM session_refresh(:'refresh_1', ip => '192.0.2.1') \gset
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_2', ip => '192.0.2.1');
SELECT token AS dave_token FROM session_create('dave', ip => '192.0.2.1') \gset
SELECT session_cleanup();
TRUNCATE session.events;
SET session.failure_threshold = 2;
CREATE FUNCTION pg_temp.guess(id uuid, ip inet) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(session_status(pg_temp.token_of(uuid_send(id) || sha256(n::text::bytea)), ip + n)) FROM generate_series(1, 3) AS n
$$;
CREATE ROLE regress_session_gone;
SET ROLE regress_session_shop;
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_1', ip => '192.0.2.1');
SELECT count(*) AS valid FROM session_validate(:'dave_token', '192.0.2.2');
SELECT pg_temp.guess('00000000-0000-4000-8000-000000000001', '198.51.100.0');
BEGIN READ ONLY;
SELECT session_authenticate(:'short_token', '192.0.2.1');
SELECT pg_temp.guess('00000000-0000-4000-8000-000000000002', '198.51.100.10');
SELECT session_authenticate(:'long_token', '192.0.2.1');
SELECT count(session_status('st_', '203.0.113.9')) FROM generate_series(1, 9);
ROLLBACK;
RESET ROLE;
GRANT EXECUTE ON FUNCTION session_status TO regress_session_gone;
SET ROLE regress_session_gone;
SELECT pg_temp.guess('00000000-0000-4000-8000-000000000003', '198.51.100.20');
RESET ROLE;
DROP OWNED BY regress_session_gone;
DROP ROLE regress_session_gone;
SET ROLE regress_session_boss;
SELECT session_cleanup();
RESET ROLE;
SELECT kind, "user", actor_kind, regexp_replace(actor, '^\d+$', '(an OID)') AS actor, detail FROM story ORDER BY kind, "user";
RESET session.failure_threshold;
RESET session.bind_ip;
CALL pg_temp.start_over();

-- Each function that takes a token counts a wrong secret as guessing at that
-- session, in any transaction.  There is one event, with the number.
SELECT id, token FROM session_create('alice', ip => '192.0.2.1') \gset
TRUNCATE session.events;
SET session.failure_threshold = 1;
BEGIN;
CREATE TEMP TABLE answered AS SELECT * FROM pg_temp.answers(pg_temp.token_of(uuid_send(:'id') || sha256('wrong')));
SELECT function, answer FROM answered WHERE answer NOT IN ('no row', 'NULL', 'false', 'unknown');
-- The token of session_csrf_check is not that of a session.
SELECT count(*) AS answered FROM answered WHERE function <> 'session_csrf_check' \gset
ROLLBACK;
SELECT session_cleanup();
SELECT kind, session_id = :'id' AS of_the_session, user_id, actor_kind, actor = session_user AS me,
       (detail ->> 'count')::int - :answered AS difference
  FROM session.events WHERE session_id IS NOT NULL;
RESET session.failure_threshold;
CALL pg_temp.start_over();

-- A cookie that is a session by itself and is denied is logged as revoked.  An
-- id that is too long for the column is left out.
SELECT session_cookie_encode('{"sub": "alice", "tid": "acme"}', 'jwt') AS cookie \gset
SELECT session_cookie_encode(json_build_object('sub', repeat('x', 3000))::jsonb, 'jwt') AS long_cookie \gset
SET ROLE regress_session_shop;
SELECT session_cookie_revoke(:'cookie'), session_cookie_revoke(:'cookie') AS again, session_cookie_revoke('forged') AS forged,
       session_cookie_revoke(:'long_cookie') AS long;
RESET ROLE;
SELECT story.*, session_id IS NOT NULL AS has_id FROM story JOIN session.events AS e USING (kind) WHERE e.user_id IS NOT DISTINCT FROM story."user";
SET session.strategy = stateless;
SELECT session_cookie_encode('{"sub": "bob"}', 'jwt') AS cookie \gset
TRUNCATE session.events;
BEGIN;
SELECT set_config('request.cookies', json_build_object('__Host-session', :'cookie')::text, true) IS NOT NULL AS asked;
SELECT session_pre_request();
SELECT session_revoke_mine(session_id());
COMMIT;
TABLE story;
RESET session.strategy;
CALL pg_temp.start_over();

-- A use is logged as accessed when it is written into the row: about once in
-- session.update_age and session.
SELECT id, token FROM session_create('alice', ip => '192.0.2.1', user_agent => 'curl', lifetime => '1 year') \gset
TRUNCATE session.events;
SET session.log_events = 'accessed';
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT session_cleanup();
TABLE story;
CALL pg_temp.pass('1 hour');
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT session_cleanup();
SELECT session_cleanup();
SELECT kind, user_id, session_id = :'id' AS same, ip, user_agent, actor_kind, actor = session_user AS me,
       pg_temp.is_recent((detail ->> 'last_seen_at')::timestamptz) AS recent, detail - 'last_seen_at' AS more
  FROM session.events;
TRUNCATE session.events;

-- session_touch and changes of the data write the use at once.  They cause one
-- event in that time, too, however often they are called and whatever other
-- uses there are.
CALL pg_temp.pass('1 hour');
SET ROLE regress_session_shop;
SELECT count(v.id) AS valid, bool_and(session_touch(:'token')) AS touched FROM generate_series(1, 5), session_validate(:'token') AS v;
RESET ROLE;
TABLE story;
CALL pg_temp.pass('1 hour');
SELECT count(v.id) AS valid, bool_and(session_data_set(:'token', 'n', to_jsonb(n))) AS set
  FROM generate_series(1, 5) AS n, session_validate(:'token') AS v;
TABLE story;
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;

-- A rollback removes the event with the use; the use is written later.  Kinds
-- that are not listed are not written.
TRUNCATE session.events;
CALL pg_temp.pass('1 hour');
SELECT count(*) AS valid FROM session_validate(:'token');
BEGIN;
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
ROLLBACK;
SELECT count(*) AS events FROM session.events;
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
RESET session.log_events;
CALL pg_temp.pass('1 hour');
SELECT session_touch(:'token');
SELECT count(*) AS events FROM session.events;
CALL pg_temp.start_over();

-- Every event of every kind has an actor.
SET session.log_events = 'all';
SET session.max_sessions = 2;
SET session.failure_threshold = 1;
SET session.bind_ip = exact;
DO $$
DECLARE
    s session_credentials;
    t session_credentials;
BEGIN
    FOR n IN 1 .. 4 LOOP
        s := session_create('alice', ip => ('192.0.2.' || n)::inet, user_agent => 'curl', refreshable => true);
        SELECT * INTO t FROM session_refresh(s.refresh_token, ('192.0.2.' || n)::inet);
        SELECT * INTO t FROM session_refresh(t.refresh_token, ('192.0.2.' || n)::inet);
        PERFORM session_validate(t.token, '192.0.2.99', 'wget'), session_validate(s.token), session_validate('st_', '192.0.2.200');
        IF n = 2 THEN
            PERFORM session_refresh(s.refresh_token, '192.0.2.99');
        END IF;
        SELECT * INTO t FROM session_regenerate(t.token, auth_level => 2);
    END LOOP;
    PERFORM session_revoke(t.token), session_key_rotate();
    PERFORM session_create('late', ip => '192.0.2.1', lifetime => '1 second');
    s := session_create('used', ip => '192.0.2.1', lifetime => '1 year');
    CALL pg_temp.pass('3 hours');
    PERFORM session_touch(s.token), session_cleanup();
END
$$;
SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) AS kinds,
       bool_and(actor <> '' AND actor_kind IN ('user', 'role', 'worker')) AS have_an_actor
  FROM session.events;
SELECT pg_temp.outcome_of($$UPDATE session.events SET actor = NULL$$),
       pg_temp.outcome_of($$UPDATE session.events SET actor_kind = 'stranger'$$);

-- Who revoked what and why can be read from the log alone.
CREATE TEMP VIEW revocations AS
SELECT session_id, user_id, coalesce(detail ->> 'reason', kind) AS why, actor_kind || ' ' || actor AS who
  FROM session.events WHERE kind IN ('revoked', 'evicted');
SELECT (SELECT count(*) FROM session.sessions WHERE revoked_at IS NOT NULL) AS revoked,
       count(DISTINCT session_id) AS logged, string_agg(DISTINCT why, ' ') AS reasons
  FROM revocations JOIN session.sessions AS s ON s.id = session_id AND s.revoked_reason = why;
RESET ALL;

DROP FUNCTION log_in;
DROP TABLE users;
DROP VIEW story, revocations;
DROP EXTENSION session;
DROP OWNED BY regress_session_shop, regress_session_boss;
DROP ROLE regress_session_shop, regress_session_boss, regress_session_anon, regress_session_gate;
