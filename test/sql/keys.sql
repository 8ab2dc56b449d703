-- The key ring: keys are created, imported and retired, and each key serves
-- one purpose.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Returns the content of a cookie without its times and id, or NULL if the
-- cookie is not accepted.
CREATE FUNCTION pg_temp.opened(cookie text, purpose text DEFAULT 'session') RETURNS jsonb
LANGUAGE sql AS $$
    SELECT session_cookie_decode(cookie, purpose) - '{iat,exp,jti}'::text[]
$$;
CREATE TEMP VIEW encodings AS SELECT unnest('{compact,jwt,jwe,sealed}'::text[]) AS encoding;
CREATE TEMP VIEW ring AS
SELECT kid, purpose, imported, activated_at - created_at BETWEEN '0' AND '1 second' AS at_once, pg_temp.is_recent(created_at) AS made_now,
       pg_temp.is_recent(retired_at) AS retired_now, signs
  FROM session.key_ring ORDER BY activated_at;

-- Without a key no cookie can be made, and none is accepted.
SELECT token FROM session_create('alice') \gset
SELECT call, pg_temp.error_of(format(call, :'token')) AS error
  FROM unnest(ARRAY[
    $$session_cookie_encode('{"a": 1}')$$,
    $$session_cookie_encode('{"a": 1}', 'jwe', purpose => 'mfa')$$,
    $$session_cookie_issue(%L)$$,
    $$session_jwt(%L)$$]) AS call;
SELECT session_cookie_encode('{}');
SELECT session_cookie_decode('e30.47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU');

-- A rotation creates a key for one purpose, with a random name, which signs
-- from then on.
SELECT session_key_rotate() AS first \gset
SELECT :'first' ~ '^[A-Za-z0-9_-]{16}$' AS shape;
SELECT kid = :'first' AS same, purpose, imported, at_once, made_now, retired_now, signs FROM ring;
SELECT count(DISTINCT session_key_rotate('many')) AS kids FROM generate_series(1, 100);
SELECT signs, count(*) FROM ring WHERE purpose = 'many' GROUP BY signs ORDER BY signs;
DELETE FROM session.keys WHERE purpose = 'many';

-- The master key is outside of the database, in the file that the setting
-- names.
SELECT pg_read_file(current_setting('session.master_key_file')) ~ '^[0-9a-f]{64}\n$' AS shape;

-- A secret is stored sealed: it is 28 bytes longer, and no part of it is
-- readable.
SELECT 'a secret of 36 bytes, quite readable' AS secret \gset
SELECT session_key_import(:'secret', 'k1', 'sealing'), session_key_import(:'secret', 'k2', 'sealing');
SELECT kid, octet_length(secret) - octet_length(:'secret'::bytea) AS more,
       count(*) FILTER (WHERE position(substr(:'secret'::bytea, n, 5) IN secret) > 0) AS seen
  FROM session.keys, generate_series(1, 32) AS n WHERE purpose = 'sealing' GROUP BY kid, secret ORDER BY kid;
SELECT count(DISTINCT secret) AS secrets, count(DISTINCT substr(secret, 1, 12)) AS nonces,
       count(DISTINCT substr(secret, 13, 36)) AS ciphertexts
  FROM session.keys WHERE purpose = 'sealing';
SELECT count(*) AS shown FROM session.key_ring r JOIN session.keys k USING (kid)
 WHERE r::text LIKE '%' || encode(substr(secret, 1, 4), 'hex') || '%' OR r::text LIKE '%readable%';

-- A sealed secret is bound to the name and the purpose of its key.  It does
-- not open in another row, under another purpose, or after a change.
SELECT session_cookie_encode('{"a": 1}', purpose => 'sealing') AS cookie \gset
SELECT pg_temp.opened(:'cookie', 'sealing');
\set VERBOSITY terse
BEGIN;
UPDATE session.keys SET purpose = 'other' WHERE kid = 'k1';
SELECT pg_temp.opened(:'cookie', 'sealing');
SAVEPOINT s;
SELECT pg_temp.opened(:'cookie', 'other');
ROLLBACK TO s;
UPDATE session.keys SET purpose = 'sealing' WHERE kid = 'k1';
SELECT pg_temp.opened(:'cookie', 'sealing');
ROLLBACK;
BEGIN;
UPDATE session.keys SET secret = (SELECT secret FROM session.keys WHERE kid = 'k1') WHERE kid = 'k2';
SELECT pg_temp.opened(:'cookie', 'sealing');
ROLLBACK;
BEGIN;
UPDATE session.keys SET secret = secret || '\x00' WHERE kid = 'k2';
SELECT pg_temp.opened(:'cookie', 'sealing');
ROLLBACK;
BEGIN;
UPDATE session.keys SET secret = set_bit(secret, 100, 1 - get_bit(secret, 100)) WHERE kid = 'k2';
\set VERBOSITY default
SELECT session_cookie_encode('{}', purpose => 'sealing');
ROLLBACK;
\set VERBOSITY sqlstate
SELECT pg_temp.opened(:'cookie', 'sealing');
DELETE FROM session.keys WHERE purpose = 'sealing';

