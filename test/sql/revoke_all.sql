-- session_revoke_all: every session created so far is over, by one row.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;

-- Sessions of all kinds.
SELECT id, token FROM session_create('alice', tenant_id => 'acme') \gset
SELECT id AS free_id, token AS free FROM session_create('bob') \gset
SELECT token AS access, refresh_token AS refresh FROM session_create('rita', refreshable => true) \gset
SELECT session_cookie_issue(:'free') AS snapshot, session_jwt(:'free') AS jwt,
       session_cookie_encode('{"sub": "carol"}', 'jwe') AS cookie,
       session_cookie_encode('{"sub": "carol", "tid": "acme"}', 'jwe') AS acme_cookie \gset
SELECT session_status(:'token'), session_status(:'free'), session_status(:'access'),
       (SELECT user_id FROM session_cookie_validate(:'snapshot')) AS snapshot,
       session_cookie_decode(:'jwt', 'jwt') IS NOT NULL AS jwt, session_cookie_decode(:'cookie') IS NOT NULL AS cookie,
       session_cookie_decode(:'acme_cookie') IS NOT NULL AS acme_cookie;
SELECT array_agg(ctid ORDER BY id) AS rows, pg_relation_size('session.sessions') AS size FROM session.sessions \gset

-- Of a tenant.
BEGIN;
SELECT session_authenticate(:'token'), session_user_id();
SELECT pg_temp.is_recent(session_revoke_all('an incident', 'acme'));
SELECT session_status(:'token'), session_status(:'free') AS free, session_status(:'access') AS access,
       (SELECT user_id FROM session_cookie_validate(:'snapshot')) AS snapshot,
       session_cookie_decode(:'cookie') IS NOT NULL AS cookie, session_cookie_decode(:'acme_cookie') IS NOT NULL AS acme_cookie;
-- An identity that is bound sees it at the next check.
SELECT pg_temp.error_of('session_require()'), (SELECT count(*) FROM session_mine()) AS mine;
-- Later sessions live, in the same transaction too.
SELECT count(*) AS later FROM session_create('alice', tenant_id => 'acme') AS c, session_validate(c.token);
SELECT status, user_id, created_at > valid_after AS later FROM session_list('alice', include_ended => true), session.policies ORDER BY created_at;
ROLLBACK;
-- A rollback undoes it.
SELECT session_status(:'token'), session_cookie_decode(:'acme_cookie') IS NOT NULL AS acme_cookie;

-- Of everybody: session tokens, refresh tokens, snapshots, cookies and JWTs.
SELECT session_revoke_all() AS valid_after \gset
SELECT session_status(:'token'), session_status(:'free') AS free, session_status(:'access') AS access,
       session_is_expired(:'free') AS expired,
       (SELECT count(*) FROM session_validate(:'free')) AS validated, session_authenticate(:'free'),
       (SELECT count(*) FROM session_refresh(:'refresh')) AS refreshed,
       (SELECT count(*) FROM session_cookie_validate(:'snapshot')) AS snapshots,
       (SELECT count(*) FROM session_cookie_validate(:'snapshot', token => :'free')) AS with_token,
       session_cookie_decode(:'jwt', 'jwt') AS jwt, session_cookie_decode(:'cookie') AS cookie,
       session_cookie_decode(:'acme_cookie') AS acme_cookie, session_cookie_revoke(:'cookie') AS denied;
-- They count as ended everywhere.
SELECT session_revoke(:'free'), session_revoke_id(:'id'), session_revoke_user('alice'), session_revoke_tenant('acme'),
       (SELECT count(*) FROM session_list('alice')) AS listed, (SELECT status FROM session_list('alice', include_ended => true)),
       (SELECT count(*) FROM session_create('alice', tenant_id => 'acme', max_sessions => 1)) AS created;
SELECT count(*) AS evicted FROM session.sessions WHERE revoked_at IS NOT NULL;
-- One row was written, and no session.
SELECT array_agg(ctid ORDER BY id) = :'rows' AS untouched FROM session.sessions WHERE created_at <= :'valid_after';
SELECT count(*), bool_and(valid_after = :'valid_after') AS as_returned FROM session.policies;
-- What is made now lives: sessions, and cookies and JWTs of the same second.
SELECT id, token FROM session_create('alice', tenant_id => 'acme') \gset
SELECT session_status(:'token'), session_cookie_decode(session_jwt(:'token'), 'jwt') IS NOT NULL AS jwt,
       session_cookie_decode(session_cookie_encode('{"sub": "carol"}', 'jwe')) IS NOT NULL AS cookie,
       (SELECT user_id FROM session_cookie_validate(session_cookie_issue(:'token'))) AS snapshot;
