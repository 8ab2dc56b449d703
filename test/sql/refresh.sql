-- Refresh tokens: each use rotates the token, and a second use of a token ends
-- the session.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Returns a refresh token with these bytes: 16 of the id, 4 of the generation,
-- 28 of the MAC.
CREATE FUNCTION pg_temp.refresh_token_of(bytes bytea) RETURNS text
LANGUAGE sql AS $$
    SELECT 'rt_' || substr(pg_temp.token_of(bytes), 4)
$$;
CREATE FUNCTION pg_temp.generation_of(token text) RETURNS int
LANGUAGE sql AS $$
    SELECT get_byte(b, 16) << 24 | get_byte(b, 17) << 16 | get_byte(b, 18) << 8 | get_byte(b, 19)
      FROM pg_temp.bytes_of(token) AS b
$$;
-- Returns the location and content of a row, to see whether it changed.
CREATE FUNCTION pg_temp.row_of(session uuid) RETURNS text
LANGUAGE sql AS $$
    SELECT ctid || s::text FROM session.sessions s WHERE id = session
$$;
CREATE TEMP VIEW ends AS
SELECT justify_hours(date_trunc('minute', expires_at - clock_timestamp() + '30 seconds')) AS token_ends_in,
       justify_hours(date_trunc('minute', refresh_expires_at - clock_timestamp() + '30 seconds')) AS family_ends_in
  FROM session.sessions ORDER BY created_at;
-- Makes the grace time of the last rotation end, as if the client had waited.
-- The shift is short, because the server knows only uses since its start.
CREATE PROCEDURE pg_temp.wait_out_grace()
LANGUAGE sql AS $$
    UPDATE session.sessions SET rotated_at = rotated_at - interval '1 second', refreshed_at = refreshed_at - interval '1 second',
        last_seen_at = last_seen_at - interval '1 second', expires_at = expires_at - interval '1 second'
$$;
SELECT clock_timestamp() AS began \gset
CREATE TEMP VIEW fate AS
SELECT user_id, refresh_generation AS generation, revoked_reason FROM session.sessions ORDER BY created_at;

-- A refreshable session has both tokens and both deadlines, which come from
-- the settings.
SELECT * FROM session_create('alice', '{"a": 1}', refreshable => true) \gset
SELECT length(:'refresh_token'), :'refresh_token' ~ '^rt_[A-Za-z0-9_-]{64}$' AS shape,
       length(:'token'), :'token' ~ '^st_[A-Za-z0-9_-]{64}$' AS shape;
SELECT expires_at = :'expires_at' AS same_deadline, expires_at - created_at AS lifetime,
       refresh_expires_at = :'refresh_expires_at' AS same_deadline, refresh_expires_at - created_at AS lifetime,
       refreshed_at, rotated_at, purge_at >= refresh_expires_at AS kept
  FROM session.sessions;

-- The refresh token contains the id and the generation.  The row contains no
-- part of either token.
SELECT encode(substr(pg_temp.bytes_of(:'refresh_token'), 1, 16), 'hex')::uuid = :'id' AS has_id,
       pg_temp.generation_of(:'refresh_token') = refresh_generation AS has_generation,
       octet_length(refresh_key) AS sealed_bytes,
       count(*) FILTER (WHERE s::text LIKE '%' || encode(substr(pg_temp.bytes_of(:'refresh_token'), n, 4), 'hex') || '%') AS seen,
       count(*) FILTER (WHERE s::text LIKE '%' || encode(substr(pg_temp.bytes_of(:'token'), n, 4), 'hex') || '%') AS seen
  FROM session.sessions s, generate_series(21, 45, 4) AS n
 GROUP BY s.id;

-- The session token works like any other, but it cannot extend its own
-- session.
SELECT session_status(:'token'), session_data(:'token');
SELECT pg_temp.row_of(:'id') AS before \gset
SELECT count(*) AS extended FROM session_refresh(:'token');
SELECT pg_temp.row_of(:'id') = :'before' AS untouched;

-- The refresh token is not a session token: only session_refresh and
-- session_revoke accept it.
BEGIN;
SELECT * FROM pg_temp.answers(:'refresh_token');
TABLE fate;
ROLLBACK;

-- A refresh returns the next pair of tokens.  The old session token is invalid
-- at once; the session is the same.
CALL pg_temp.pass('10 minutes');
SELECT id = :'id' AS same_id, token, refresh_token AS refresh_2, expires_at, refresh_expires_at
  FROM session_refresh(:'refresh_token') \gset next_