-- One row of session.keys is not a key: with it the server detects a master
-- key other than the one that sealed the keys.
SELECT kid, purpose, imported, retired_at IS NOT NULL AS retired FROM session.keys WHERE kid NOT IN (SELECT kid FROM session.key_ring);
SELECT session_key_retire('session master'),
       pg_temp.error_of($$session_key_import('0123456789abcdef0123456789abcdef', 'session master')$$) AS import,
       pg_temp.error_of($$session_key_rotate('session master')$$) AS rotate;
BEGIN;
UPDATE session.keys SET secret = set_bit(secret, 100, 1 - get_bit(secret, 100)) WHERE kid = 'session master';
SELECT pg_temp.error_of('session_key_rotate()') AS rotate, pg_temp.error_of('session_cookie_encode(''{}'')') AS encode,
       pg_temp.error_of('session_create(refreshable => true)') AS "create", pg_temp.error_of('session_create()') AS without;
ROLLBACK;
SELECT pg_temp.opened(session_cookie_encode('{"a": 1}'));
DELETE FROM session.keys WHERE kid = 'session master';
SELECT pg_temp.opened(session_cookie_encode('{"a": 1}'));
SELECT count(*) AS back FROM session.keys WHERE kid = 'session master';

-- After a rotation the new key signs, and cookies of the old key stay valid.
CREATE TEMP TABLE made AS
SELECT 'first' AS with_key, encoding, session_cookie_encode(format('{"in": "%s"}', encoding)::jsonb, encoding) AS cookie
  FROM encodings;
SELECT session_key_rotate() AS second \gset
INSERT INTO made
SELECT 'second', encoding, session_cookie_encode(format('{"in": "%s"}', encoding)::jsonb, encoding) FROM encodings;
SELECT kid = :'first' AS first, kid = :'second' AS second, signs FROM ring;
SELECT with_key, count(*) FILTER (WHERE pg_temp.opened(cookie) = jsonb_build_object('in', encoding)) AS accepted
  FROM made GROUP BY with_key ORDER BY with_key;
SELECT with_key, convert_from(decode(rpad(translate(split_part(cookie, '.', 1), '-_', '+/'),
                                          (length(split_part(cookie, '.', 1)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb
                 ->> 'kid' = CASE with_key WHEN 'first' THEN :'first' ELSE :'second' END AS names_it
  FROM made WHERE encoding = 'jwt';

-- Cookies of a retired key are not valid; those of other keys are.
SELECT session_key_retire(:'first') AS retired, session_key_retire(:'first') AS again,
       session_key_retire('no such key') AS unknown, session_key_retire(NULL) AS "null";
SELECT kid = :'first' AS first, retired_now, signs FROM ring;
SELECT with_key, count(pg_temp.opened(cookie)) AS accepted FROM made GROUP BY with_key ORDER BY with_key;
SELECT bool_or(session_cookie_revoke(cookie)) AS revoked FROM made WHERE with_key = 'first';

-- When the newest key is retired, the one before it signs again.  When all
-- keys are retired, none signs.
SELECT session_key_rotate() AS third \gset
SELECT session_key_retire(:'third');
SELECT kid = :'second' AS second FROM ring WHERE signs;
SELECT pg_temp.opened(session_cookie_encode('{"a": 1}'));
SELECT session_key_retire(:'second');
SELECT count(*) FILTER (WHERE signs) AS signing, count(*) AS kept FROM ring;
SELECT session_cookie_encode('{"a": 1}');
SELECT count(pg_temp.opened(cookie)) AS accepted FROM made;

-- Purposes are separate: a cookie for one is not accepted for another.
DELETE FROM session.keys;
SELECT count(session_key_rotate(purpose)) AS keys
  FROM unnest('{session,mfa,jwt,Session,session-cache,__Host-session,!#$%&''*+-.^_`|~}'::text[]) AS purpose;
CREATE TEMP TABLE purposes AS SELECT DISTINCT purpose FROM session.key_ring;
CREATE TEMP VIEW accepted AS
WITH made AS MATERIALIZED (
    SELECT purpose, encoding, session_cookie_encode('{"a": 1}', encoding, purpose => purpose) AS cookie
      FROM purposes, encodings)
SELECT encoding, made.purpose = p.purpose AS same_purpose,
       count(*) AS tried, count(pg_temp.opened(cookie, p.purpose)) AS accepted
  FROM made, purposes p GROUP BY 1, 2 ORDER BY 1, 2;
TABLE accepted;

-- The same holds if several purposes have the same imported secret, for the
-- formats that contain the purpose.
DELETE FROM session.keys;
SELECT count(session_key_import('one secret for several purposes!!', NULL, purpose)) AS keys FROM purposes;
SELECT * FROM accepted WHERE encoding IN ('jwe', 'sealed');

-- An imported key is the newest of its purpose.  Its name is the given one or
-- a generated one.
DELETE FROM session.keys;
SELECT session_key_rotate() IS NOT NULL AS made;
SELECT session_cookie_encode('{"a": 1}') AS cookie \gset
SELECT session_key_import('0123456789abcdef0123456789abcdef', 'theirs') AS kid;
SELECT session_key_import('0123456789abcdef0123456789abcdef', NULL, 'other') ~ '^[A-Za-z0-9_-]{16}$' AS shape;
SELECT kid = 'theirs' AS theirs, purpose, imported, made_now, signs FROM ring;
SELECT pg_temp.opened(:'cookie') AS before, pg_temp.opened(session_cookie_encode('{"b": 2}')) AS after;

-- An invalid argument is an error that names it.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_key_import(NULL)$$,
    $$session_key_import('')$$,
    $$session_key_import('0123456789abcdef0123456789abcde')$$,
    $$session_key_import(convert_to(repeat('x', 1025), 'UTF8'))$$,
    $$session_key_import(convert_to(repeat('x', 10 * 1024 * 1024), 'UTF8'))$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'theirs')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'theirs', 'other')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), '')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), repeat('k', 129))$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'a b')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'a"b')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'a\b')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), E'a\nb')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'ä')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'k', '')$$,
    $$session_key_import(convert_to(repeat('x', 32), 'UTF8'), 'k', repeat('p', 129))$$,
    $$session_key_rotate('')$$,
    $$session_key_rotate(repeat('p', 129))$$,
    $$session_key_rotate('a b')$$,
    $$session_key_rotate('a;b')$$,
    $$session_key_rotate('a=b')$$,
    $$session_key_rotate('a,b')$$,
    $$session_key_rotate('a:b')$$,
    $$session_key_rotate('a/b')$$,
    $$session_key_rotate(E'a\nb')$$,
    $$session_key_rotate('ä')$$]) AS call;
