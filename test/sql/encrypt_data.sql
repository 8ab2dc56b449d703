-- Encrypted session data: all functions work the same, and the row reveals
-- nothing.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Returns how the data of a user is stored: as a readable object, or sealed as
-- one string.
CREATE FUNCTION pg_temp.kept(name text) RETURNS text
LANGUAGE sql AS $$
    SELECT CASE jsonb_typeof(data) WHEN 'object' THEN data::text
                WHEN 'string' THEN 'sealed' || CASE WHEN data #>> '{}' ~ '^[A-Za-z0-9_-]+$' THEN '' ELSE ' oddly' END END
      FROM session.sessions WHERE user_id = name
$$;
CREATE FUNCTION pg_temp.bytes_in(data jsonb) RETURNS bytea
LANGUAGE sql AS $$
    SELECT decode(rpad(translate(s, '-_', '+/'), (length(s) + 3) / 4 * 4, '='), 'base64') FROM (SELECT data #>> '{}' AS s) AS t
$$;

-- Returns the results of all data functions in one line; they are the same
-- with and without encryption.
CREATE FUNCTION pg_temp.life(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    t text := (session_create(name, '{"cart": ["a secret book"], "n": null}')).token;
    story text[];
BEGIN
    story := story || session_data(t)::text;
    story := story || coalesce(session_data_get(t, 'cart')::text, 'nothing') || coalesce(session_data_get(t, 'n')::text, 'nothing') || coalesce(session_data_get(t, 'x')::text, 'nothing');
    story := story || session_data_set(t, 'theme', '"dark"')::text || session_data(t)::text;
    story := story || session_data_pop(t, 'n')::text || coalesce(session_data_pop(t, 'n')::text, 'nothing');
    story := story || session_data_delete(t, 'cart')::text || session_data_delete(t, 'cart')::text || session_data(t)::text;
    story := story || session_data_merge(t, '{"user": {"name": "ü", "x": null}}')::text || session_data_append(t, 'list', '[1]')::text || session_data_append(t, 'list', '"€"')::text;
    story := story || session_data_replace(t, 'theme', '"dark"', '"light"')::text || session_data_replace(t, 'theme', '"dark"', '"none"')::text || session_data(t)::text;
    story := story || session_data_save(t, '{"ü": ["€", 1.50, {"a": {}}]}')::text || session_data(t)::text;
    t := (session_regenerate(t)).token;
    story := story || (SELECT data::text FROM session_validate(t)) || (SELECT data::text FROM session_list(name)) || (SELECT g.data::text FROM session_list(name) AS l, session_get(l.id) AS g);
    story := story || session_data_clear(t)::text || session_data(t)::text;
    RETURN array_to_string(story, ' ');
END
$$;
SELECT pg_temp.life('plain') AS story \gset
SELECT :'story' AS story;
SET session.encrypt_data = on;
SELECT pg_temp.life('sealed') = :'story' AS same;
SELECT pg_temp.kept('plain') AS plain, pg_temp.kept('sealed') AS sealed;
DELETE FROM session.sessions;

-- The row contains no part of the data, and the same data is never encrypted
-- to the same bytes.
SELECT id, token FROM session_create('alice', '{"secret": "a rather readable secret"}') \gset
SELECT id AS twin_id, token AS twin FROM session_create('bob', '{"secret": "a rather readable secret"}') \gset
SELECT user_id, s::text LIKE '%readable%' AS readable, position('readable'::bytea IN pg_temp.bytes_in(data)) AS found, position('secret'::bytea IN pg_temp.bytes_in(data)) AS found
  FROM session.sessions s ORDER BY user_id;
SELECT count(DISTINCT data) AS rows, count(DISTINCT substr(pg_temp.bytes_in(data), 1, 12)) AS kids, count(DISTINCT substr(pg_temp.bytes_in(data), 13, 12)) AS nonces,
       count(DISTINCT substr(pg_temp.bytes_in(data), 25)) AS ciphertexts, max(octet_length(pg_temp.bytes_in(data))) -
       (SELECT pg_column_size('{"secret": "a rather readable secret"}'::jsonb) - 4) AS more_bytes
  FROM session.sessions;
SELECT session_data(:'token'), session_data(:'twin');
SELECT count(*) AS made FROM session_create('carol');
SELECT pg_temp.kept('carol') AS empty_object;

-- Every write encrypts again; reading writes nothing.
SELECT data AS before FROM session.sessions WHERE user_id = 'alice' \gset
SELECT session_data(:'token'), session_data_get(:'token', 'secret');
SELECT data = :'before' AS untouched FROM session.sessions WHERE user_id = 'alice';
SELECT session_data_set(:'token', 'n', '1');
SELECT data <> :'before' AS changed, pg_temp.kept('alice') FROM session.sessions WHERE user_id = 'alice';

-- Encrypted data belongs to its session: in the row of another session, or
-- after a change, it cannot be decrypted.
\set VERBOSITY terse
BEGIN;
UPDATE session.sessions SET data = :'before' WHERE user_id = 'bob';
SELECT session_data(:'twin');
ROLLBACK;
BEGIN;
UPDATE session.sessions SET data = to_jsonb(translate(encode(set_bit(b, 200, 1 - get_bit(b, 200)), 'base64'), E'+/=\n', '-_'))
  FROM pg_temp.bytes_in(:'before') AS b WHERE user_id = 'alice';
SELECT session_validate(:'token');
ROLLBACK;
\set VERBOSITY sqlstate
BEGIN;
UPDATE session.sessions SET data = :'before' WHERE user_id = 'alice';
SELECT session_data(:'token');
ROLLBACK;
SELECT damage, pg_temp.outcome_of(format('UPDATE session.sessions SET data = %L WHERE user_id = ''carol''', damage)) AS written,
       left(pg_temp.outcome_of('SELECT session_list(''carol'')'), 5) AS read
  FROM unnest(ARRAY['""', '"a"', '"not base64url!"', '"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"', '1', '[1]', '["a"]', 'null', 'true']::jsonb[]) AS damage;
DELETE FROM session.sessions WHERE user_id = 'carol';

-- With the setting off, encrypted data stays readable for the functions, and
-- the next write stores it unencrypted.  With the setting on, the next write
-- encrypts unencrypted data.
SET session.encrypt_data = off;
SELECT token AS plain FROM session_create('dave', '{"a": 1}') \gset
SELECT session_data(:'token'), session_data_get(:'token', 'n'), pg_temp.kept('alice') AS alice, pg_temp.kept('dave') AS dave;
SELECT session_data_set(:'token', 'n', '2'), session_data(:'token');
SELECT pg_temp.kept('alice') AS alice, pg_temp.kept('bob') AS bob;
SET session.encrypt_data = on;
SELECT session_data(:'token'), session_data(:'plain'), pg_temp.kept('alice') AS alice, pg_temp.kept('dave') AS dave;
SELECT session_data_set(:'plain', 'a', '2'), session_data_pop(:'token', 'n'), session_data(:'plain'), session_data(:'token');
SELECT pg_temp.kept('alice') AS alice, pg_temp.kept('dave') AS dave;

-- Saving the same data counts as a write if the setting has changed how it is
-- stored.
SET session.encrypt_data = off;
SELECT token AS dora FROM session_create('dora', '{"same": 1}') \gset
SET session.encrypt_data = on;
SELECT session_data_save(:'dora', '{"same": 1}');
SELECT jsonb_typeof(data) AS kept_as FROM session.sessions WHERE user_id = 'dora';
DELETE FROM session.sessions WHERE user_id = 'dora';

-- A function that does not write the data leaves it stored as it was, whatever
-- the setting is.
SELECT token AS moved FROM session_regenerate(:'token') \gset
SET session.encrypt_data = off;
SELECT token AS moved FROM session_regenerate(:'moved') \gset
SELECT session_touch(:'moved'), (SELECT count(*) FROM session_refresh(:'moved')) AS refreshed, session_data(:'moved');
SELECT pg_temp.kept('alice') AS alice;
SET session.encrypt_data = on;

-- The limit applies to the data before encryption, so it is the same with the
-- setting on and off.
CREATE FUNCTION pg_temp.largest() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    low int := 0;
    high int := 4096;
    middle int;
BEGIN
    WHILE high - low > 1 LOOP
        middle := (low + high) / 2;
        IF pg_temp.error_of(format('session_create(''erin'', jsonb_build_object(''a'', repeat(''x'', %s)))', middle)) IS NULL
        THEN low := middle; ELSE high := middle; END IF;
    END LOOP;
    RETURN low;
END
$$;
SET session.max_data_size = '2kB';
SELECT pg_temp.largest() AS sealed \gset
SET session.encrypt_data = off;
SELECT pg_temp.largest() = :sealed AS same, :sealed > 2000 AS large;
SET session.encrypt_data = on;
SELECT session_data_save(:'plain', jsonb_build_object('a', repeat('x', :sealed)));
SELECT session_data_save(:'plain', jsonb_build_object('a', repeat('x', :sealed + 1)));
SELECT length(session_data_get(:'plain', 'a') #>> '{}') = :sealed AS kept;
RESET session.max_data_size;
SELECT session_data_save(:'plain', jsonb_build_object('a', repeat('x', 60000))), length(session_data_get(:'plain', 'a') #>> '{}');

-- A claims function receives the data decrypted; a token does not contain it
-- by default.
CREATE FUNCTION public.regress_session_secret(s session_info) RETURNS jsonb LANGUAGE sql AS $$SELECT jsonb_build_object('secret', s.data -> 'secret')$$;
SELECT session_key_rotate('jwt') IS NOT NULL AS made;
SELECT session_cookie_decode(session_jwt(:'twin'), 'jwt') -> 'secret' AS secret;
SET session.claims_function = 'public.regress_session_secret';
SELECT session_cookie_decode(session_jwt(:'twin'), 'jwt') -> 'secret' AS secret;
RESET session.claims_function;
DROP FUNCTION public.regress_session_secret(session_info);

-- A rollback restores the data as it was stored before.
SELECT data AS before FROM session.sessions WHERE user_id = 'bob' \gset
BEGIN;
SELECT session_data_clear(:'twin'), session_data(:'twin');
ROLLBACK;
SELECT data = :'before' AS as_before, session_data(:'twin') FROM session.sessions WHERE user_id = 'bob';

-- Retiring a key of another purpose does not affect the data.
SELECT session_key_rotate() AS kid \gset
SELECT session_key_retire(:'kid'), session_data(:'twin');

DROP EXTENSION session;