SELECT :'next_same_id' AS same_id, :'next_token' <> :'token' AS new_token,
       pg_temp.generation_of(:'next_refresh_2') - pg_temp.generation_of(:'refresh_token') AS generations,
       session_status(:'token') AS old, session_status(:'next_token') AS new, session_data(:'next_token');
SELECT pg_temp.is_recent(rotated_at) AS rotated_now, pg_temp.is_recent(refreshed_at) AS refreshed_now,
       pg_temp.is_recent(last_seen_at) AS seen_now, pg_temp.is_recent(created_at) AS created_now,
       expires_at = :'next_expires_at' AS same_deadline, refresh_expires_at = :'next_refresh_expires_at' AS same_deadline
  FROM session.sessions;
TABLE ends;

-- Within the grace time the same refresh token returns the same pair, any
-- number of times, and writes nothing.
SELECT pg_temp.row_of(:'id') AS before \gset
SELECT count(*) AS answers, bool_and(r.token = :'next_token' AND r.refresh_token = :'next_refresh_2' AND r.id = :'id'
       AND r.expires_at = :'next_expires_at' AND r.refresh_expires_at = :'next_refresh_expires_at') AS same
  FROM generate_series(1, 50) AS n, session_refresh(CASE WHEN n > 0 THEN :'refresh_token' END) AS r;
UPDATE session.sessions SET rotated_at = clock_timestamp() - interval '5 seconds';
SELECT pg_temp.row_of(:'id') AS before \gset
SELECT token = :'next_token' AS same FROM session_refresh(:'refresh_token');
SELECT pg_temp.row_of(:'id') = :'before' AS untouched;

-- After the grace time, a second use ends the session.  It returns no row and
-- no error, and the session stays ended.
UPDATE session.sessions SET rotated_at = clock_timestamp() - interval '10 seconds';
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
TABLE fate;
SELECT session_status(:'next_token');
SELECT pg_temp.row_of(:'id') AS before \gset
SELECT count(*) AS refreshed FROM session_refresh(:'next_refresh_2');
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
SELECT pg_temp.row_of(:'id') = :'before' AS untouched;
UPDATE session.sessions SET rotated_at = clock_timestamp();
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
SELECT session_revoke(:'next_refresh_2'), session_revoke(:'next_token');
TABLE fate;
DELETE FROM session.sessions;

-- A token of an older generation ends the session too, also within the grace
-- time of the last rotation.
SELECT id, refresh_token AS g1 FROM session_create('bob', refreshable => true) \gset
SELECT refresh_token AS g2 FROM session_refresh(:'g1') \gset
SELECT refresh_token AS g3, token FROM session_refresh(:'g2') \gset
SELECT token = :'token' AS same FROM session_refresh(:'g2');
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
TABLE fate;
SELECT count(*) AS refreshed FROM unnest(ARRAY[:'g1', :'g2', :'g3']) AS t, session_refresh(t);
DELETE FROM session.sessions;

-- Without a grace time every second use ends the session.
SET session.refresh_grace = 0;
SELECT id, refresh_token AS g1 FROM session_create('carol', refreshable => true) \gset
SELECT refresh_token AS g2 FROM session_refresh(:'g1') \gset
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
TABLE fate;
RESET session.refresh_grace;
DELETE FROM session.sessions;

-- A session that ended for another reason is not refreshed within the grace
-- time either.
SELECT id, refresh_token AS g1 FROM session_create('dave', refreshable => true) \gset
SELECT refresh_token AS g2, token FROM session_refresh(:'g1') \gset
SELECT session_revoke(:'token');
SELECT count(*) AS refreshed FROM unnest(ARRAY[:'g1', :'g2']) AS t, session_refresh(t);
TABLE fate;
DELETE FROM session.sessions;

-- A token with a wrong bit changes nothing, whichever bit it is and however
-- often it is tried.
SELECT id, refresh_token AS g1 FROM session_create('erin', refreshable => true) \gset
SELECT refresh_token AS g2, token FROM session_refresh(:'g1') \gset
UPDATE session.sessions SET rotated_at = clock_timestamp() - interval '1 hour';
SELECT pg_temp.row_of(:'id') AS before \gset
SELECT count(*) AS tried, count(r) AS refreshed, count(*) FILTER (WHERE session_revoke(wrong)) AS revoked
  FROM unnest(ARRAY[:'g1', :'g2']) AS good, generate_series(0, 48 * 8 - 1) AS n,
       pg_temp.bytes_of(good) AS b,
       pg_temp.refresh_token_of(set_bit(b, n, 1 - get_bit(b, n))) AS wrong
  LEFT JOIN session_refresh(wrong) AS r ON r.id IS NOT NULL;