SELECT count(*) AS keys FROM session.key_ring;

-- The name of a key cannot be used again, also if the key is retired.
SELECT session_key_retire('theirs');
SELECT pg_temp.error_of($$session_key_import('0123456789abcdef0123456789abcdef', 'theirs')$$) AS error;

-- Values just within the limits are accepted, and the key works.
SELECT what, octet_length(pg_temp.opened(session_cookie_encode('{"a": 1}', encoding, purpose => what), what)::text) AS bytes
  FROM (VALUES ('short', repeat('s', 32), 'k'), ('long', repeat('s', 1024), '~!#'),
               (repeat('p', 128), repeat('s', 33), repeat('k', 128))) AS t (what, secret, kid),
       session_key_import(convert_to(secret, 'UTF8'), kid, what) AS made, encodings
 WHERE encoding = 'jwt' ORDER BY 1;

-- A rotation that is rolled back leaves no trace, and neither does a
-- retirement.
DELETE FROM session.keys;
SELECT session_key_rotate() AS kept \gset
SELECT session_cookie_encode('{"made": "before"}') AS before \gset
BEGIN;
SELECT session_key_rotate() AS gone \gset
SELECT session_cookie_encode('{"made": "within"}') AS within \gset
SELECT pg_temp.opened(:'before') AS before, pg_temp.opened(:'within') AS within;
SELECT session_key_retire(:'kept');
SELECT pg_temp.opened(:'before') AS before, pg_temp.opened(:'within') AS within;
ROLLBACK;
SELECT kid = :'kept' AS kept, signs, retired_now FROM ring;
SELECT pg_temp.opened(:'before') AS before, pg_temp.opened(:'within') AS within,
       pg_temp.opened(session_cookie_encode('{"made": "after"}')) AS after;
BEGIN;
SAVEPOINT s;
SELECT session_key_import('0123456789abcdef0123456789abcdef', 'gone');
SELECT session_cookie_encode('{"made": "within"}') AS within \gset
ROLLBACK TO s;
SELECT pg_temp.opened(:'before') AS before, pg_temp.opened(:'within') AS within,
       pg_temp.opened(session_cookie_encode('{"made": "after"}')) AS after;
COMMIT;
\set VERBOSITY terse
DO $$
BEGIN
    PERFORM session_key_rotate();
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
    RAISE NOTICE 'keys: %', (SELECT count(*) FROM session.key_ring);
END
$$;
\set VERBOSITY sqlstate
SELECT pg_temp.opened(:'before') AS before, count(*) AS keys FROM session.key_ring;

-- A key that is removed from the ring has no effect from the next statement
-- on, however it was removed.
BEGIN;
DELETE FROM session.keys;
SELECT pg_temp.opened(:'before');
ROLLBACK;
SELECT pg_temp.opened(:'before');
BEGIN;
TRUNCATE session.keys;
SELECT pg_temp.opened(:'before');
ROLLBACK;
SELECT pg_temp.opened(:'before');
BEGIN;
UPDATE session.keys SET retired_at = clock_timestamp();
SELECT pg_temp.opened(:'before');
ROLLBACK;
SELECT pg_temp.opened(:'before');
SELECT session.session_keys_changed();

-- Another backend has the same keys.
DROP VIEW ring, accepted, encodings;
\c -
SELECT session_cookie_decode(:'before') -> 'made' AS before, session_cookie_decode(:'within') AS within;

DROP EXTENSION session;