SELECT count(*) AS second FROM session_validate(:'token'), session_revoke_all() AS r WHERE r > :'valid_after';
SELECT session_status(:'token');

-- Cookies of another system, by their iat: one without it is over, and one
-- whose iat has a fraction counts by the second before.
CREATE FUNCTION pg_temp.base64url(bytes bytea) RETURNS text
LANGUAGE sql AS $$
    SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_')
$$;
-- HMAC-SHA-256 of RFC 2104, computed with functions of the server, for a key
-- of at most 64 bytes.
CREATE FUNCTION pg_temp.hmac(message bytea, key bytea) RETURNS bytea
LANGUAGE plpgsql AS $$
DECLARE
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. length(key) - 1 LOOP
        inner_pad := set_byte(inner_pad, i, 54 # get_byte(key, i));
        outer_pad := set_byte(outer_pad, i, 92 # get_byte(key, i));
    END LOOP;
    RETURN sha256(outer_pad || sha256(inner_pad || message));
END
$$;
-- Returns the cookie that another system would make of a text with a shared
-- secret.
CREATE FUNCTION pg_temp.signed(message text, secret text) RETURNS text
LANGUAGE sql AS $$
    SELECT message || '.' || pg_temp.base64url(pg_temp.hmac(convert_to(message, 'UTF8'), convert_to(secret, 'UTF8')))
$$;
CREATE FUNCTION pg_temp.jwt(claims text) RETURNS text
LANGUAGE sql AS $$
    SELECT pg_temp.signed(pg_temp.base64url('{"alg":"HS256","typ":"JWT"}') || '.' || pg_temp.base64url(convert_to(claims, 'UTF8')), '0123456789abcdef0123456789abcdef')
$$;
SELECT session_key_import('0123456789abcdef0123456789abcdef', 'k', 'theirs');
DELETE FROM session.policies;
INSERT INTO session.policies (tenant_id, role, valid_after) VALUES
    (NULL, NULL, '2026-01-01 12:00:00.5+00'), ('acme', NULL, '2026-01-01 10:00:00+00'), ('later', NULL, '2026-01-01 13:00:00+00'), (NULL, 'clerk', '2026-01-01 13:00:00+00');
CREATE TEMP TABLE made AS SELECT * FROM (VALUES
    (1, '{"sub":"a"}'), (2, '{"sub":"a","iat":1767268799}'), (3, '{"sub":"a","iat":1767268800}'), (4, '{"sub":"a","iat":1767268801}'),
    (5, '{"sub":"a","iat":1767268800.9}'), (6, '{"sub":"a","iat":1767268801.1}'), (7, '{"sub":"a","iat":"1767268900"}'),
    (8, '{"sub":"a","iat":1767268900,"tid":"acme"}'), (9, '{"sub":"a","iat":1767268900,"tid":"later"}'), (10, '{"sub":"a","iat":1767272401,"tid":"later"}'),
    (11, '{"sub":"a","iat":1767268900,"role":"clerk"}'), (12, '{"sub":"a","iat":1767268900,"tid":7,"role":null}'),
    (13, '{"sub":"a","iat":1767268799,"tid":"acme"}')) AS v (n, claims);
SELECT n, claims, session_cookie_decode(pg_temp.jwt(claims), 'theirs') IS NOT NULL AS lives FROM made ORDER BY n;
DELETE FROM session.policies;
SELECT array_agg(n ORDER BY n) AS live FROM made WHERE session_cookie_decode(pg_temp.jwt(claims), 'theirs') IS NOT NULL;

-- A stateless session: the cookie is over, and what was bound by it is too.
SET session.strategy = stateless;
SELECT session_cookie_encode(format('{"sub": "carol", "role": "%s"}', current_user)::jsonb, 'jwt') AS cookie \gset
BEGIN;
SELECT set_config('request.cookies', json_build_object('__Host-session', :'cookie')::text, true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id();
SELECT session_require();
SELECT session_revoke_all() IS NOT NULL AS revoked;
SELECT pg_temp.error_of('session_require()');
SELECT session_pre_request();
SELECT session_user_id();
SELECT set_config('request.cookies', json_build_object('__Host-session',
       session_cookie_encode(format('{"sub": "dora", "role": "%s"}', current_user)::jsonb, 'jwt'))::text, true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id();
SELECT session_require();
ROLLBACK;
RESET session.strategy;

-- The end of everybody is not undone by an older row of a tenant, nor by
-- dropping policies.
SELECT session_revoke_all(tenant_id => 'acme') IS NOT NULL AS acme;
SELECT token FROM session_create('alice', tenant_id => 'acme') \gset
SELECT session_status(:'token');
SELECT session_policy_set('acme', lifetime => '1 day'), session_policy_set(lifetime => '1 day');
SELECT session_revoke_all() IS NOT NULL AS everybody;
SELECT session_status(:'token');
SELECT session_policy_drop('acme'), session_policy_drop(), session_policy_drop('acme') AS again;
SELECT session_status(:'token'), (SELECT count(valid_after) FROM session.policies) AS kept, (SELECT count(lifetime) FROM session.policies) AS said;
SELECT session_policy_set(lifetime => '2 days');
SELECT session_status(:'token');

-- A clock that was set back: a second call is later than the first, and what
-- is created between them is over.
UPDATE session.policies SET valid_after = clock_timestamp() + interval '1 hour' WHERE tenant_id IS NULL;
SELECT token, expires_at - now() > interval '24 hours 59 min' AS whole FROM session_create('alice') \gset
SELECT session_status(:'token'), :'whole' AS whole;
SELECT session_cookie_decode(session_cookie_encode('{"a": 1}')) - 'jti' - 'iat' - 'exp' AS cookie;
SELECT session_cookie_encode('{"sub": "carol"}', 'jwe') AS cookie \gset
SELECT session_revoke_all() > clock_timestamp() + interval '59 min' AS ahead;
SELECT session_status(:'token'), session_cookie_decode(:'cookie') AS cookie;
-- Also if the first call was about a tenant, and the second about everybody,
-- and the other way round.
DELETE FROM session.policies;
SELECT session_revoke_all(tenant_id => 'acme') IS NOT NULL AS acme;
UPDATE session.policies SET valid_after = clock_timestamp() + interval '1 hour';
SELECT id AS acme_id, token AS acme_token FROM session_create('alice', tenant_id => 'acme') \gset
SELECT session_cookie_encode('{"sub": "carol", "tid": "acme"}', 'jwe') AS cookie \gset
SELECT session_status(:'acme_token'), session_cookie_decode(:'cookie') IS NOT NULL AS cookie;
SELECT session_revoke_all() > clock_timestamp() + interval '59 min' AS ahead;
SELECT session_status(:'acme_token'), session_cookie_decode(:'cookie') AS cookie;
SELECT session_cookie_encode('{"sub": "carol", "tid": "acme"}', 'jwe') AS cookie \gset
SELECT session_cookie_decode(:'cookie') IS NOT NULL AS cookie;
SELECT session_revoke_all(tenant_id => 'acme') > clock_timestamp() + interval '59 min' AS ahead;
SELECT session_cookie_decode(:'cookie') AS cookie;
-- Another tenant is no reason to move on.
SELECT session_revoke_all(tenant_id => 'umbrella') > clock_timestamp() + interval '59 min' AS everybody;
DELETE FROM session.policies WHERE tenant_id IS NULL OR tenant_id = 'umbrella';
SELECT session_revoke_all(tenant_id => 'umbrella') < clock_timestamp() + interval '59 min' AS umbrella;
DELETE FROM session.sessions WHERE id = :'acme_id';
DELETE FROM session.policies;
SELECT session_status(:'token');

-- A session that comes to a role after the end of earlier ones of that role
-- lives.  One of a role that was ended does not leave it.
SELECT token FROM session_create('alice') \gset
INSERT INTO session.policies (role, valid_after) VALUES ('clerk', clock_timestamp());
SELECT token FROM session_regenerate(:'token', role => 'clerk') \gset
SELECT session_status(:'token');
UPDATE session.policies SET valid_after = clock_timestamp();
SELECT session_status(:'token'), (SELECT count(*) FROM session_regenerate(:'token', role => 'guest')) AS left;
DELETE FROM session.policies;

-- The same for a visitor who logs in to a tenant, and for a session that goes
-- to another tenant.
SELECT id AS visitor_id, token AS visitor FROM session_create() \gset
SELECT token AS other FROM session_create('bob', tenant_id => 'free') \gset
SELECT session_revoke_all(tenant_id => 'acme') IS NOT NULL AS acme;
SELECT c.id = :'visitor_id' AS same, session_status(c.token) FROM session_login(:'visitor', 'alice', tenant_id => 'acme') AS c;
SELECT session_status(c.token) FROM session_regenerate(:'other', tenant_id => 'acme') AS c;
SELECT user_id, status, (created_at > valid_after) AS later FROM session.directory, session.policies WHERE session.directory.tenant_id = 'acme' AND user_id IN ('alice', 'bob') AND status = 'active' ORDER BY user_id;
SELECT token AS visitor FROM session_create() \gset
SELECT session_revoke_all() IS NOT NULL AS everybody;
SELECT session_status(c.token), session_status(:'visitor') AS visitor FROM session_login(:'visitor', 'alice', tenant_id => 'acme') AS c;
DELETE FROM session.policies;

-- Upkeep deletes an ended session when its own time has come, without saying
-- that it expired.
SET session.log_events = 'all';
DELETE FROM session.sessions;
DELETE FROM session.events;
SELECT count(session_create('alice', lifetime => '1 hour')) AS made;
SELECT session_revoke_all('an incident', 'acme') IS NOT NULL AS acme, session_revoke_all() IS NOT NULL AS everybody;
SELECT deleted FROM session_cleanup();
CALL pg_temp.pass('3 hours');
SELECT deleted FROM session_cleanup();
SELECT kind, tenant_id, actor_kind, detail - 'valid_after' AS detail FROM session.events WHERE kind IN ('administration', 'expired', 'revoked') ORDER BY at, id;
RESET session.log_events;

-- Until a time: what was made later lives, in the same hour too.
DELETE FROM session.sessions;
DELETE FROM session.events;
SELECT token AS old FROM session_create('alice', tenant_id => 'acme') \gset
SELECT token AS old_free FROM session_create('bob') \gset
CALL pg_temp.pass('1 hour');
SELECT token AS young, refresh_token AS young_refresh FROM session_create('alice', tenant_id => 'acme', refreshable => true) \gset
CREATE TEMP TABLE dated AS SELECT extract(epoch FROM clock_timestamp())::bigint - age AS iat, name
  FROM (VALUES ('old', 3600), ('in the second of the end', 1800), ('young', 1799)) AS v (name, age);
CREATE FUNCTION pg_temp.living(claims jsonb) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(name ORDER BY iat) FROM dated
     WHERE session_cookie_decode(pg_temp.jwt((claims || jsonb_build_object('iat', iat))::text), 'theirs') IS NOT NULL
$$;
SELECT to_timestamp(iat) AS at FROM dated WHERE name = 'in the second of the end' \gset
SET session.log_events = 'all';
SELECT session_revoke_all('failover', 'acme', :'at') = :'at' AS as_given;
SELECT session_status(:'old') AS old, session_status(:'young') AS young, session_status(:'old_free') AS other_tenant,
       pg_temp.living('{"tid": "acme"}'), pg_temp.living('{}') AS others;
SELECT session_revoke_all('failover', valid_after => :'at') = :'at' AS as_given;
SELECT session_status(:'old') AS old, session_status(:'young') AS young, session_status(:'old_free') AS other_tenant,
       pg_temp.living('{}') AS others;
SELECT token AS young FROM session_refresh(:'young_refresh') \gset
SELECT session_status(:'young') AS young;
-- It is not moved back.
SELECT session_revoke_all(valid_after => timestamptz :'at' - interval '1 day') = :'at' AS kept;
SELECT session_status(:'old_free'), count(*) FILTER (WHERE valid_after = :'at') AS rows FROM session.policies;
SELECT detail - 'valid_after' AS detail, (detail ->> 'valid_after')::timestamptz = :'at' AS valid_after, tenant_id
  FROM session.events WHERE kind = 'administration' ORDER BY at, id;
RESET session.log_events;
-- The present is a time, too; NULL is all that exist.
SELECT session_revoke_all(valid_after => clock_timestamp()) <= clock_timestamp() AS now, session_status(:'young') AS young;
SELECT token FROM session_create('alice') \gset
SELECT session_revoke_all(valid_after => NULL) IS NOT NULL AS all_over;
SELECT session_status(:'token');
DELETE FROM session.policies;

-- Arguments.
SELECT pg_temp.error_of('session_revoke_all(valid_after => clock_timestamp() + interval ''1 minute'')'),
       pg_temp.error_of('session_revoke_all(valid_after => ''infinity'')') AS infinity,
       pg_temp.error_of('session_revoke_all(valid_after => ''-infinity'')') AS minus;
SELECT pg_temp.error_of('session_revoke_all('''')'), pg_temp.error_of('session_revoke_all(tenant_id => '''')'),
       pg_temp.error_of('session_revoke_all(repeat(''x'', 257))'), pg_temp.error_of('session_revoke_all(NULL, repeat(''x'', 1025))');
BEGIN READ ONLY;
SELECT session_revoke_all();
ROLLBACK;
DROP EXTENSION session;