SELECT pg_temp.row_of(:'id') = :'before' AS untouched, session_status(:'token');

-- The MAC of another generation or session is not accepted, nor is anything
-- that is not a refresh token.
SELECT refresh_token AS other FROM session_create('frank', refreshable => true) \gset
SELECT token AS plain FROM session_create('grace') \gset
SELECT what, count(r) AS refreshed
  FROM (VALUES
    ('MAC of the other generation', pg_temp.refresh_token_of(substr(pg_temp.bytes_of(:'g2'), 1, 20) || substr(pg_temp.bytes_of(:'g1'), 21))),
    ('MAC of another session', pg_temp.refresh_token_of(substr(pg_temp.bytes_of(:'g2'), 1, 20) || substr(pg_temp.bytes_of(:'other'), 21))),
    ('a session that is not refreshable', pg_temp.refresh_token_of(substr(pg_temp.bytes_of(:'plain'), 1, 16) || substr(pg_temp.bytes_of(:'g2'), 17))),
    ('a session that is not there', pg_temp.refresh_token_of(uuid_send(gen_random_uuid()) || substr(pg_temp.bytes_of(:'g2'), 17))),
    ('a generation to come', pg_temp.refresh_token_of(overlay(pg_temp.bytes_of(:'g2') PLACING '\x7fffffff' FROM 17))),
    ('a generation past all', pg_temp.refresh_token_of(overlay(pg_temp.bytes_of(:'g2') PLACING '\xffffffff' FROM 17))),
    ('generation zero', pg_temp.refresh_token_of(overlay(pg_temp.bytes_of(:'g2') PLACING '\x00000000' FROM 17))),
    ('the session token with the other prefix', 'rt_' || substr(:'token', 4)),
    ('the refresh token with the other prefix', 'st_' || substr(:'g2', 4)),
    ('no prefix', substr(:'g2', 4)),
    ('one character short', left(:'g2', 66)),
    ('one character long', :'g2' || 'A'),
    ('a blank after it', :'g2' || ' '),
    ('padding', left(:'g2', 66) || '='),
    ('zeros', pg_temp.refresh_token_of(decode(repeat('00', 48), 'hex'))),
    ('nothing', ''), ('NULL', NULL), ('10 MB', :'g2' || repeat('x', 10 * 1024 * 1024))) AS t (what, value)
  LEFT JOIN session_refresh(value) AS r ON r.id IS NOT NULL
 GROUP BY what ORDER BY what COLLATE "C";
SELECT pg_temp.row_of(:'id') = :'before' AS untouched, session_status(:'token');

-- They count as invalid tokens of the address of the client.
SET session.failure_threshold = 1;
SELECT count(r) AS refreshed
  FROM (VALUES (pg_temp.refresh_token_of(set_bit(pg_temp.bytes_of(:'g2'), 200, 1 - get_bit(pg_temp.bytes_of(:'g2'), 200)))), ('st_' || substr(:'g2', 4)), ('junk')) AS t (value)
  LEFT JOIN session_refresh(value, '203.0.113.66') AS r ON r.id IS NOT NULL;
RESET session.failure_threshold;
SELECT session_cleanup() IS NOT NULL AS written;
SELECT kind, ip, (detail ->> 'count')::int >= 2 AS many FROM session.events WHERE ip = '203.0.113.66';
SELECT count(*) AS refreshed FROM session_refresh(:'g2');
DELETE FROM session.sessions;

