-- Foreign tokens: secrets that the application chooses itself.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT session_key_rotate() IS NOT NULL AND session_key_rotate('jwt') IS NOT NULL AS made;
\set sid '4kZ9xq2nWbPz7TjYcV1mR8LsG5hD3fQa'

-- They are off unless an administrator turns them on: session_create refuses
-- one, and every other function takes it for a text that is no token.
SELECT id FROM session_create('alice', token => :'sid');
SELECT function, answer FROM pg_temp.answers(:'sid') ORDER BY function COLLATE "C";
CREATE ROLE regress_session_app;
SELECT session_grant('regress_session_app', 'app');
SET ROLE regress_session_app;
SET session.foreign_tokens = on;
RESET ROLE;
SET session.foreign_tokens = on;
SET session.log_events = 'all';

-- The token is returned as it was given.  The id is a UUIDv8 made of its
-- SHA-256, and the row has a hash that is none of the token alone.
SELECT id, token AS returned, refresh_token, expires_at > now() AS lives, refresh_expires_at
  FROM session_create('alice', '{"theme": "light"}', 'acme', token => :'sid') \gset
SELECT :'returned' = :'sid' AS same, :'id' AS id, :'lives' AS lives;
SELECT overlay(overlay(left(encode(sha256(:'sid'), 'hex'), 32) PLACING '8' FROM 13)
               PLACING to_hex(8 | (get_byte(sha256(:'sid'), 8) >> 4 & 3)) FROM 17)::uuid = :'id' AS is_uuidv8_of_sha256;
SELECT octet_length(token_hash) AS bytes, token_hash = sha256(:'sid') AS sha256, strpos(s::text, :'sid') AS token_in_row,
       strpos(s::text, encode(:'sid', 'hex')) AS hex_in_row
  FROM session.sessions AS s;

