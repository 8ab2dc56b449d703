-- Tokens: their format, what is stored of them, and which texts are not
-- tokens.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- A session token has 67 characters, which are safe in a cookie, a header and
-- a URL.
SELECT id, token FROM session_create('alice') \gset
SELECT length(:'token'), :'token' ~ '^st_[A-Za-z0-9_-]{64}$' AS shape;

-- It carries the public id and a secret of 256 bits, and nothing else.
SELECT pg_temp.bytes_of(:'token') AS bytes \gset
SELECT substr(:'bytes'::bytea, 17) AS secret \gset
SELECT octet_length(:'bytes'::bytea) AS bytes,
       octet_length(:'secret'::bytea) AS secret,
       encode(substr(:'bytes'::bytea, 1, 16), 'hex')::uuid = :'id' AS has_id;

-- Only the SHA-256 of the secret is stored.
SELECT token_hash = sha256(:'secret'::bytea) AS is_sha256,
       strpos(s::text, encode(:'secret'::bytea, 'hex')) AS secret_in_row,
       strpos(s::text, substr(:'token', 4 + 22)) AS token_in_row
  FROM session.sessions s;

-- No two sessions share a secret, or a quarter of one.
WITH made AS (SELECT substr(pg_temp.bytes_of((session_create()).token), 17) AS s
                FROM generate_series(1, 1000))
SELECT count(DISTINCT substr(s, n, 8)) AS distinct_quarters
  FROM made, generate_series(1, 25, 8) AS n;