-- The refresh token works after the session token has expired, until the
-- family expires.
SELECT id, token, refresh_token FROM session_create('heidi', refreshable => true) \gset
CALL pg_temp.pass('15 minutes');
SELECT session_status(:'token'), session_is_expired(:'token');
BEGIN;
SELECT * FROM pg_temp.answers(:'token') WHERE function NOT IN ('session_revoke', 'session_status');
ROLLBACK;
SELECT status FROM session_list('heidi');
SELECT status FROM session_get(:'id');
SELECT session_cleanup();
SELECT token, refresh_token FROM session_refresh(:'refresh_token') \gset
SELECT session_status(:'token');
TABLE ends;
CALL pg_temp.pass('29 days 23 hours');
SELECT token, refresh_token FROM session_refresh(:'refresh_token') \gset
SELECT session_status(:'token');
TABLE ends;
CALL pg_temp.pass('45 minutes');
SELECT session_status(:'token');
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
SELECT count(*) AS listed FROM session_list('heidi');
SELECT status FROM session_get(:'id');
TABLE fate;
CALL pg_temp.pass('2 hours');
SELECT session_cleanup();
DELETE FROM session.sessions;

-- A refresh restarts the lifetime of the session token, never that of the
-- family.  Both end at the cap.
SET session.access_lifetime = '20min';
SET session.refresh_lifetime = '2h';
SET session.max_lifetime = '50min';
SELECT refresh_token FROM session_create('ivan', refreshable => true) \gset
TABLE ends;
CALL pg_temp.pass('15 minutes');
SELECT refresh_token FROM session_refresh(:'refresh_token') \gset
TABLE ends;
CALL pg_temp.pass('25 minutes');
SELECT refresh_token FROM session_refresh(:'refresh_token') \gset
TABLE ends;
CALL pg_temp.pass('10 minutes');
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
RESET session.max_lifetime;
DELETE FROM session.sessions;
SELECT refresh_token FROM session_create('ivan', refreshable => true, lifetime => '1 day') \gset
TABLE ends;
DELETE FROM session.sessions;
SELECT refresh_token FROM session_create('ivan', refreshable => true, lifetime => '5 minutes') \gset
CALL pg_temp.pass('4 minutes');
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
TABLE ends;
RESET session.access_lifetime;
RESET session.refresh_lifetime;
DELETE FROM session.sessions;

-- session.sliding makes no difference to that.
SET session.sliding = on;
SELECT refresh_token FROM session_create('ivan', refreshable => true) \gset
TABLE ends;
RESET session.sliding;
DELETE FROM session.sessions;

-- The idle timeout ends the family.  A refresh counts as a use.
SELECT token, refresh_token FROM session_create('judy', refreshable => true, idle_timeout => '1 hour') \gset
CALL pg_temp.pass('50 minutes');
SELECT token, refresh_token FROM session_refresh(:'refresh_token') \gset
CALL pg_temp.pass('50 minutes');
SELECT token, refresh_token FROM session_refresh(:'refresh_token') \gset
CALL pg_temp.pass('60 minutes');
SELECT session_status(:'token');
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
TABLE fate;
DELETE FROM session.sessions;

-- Regenerating returns new tokens of both kinds and makes the old ones
-- invalid, without a grace time.
SELECT id, token, refresh_token AS g1 FROM session_create('ken', refreshable => true) \gset
SELECT token AS old, refresh_token AS g2 FROM session_refresh(:'g1') \gset
SELECT refresh_expires_at AS family_ends FROM session.sessions \gset
SELECT token AS new, refresh_token AS fresh, refresh_expires_at = :'family_ends' AS same_end
  FROM session_regenerate(:'old', auth_level => 2) \gset
SELECT :'same_end' AS same_end, session_status(:'token') AS first, session_status(:'old') AS old, session_status(:'new') AS new;
SELECT count(*) AS refreshed FROM unnest(ARRAY[:'g1', :'g2']) AS t, session_refresh(t);
SELECT count(*) FILTER (WHERE session_revoke(t)) AS revoked FROM unnest(ARRAY[:'token', :'old', :'g1', :'g2']) AS t;
SELECT user_id, auth_level, revoked_reason FROM session.sessions;
SELECT token FROM session_refresh(:'fresh') \gset
SELECT session_status(:'new') AS before, session_status(:'token') AS after, auth_level FROM session.sessions;
SELECT count(*) AS again FROM session_refresh(:'fresh') AS r WHERE r.token = :'token';
CALL pg_temp.pass('15 minutes');
SELECT count(*) AS regenerated FROM session_regenerate(:'token');
DELETE FROM session.sessions;

-- Anonymous sessions can be refreshable, and stay refreshable when they log
-- in.
SELECT token FROM session_create(refreshable => true) \gset
SELECT refresh_token FROM session_regenerate(:'token', 'laura') \gset
SELECT token FROM session_refresh(:'refresh_token') \gset
SELECT user_id, auth_level FROM session_validate(:'token');
DELETE FROM session.sessions;