-- Every function that takes a token accepts it: its answer is not the one that
-- an unknown token gets.  Only session_is_expired has the same for both,
-- session_data_replace, which expects other data here, session_act_as, which no
-- function allows, and session_dbsc_register, which gets no proof.
CREATE FUNCTION pg_temp.answer_for(token text, function name, known boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    IF known THEN
        PERFORM session_create('alice', '{"theme": ["light"]}', token => token);
    END IF;
    SELECT answer INTO result FROM pg_temp.answers(token, function);
    RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = coalesce(result, 'not called');
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
SELECT proname AS function
  FROM extension_functions
 WHERE proargnames[1] = 'token' AND proname <> 'session_login'
   AND pg_temp.answer_for('other:' || :'sid', proname, true) IS NOT DISTINCT FROM pg_temp.answer_for('other:' || :'sid', proname, false)
 ORDER BY proname COLLATE "C";
SELECT session_status(:'sid'), session_is_valid(:'sid'), session_is_expired(:'sid'), session_touch(:'sid');
SELECT id = :'id' AS id, user_id, tenant_id, data, current FROM session_validate(:'sid');
SELECT session_data(:'sid'), session_data_get(:'sid', 'theme'), session_data_set(:'sid', 'theme', '"dark"');
SELECT session_data_pop(:'sid', 'theme'), session_data_save(:'sid', '{"a": 1, "b": 2}'), session_data_delete(:'sid', 'b');
SELECT session_data_replace(:'sid', 'a', '1', '2'), session_data_merge(:'sid', '{"c": 3}'), session_data_append(:'sid', 'd', '4');
SELECT session_data(:'sid'), session_data_clear(:'sid');
SELECT session_data(:'sid');
BEGIN READ ONLY;
SELECT session_authenticate(:'sid'), session_user_id(), session_id() = :'id' AS id;
SELECT current FROM session_mine();
SELECT user_id FROM session_validate(:'sid');
COMMIT;

-- What is shown has the id alone.
SELECT id = :'id' AS id, strpos(l::text, :'sid') AS token FROM session_list('alice') AS l;
SELECT id = :'id' AS id, strpos(g::text, :'sid') AS token FROM session_get(:'id') AS g;
BEGIN;
SELECT session_authenticate(:'sid');
SELECT strpos(current_setting('session.context'), :'sid') AS in_context;
COMMIT;

-- A snapshot is for the token; a JWT says the id.
SELECT session_cookie_issue(:'sid') AS snapshot, session_jwt(:'sid') AS jwt \gset
SELECT id = :'id' AS id, user_id, source FROM session_cookie_validate(:'snapshot', token => :'sid');
SELECT id = :'id' AS id, user_id, source FROM session_cookie_validate(:'snapshot', true, :'sid');
SELECT count(*) AS of_another_token FROM session_cookie_validate(:'snapshot', true, :'sid' || 'x');
SELECT session_cookie_decode(:'jwt', 'jwt')->>'sid' = :'id' AS id;

-- session_refresh restarts the lifetime and returns the token itself.
CALL pg_temp.pass('1 hour');
SELECT token = :'sid' AS same, id = :'id' AS id, refresh_token, pg_temp.is_recent(expires_at - interval '24 hours') AS extended
  FROM session_refresh(:'sid');
SELECT session_status(:'sid');

-- session_regenerate gives an ordinary token and keeps the id.  The foreign
-- token is over, and cannot be used for another session.
SELECT token, id = :'id' AS same_id, token ~ '^st_[A-Za-z0-9_-]{64}$' AS ordinary FROM session_regenerate(:'sid', auth_level => 2) \gset
SELECT :'same_id' AS same_id, :'ordinary' AS ordinary, session_status(:'token') AS new, session_status(:'sid') AS old;
SELECT auth_level, id = :'id' AS id FROM session_validate(:'token');
SELECT count(*) AS refreshed FROM session_refresh(:'sid');
SELECT id FROM session_create('bob', token => :'sid');
SELECT token = :'token' AS same FROM session_refresh(:'token');
SELECT session_revoke(:'sid') AS old, session_revoke(:'token') AS new;
DELETE FROM session.sessions;

-- A visitor's session becomes the user's, as with any token.
SELECT token FROM session_create(data => '{"cart": ["tea"]}', token => :'sid') \gset
SELECT token, id = :'id' AS same_id FROM session_regenerate(:'sid', 'alice') \gset
SELECT :'same_id' AS same_id, user_id, data FROM session_validate(:'token');
DELETE FROM session.sessions;

-- So it does with session_login, which ends the session of another user, and
-- creates one if there is none.
SELECT token FROM session_create(data => '{"cart": ["tea"]}', token => :'sid') \gset
SELECT token, id = :'id' AS same_id FROM session_login(:'sid', 'alice', '{"theme": "dark"}') \gset
SELECT :'same_id' AS same_id, user_id, data, session_status(:'sid') AS old FROM session_validate(:'token');
DELETE FROM session.sessions;
SELECT token FROM session_create('bob', token => :'sid') \gset
SELECT id = :'id' AS same_id, token ~ '^st_' AS ordinary FROM session_login(:'sid', 'alice');
SELECT status, revoked_reason FROM session_get(:'id') JOIN session.sessions USING (id);
DELETE FROM session.sessions;
SELECT id = :'id' AS same_id, token ~ '^st_' AS ordinary FROM session_login(:'sid', 'alice');
DELETE FROM session.sessions;
SELECT token FROM session_create(token => :'sid') \gset
SET session.foreign_tokens = off;
SELECT id = :'id' AS same_id, token ~ '^st_' AS ordinary FROM session_login(:'sid', 'alice');
SET session.foreign_tokens = on;
SELECT session_status(:'sid') AS untouched;
DELETE FROM session.sessions;

-- Logging out ends it.  The token is not that of a new session while the row is
-- kept; after that, nothing is known of it.
SELECT token FROM session_create('alice', token => :'sid') \gset
SELECT session_revoke(:'sid'), session_revoke(:'sid') AS again, session_status(:'sid');
SELECT id FROM session_create('alice', token => :'sid');
SELECT id FROM session_create('alice', id => :'id');
CALL pg_temp.pass('2 days');
SELECT session_cleanup() AS purged, session_status(:'sid');
SELECT id = :'id' AS id FROM session_create('bob', token => :'sid');

-- An expired one is taken as well.
CALL pg_temp.pass('2 days');
SELECT session_status(:'sid'), session_is_expired(:'sid');
SELECT id FROM session_create('alice', token => :'sid');
SELECT pg_temp.error_of(format('session_create(token => %L)', :'sid'));
DELETE FROM session.sessions;

-- A rollback leaves nothing, and the token can be given again.
BEGIN;
SELECT id = :'id' AS id FROM session_create('alice', token => :'sid');
SAVEPOINT before;
SELECT session_revoke(:'sid'), session_status(:'sid');
ROLLBACK TO before;
SELECT session_status(:'sid');
ROLLBACK;
SELECT session_status(:'sid');
SELECT id = :'id' AS id FROM session_create('alice', token => :'sid');

-- With the setting off again, the session stays and can be managed by its id,
-- but its token is not accepted.
SET session.foreign_tokens = off;
SELECT session_status(:'sid'), session_revoke(:'sid') AS revoked;
SELECT user_id FROM session_get(:'id');
SET session.foreign_tokens = on;
SELECT session_status(:'sid');
SELECT session_revoke_id(:'id');
DELETE FROM session.sessions;

-- Neither an id nor a refresh token goes with a foreign token.
SELECT id FROM session_create('alice', token => :'sid', id => :'id');
SELECT id FROM session_create('alice', token => :'sid', refreshable => true);
SELECT count(*) AS ordinary FROM session_create('alice', token => NULL, refreshable => true) WHERE token ~ '^st_';

-- The other arguments work as with any session.
SELECT id AS sliding FROM session_create('alice', sliding => true, amr => '{hwk}', token => 'sliding:' || :'sid') \gset
SELECT idle_timeout, amr FROM session.sessions WHERE id = :'sliding';
SET session.max_sessions = 1;
DELETE FROM session.sessions;
SELECT token AS first FROM session_create('alice') \gset
SELECT lifetime FROM (SELECT expires_at - now() < interval '61 minutes' AS lifetime
                        FROM session_create('alice', token => :'sid', lifetime => '1 hour')) AS made;
SELECT session_status(:'first') AS first, session_status(:'sid') AS foreign;
SET session.on_limit = reject;
SELECT pg_temp.error_of('session_create(''alice'', token => repeat(''y'', 22))');
RESET session.on_limit;
RESET session.max_sessions;
SET session.encrypt_data = on;
SELECT id FROM session_create('bob', '{"theme": "light"}', token => 'sealed:' || :'sid') \g /dev/null
SELECT jsonb_typeof(data) AS stored FROM session.sessions WHERE user_id = 'bob';
SELECT session_data('sealed:' || :'sid');
RESET session.encrypt_data;
BEGIN READ ONLY;
SELECT id FROM session_create('alice', token => repeat('y', 22));
ROLLBACK;
DELETE FROM session.sessions;

-- What has not the form of a foreign token is an error when a session is
-- created, which does not repeat it, and is malformed everywhere else.
CREATE TEMP TABLE junk (n serial, what text, value text);
SELECT token FROM session_create('carol') \gset
INSERT INTO junk (what, value) VALUES
    ('nothing', ''),
    ('a word', 'undefined'),
    ('21 characters', repeat('x', 21)),
    ('513 characters', repeat('x', 513)),
    ('a blank', repeat('x', 30) || ' '),
    ('a blank before it', ' ' || repeat('x', 30)),
    ('a newline after it', repeat('x', 30) || E'\n'),
    ('a control character', repeat('x', 30) || E'\x01'),
    ('DEL', repeat('x', 30) || E'\x7f'),
    ('a character of two bytes', repeat('x', 30) || 'é'),
    ('a token', :'token'),
    ('a token, one character short', left(:'token', 66)),
    ('a token, one character long', :'token' || 'A'),
    ('prefix of a token', 'st_' || repeat('x', 30)),
    ('prefix of a refresh token', 'rt_' || repeat('x', 64)),
    ('10 MB of one character', repeat('x', 10 * 1024 * 1024)),
    ('10 MB that start as a token', :'token' || repeat('x', 10 * 1024 * 1024));
SELECT what, octet_length(value) AS bytes, session_status(value) AS status,
       pg_temp.error_of(format('session_create(token => %L)', value)) AS error
  FROM junk ORDER BY n;
SELECT function, array_agg(DISTINCT answer) AS answers
  FROM junk, pg_temp.answers(value) WHERE what <> 'a token'
 GROUP BY function ORDER BY function COLLATE "C";
\set VERBOSITY default
SELECT id FROM session_create(token => repeat('x', 513));
SELECT id FROM session_create(token => 'secret of nobody');

-- Every other character, in every place, is accepted.
SELECT count(*) AS texts, array_agg(DISTINCT session_status(t)) AS status
  FROM (SELECT overlay(repeat('x', 22) PLACING chr(c) FROM p) AS t
          FROM generate_series(33, 126) AS c, generate_series(1, 22) AS p) AS texts;
SELECT count(*) AS texts, array_agg(DISTINCT session_status(t)) AS status
  FROM (SELECT overlay(repeat('x', 22) PLACING chr(c) FROM p) AS t
          FROM generate_series(1, 127) AS c, generate_series(1, 22) AS p WHERE c < 33 OR c > 126) AS texts;
SELECT count(*) AS sessions, count(DISTINCT (made).id) AS ids, bool_and(session_status((made).token) = 'active') AS active
  FROM (SELECT session_create('dan', token => repeat('x', n)) AS made FROM generate_series(22, 512, 49) AS n) AS made;
SELECT token = $$!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~$$ AS same FROM session_create(token => $$!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~$$);
SELECT session_is_valid($$!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~$$);

-- A token that differs in case, or has more behind it, is another one.
SELECT id FROM session_create('erin', token => :'sid') \gset
SELECT session_status(upper(:'sid')) AS upper, session_status(:'sid' || '=') AS longer, session_status(left(:'sid', 31)) AS shorter;
-- Neither the id nor the stored hash is a way in.
SELECT session_status(:'id') AS by_id, session_status(encode(token_hash, 'hex')) AS by_hash,
       session_status(pg_temp.token_of(uuid_send(id) || token_hash)) AS by_row
  FROM session.sessions WHERE user_id = 'erin';

-- session_pre_request finds it in the cookie and in the header.
CREATE ROLE regress_session_member;
SET session.authenticated_role = 'regress_session_member';
CREATE FUNCTION pg_temp.asked(cookies text, headers text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', cookies, true), set_config('request.headers', headers, true),
            set_config('response.headers', '', true);
    PERFORM session_pre_request();
    RAISE EXCEPTION USING MESSAGE = concat_ws(' ', coalesce(session_user_id(), 'nobody'), 'as', replace(current_user, 'regress_session_', ''),
        CASE WHEN current_setting('response.headers') ~ 'Set-Cookie' THEN 'with a cookie' END);
EXCEPTION WHEN OTHERS THEN
    RETURN regexp_replace(sqlerrm, 'as (?!member).*', 'as before');
END
$$;
CREATE FUNCTION pg_temp.asked_everywhere(token text) RETURNS TABLE (strategy text, cookie text, header text, bearer text) LANGUAGE plpgsql AS $$
BEGIN
    FOREACH strategy IN ARRAY '{database,cookie_cache,stateless}'::text[] LOOP
        PERFORM set_config('session.strategy', strategy, true);
        cookie := pg_temp.asked(jsonb_build_object('__Host-session', token)::text, '{}');
        header := pg_temp.asked('{}', jsonb_build_object('x-session-token', token)::text);
        PERFORM set_config('session.token_header', 'authorization', true);
        bearer := pg_temp.asked('{}', jsonb_build_object('authorization', 'Bearer ' || token)::text);
        PERFORM set_config('session.token_header', 'x-session-token', true);
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('session.strategy', 'database', true);
END
$$;
SELECT * FROM pg_temp.asked_everywhere(:'sid');
SELECT * FROM pg_temp.asked_everywhere(:'sid' || 'x');
SELECT pg_temp.asked('', jsonb_build_object('cookie', 'a=b; __Host-session=' || :'sid')::text) AS cookie_header;
SET session.on_invalid = reject;
SELECT pg_temp.asked(jsonb_build_object('__Host-session', 'x' || :'sid')::text, '{}') AS unknown;
RESET session.on_invalid;

-- With a snapshot beside it, the row is not read; a snapshot of another token
-- does not count.
SET session.strategy = cookie_cache;
SELECT session_cookie_issue(:'sid') AS snapshot \gset
SELECT pg_temp.asked(jsonb_build_object('__Host-session', :'sid', '__Host-session-cache', :'snapshot')::text, '{}') AS beside,
       pg_temp.asked(jsonb_build_object('__Host-session', :'sid' || 'x', '__Host-session-cache', :'snapshot')::text, '{}') AS other;
RESET session.strategy;
SET session.foreign_tokens = off;
SELECT * FROM pg_temp.asked_everywhere(:'sid');
SET session.foreign_tokens = on;

-- The events of all of this have the id alone.
SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FILTER (WHERE session_id IS NOT NULL) AS kinds,
       count(*) FILTER (WHERE strpos(e::text, :'sid') > 0) AS have_token
  FROM session.events AS e;

-- The application may create and use them, nobody else may.
SET ROLE regress_session_app;
SELECT session_status(token) FROM session_create('frank', token => repeat('z', 43));
RESET ROLE;
SET ROLE regress_session_member;
SELECT session_status(token) FROM session_create('frank', token => repeat('z', 44));
RESET ROLE;

DROP OWNED BY regress_session_app;
DROP ROLE regress_session_app, regress_session_member;
DROP EXTENSION session;