-- Texts that are not tokens are malformed.
CREATE TEMP TABLE junk (n serial, what text, value text);
INSERT INTO junk (what, value) VALUES
    ('NULL', NULL),
    ('nothing', ''),
    ('a blank', ' '),
    ('a word', 'undefined'),
    ('the id', :'id'),
    ('the prefix alone', 'st_'),
    ('one character short', left(:'token', 66)),
    ('one character long', :'token' || 'A'),
    ('a newline after it', :'token' || E'\n'),
    ('a blank before it', ' ' || :'token'),
    ('quotes around it', '"' || :'token' || '"'),
    ('a blank for the last character', left(:'token', 66) || ' '),
    ('no prefix', substr(:'token', 4)),
    ('no prefix, but the length', substr(:'token', 4) || 'AAA'),
    ('prefix of a refresh token', 'rt_' || substr(:'token', 4)),
    ('prefix in capitals', 'ST_' || substr(:'token', 4)),
    ('prefix with a dash', 'st-' || substr(:'token', 4)),
    ('+ of base64', overlay(:'token' PLACING '+' FROM 30)),
    ('/ of base64', overlay(:'token' PLACING '/' FROM 30)),
    ('a dot', overlay(:'token' PLACING '.' FROM 4)),
    ('a percent sign', overlay(:'token' PLACING '%' FROM 67)),
    ('a control character', overlay(:'token' PLACING E'\x01' FROM 30)),
    ('DEL', overlay(:'token' PLACING E'\x7f' FROM 30)),
    ('padding added', :'token' || '='),
    ('padding at the end', left(:'token', 66) || '='),
    ('padding, twice', left(:'token', 65) || '=='),
    ('67 times the same character', repeat('=', 67)),
    ('67 bytes with a two-byte character', left(:'token', 65) || 'é'),
    ('67 bytes of four-byte characters', 'st_' || repeat('😀', 16)),
    ('67 two-byte characters', repeat('é', 67)),
    ('a look-alike in the prefix', 'ѕt_' || left(substr(:'token', 4), 63)),
    ('SQL', ''' OR true --'),
    ('10 MB of one character', repeat('x', 10 * 1024 * 1024)),
    ('10 MB that start as the token', :'token' || repeat('x', 10 * 1024 * 1024));
SELECT what, octet_length(value) AS bytes, session_status(value) AS status
  FROM junk ORDER BY n;

-- Every character outside the alphabet, in every place, is malformed.
SELECT count(*) AS texts, array_agg(DISTINCT session_status(t)) AS status
  FROM (SELECT overlay(:'token' PLACING chr(c) FROM p) AS t
          FROM generate_series(1, 127) AS c, generate_series(4, 67) AS p
         WHERE chr(c) !~ '[A-Za-z0-9_-]') AS texts;

-- No function raises an error for such a text.
SELECT function, array_agg(DISTINCT answer) AS answers
  FROM junk, pg_temp.answers(value)
 GROUP BY function ORDER BY function COLLATE "C";

-- A malformed text is rejected before a table is opened: here there is no
-- table.
\set VERBOSITY sqlstate
BEGIN;
ALTER TABLE session.sessions RENAME TO out_of_reach;
SELECT array_agg(DISTINCT answer COLLATE "C") AS answers
  FROM junk, pg_temp.answers(value) WHERE what <> 'prefix of a refresh token';
SELECT what, session_status(value), session_is_valid(value), session_data(value)
  FROM junk WHERE what = 'prefix of a refresh token';
SAVEPOINT s;
SELECT session_status(:'token');
ROLLBACK TO s;
SELECT session_refresh(value) FROM junk WHERE what = 'prefix of a refresh token';
ROLLBACK;
SELECT session_status(:'token');

-- A large text that is stored out of line is not fetched.  The last query
-- fetches it, which shows that the count would notice.
ALTER TABLE junk ALTER value SET STORAGE EXTERNAL;
UPDATE junk SET value = value || 'x' WHERE octet_length(value) > 1024 * 1024;
CREATE TEMP VIEW toast_scans AS
SELECT idx_scan AS scans FROM pg_stat_xact_all_tables
 WHERE relid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'junk'::regclass);
BEGIN;
SELECT scans AS scans_before FROM toast_scans \gset
SELECT count(*) AS asked, array_agg(DISTINCT session_status(value)) AS status
  FROM junk WHERE what LIKE '10 MB%';
SELECT scans > :scans_before AS fetched FROM toast_scans;
SELECT count(*) AS looked FROM junk
 WHERE what LIKE '10 MB%' AND value LIKE '%y';
SELECT scans > :scans_before AS seen FROM toast_scans;
COMMIT;

-- A well-formed token is unknown when there is no session of its id.
SELECT pg_temp.token_of(decode(repeat('00', 48), 'hex')) AS zeros,
       pg_temp.token_of(decode(repeat('ff', 48), 'hex')) AS ones,
       pg_temp.token_of(uuid_send(gen_random_uuid()) || :'secret'::bytea) AS other_id \gset
SELECT session_status(:'zeros') AS zeros, session_status(:'ones') AS ones,
       session_status(:'other_id') AS right_secret_other_id;

-- It is unknown with the right id and the secret of another session.
SELECT token AS bob FROM session_create('bob') \gset
SELECT session_status(pg_temp.token_of(substr(:'bytes'::bytea, 1, 16) ||
                                       substr(pg_temp.bytes_of(:'bob'), 17)));

-- It is unknown when any one bit of it is wrong, and no function takes it.
SELECT session_status(pg_temp.token_of(
           set_bit(bytes, n, 1 - get_bit(bytes, n)))) AS status,
       count(*) AS bits
  FROM pg_temp.bytes_of(:'token') AS bytes, generate_series(0, 48 * 8 - 1) AS n
 GROUP BY status;
SELECT pg_temp.token_of(set_bit(bytes, 383, 1 - get_bit(bytes, 383))) AS wrong
  FROM pg_temp.bytes_of(:'token') AS bytes \gset
SELECT * FROM pg_temp.answers(:'wrong');

-- The whole hash is compared: if any one bit of it is wrong, the token is
-- unknown.
CREATE FUNCTION pg_temp.status_without_bit(session uuid, n int, token text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    status text;
BEGIN
    UPDATE session.sessions SET token_hash = set_bit(token_hash, n, 1 - get_bit(token_hash, n))
     WHERE id = session;
    status := session_status(token);
    UPDATE session.sessions SET token_hash = set_bit(token_hash, n, 1 - get_bit(token_hash, n))
     WHERE id = session;
    RETURN status;
END
$$;
SELECT status, count(*) AS bits
  FROM generate_series(0, 32 * 8 - 1) AS n, pg_temp.status_without_bit(:'id', n, :'token') AS status
 GROUP BY status;

-- Upper and lower case are different characters.
SELECT session_status('st_' || upper(substr(:'token', 4))) AS upper,
       session_status('st_' || lower(substr(:'token', 4))) AS lower;

-- The stored hash is not the secret: a stolen table cannot be used to log in.
SELECT session_status(pg_temp.token_of(uuid_send(id) || token_hash)) AS status
  FROM session.sessions WHERE id = :'id';

-- The session is unchanged after all of that.
SELECT session_status(:'token') AS status, data, user_id
  FROM session_validate(:'token');

-- A hash that is stored out of line validates like any other.
ALTER TABLE session.sessions SET (toast_tuple_target = 128);
SELECT string_agg(sha256(n::text::bytea)::text, '') AS long FROM generate_series(1, 16) AS n \gset
SELECT id AS far, token AS far_token FROM session_create(left(:'long', 1024), tenant_id => right(:'long', 1000), user_agent => :'long') \gset
UPDATE session.sessions SET token_hash = token_hash WHERE id = :'far';
SELECT pg_relation_size(reltoastrelid) > 0 AS out_of_line FROM pg_class WHERE oid = 'session.sessions'::regclass;
SELECT session_status(:'far_token');

-- A caller never gets a row of another shape, even if the type was altered.
ALTER TYPE session_info ADD ATTRIBUTE more text;
ALTER TYPE session_credentials ADD ATTRIBUTE more text;
\set VERBOSITY sqlstate
SELECT FROM session_list('alice');
SELECT FROM session_validate(:'far_token');
SELECT FROM session_create('bob');
BEGIN;
SELECT session_authenticate(:'far_token');
SELECT FROM session_mine();
ROLLBACK;
ALTER TYPE session_info DROP ATTRIBUTE more;
SELECT FROM session_list('alice');
\set VERBOSITY default

DROP EXTENSION session;