-- Any token of the family revokes the session, even an expired one.  Then all
-- tokens are invalid.
CREATE TEMP TABLE families AS
SELECT n, f.token AS t1, f.refresh_token AS g1, r.token AS t2, r.refresh_token AS g2
  FROM generate_series(1, 4) AS n, session_create('mike' || n, refreshable => true) AS f, session_refresh(f.refresh_token) AS r;
CALL pg_temp.pass('20 minutes');
SELECT n, session_revoke(CASE n WHEN 1 THEN t1 WHEN 2 THEN g1 WHEN 3 THEN t2 ELSE g2 END) FROM families ORDER BY n;
TABLE fate;
SELECT count(r) AS refreshed FROM families LEFT JOIN session_refresh(g2) AS r ON r.id IS NOT NULL WHERE n > 1;
DELETE FROM session.sessions;

-- A session that can be refreshed is live: it counts for the limit and can be
-- revoked.
SELECT refresh_token FROM session_create('nina', tenant_id => 'acme', refreshable => true) \gset
CALL pg_temp.pass('20 minutes');
SELECT pg_temp.error_of('session_create(''nina'', tenant_id => ''acme'', max_sessions => 1)') AS error;
SELECT revoked_reason, count(*) FROM session.sessions GROUP BY revoked_reason ORDER BY revoked_reason;
DELETE FROM session.sessions;
SELECT refresh_token FROM session_create('nina', tenant_id => 'acme', refreshable => true) \gset
CALL pg_temp.pass('20 minutes');
BEGIN;
SELECT session_revoke_user('nina');
ROLLBACK;
SELECT session_revoke_tenant('acme');
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
DELETE FROM session.sessions;

-- The sealed key of one row does not open in another.
SELECT id, refresh_token FROM session_create('olga', refreshable => true) \gset
SELECT id AS other FROM session_create('peggy', refreshable => true) \gset
SELECT pg_temp.row_of(:'id') AS before \gset
\set VERBOSITY terse
BEGIN;
UPDATE session.sessions SET refresh_key = (SELECT refresh_key FROM session.sessions WHERE id = :'other') WHERE id = :'id';
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
ROLLBACK;
\set VERBOSITY sqlstate
SELECT count(DISTINCT refresh_key) AS keys, count(DISTINCT substr(refresh_key, 1, 12)) AS nonces FROM session.sessions;

-- A refresh that is rolled back has no effect.
BEGIN;
SELECT token AS gone, refresh_token AS gone_refresh FROM session_refresh(:'refresh_token') \gset
SELECT session_status(:'gone');
ROLLBACK;
SELECT pg_temp.row_of(:'id') = :'before' AS untouched, session_status(:'gone');
SELECT refresh_token = :'gone_refresh' AS same_as_then FROM session_refresh(:'refresh_token');
DELETE FROM session.sessions;

-- A rotation can be lost, for instance in a failover: then the client has
-- newer tokens than the row.  The refresh continues at the generation of the
-- client, whose newest token is accepted.
SELECT id, token AS t1, refresh_token AS g1 FROM session_create('quentin', refreshable => true) \gset
CREATE TEMP TABLE before AS SELECT * FROM session.sessions;
CREATE PROCEDURE pg_temp.fail_over() LANGUAGE sql AS $$
    UPDATE session.sessions s SET (token_hash, refresh_generation, rotated_at, refreshed_at, last_seen_at, expires_at)
         = (SELECT b.token_hash, b.refresh_generation, b.rotated_at, b.refreshed_at, b.last_seen_at, b.expires_at FROM before b)
$$;
SELECT refresh_token AS g2 FROM session_refresh(:'g1') \gset
SELECT token AS t3, refresh_token AS g3 FROM session_refresh(:'g2') \gset
CALL pg_temp.fail_over();
SELECT session_status(:'t1') AS first, session_status(:'t3') AS lost;
SELECT token AS t4, refresh_token AS g4 FROM session_refresh(:'g3') \gset
SELECT pg_temp.generation_of(:'g4') - pg_temp.generation_of(:'g3') AS generations,
       session_status(:'t4') AS new, session_status(:'t1') AS first, session_status(:'t3') AS lost;
TABLE fate;
SELECT token = :'t4' AS same FROM session_refresh(:'g3');

