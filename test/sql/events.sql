-- Events: what happened to each session, if session.log_events requests it,
-- kept for session.event_retention.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Remove what other tests have left behind.
SELECT session_cleanup() IS NOT NULL AS cleaned;
TRUNCATE session.events;

-- Every token that the test uses; at its end, no event may contain one.
CREATE TEMP TABLE tokens (token text);
CREATE FUNCTION pg_temp.kept(token text) RETURNS text LANGUAGE sql AS $$
    INSERT INTO tokens VALUES (token) RETURNING token
$$;
CREATE TEMP VIEW story AS
SELECT kind, user_id AS "user", tenant_id AS tenant, host(ip) AS ip, user_agent AS agent, detail,
       pg_temp.is_recent(at) AS recent
  FROM session.events ORDER BY id;
CREATE PROCEDURE pg_temp.start_over() LANGUAGE sql AS $$
    SELECT session_cleanup();
    TRUNCATE session.events, session.origins, session.sessions
$$;

-- By default, ordinary use of a session writes no events.
SELECT id, pg_temp.kept(token) AS token
  FROM session_create('alice', ip => '192.0.2.1', user_agent => 'curl') \gset
SELECT count(*) AS refreshed FROM session_refresh(:'token');
SELECT pg_temp.kept(token) AS token FROM session_regenerate(:'token') \gset
SELECT session_revoke(:'token');
SELECT count(*) AS events FROM session.events;
SELECT count(*) AS origins FROM session.origins;

-- All of it can be logged: the user, the origin and the details.
SET session.log_events = 'all';
SELECT id, pg_temp.kept(token) AS token
  FROM session_create('alice', '{"cart": 1}', 'acme', ip => '192.0.2.1', user_agent => 'curl') \gset
SELECT count(*) AS refreshed FROM session_refresh(:'token');
SELECT pg_temp.kept(token) AS token FROM session_regenerate(:'token', auth_level => 2) \gset
SELECT session_revoke(:'token');
SELECT count(*) AS sessions FROM session.events WHERE session_id <> :'id';
TABLE story;
CALL pg_temp.start_over();

-- Reads, uses, changes of data and calls without an effect write no event.
SELECT pg_temp.kept(token) AS token FROM session_create('alice') \gset
TRUNCATE session.events;
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT session_status(:'token'), session_touch(:'token'), session_data_set(:'token', 'a', '1'), session_data(:'token');
SELECT session_revoke_user('nobody'), session_revoke_id(gen_random_uuid()), session_cleanup();
TABLE story;
SELECT session_revoke(:'token'), session_revoke(:'token');
TABLE story;
CALL pg_temp.start_over();

-- The events of a refreshable session contain its generation; returning the
-- same pair of tokens again is no event.
SELECT pg_temp.kept(token) AS token, pg_temp.kept(refresh_token) AS refresh_1
  FROM session_create('alice', ip => '192.0.2.1', refreshable => true) \gset
SELECT pg_temp.kept(refresh_token) AS refresh_2 FROM session_refresh(:'refresh_1') \gset
SELECT count(*) AS again FROM session_refresh(:'refresh_1');
SELECT pg_temp.kept(refresh_token) AS refresh_3 FROM session_refresh(:'refresh_2') \gset
TABLE story;

-- Reuse of an old refresh token is logged as such, once, with the address and
-- the user agent of the request, not those of the session.  The revocation is
-- an event like any other.
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_1', '203.0.113.66', 'wget');
SELECT session_cleanup();
SELECT * FROM story WHERE kind NOT IN ('created', 'new_ip', 'refreshed');
CALL pg_temp.start_over();

-- The event of a revocation contains its reason.
SELECT count(session_create('alice', tenant_id => 'acme', id => id)) AS made
  FROM unnest('{00000000-0000-4000-8000-000000000001,00000000-0000-4000-8000-000000000002,
                00000000-0000-4000-8000-000000000003,00000000-0000-4000-8000-000000000004}'::uuid[]) AS id;
TRUNCATE session.events;
SELECT session_revoke_id('00000000-0000-4000-8000-000000000001'),
       session_revoke_id('00000000-0000-4000-8000-000000000002', 'lost "phone"');
SELECT session_revoke_user('alice', except_id => '00000000-0000-4000-8000-000000000004');
SELECT session_revoke_tenant('acme');
TABLE story;
CALL pg_temp.start_over();

