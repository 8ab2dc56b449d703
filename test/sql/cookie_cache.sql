-- Snapshots of sessions in a cookie: accepted without the row for a limited
-- time, and never if the row must decide.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT session_key_rotate() IS NOT NULL AS made;
CREATE TEMP VIEW encodings AS
SELECT n, encoding FROM unnest('{compact,jwt,jwe,sealed}'::text[]) WITH ORDINALITY AS t (encoding, n);

-- Makes a snapshot that is due at once: it is issued for a session that ends
-- before the next second.  Afterwards the deadline of the session is restored.
CREATE FUNCTION pg_temp.old_snapshot(session uuid, token text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    kept timestamptz := (SELECT expires_at FROM session.sessions WHERE id = session);
    cookie text;
BEGIN
    FOR n IN 1 .. 1000 LOOP
        UPDATE session.sessions SET expires_at = date_trunc('second', clock_timestamp()) + interval '0.999999 seconds' WHERE id = session;
        cookie := session_cookie_issue(token);
        EXIT WHEN cookie IS NOT NULL;
    END LOOP;
    UPDATE session.sessions SET expires_at = kept WHERE id = session;
    RETURN cookie;
END
$$;

-- Returns the payload of a compact snapshot.
CREATE FUNCTION pg_temp.payload_of(cookie text) RETURNS jsonb
LANGUAGE sql AS $$
    SELECT convert_from(decode(rpad(translate(part, '-_', '+/'), (length(part) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb
      FROM split_part(cookie, '.', 1) AS part
$$;

-- A snapshot contains the identity and the deadline of the session, in every
-- encoding.
SELECT id, token, expires_at FROM session_create('alice', '{"a": 1}', 'acme', 'customer', auth_level => 2) \gset
SELECT encoding, id = :'id' AS same_id, user_id, tenant_id, role, auth_level,
       expires_at = date_trunc('second', :'expires_at'::timestamptz) AS same_second, source, should_refresh
  FROM encodings, session_cookie_issue(:'token', encoding) AS cookie, session_cookie_validate(cookie)
 ORDER BY n;
SELECT encoding, user_id, expires_at = :'expires_at' AS exactly, source, should_refresh
  FROM encodings, session_cookie_issue(:'token', encoding) AS cookie, session_cookie_validate(cookie, true, :'token')
 ORDER BY n;
SELECT source FROM session_cookie_validate(session_cookie_issue(:'token'), NULL);

-- The setting determines the encoding if the call does not.
CREATE FUNCTION pg_temp.dots_with(setting text, token text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('session.cookie_encoding', setting, true);
    RETURN (SELECT length(c) - length(replace(c, '.', '')) FROM session_cookie_issue(token) AS c);
END
$$;
SELECT encoding, pg_temp.dots_with(encoding, :'token') AS dots FROM encodings ORDER BY n;

-- A snapshot contains a digest of its token, no part of the token itself, and
-- not the data of the session.
SELECT array_agg(key ORDER BY key) AS claims, count(*) FILTER (WHERE position(substr(:'token', 26, 5) IN value) > 0) AS secrets
  FROM jsonb_each_text(pg_temp.payload_of(session_cookie_issue(:'token')));

-- Anonymous sessions and sessions without a deadline have snapshots too.
SELECT id AS visit_id, token AS visit FROM session_create() \gset
SELECT id = :'visit_id' AS same_id, user_id, tenant_id, role, auth_level, source FROM session_cookie_validate(session_cookie_issue(:'visit'));
UPDATE session.sessions SET expires_at = 'infinity' WHERE id = :'visit_id';
SELECT expires_at, source FROM session_cookie_validate(session_cookie_issue(:'visit'));

-- A snapshot is issued for a live session only.
SELECT token AS ended, session_revoke(token) FROM session_create('bob') \gset
SELECT refresh_token FROM session_create('bob', refreshable => true) \gset
SELECT session_cookie_issue(:'ended') AS revoked, session_cookie_issue(:'refresh_token') AS refresh_token,
       session_cookie_issue(NULL) AS "null", session_cookie_issue('junk') AS junk;
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[$$session_cookie_issue(NULL, '')$$, $$session_cookie_issue(NULL, 'none')$$, $$session_cookie_issue(NULL, 'Compact')$$]) AS call;

-- A young snapshot is validated without reading a table; a sensitive call
-- reads one.
SELECT session_cookie_issue(:'token') AS cookie \gset
CREATE TEMP VIEW reads AS
SELECT sum(seq_scan + coalesce(idx_scan, 0))::int AS reads FROM pg_stat_xact_all_tables WHERE schemaname = 'session';
BEGIN;
SELECT source FROM session_cookie_validate(:'cookie');
SELECT reads AS before FROM reads \gset
SELECT source, count(*) FROM generate_series(1, 100) AS n, session_cookie_validate(CASE WHEN n > 0 THEN :'cookie' END) GROUP BY source;
SELECT reads - :before AS reads FROM reads;
SELECT source, count(*) FROM generate_series(1, 100) AS n, session_cookie_validate(:'cookie', n > 0, :'token') GROUP BY source;
SELECT reads - :before AS reads FROM reads;
SELECT count(session_cookie_decode(:'cookie')) AS decoded;
SELECT reads - :before AS reads FROM reads;
COMMIT;
\set VERBOSITY sqlstate
BEGIN;
ALTER TABLE session.sessions RENAME TO out_of_reach;
ALTER TABLE session.denylist RENAME TO out_of_reach_too;
SELECT user_id, source FROM session_cookie_validate(:'cookie');
SELECT user_id, source FROM session_cookie_validate(:'cookie', true, :'token');
ROLLBACK;

-- If the row changed since, its new values are returned at once, because the
-- row decides.
UPDATE session.sessions SET role = 'clerk', auth_level = 3 WHERE id = :'id';
SELECT role, auth_level, source, should_refresh FROM session_cookie_validate(:'cookie', token => :'token');
SELECT role, auth_level, source, should_refresh FROM session_cookie_validate(:'cookie', true, :'token');
SELECT role, auth_level, source, should_refresh FROM session_cookie_validate(session_cookie_issue(:'token'));

-- After session.cookie_cache_ttl the row decides, and should_refresh is true.
SELECT pg_temp.old_snapshot(:'id', :'token') AS old \gset
SELECT id = :'id' AS same_id, user_id, role, expires_at = :'expires_at' AS exactly, source, should_refresh FROM session_cookie_validate(:'old', token => :'token');
BEGIN READ ONLY;
SELECT source FROM session_cookie_validate(:'old', token => :'token');
SELECT source FROM session_cookie_validate(session_cookie_issue(:'visit'));
ROLLBACK;
UPDATE session.sessions SET token_hash = sha256('another') WHERE id = :'id';
SELECT count(*) AS accepted FROM session_cookie_validate(:'old', token => :'token');
UPDATE session.sessions SET token_hash = sha256(substr(pg_temp.bytes_of(:'token'), 17)) WHERE id = :'id';
SELECT count(*) AS accepted FROM session_cookie_validate(:'old', token => :'token');
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = :'id';
SELECT count(*) AS accepted FROM session_cookie_validate(:'old', token => :'token');
UPDATE session.sessions SET expires_at = :'expires_at' WHERE id = :'id';

-- A snapshot alone is not a credential: if the row decides, the token of the
-- session must be passed.
SELECT token AS other FROM session_create('zoe') \gset
SELECT id AS fresh_id, token AS fresh FROM session_create('yan') \gset
SELECT session_cookie_issue(:'fresh') AS fresh_cookie \gset
CREATE FUNCTION pg_temp.sources(cookie text, sensitive boolean, token text, other text, id text) RETURNS TABLE (beside text, source text) LANGUAGE sql AS $$
    SELECT beside, coalesce((SELECT v.source FROM session_cookie_validate(cookie, sensitive, shown) AS v), 'no row')
      FROM (VALUES (1, 'its token', token), (2, 'none', NULL), (3, 'another session''s', other), (4, 'junk', 'junk'), (5, 'empty', ''),
                   (6, 'a guess', (SELECT 'st_' || translate(encode(uuid_send(id::uuid) || decode(repeat('00', 32), 'hex'), 'base64'), E'+/\n', '-_')))) AS t (n, beside, shown)
     ORDER BY n
$$;
SELECT * FROM pg_temp.sources(:'fresh_cookie', false, :'fresh', :'other', :'fresh_id');
SELECT * FROM pg_temp.sources(:'fresh_cookie', true, :'fresh', :'other', :'fresh_id');
SELECT * FROM pg_temp.sources(:'old', false, :'token', :'other', :'id');
SELECT checks_malformed AS malformed FROM session.stats WHERE database = current_database() \gset
SELECT FROM session_cookie_validate(:'cookie', token => 'junk');
SELECT checks_malformed - :malformed AS malformed FROM session.stats WHERE database = current_database();

-- A snapshot of the previous token does not decide if it comes with the new
-- token of the session.
BEGIN;
SELECT token AS next FROM session_regenerate(:'token') \gset
SELECT user_id, source, should_refresh FROM session_cookie_validate(:'cookie', token => :'next');
SELECT count(*) AS accepted FROM session_cookie_validate(:'cookie', token => :'token');
ROLLBACK;
SELECT count(*) AS accepted FROM session_cookie_validate(:'cookie', token => :'next');

-- While session.bind_ip or session.bind_user_agent is on, the row decides and
-- the request must match the session.
SELECT token AS bound FROM session_create('ben', ip => '192.0.2.1', user_agent => 'x') \gset
SELECT session_cookie_issue(:'bound') AS bound_cookie \gset
SELECT source FROM session_cookie_validate(:'bound_cookie', token => :'bound');
SET session.bind_ip = 'exact';
SELECT source, should_refresh FROM session_cookie_validate(:'bound_cookie', token => :'bound', ip => '192.0.2.1');
SELECT count(*) AS accepted FROM session_cookie_validate(:'bound_cookie', token => :'bound', ip => '192.0.2.2');
SELECT count(*) AS accepted FROM session_cookie_validate(:'bound_cookie', token => :'bound');
SELECT count(*) AS accepted FROM session_cookie_validate(:'bound_cookie', ip => '192.0.2.1');
RESET session.bind_ip;
SET session.bind_user_agent = on;
SELECT count(*) AS accepted FROM session_cookie_validate(:'bound_cookie', token => :'bound', user_agent => 'y');
SET session.on_mismatch = 'revoke';
SELECT count(*) AS accepted FROM session_cookie_validate(:'bound_cookie', token => :'bound', user_agent => 'y');
SELECT session_status(:'bound', user_agent => 'x');
RESET session.bind_user_agent;
RESET session.on_mismatch;

-- A snapshot is never accepted without the row after the second in which its
-- session ends.
SET session.cookie_cache_ttl = '1d';
SELECT (payload ->> 'exp')::int - (payload ->> 'iat')::int BETWEEN 58 AND 60 AS within_a_minute
  FROM session_create('carol', lifetime => '1 minute') AS s, pg_temp.payload_of(session_cookie_issue(s.token)) AS payload;
RESET session.cookie_cache_ttl;

-- After a session ends or gets another token, its snapshots are invalid, both
-- young and due ones.  (Due snapshots are made by changing the row, so they
-- belong to other sessions.)
CREATE TEMP TABLE made AS
SELECT what, n, s.id, s.token, s.refresh_token, NULL::text AS cookie
  FROM unnest('{nothing,regenerated,revoked,revoked by id,expired,idle,evicted,refreshed,purged,touched}'::text[]) AS what,
       generate_series(1, 2) AS n, session_create(CASE WHEN n > 0 THEN what END, refreshable => what = 'refreshed', idle_timeout => '1 hour') AS s;
UPDATE made SET cookie = CASE n WHEN 1 THEN session_cookie_issue(token) ELSE pg_temp.old_snapshot(id, token) END;
SELECT count(*) AS regenerated FROM made, session_regenerate(token) WHERE what = 'regenerated';
SELECT session_revoke(token) FROM made WHERE what = 'revoked';
SELECT session_revoke_id(id) FROM made WHERE what = 'revoked by id';
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE user_id = 'expired';
-- (Making a snapshot was a use.  Moving created_at discards the recorded use.)
UPDATE session.sessions SET created_at = created_at - interval '1 hour', last_seen_at = clock_timestamp() - interval '1 hour' WHERE user_id = 'idle';
SELECT count(*) AS made FROM session_create('evicted', max_sessions => 1);
SELECT count(*) AS refreshed FROM made, session_refresh(refresh_token) WHERE what = 'refreshed';
DELETE FROM session.sessions WHERE user_id = 'purged';
SELECT session_touch(token) FROM made WHERE what = 'touched';
SELECT made.what, (SELECT source FROM session_cookie_validate(made.cookie, token => made.token)) AS at_once,
       (SELECT source FROM session_cookie_validate(made.cookie, true, made.token)) AS sensitive, (SELECT source FROM session_cookie_validate(old.cookie, token => old.token)) AS later
  FROM made JOIN made AS old USING (what) WHERE made.n = 1 AND old.n = 2 ORDER BY what COLLATE "C";

-- A new snapshot for the new token is valid.
SELECT token AS new FROM session_regenerate(:'token') \gset
SELECT session_cookie_issue(:'token') AS old_token, source FROM session_cookie_validate(session_cookie_issue(:'new'), true, :'new');
SELECT count(*) AS accepted FROM session_cookie_validate(:'cookie', true, :'token');

-- A snapshot is not a cookie of the application, and such a cookie is not a
-- snapshot, whatever its claims are and even if a key of a purpose with that
-- name exists.
CREATE TEMP TABLE claims AS SELECT pg_temp.payload_of(session_cookie_issue(:'new')) - '{iat,exp,jti}'::text[] || '{"uid": "mallory"}' AS payload;
CREATE TEMP VIEW confused AS
SELECT encoding, count(session_cookie_decode(session_cookie_issue(current_setting('test.token'), encoding), purpose)) AS snapshots_decoded,
       count(session_cookie_decode(made, purpose)) AS decoded,
       count(v.id) AS validated, count(*) FILTER (WHERE session_cookie_revoke(session_cookie_issue(current_setting('test.token'), encoding), purpose)) AS revoked
  FROM encodings, claims, unnest('{session,session-cache}'::text[]) AS purpose,
       session_cookie_encode(payload, encoding, purpose => purpose) AS made LEFT JOIN LATERAL session_cookie_validate(made) AS v ON true
 GROUP BY n, encoding ORDER BY n;
SELECT set_config('test.token', :'new', false) = :'new' AS set;
SELECT session_key_rotate('session-cache') IS NOT NULL AS made;
TABLE confused;
SELECT session_key_import('one secret imported for either purpose', 'imported'), session_key_import('one secret imported for either purpose', 'same', 'session-cache');
TABLE confused;

-- A snapshot signed with an imported key is accepted like others; the leeway
-- of 15 seconds for imported keys does not apply to it.
SELECT user_id, source FROM session_cookie_validate(session_cookie_issue(:'new', 'jwt'));
SELECT pg_temp.old_snapshot(:'id', :'new') AS old \gset
SELECT user_id, source FROM session_cookie_validate(:'old', token => :'new');

-- Changing any character makes a snapshot invalid; junk returns no row.
SELECT encoding, count(v.id) AS accepted
  FROM encodings, session_cookie_issue(:'new', encoding) AS cookie, generate_series(1, length(cookie)) AS p
  LEFT JOIN LATERAL session_cookie_validate(overlay(cookie PLACING CASE substr(cookie, p, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM p)) AS v ON true
 GROUP BY n, encoding ORDER BY n;
SELECT count(*) AS accepted
  FROM unnest(ARRAY[NULL, '', '.', '..', '....', 'undefined', :'new', :'id', repeat('x', 10 * 1024 * 1024), repeat('A', 65536)]) AS junk,
       unnest('{f,t,NULL}'::boolean[]) AS sensitive, session_cookie_validate(junk, sensitive);

-- Rotating keys does not affect snapshots; retiring their key makes them
-- invalid.
SELECT token AS lasting FROM session_create('alice') \gset
SELECT session_cookie_issue(:'lasting') AS cookie \gset
SELECT session_key_rotate() IS NOT NULL AS made;
SELECT source FROM session_cookie_validate(:'cookie');
SELECT session_key_retire('imported');
SELECT count(*) AS accepted FROM session_cookie_validate(:'cookie');
SELECT count(*) AS accepted FROM session_cookie_validate(:'cookie', true, :'token');

-- A snapshot of uncommitted changes is not accepted without the row: after a
-- rollback it is invalid.
BEGIN;
SELECT session_cookie_issue(token) AS undone, token AS undone_token FROM session_create('mallory') \gset
SELECT user_id, source FROM session_cookie_validate(:'undone', token => :'undone_token');
ROLLBACK;
SELECT user_id, source FROM session_cookie_validate(:'undone', token => :'undone_token');
SELECT token AS visit FROM session_create() \gset
BEGIN;
SELECT session_cookie_issue(token) AS undone, token AS undone_token FROM session_regenerate(:'visit', user_id => 'mallory') \gset
ROLLBACK;
SELECT user_id, source FROM session_cookie_validate(:'undone', token => :'undone_token');
BEGIN;
SELECT session_cookie_issue(token) AS done, token AS made FROM session_create('alice') \gset
COMMIT;
SELECT user_id, source, should_refresh FROM session_cookie_validate(:'done', token => :'made');
SELECT user_id, source, should_refresh FROM session_cookie_validate(session_cookie_issue(:'made'), token => :'made');

-- After a rotation, snapshots for the new token are accepted again; few are
-- mistaken for snapshots of an earlier token.
CREATE TEMP TABLE many AS SELECT c.token FROM generate_series(1, 1000) AS n, session_create('user' || n) AS c;
CREATE TEMP TABLE rotated AS SELECT r.token FROM many, session_regenerate(many.token) AS r;
SELECT count(*) AS rotated, count(*) FILTER (WHERE EXISTS (SELECT FROM session_cookie_validate(session_cookie_issue(token)))) > 995 AS believed FROM rotated;

DROP VIEW confused, reads, encodings;
DROP EXTENSION session;