-- Every older token is reuse, also the one that was current in the row when
-- the rotation was lost.
SELECT count(*) AS refreshed FROM session_refresh(:'g2');
TABLE fate;
UPDATE session.sessions SET revoked_at = NULL, revoked_reason = NULL;
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
TABLE fate;

-- The token that is current in the row returns the same as before the
-- failover.
UPDATE session.sessions SET revoked_at = NULL, revoked_reason = NULL;
CALL pg_temp.fail_over();
SELECT refresh_token = :'g2' AS same_as_then FROM session_refresh(:'g1');

-- A newer token can revoke the session.  Afterwards it cannot refresh it.
CALL pg_temp.fail_over();
SELECT session_revoke(:'g4');
SELECT count(*) AS refreshed FROM session_refresh(:'g4');
TABLE fate;
DROP TABLE before;
DELETE FROM session.sessions;

-- Generations do not wrap around: the last one refreshes nothing and does not
-- end the session.
SELECT token FROM session_create('rupert', refreshable => true) \gset
UPDATE session.sessions SET refresh_generation = 2147483645;
SELECT refresh_token AS last_but_one FROM session_regenerate(:'token') \gset
SELECT token, refresh_token AS last FROM session_refresh(:'last_but_one') \gset
TABLE fate;
SELECT count(*) AS refreshed FROM session_refresh(:'last');
SELECT token = :'token' AS same FROM session_refresh(:'last_but_one');
SELECT session_status(:'token');
SELECT refresh_token AS fresh FROM session_regenerate(:'token') \gset
SELECT count(*) AS refreshed FROM session_refresh(:'fresh');
TABLE fate;
DELETE FROM session.sessions;

-- A clock that was set back does not extend the grace time.
SELECT refresh_token AS g1 FROM session_create('sybil', refreshable => true) \gset
SELECT FROM session_refresh(:'g1');
UPDATE session.sessions SET rotated_at = rotated_at + interval '1 hour', last_seen_at = last_seen_at + interval '1 hour';
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
TABLE fate;
DELETE FROM session.sessions;

-- A client that lost the response asks again after the grace time.  It gets
-- the same pair with a new lifetime, any number of times.  The server knows
-- only uses since its start, so the test first waits for longer than one shift
-- of wait_out_grace.
SET session.refresh_grace = 1;
SELECT pg_sleep(greatest(0, 1.1 - extract(epoch FROM clock_timestamp() - :'began')));
SELECT id, refresh_token AS g1 FROM session_create('trent', refreshable => true) \gset
SELECT token AS t2, refresh_token AS g2 FROM session_refresh(:'g1') \gset
CALL pg_temp.wait_out_grace();
SELECT id = :'id' AS same_id, token = :'t2' AS same, refresh_token = :'g2' AS same, expires_at, refresh_expires_at FROM session_refresh(:'g1') \gset
SELECT :'same_id' AS same_id, :'same' AS same, expires_at = :'expires_at' AS same_deadline,
       expires_at > clock_timestamp() + interval '14 minutes' AS lives, rotated_at = last_seen_at AS unused, pg_temp.is_recent(rotated_at) AS now
  FROM session.sessions;
TABLE fate;
CALL pg_temp.wait_out_grace();
SELECT token = :'t2' AS same FROM session_refresh(:'g1');
SELECT session_status(:'t2');

-- session_status does not count as a use of the new pair, and neither does a
-- call in the transaction that returns the pair.
CALL pg_temp.wait_out_grace();
BEGIN;
SELECT session_status(token) AS new, (SELECT user_id FROM session_validate(token)), session_data(token) FROM session_refresh(:'g1');
COMMIT;
CALL pg_temp.wait_out_grace();
SELECT token = :'t2' AS same FROM session_refresh(:'g1');

-- Both tokens of the pair work then.
SELECT user_id FROM session_validate(:'t2');
SELECT count(*) AS refreshed FROM session_refresh(:'g2');
TABLE fate;

-- After a use of the new pair, the token before it is reuse, by the client or
-- by a thief.  Each of these calls is a use.
DELETE FROM session.sessions;
CREATE TEMP TABLE uses AS
SELECT n, use, first.refresh_token AS old, pair.token AS new
  FROM (VALUES (1, 'nothing'), (2, 'SELECT FROM session_validate($1)'), (3, 'SELECT session_data($1)'),
               (4, 'SELECT session_authenticate($1)'), (5, 'SELECT session_touch($1)'),
               (6, 'SELECT session_data_set($1, ''k'', ''1'')'), (7, 'SELECT session_cookie_issue($1)'),
               (8, 'SELECT session_jwt($1)')) AS v (n, use),
       session_create(use, refreshable => true) AS first, session_refresh(first.refresh_token) AS pair;