-- A session that is revoked to make room for another is logged as evicted,
-- also if a login caused it.
SET session.max_sessions = 1;
SELECT count(session_create('alice')) AS made FROM generate_series(1, 2);
SELECT pg_temp.kept(token) AS token FROM session_create() \gset
SELECT pg_temp.kept(token) AS token FROM session_regenerate(:'token', 'alice') \gset
TABLE story;
RESET session.max_sessions;
CALL pg_temp.start_over();

-- The event of a request from another origin contains that origin, and whether
-- the request revoked the session.  Requests from other addresses within a
-- minute are counted in the first event.
SET session.bind_ip = 'exact';
SELECT pg_temp.kept(token) AS token
  FROM session_create('alice', ip => '192.0.2.1', user_agent => 'curl') \gset
TRUNCATE session.events;
SELECT count(*) AS valid FROM session_validate(:'token', '192.0.2.2', 'wget');
SELECT count(*) AS valid FROM session_validate(:'token', '192.0.2.2', 'wget');
SELECT count(*) AS valid FROM session_validate(:'token', '192.0.2.3');
SELECT count(*) AS valid FROM session_validate(:'token');
SELECT session_status(:'token', '192.0.2.4') AS only_asked;
SET session.on_mismatch = 'revoke';
SELECT count(*) AS valid FROM session_validate(:'token', '192.0.2.5');
SELECT session_cleanup();
TABLE story;
RESET session.bind_ip;
RESET session.on_mismatch;
CALL pg_temp.start_over();

-- The end of an expired or idle session is logged when it is deleted.  A
-- revocation was logged before and is not logged again.
SELECT count(session_create(name, ip => '192.0.2.1', lifetime => '1 hour')) AS made FROM unnest('{expired,revoked}'::text[]) AS name;
SELECT count(session_create('idle', idle_timeout => '1 hour', lifetime => '1 year')) AS made;
SELECT count(session_create('live', lifetime => '1 year')) AS made;
SELECT session_revoke_user('revoked');
TRUNCATE session.events;
CALL pg_temp.pass('3 days');
SELECT session_cleanup();
SELECT kind, "user", ip, detail - 'ended_at' AS detail, recent,
       round(extract(epoch FROM clock_timestamp() - (detail ->> 'ended_at')::timestamptz) / 3600) AS hours_ago
  FROM story ORDER BY "user";
CALL pg_temp.start_over();

-- Only the kinds in session.log_events are logged; the setting at the time of
-- the change decides.
CREATE PROCEDURE pg_temp.live() LANGUAGE plpgsql AS $$
DECLARE
    s session_credentials := session_create('alice', ip => '192.0.2.1', user_agent => 'curl');
BEGIN
    PERFORM pg_temp.kept(s.token), session_refresh(s.token);
    SELECT * INTO s FROM session_regenerate(s.token);
    PERFORM pg_temp.kept(s.token), session_revoke(s.token);
END
$$;
DO $$
DECLARE
    list text;
BEGIN
    FOREACH list IN ARRAY ARRAY['', 'created', 'refreshed', 'regenerated', 'revoked', 'new_ip', 'new_user_agent',
                                'refreshed, created', 'evicted, expired', 'all, created'] LOOP
        PERFORM set_config('session.log_events', list, false);
        TRUNCATE session.events, session.origins;
        CALL pg_temp.live();
        RAISE NOTICE '%: %', list, (SELECT string_agg(kind, ' ' ORDER BY id) FROM session.events);
    END LOOP;
END
$$;
CALL pg_temp.start_over();

