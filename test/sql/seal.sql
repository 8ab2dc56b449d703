-- What rows hold sealed, refresh keys and data, is sealed with keys of the
-- purpose "seal", which the extension makes by itself.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET session.encrypt_data = on;

-- Returns the kid that sealed bytes begin with.
CREATE FUNCTION pg_temp.kid_of(sealed bytea) RETURNS text
LANGUAGE sql AS $$
    SELECT translate(encode(substr(sealed, 1, 12), 'base64'), '+/', '-_')
$$;

-- The keys of the purpose, and which columns of which users are sealed with
-- them.
CREATE TEMP VIEW ring AS
SELECT kid, row_number() OVER (ORDER BY activated_at) AS n, signs, imported, retired_at IS NOT NULL AS retired
  FROM session.key_ring WHERE purpose = 'seal';
CREATE TEMP VIEW sealed AS
SELECT user_id, r.n AS refresh, d.n AS data
  FROM session.sessions s
  LEFT JOIN ring r ON r.kid = pg_temp.kid_of(s.refresh_key)
  LEFT JOIN ring d ON jsonb_typeof(s.data) = 'string' AND starts_with(s.data #>> '{}', d.kid);

-- The first need makes a key; a plain session needs none.
SET session.encrypt_data = off;
SELECT count(*) AS made FROM session_create('plain');
SELECT count(*) AS keys FROM session.keys;
SET session.encrypt_data = on;
SELECT token AS ada FROM session_create('ada', '{"a": 1}') \gset
SELECT token AS bea, refresh_token AS bea_refresh FROM session_create('bea', '{"b": 1}', refreshable => true) \gset
SELECT n, signs, imported, retired FROM ring;
SELECT * FROM sealed ORDER BY 1;
SELECT octet_length(refresh_key) AS bytes FROM session.sessions WHERE user_id = 'bea';

-- A rotation leaves what is sealed readable.  What is written from then on is
-- sealed with the new key.
SELECT session_key_rotate('seal') ~ '^[A-Za-z0-9_-]{16}$' AS kid;
SELECT n, signs FROM ring ORDER BY n;
SELECT session_data(:'ada'), session_data(:'bea');
SELECT * FROM sealed ORDER BY 1;
SELECT token AS bea, refresh_token AS bea_next FROM session_refresh(:'bea_refresh') \gset
SELECT * FROM sealed ORDER BY 1;
SELECT refresh_token = :'bea_next' AS same FROM session_refresh(:'bea_refresh');
SELECT token AS bea FROM session_refresh(:'bea_next') \gset
SELECT count(*) AS made FROM session_create('cleo', '{"c": 1}', refreshable => true);
SELECT session_data_set(:'ada', 'a', '2');
SELECT token AS bea FROM session_regenerate(:'bea') \gset
SELECT * FROM sealed ORDER BY 1;
SELECT session_data(:'ada'), session_data(:'bea'), (SELECT data FROM session_list('cleo'));

-- A key cannot be retired while anything is sealed with it, also of a session
-- that has ended.
SELECT n, replace(pg_temp.error_of(format('session_key_retire(%L)', kid)), kid, 'KID') AS error FROM ring ORDER BY n;
SELECT session_revoke(:'bea');
SELECT n, replace(pg_temp.error_of(format('session_key_retire(%L)', kid)), kid, 'KID') AS error FROM ring ORDER BY n;
SELECT n, retired FROM ring ORDER BY n;
DELETE FROM session.sessions WHERE user_id = 'bea';
SELECT session_key_retire(kid) FROM ring WHERE n = 1;
SELECT session_key_retire(kid) FROM ring WHERE n = 1;
SELECT n, signs, retired FROM ring ORDER BY n;

-- The newest key can be retired too if nothing is sealed with it.  Then an
-- older key seals, or a new one that is made.
SELECT count(session_key_rotate('seal')) AS rotated;
SELECT session_key_retire(kid) FROM ring WHERE n = 3;
SELECT count(*) AS made FROM session_create('dora', '{"d": 1}');
SELECT data FROM sealed WHERE user_id = 'dora';
DELETE FROM session.sessions;
SELECT session_key_retire(kid) FROM ring WHERE n = 2;
SELECT token AS ada FROM session_create('ada', '{"a": 1}') \gset
SELECT data FROM sealed;
SELECT session_data(:'ada');

-- A row that was sealed with a retired key stays readable: the transaction
-- that wrote it may have committed after the key was retired.
UPDATE session.keys SET retired_at = clock_timestamp() WHERE kid = (SELECT kid FROM ring WHERE n = 4);
SELECT session_data(:'ada');
SELECT session_data_set(:'ada', 'a', '2'), session_data(:'ada');
SELECT user_id, data FROM sealed;

-- A row whose key does not exist is an error that names the key.  The session
-- can be ended.
CREATE TEMP TABLE gone AS SELECT k.* FROM session.keys k JOIN ring USING (kid) WHERE n = 5;
DELETE FROM session.keys WHERE kid IN (SELECT kid FROM gone);
SELECT replace(pg_temp.outcome_of(format('SELECT session_data(%L)', :'ada')), kid, 'KID') AS outcome FROM gone;
SELECT replace(pg_temp.outcome_of('SELECT session_export(''ada'')'), kid, 'KID') AS outcome FROM gone;
SELECT count(*) AS made FROM session_create('ben', '{"b": 1}', refreshable => true);
SELECT user_id, refresh, data FROM sealed ORDER BY 1;
INSERT INTO session.keys SELECT * FROM gone;
SELECT session_data(:'ada');
DELETE FROM session.keys WHERE kid IN (SELECT kid FROM gone);
SELECT session_status(:'ada'), session_revoke(:'ada'), session_status(:'ada');
SELECT session_erase('ada') > 0 AS erased;
DELETE FROM session.sessions;

-- The same for a refresh token.
SELECT refresh_token AS eva FROM session_create('eva', refreshable => true) \gset
DELETE FROM session.keys WHERE purpose = 'seal';
SELECT left(pg_temp.outcome_of(format('SELECT session_refresh(%L)', :'eva')), 5) AS outcome;
DELETE FROM session.sessions;

-- A kid that is changed is another key, and so does not open the value.
SELECT token AS ada FROM session_create('ada', '{"a": 1}') \gset
SELECT session_key_rotate('seal') AS other \gset
UPDATE session.sessions SET data = to_jsonb(:'other' || substr(data #>> '{}', 17));
\set VERBOSITY terse
SELECT session_data(:'ada');
\set VERBOSITY sqlstate
DELETE FROM session.sessions;

-- The first key goes with the transaction, or the savepoint, that made it; the
-- next need makes another.
DELETE FROM session.keys WHERE purpose = 'seal';
BEGIN;
SELECT token AS ada FROM session_create('ada', '{"a": 1}') \gset
SELECT session_data(:'ada');
SELECT count(*) AS keys FROM ring;
ROLLBACK;
SELECT count(*) AS keys FROM ring;
BEGIN;
SAVEPOINT s;
SELECT token AS ada FROM session_create('ada', '{"a": 1}') \gset
SELECT session_data(:'ada');
ROLLBACK TO s;
SELECT count(*) AS keys FROM ring;
SELECT token AS ada FROM session_create('ada', '{"a": 2}', refreshable => true) \gset
SELECT session_data(:'ada'), n FROM ring;
COMMIT;
SELECT session_data(:'ada'), s.* FROM sealed s;
BEGIN;
SELECT count(session_key_rotate('seal')) AS rotated;
SELECT count(*) AS made FROM session_create('ben', '{"b": 1}');
SELECT session_data_set(:'ada', 'a', '3');
SELECT user_id, data FROM sealed ORDER BY 1;
ROLLBACK;
SELECT session_data(:'ada'), s.* FROM sealed s;
\c -
SET session.encrypt_data = on;
SELECT session_data(:'ada');

-- Reads work in READ ONLY transactions, with the first look of a connection
-- too.  A write that would need the first key fails as every write does.
\c -
BEGIN READ ONLY;
SELECT session_data(:'ada');
SELECT count(*) AS data FROM session.directory WHERE data ->> 'a' = '2';
ROLLBACK;
DELETE FROM session.sessions;
DELETE FROM session.keys WHERE purpose = 'seal';
BEGIN READ ONLY;
SET LOCAL session.encrypt_data = on;
SELECT session_create('ada', '{"a": 1}');
ROLLBACK;

-- The purpose is reserved: no key is imported for it.
\set VERBOSITY terse
SELECT session_key_import(sha256('theirs'), 'theirs', 'seal');
\set VERBOSITY sqlstate
SELECT session_key_import(sha256('theirs'), 'theirs', 'seals') AS kid;

-- With the setting off, the next write stores data that was sealed in the
-- clear, and the key can be retired.
SET session.encrypt_data = on;
SELECT token AS ada FROM session_create('ada', '{"a": 1}') \gset
SET session.encrypt_data = off;
SELECT session_data_set(:'ada', 'a', '2');
SELECT count(*) AS sealed FROM session.sessions WHERE jsonb_typeof(data) = 'string';
SELECT count(session_key_retire(kid)) AS retired FROM session.key_ring WHERE purpose = 'seal';
SELECT session_data(:'ada');

DROP EXTENSION session;