SELECT session_key_rotate() IS NOT NULL AND session_key_rotate('jwt') IS NOT NULL AS keys;
CALL pg_temp.wait_out_grace();
DO $$
DECLARE
    u uses;
BEGIN
    FOR u IN SELECT * FROM uses WHERE n > 1 ORDER BY n LOOP
        EXECUTE u.use USING u.new;
    END LOOP;
END
$$;
SELECT use, (SELECT count(*) FROM session_refresh(old)) AS refreshed FROM uses ORDER BY n;

-- A use in a READ ONLY transaction counts too.
SELECT refresh_token AS g1 FROM session_create('victor', refreshable => true) \gset
SELECT token AS t2 FROM session_refresh(:'g1') \gset
CALL pg_temp.wait_out_grace();
BEGIN READ ONLY;
SELECT user_id FROM session_validate(:'t2');
ROLLBACK;
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
DELETE FROM session.sessions;

-- So does a use of a snapshot that was issued together with the pair.
SELECT refresh_token AS g1 FROM session_create('victor', refreshable => true) \gset
SELECT session_cookie_issue(token) AS cookie, token AS t2 FROM session_refresh(:'g1') \gset
CALL pg_temp.wait_out_grace();
SELECT token IS NOT NULL AS again FROM session_refresh(:'g1');
SELECT source FROM session_cookie_validate(:'cookie', token => :'t2');
CALL pg_temp.wait_out_grace();
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
DELETE FROM session.sessions;

-- Issuing a JWT together with the pair counts as a use, because the use of a
-- JWT cannot be observed.
SELECT refresh_token AS g1 FROM session_create('victor', refreshable => true) \gset
SELECT session_key_rotate('jwt') IS NOT NULL AS made;
SELECT session_jwt(token) IS NOT NULL AS minted FROM session_refresh(:'g1');
CALL pg_temp.wait_out_grace();
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
DELETE FROM session.sessions;

-- A use counts in the transaction that returns the pair again, and also after
-- a refresh that was rolled back to a savepoint.
SELECT refresh_token AS g1 FROM session_create('victor', refreshable => true) \gset
SELECT token AS t2 FROM session_refresh(:'g1') \gset
BEGIN;
SELECT token = :'t2' AS same FROM session_refresh(:'g1');
SELECT user_id FROM session_validate(:'t2');
COMMIT;
CALL pg_temp.wait_out_grace();
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
DELETE FROM session.sessions;
SELECT refresh_token AS g1 FROM session_create('victor', refreshable => true) \gset
SELECT token AS t2, refresh_token AS g2 FROM session_refresh(:'g1') \gset
BEGIN;
SAVEPOINT s;
SELECT token IS NOT NULL AS given FROM session_refresh(:'g2');
ROLLBACK TO s;
SELECT user_id FROM session_validate(:'t2');
COMMIT;
CALL pg_temp.wait_out_grace();
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
DELETE FROM session.sessions;

-- If the server cannot know of uses, it assumes one: here, the rotation was
-- before the server started.
SELECT refresh_token AS g1 FROM session_create('wendy', refreshable => true) \gset
SELECT FROM session_refresh(:'g1');
UPDATE session.sessions SET rotated_at = rotated_at - interval '1 year', last_seen_at = last_seen_at - interval '1 year';
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
DELETE FROM session.sessions;

-- Without a grace time there is no second use, however late it is.
SET session.refresh_grace = 0;
SELECT refresh_token AS g1 FROM session_create('xenia', refreshable => true) \gset
SELECT FROM session_refresh(:'g1');
CALL pg_temp.wait_out_grace();
SELECT count(*) AS refreshed FROM session_refresh(:'g1');
RESET session.refresh_grace;
DELETE FROM session.sessions;
SELECT refresh_token FROM session_create('olga', refreshable => true) \gset

-- In a READ ONLY transaction nothing is refreshed, not even to return the same
-- pair again.
BEGIN READ ONLY;
SELECT count(*) AS refreshed FROM session_refresh(:'refresh_token');
ROLLBACK;

DROP VIEW ends, fate;
DROP EXTENSION session;