-- A login from an address and a user agent that the user has used before is
-- not new; another user, tenant, address or user agent is.
SET session.log_events = 'new_ip, new_user_agent';
CREATE FUNCTION pg_temp.news(arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    news text;
BEGIN
    TRUNCATE session.events;
    EXECUTE 'SELECT FROM session_create(' || arguments || ')';
    SELECT string_agg(kind, ', ' ORDER BY id) INTO news FROM session.events;
    RETURN coalesce(news, 'nothing');
END
$$;
SELECT arguments, pg_temp.news(arguments) AS news FROM unnest(ARRAY[
    $$ 'alice', ip => '192.0.2.1', user_agent => 'curl' $$,
    $$ 'alice', ip => '192.0.2.1', user_agent => 'curl' $$,
    $$ 'alice', ip => '192.0.2.2', user_agent => 'curl' $$,
    $$ 'alice', ip => '192.0.2.1', user_agent => 'wget' $$,
    $$ 'alice', ip => '192.0.2.2', user_agent => 'wget' $$,
    $$ 'alice', ip => '192.0.2.1/24', user_agent => 'wget' $$,
    $$ 'alice', ip => '::ffff:192.0.2.1', user_agent => 'wget' $$,
    $$ 'alice', ip => '2001:db8::1' $$,
    $$ 'alice', ip => '2001:db8::2' $$,
    $$ 'alice', ip => '2001:db8:0:1::1' $$,
    $$ 'alice', user_agent => 'wge' $$,
    $$ 'alice', tenant_id => 'acme', ip => '192.0.2.1', user_agent => 'curl' $$,
    $$ 'alice', tenant_id => 'acme', ip => '192.0.2.1', user_agent => 'curl' $$,
    $$ 'aliceacme', ip => '192.0.2.1' $$,
    $$ 'Alice', ip => '192.0.2.1', user_agent => 'curl' $$,
    $$ 'alice' $$,
    $$ ip => '192.0.2.9', user_agent => 'lynx' $$,
    $$ 'alice', ip => '192.0.2.9', user_agent => 'lynx' $$]) AS arguments;

-- The login of an anonymous session counts too, with the origin from which it
-- was created; raising the level is no login.
TRUNCATE session.events;
SELECT pg_temp.kept(token) AS token FROM session_create(ip => '192.0.2.8', user_agent => 'curl') \gset
SELECT pg_temp.kept(token) AS token FROM session_regenerate(:'token', 'alice') \gset
SELECT pg_temp.kept(token) AS token FROM session_regenerate(:'token', 'alice', auth_level => 2) \gset
TABLE story;

-- The table of origins contains no addresses and no names.
SELECT count(*) > 0 AS any, bool_and(pg_temp.is_recent(used_at)) AS recent FROM session.origins;

-- An origin stays known if it is used again within the retention, without a
-- row for each use.  After the retention it is new again.
TRUNCATE session.origins;
SELECT pg_temp.news($$ 'bob', ip => '192.0.2.1' $$);
UPDATE session.origins SET used_at = used_at - interval '22 hours';
SELECT pg_temp.news($$ 'bob', ip => '192.0.2.1' $$);
SELECT count(*) AS rows FROM session.origins;
UPDATE session.origins SET used_at = used_at - interval '2 hours';
SELECT pg_temp.news($$ 'bob', ip => '192.0.2.1' $$);
SELECT count(*) AS rows FROM session.origins;
UPDATE session.origins SET used_at = used_at - interval '29 days 23 hours 50 minutes';
SELECT session_cleanup();
SELECT count(*) AS rows FROM session.origins;
SELECT pg_temp.news($$ 'bob', ip => '192.0.2.1' $$);
SELECT count(*) AS rows FROM session.origins;
UPDATE session.origins SET used_at = used_at - interval '30 days';
SELECT pg_temp.news($$ 'bob', ip => '192.0.2.1' $$);
SELECT session_cleanup();
SELECT count(*) AS rows, bool_and(pg_temp.is_recent(used_at)) AS recent FROM session.origins;

-- With unlimited retention, an origin is known forever and written once.
SET session.event_retention = 0;
UPDATE session.origins SET used_at = used_at - interval '30 years';
SELECT pg_temp.news($$ 'bob', ip => '192.0.2.1' $$), session_cleanup();
SELECT count(*) AS rows FROM session.origins;
RESET session.event_retention;
CALL pg_temp.start_over();

-- Rolling back a transaction removes its events, except those that are
-- evidence of an attack.
SET session.log_events = 'all';
SET session.bind_ip = 'exact';
SELECT pg_temp.kept(token) AS token, pg_temp.kept(refresh_token) AS refresh_1
  FROM session_create('alice', ip => '192.0.2.1', refreshable => true) \gset
SELECT pg_temp.kept(refresh_token) AS refresh_2 FROM session_refresh(:'refresh_1', '192.0.2.1') \gset
SELECT pg_temp.kept(token) AS token FROM session_refresh(:'refresh_2', '192.0.2.1') \gset
CREATE TEMP TABLE elsewhere AS
SELECT n, pg_temp.kept(s.token) AS token FROM generate_series(3, 8) AS n, session_create('alice', ip => '192.0.2.1', user_agent => n::text) AS s;
CREATE FUNCTION pg_temp.uses(which int) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(v.id) FROM elsewhere AS e, session_validate(e.token, '192.0.2.0'::inet + which) AS v WHERE e.n = which
$$;
SELECT session_cleanup();
TRUNCATE session.events, session.origins;
BEGIN;
SELECT count(*) AS made FROM session_create('bob', ip => '192.0.2.1', user_agent => 'curl');
SELECT count(*) AS valid FROM session_validate(:'token', '192.0.2.2');
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_1');
ROLLBACK;
SELECT count(*) AS origins FROM session.origins;
SELECT session_cleanup();
SELECT kind, "user", ip, detail FROM story;
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
TRUNCATE session.events;

-- Rolling back to a savepoint removes the events since then.  Evidence is also
-- written for READ ONLY transactions.
BEGIN;
SELECT count(*) AS made FROM session_create('bob', ip => '192.0.2.1');
SAVEPOINT s;
SELECT count(*) AS made FROM session_create('carol', ip => '192.0.2.1');
SELECT pg_temp.uses(3);
ROLLBACK TO s;
COMMIT;
BEGIN READ ONLY;
SELECT pg_temp.uses(4);
SELECT count(session_status('st_', '198.51.100.77')) AS asked FROM generate_series(1, 30);
COMMIT;
SELECT session_cleanup();
SELECT kind, "user", ip, detail FROM story;
TRUNCATE session.events;

-- Evidence is not lost if the cleanup that wrote it is rolled back, as a whole
-- or to a savepoint.
SELECT pg_temp.uses(5);
BEGIN;
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT pg_temp.uses(6);
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
ROLLBACK TO a;
SELECT count(*) AS events FROM session.events;
SELECT session_cleanup();
SAVEPOINT b;
SELECT pg_temp.uses(7);
SELECT session_cleanup();
RELEASE b;
SAVEPOINT c;
SELECT pg_temp.uses(8);
SELECT session_cleanup();
ROLLBACK TO c;
COMMIT;
SELECT string_agg(ip, ' ') FROM story;
SELECT session_cleanup();
SELECT string_agg(ip, ' ') FROM story;
RESET session.bind_ip;
CALL pg_temp.start_over();

-- If an address sends more invalid tokens than session.failure_threshold, one
-- event is written, whatever their number.
SET session.failure_threshold = 5;
CREATE FUNCTION pg_temp.guess(ip inet, times int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1 .. times LOOP
        PERFORM FROM session_validate(pg_temp.kept(pg_temp.token_of(sha256('a') || substr(sha256(n::text::bytea), 1, 16))), ip);
    END LOOP;
    PERFORM session_cleanup();
    RETURN (SELECT string_agg(format('%s %s', host(e.ip) || '/' || masklen(e.ip), detail), ', ' ORDER BY e.id)
              FROM session.events e WHERE kind = 'failures');
END
$$;
SELECT pg_temp.guess('198.51.100.210', 5) AS allowed;
SELECT pg_temp.guess('198.51.100.210', 1) AS one_more;
SELECT pg_temp.guess('198.51.100.210', 500) AS many_more;
TRUNCATE session.events;
SELECT pg_temp.guess('198.51.100.211', 500) AS at_once;
TRUNCATE session.events;

-- Each address is counted separately; the addresses of an IPv6 /64 are counted
-- together.
SELECT pg_temp.guess('198.51.100.212', 5), pg_temp.guess('198.51.100.213', 5),
       pg_temp.guess('::ffff:198.51.100.212', 1) AS same;
TRUNCATE session.events;
SELECT count(pg_temp.guess('2001:db8:0:1::'::inet + n, 1)) AS guessed FROM generate_series(1, 6) AS n;
SELECT pg_temp.guess('2001:db8:0:2::1', 5);
TRUNCATE session.events;

-- Every value that is not the token of a session counts as a failure, in every
-- function.  The token of an ended session does not count, and neither does an
-- empty or missing token.
SELECT id, pg_temp.kept(token) AS token FROM session_create('alice') \gset
SELECT session_revoke(:'token');
CREATE FUNCTION pg_temp.counts(token text, ip inet) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE session.events;
    PERFORM session_status(token, ip), session_validate(token, ip), session_status(token, ip),
            session_validate(token, ip), session_status(token, ip), session_validate(token, ip);
    PERFORM session_cleanup();
    RETURN EXISTS (SELECT FROM session.events WHERE kind = 'failures');
END
$$;
SELECT what, pg_temp.counts(token, '198.51.100.20'::inet + n) AS counts
  FROM (VALUES (1, 'unknown', pg_temp.kept(pg_temp.token_of(sha256('b') || substr(sha256('c'), 1, 16)))),
               (2, 'wrong secret', pg_temp.kept(pg_temp.token_of(substr(pg_temp.bytes_of(:'token'), 1, 16) || sha256('d')))),
               (3, 'junk', 'st_'),
               (4, 'much junk', repeat('st_', 100000)),
               (5, 'revoked', :'token'),
               (6, 'empty', ''),
               (7, 'null', NULL)) AS t (n, what, token);
TRUNCATE session.events;

-- Wrong secrets for a session that exists are also counted for the session,
-- whatever addresses they come from.
SELECT id, pg_temp.kept(token) AS token FROM session_create('alice', tenant_id => 'acme') \gset
TRUNCATE session.events;
CREATE FUNCTION pg_temp.guess_of(id uuid, ip inet, times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1 .. times LOOP
        PERFORM session_status(pg_temp.kept(pg_temp.token_of(uuid_send(id) || sha256(n::text::bytea))), ip + n);
    END LOOP;
    PERFORM session_cleanup();
END
$$;
SELECT pg_temp.guess_of(:'id', '198.51.100.80', 5);
TABLE story;
SELECT pg_temp.guess_of(gen_random_uuid(), '198.51.100.90', 50);
TABLE story;
SELECT pg_temp.guess_of(:'id', '2001:db8:0:3::', 1);
SELECT session_id = :'id' AS same, kind, user_id, tenant_id, ip, detail FROM session.events ORDER BY id;
TRUNCATE session.events;

-- With a threshold of zero, or if failures are not in session.log_events, no
-- event is written.
SET session.failure_threshold = 0;
SELECT pg_temp.guess('198.51.100.40', 50) AS unlimited;
RESET session.failure_threshold;
SET session.log_events = '';
SELECT pg_temp.guess('198.51.100.41', 50) AS not_logged;
SET session.log_events = 'all';
CALL pg_temp.start_over();

-- Events older than the retention are deleted, whatever session.cleanup_batch
-- is.
SET session.cleanup_batch = 3;
SELECT count(session_create('alice')) AS made FROM generate_series(1, 10);
UPDATE session.events SET at = at - interval '29 days 23 hours 59 minutes';
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
UPDATE session.events SET at = at - interval '1 minute' WHERE id IN (SELECT id FROM session.events ORDER BY id LIMIT 7);
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
SET session.event_retention = 0;
UPDATE session.events SET at = '-infinity';
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
SET session.event_retention = '1s';
SELECT session_cleanup();
SELECT count(*) AS events FROM session.events;
RESET session.event_retention;
RESET session.cleanup_batch;

-- Notifications never fail, whatever their content is.
SET session.notify = on;
SELECT pg_temp.kept(token) AS token
  FROM session_create(repeat(e'\x01', 1024), tenant_id => repeat('"', 1024), ip => '2001:db8::1', user_agent => repeat('é\', 700)) \gset
SELECT session_revoke_id(id, repeat(e'\x02', 256)) FROM session_list(repeat(e'\x01', 1024));
SELECT kind, octet_length(user_id) AS "user", octet_length(tenant_id) AS tenant, octet_length(user_agent) AS agent,
       octet_length(detail ->> 'reason') AS reason
  FROM session.events ORDER BY id;
RESET session.notify;

-- Events are the same at every isolation level.
TRUNCATE session.events;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS events FROM session.events;
CALL pg_temp.live();
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) AS events FROM session.events;
CALL pg_temp.live();
COMMIT;
SELECT string_agg(kind, ' ' ORDER BY id) FROM session.events;

-- No event ever contained a token, a part of its secret, or its hash.
CREATE TABLE regress_session_seen (event text);
CREATE FUNCTION regress_session_see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.regress_session_seen VALUES (NEW::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER see AFTER INSERT ON session.events FOR EACH ROW EXECUTE FUNCTION regress_session_see();
CREATE TRIGGER see AFTER INSERT ON session.origins FOR EACH ROW EXECUTE FUNCTION regress_session_see();
TRUNCATE tokens;
SET session.max_sessions = 2;
SET session.failure_threshold = 1;
SET session.bind_ip = exact;
DO $$
DECLARE
    s session_credentials;
    t session_credentials;
BEGIN
    FOR n IN 1 .. 3 LOOP
        s := session_create('alice', ip => ('192.0.2.' || n)::inet, user_agent => 'curl', refreshable => true);
        PERFORM pg_temp.kept(s.token), pg_temp.kept(s.refresh_token);
        SELECT * INTO t FROM session_refresh(s.refresh_token, ('192.0.2.' || n)::inet);
        PERFORM pg_temp.kept(t.token), pg_temp.kept(t.refresh_token);
        SELECT * INTO t FROM session_refresh(t.refresh_token, ('192.0.2.' || n)::inet);
        PERFORM pg_temp.kept(t.token), pg_temp.kept(t.refresh_token);
        PERFORM session_validate(t.token, '192.0.2.99', 'wget'), session_validate(s.token, '192.0.2.99', 'wget');
        SELECT * INTO t FROM session_regenerate(t.token, auth_level => 2);
        PERFORM pg_temp.kept(t.token), pg_temp.kept(t.refresh_token);
        IF n = 3 THEN
            SELECT * INTO s FROM session_refresh(t.refresh_token, '192.0.2.3');
            SELECT * INTO s FROM session_refresh(s.refresh_token, '192.0.2.3');
            SELECT * INTO s FROM session_refresh(t.refresh_token, '192.0.2.99', 'wget');
        END IF;
    END LOOP;
    CALL pg_temp.live();
    PERFORM session_create('late', ip => '192.0.2.1', lifetime => '1 second');
    CALL pg_temp.pass('3 hours');
    PERFORM session_cleanup();
END
$$;
SELECT count(DISTINCT kind) AS kinds FROM session.events;
SELECT count(*) > 30 AS events,
       count(*) FILTER (WHERE event LIKE '%' || substr(token, 4) || '%') AS tokens,
       count(*) FILTER (WHERE event LIKE '%' || substr(token, 40, 16) || '%') AS parts,
       count(*) FILTER (WHERE event LIKE '%' || encode(substr(pg_temp.bytes_of(token), 33, 8), 'hex') || '%') AS bytes,
       count(*) FILTER (WHERE event LIKE '%' || substr(encode(sha256(substr(pg_temp.bytes_of(token), 17)), 'hex'), 1, 16) || '%') AS hashes,
       count(*) FILTER (WHERE event ~ '[sr]t_') AS shapes
  FROM regress_session_seen, tokens;
RESET ALL;

DROP VIEW story;
DROP TRIGGER see ON session.events;
DROP TRIGGER see ON session.origins;
-- A known address and a known user agent are also known in combination; each
-- may be new on its own.
TRUNCATE session.events;
SET session.log_events = 'new_ip, new_user_agent';
SELECT count(session_create('pair', ip => ip, user_agent => agent)) AS logins
  FROM (VALUES ('192.0.2.1'::inet, 'A'), ('192.0.2.2', 'B'), ('192.0.2.1', 'B'), ('192.0.2.2', 'A'), ('192.0.2.1', 'A'),
               ('192.0.2.3', 'A'), ('192.0.2.3', 'C'), ('192.0.2.3', NULL), (NULL, 'C'), (NULL, 'D')) AS login (ip, agent);
SELECT kind, ip, user_agent FROM session.events ORDER BY id;
RESET session.log_events;

-- Evidence that waits goes with the extension.
SET session.failure_threshold = 1;
SET session.log_events = 'failures';
SELECT count(session_status('st_', '198.18.201.1')) AS tries FROM generate_series(1, 3);
DROP EXTENSION session;
CREATE EXTENSION session;
SELECT count(session_status('st_', '198.18.201.2')) AS tries FROM generate_series(1, 3);
SELECT FROM session_cleanup();
SELECT kind, ip FROM session.events;
RESET session.log_events;
RESET session.failure_threshold;

DROP EXTENSION session;
DROP TABLE regress_session_seen;
DROP FUNCTION regress_session_see();
