-- Requests as PostgREST and similar gateways describe them, simulated: from
-- cookie or header to identity and role.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- The connection logs in as gate.  It may become anon, member and clerk, but
-- not chief.
CREATE ROLE regress_session_gate NOINHERIT;
CREATE ROLE regress_session_anon;
CREATE ROLE regress_session_member;
CREATE ROLE regress_session_clerk;
CREATE ROLE regress_session_chief;
CREATE ROLE regress_session_super SUPERUSER;
GRANT regress_session_anon, regress_session_member, regress_session_clerk TO regress_session_gate;
\set as_anon 'BEGIN READ ONLY; SET LOCAL SESSION AUTHORIZATION regress_session_gate; SET LOCAL ROLE regress_session_anon;'

CREATE TEMP TABLE made (name text PRIMARY KEY, id uuid, token text, refresh_token text);
GRANT SELECT ON made TO PUBLIC;
CREATE FUNCTION pg_temp.token(wanted text) RETURNS text LANGUAGE sql STABLE AS 'SELECT token FROM made WHERE name = wanted';
CREATE FUNCTION pg_temp.make(name text, user_id text, role text = NULL, auth_level int = 1) RETURNS int LANGUAGE sql AS $$
    INSERT INTO made SELECT name, id, token, refresh_token
      FROM session_create(user_id, tenant_id => CASE name WHEN 'clerk' THEN 'acme' END, role => role, auth_level => auth_level,
                          ip => CASE name WHEN 'v6' THEN '2001:db8::1'::inet ELSE '192.0.2.10' END, user_agent => 'Firefox', refreshable => name = 'old')
    RETURNING 1
$$;
SELECT count(pg_temp.make(name, user_id, role, auth_level)) AS made
  FROM (VALUES ('alice', 'alice', NULL, 1), ('bob', 'bob', NULL, 1), ('clerk', 'carol', 'regress_session_clerk', 2),
               ('chief', 'dan', 'regress_session_chief', 1), ('none', 'erin', 'none', 1), ('missing', 'frank', 'regress_session_missing', 1),
               ('super', 'grace', 'regress_session_super', 1), ('visit', NULL, NULL, 1), ('guest', NULL, 'regress_session_member', 1),
               ('odd', 'heidi', 'Regress"Session; --', 1), ('v6', 'ivan', NULL, 1), ('old', 'judy', NULL, 1),
               ('revoked', 'mallory', NULL, 1), ('expired', 'mallory', NULL, 1)) AS made (name, user_id, role, auth_level);
SELECT session_revoke(pg_temp.token('revoked'));
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = (SELECT id FROM made WHERE name = 'expired');
SELECT session_key_rotate() IS NOT NULL AS made;

-- Returns what session_pre_request did with a request: the user, the role, and
-- what was added to the response.
CREATE FUNCTION pg_temp.asked(cookies text, headers text = NULL, path text = '/todos', response text = NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    added text;
BEGIN
    PERFORM set_config('request.cookies', cookies, true), set_config('request.headers', headers, true),
            set_config('request.path', path, true), set_config('response.headers', response, true);
    PERFORM session_pre_request();
    added := regexp_replace(nullif(current_setting('response.headers'), coalesce(response, '')), '=[\w-]+\.[\w.-]+;', '=snapshot;', 'g');
    RAISE EXCEPTION USING MESSAGE = concat_ws(' ', coalesce(session_user_id(), CASE session_auth_level() WHEN 0 THEN 'anonymous' ELSE 'nobody' END), 'as',
                                              replace(current_user, 'regress_session_', ''), added);
EXCEPTION
    WHEN raise_exception THEN
        RETURN sqlerrm;
    WHEN OTHERS THEN
        RETURN sqlstate || ' ' || sqlerrm;
END
$$;
CREATE FUNCTION pg_temp.with_cookie(token text, cache text = NULL) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('other', 'x', '__Host-session', token, '__Host-session-cache', cache))::text
$$;
CREATE FUNCTION pg_temp.with_header(token text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('accept', '*/*', 'x-session-token', token)::text
$$;
CREATE FUNCTION pg_temp.with_line(line text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('accept', '*/*', 'cookie', line)::text
$$;

-- A token may be in the cookie, whole or in chunks, or in the header.  The
-- header comes first.
CREATE TEMP TABLE requests (n int GENERATED ALWAYS AS IDENTITY, what text, cookies text, headers text);
GRANT SELECT ON requests TO PUBLIC;
INSERT INTO requests (what, cookies, headers)
SELECT r.* FROM (SELECT pg_temp.token('alice') AS a, pg_temp.token('bob') AS b) AS t, LATERAL (VALUES
    ('nothing', NULL, NULL),
    ('empty', '', ''),
    ('none', '{}', '{}'),
    ('others', '{"a": "b"}', '{"accept": "*/*"}'),
    ('cookie', pg_temp.with_cookie(a), NULL),
    ('header', NULL, pg_temp.with_header(a)),
    ('header and cookie', pg_temp.with_cookie(a), pg_temp.with_header(b)),
    ('bad header and cookie', pg_temp.with_cookie(a), pg_temp.with_header('junk')),
    ('null header and cookie', pg_temp.with_cookie(a), pg_temp.with_header(NULL)),
    ('chunks', jsonb_build_object('__Host-session.0', left(a, 30), '__Host-session.1', substr(a, 31, 10), '__Host-session.2', substr(a, 41))::text, NULL),
    ('chunks in another order', jsonb_build_object('__Host-session.1', left(a, 30), '__Host-session.0', substr(a, 31))::text, NULL),
    ('chunks with a gap', jsonb_build_object('__Host-session.0', left(a, 30), '__Host-session.2', substr(a, 31))::text, NULL),
    ('chunks from one on', jsonb_build_object('__Host-session.1', left(a, 30), '__Host-session.2', substr(a, 31))::text, NULL),
    ('chunks with a zero', jsonb_build_object('__Host-session.00', left(a, 30), '__Host-session.01', substr(a, 31))::text, NULL),
    ('chunks and whole', jsonb_build_object('__Host-session', b, '__Host-session.0', a)::text, NULL),
    ('twice', format('{"__Host-session": "%s", "__Host-session": "%s"}', a, b), NULL),
    ('another name', jsonb_build_object('session', a, '__Host-Session', a, '__Host-session ', a)::text, NULL),
    ('another header', NULL, jsonb_build_object('X-Session-Token', a, 'session-token', a)::text),
    ('line', NULL, pg_temp.with_line('a=b; __Host-session=' || a || '; c=d')),
    ('line in chunks', '', pg_temp.with_line('__Host-session.0=' || left(a, 40) || '; a=b; __Host-session.1=' || substr(a, 41))),
    ('line and header', NULL, jsonb_build_object('cookie', '__Host-session=' || a, 'x-session-token', b)::text),
    ('line beside cookies', '{"a": "b"}', pg_temp.with_line('__Host-session=' || a)),
    ('a space', pg_temp.with_cookie(' ' || a), NULL),
    ('quotes', pg_temp.with_cookie('"' || a || '"'), NULL),
    ('longer', pg_temp.with_cookie(a || 'A'), NULL),
    ('another secret', pg_temp.with_cookie(overlay(a PLACING 'AAAAAAAA' FROM 40)), NULL),
    ('unknown', pg_temp.with_cookie(pg_temp.token_of(decode(repeat('00', 48), 'hex'))), NULL),
    ('revoked', pg_temp.with_cookie(pg_temp.token('revoked')), NULL),
    ('expired', pg_temp.with_cookie(pg_temp.token('expired')), NULL),
    ('a refresh token', pg_temp.with_cookie((SELECT refresh_token FROM made WHERE name = 'old')), NULL),
    ('an empty cookie', pg_temp.with_cookie(''), NULL),
    ('a number', '{"__Host-session": 5}', NULL),
    ('null', '{"__Host-session": null}', NULL)) AS r (what, cookies, headers);
:as_anon
SELECT what, pg_temp.asked(cookies, headers) FROM (TABLE requests ORDER BY n) AS requests;
COMMIT;

-- However an object is written, its members are the same; what is not JSON to
-- its end has none.
CREATE TEMP TABLE spellings (n int GENERATED ALWAYS AS IDENTITY, what text, cookies text);
GRANT SELECT ON spellings TO PUBLIC;
INSERT INTO spellings (what, cookies)
SELECT r.* FROM pg_temp.token('alice') AS a, pg_temp.token('bob') AS b, LATERAL (VALUES
    ('blanks', format(E' {\n"__Host-session" :\t"%s"\r\n} ', a)),
    ('escapes beside it', format('{"a": "\"\\\/\b\f\n\r\t", "__Host-session": "%s", "\"": "x"}', a)),
    ('an escape in it', format('{"__Host-session": "st\u005f%s"}', substr(a, 4))),
    ('an escape in its name', format('{"\u005f_Host-session": "%s"}', a)),
    ('other characters', format('{"a": "Grüße, 你好", "__Host-session": "%s", "ß": "x"}', a)),
    ('other kinds', format('{"a": 1, "__Host-session": "%s", "b": null, "c": [{"__Host-session": "%s"}], "d": true}', a, b)),
    ('a number twice', format('{"__Host-session": 5, "__Host-session": "%s"}', a)),
    ('then a number', format('{"__Host-session": "%s", "__Host-session": 5}', a)),
    ('then a null', format('{"__Host-session": "%s", "__Host-session": null}', a)),
    ('twice, with an escape', format('{"__Host-session": "%s", "\u005f_Host-session": "%s"}', b, a)),
    ('63 others', format('{%s"__Host-session": "%s"}', repeat('"a": "b", ', 63), a)),
    ('64 others', format('{%s"__Host-session": "%s"}', repeat('"a": "b", ', 64), a)),
    ('1000 others', format('{%s"__Host-session": "%s"}', repeat('"a": "b", ', 1000), a)),
    ('one of 100 kB', format('{"a": "%s", "__Host-session": "%s"}', repeat('b', 100000), a)),
    ('one of 1 MB', format('{"a": "%s", "__Host-session": "%s"}', repeat('b', 1000000), a)),
    ('cut short', format('{"__Host-session": "%s"', a)),
    ('another comma', format('{"__Host-session": "%s",}', a)),
    ('more behind it', format('{"__Host-session": "%s"} x', a)),
    ('a line break in it', format(E'{"__Host-session": "%s\n"}', a)),
    ('a wrong escape', format('{"a": "\x", "__Host-session": "%s"}', a)),
    ('an escape that jsonb lacks', format('{"a": "\u0000", "__Host-session": "%s"}', a)),
    ('not a number', format('{"a": 01, "__Host-session": "%s"}', a)),
    ('an array', format('[{"__Host-session": "%s"}]', a))) AS r (what, cookies);
:as_anon
SELECT what, pg_temp.asked(cookies), pg_temp.asked(NULL, replace(replace(cookies, '\u005f_Host', '__Host'), '__Host-session', 'x-session-token')) AS "as headers" FROM spellings ORDER BY n;
COMMIT;

-- The result is the same in a READ WRITE transaction, and the call counts as a
-- use.
BEGIN;
CALL pg_temp.pass('1 hour');
SET LOCAL SESSION AUTHORIZATION regress_session_gate;
SET LOCAL ROLE regress_session_anon;
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('alice')), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id(), session_id() = id AS id, session_auth_level(), session_claims() - 'sid' AS claims FROM made WHERE name = 'alice';
RESET SESSION AUTHORIZATION;
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM made, session_get(id) WHERE name = 'alice';
ROLLBACK;

-- With on_invalid = reject, an invalid token is an error.  A missing token is
-- not.
SET session.on_invalid = 'reject';
:as_anon
SELECT pg_temp.asked(cookies, headers), count(*), array_agg(what ORDER BY n) AS what FROM requests GROUP BY 1 ORDER BY min(n);
SELECT set_config('request.cookies', pg_temp.with_cookie('junk'), true) IS NOT NULL AS set;
SELECT session_pre_request();
COMMIT;

-- While the session is live, the cookie is not removed: the browser may have
-- received the new token while the request with the old one was on its way.
-- After the session has ended, the cookie is removed (PGRST).
SELECT token AS late, refresh_token AS late_refresh FROM session_create('late', ip => '192.0.2.10', refreshable => true) \gset
SELECT token AS next, refresh_token AS next_refresh FROM session_refresh(:'late_refresh') \gset
SELECT token AS later FROM session_regenerate(:'next') \gset
CREATE FUNCTION pg_temp.guess(token text) RETURNS text LANGUAGE sql AS $$ SELECT left(token, 60) || CASE right(token, 7) WHEN 'AAAAAAA' THEN 'AAAAAAB' ELSE 'AAAAAAA' END $$;
:as_anon
SELECT left(pg_temp.asked(pg_temp.with_cookie(:'late')), 5) AS refreshed, left(pg_temp.asked(pg_temp.with_cookie(:'next')), 5) AS regenerated,
       left(pg_temp.asked(pg_temp.with_cookie(pg_temp.guess(:'later'))), 5) AS guessed, pg_temp.asked(pg_temp.with_cookie(:'later')) AS the_new_one;
COMMIT;
SET session.bind_ip = 'exact';
:as_anon
SELECT left(pg_temp.asked(pg_temp.with_cookie(:'later')), 5) AS from_elsewhere;
COMMIT;
RESET session.bind_ip;
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE user_id = 'late';
:as_anon
SELECT left(pg_temp.asked(pg_temp.with_cookie(:'later')), 5) AS can_be_refreshed;
COMMIT;
SELECT session_revoke_user('late');
:as_anon
SELECT left(pg_temp.asked(pg_temp.with_cookie(:'late')), 5) AS refreshed, left(pg_temp.asked(pg_temp.with_cookie(:'later')), 5) AS the_new_one;
COMMIT;
DELETE FROM session.sessions WHERE user_id = 'late';
:as_anon
SELECT left(pg_temp.asked(pg_temp.with_cookie(:'late')), 5) AS gone;
COMMIT;
RESET session.on_invalid;

-- session_pre_request clears an earlier binding, with a valid token or
-- without.
BEGIN;
SELECT session_authenticate(pg_temp.token('alice'));
SELECT session_pre_request(), session_user_id();
SELECT session_authenticate(pg_temp.token('alice'));
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('bob')), true) IS NOT NULL AS set;
SELECT session_pre_request(), session_user_id();
SELECT set_config('request.cookies', pg_temp.with_cookie('junk'), true) IS NOT NULL AS set;
SELECT session_pre_request(), session_user_id();
COMMIT;
SELECT session_user_id(), current_setting('request.cookies') AS cookies;

-- The names of the header and of the cookie are settings.
SET session.token_header = 'X-Api-Key';
:as_anon
SELECT pg_temp.asked(NULL, pg_temp.with_header(pg_temp.token('alice'))), pg_temp.asked(NULL, jsonb_build_object('x-api-key', pg_temp.token('alice'))::text);
COMMIT;
SET session.token_header = '';
:as_anon
SELECT pg_temp.asked(NULL, pg_temp.with_header(pg_temp.token('alice'))), pg_temp.asked(NULL, jsonb_build_object('', pg_temp.token('alice'))::text),
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice')));
COMMIT;

-- In the header Authorization a token has the scheme Bearer, in any case.
-- Headers with other schemes are ignored, and the cookie is used.
CREATE FUNCTION pg_temp.with_authorization(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT jsonb_build_object('authorization', value)::text $$;
CREATE TEMP TABLE authorizations AS
SELECT * FROM unnest(ARRAY['Bearer %s', 'bearer %s', 'BEARER   %s', ' Bearer %s ', '%s', E'Bearer\t%s', 'Bearer', 'Bearer ', 'Basic YWxpY2U6eA==', 'Token %s', 'XBearer %s', '',
                           'Bearer x', 'Bearer %s x', 'Bearer "%s"', 'Bearer %s, Bearer %1$s', 'Bearer Bearer %s', 'Bearer rt_%s']) WITH ORDINALITY AS t (value, n);
GRANT SELECT ON authorizations TO PUBLIC;
SET session.token_header = 'Authorization';
:as_anon
SELECT value, pg_temp.asked(NULL, pg_temp.with_authorization(format(value, a))) AS alone, pg_temp.asked(pg_temp.with_cookie(b), pg_temp.with_authorization(format(value, a))) AS beside_a_cookie
  FROM (SELECT pg_temp.token('alice') AS a, pg_temp.token('bob') AS b) AS t, (TABLE authorizations ORDER BY n) AS authorizations;
SELECT pg_temp.asked(NULL, pg_temp.with_header(pg_temp.token('alice'))) AS another_header;
COMMIT;
SET session.on_invalid = 'reject';
:as_anon
SELECT value, pg_temp.asked(NULL, pg_temp.with_authorization(value)) FROM unnest('{Basic YWxpY2U6eA==,Bearer,Bearer x}'::text[]) AS value;
COMMIT;
RESET session.on_invalid;
SET session.token_header = 'x-session-token';
:as_anon
SELECT pg_temp.asked(NULL, pg_temp.with_header('Bearer ' || pg_temp.token('alice'))) AS no_scheme_elsewhere;
COMMIT;
RESET session.token_header;
SET session.cookie_name = 'sid';
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice'))), pg_temp.asked(jsonb_build_object('sid', pg_temp.token('alice'))::text),
       pg_temp.asked(NULL, pg_temp.with_line('sid=' || pg_temp.token('bob')));
COMMIT;
RESET session.cookie_name;

-- The role is that of the session, or else session.authenticated_role if there
-- is a user.  A request never gets a role that the connection may not set.
CREATE TEMP VIEW roles AS
SELECT name, pg_temp.asked(pg_temp.with_cookie(token)) FROM made
 WHERE name IN ('alice', 'clerk', 'chief', 'none', 'missing', 'super', 'visit', 'guest', 'odd', 'revoked') ORDER BY name COLLATE "C";
GRANT SELECT ON roles TO PUBLIC;
:as_anon
TABLE roles;
COMMIT;
SET session.authenticated_role = 'regress_session_member';
:as_anon
TABLE roles;
COMMIT;
CREATE ROLE "Regress""Session; --";
GRANT "Regress""Session; --" TO regress_session_gate;
:as_anon
SELECT * FROM roles WHERE name = 'odd';
COMMIT;
SET session.authenticated_role = 'none';
:as_anon
SELECT * FROM roles WHERE name IN ('alice', 'visit', 'guest');
COMMIT;
SET session.authenticated_role = 'regress_session_missing';
:as_anon
SELECT * FROM roles WHERE name IN ('alice', 'visit', 'guest');
COMMIT;
SET session.authenticated_role = 'regress_session_chief';
:as_anon
SELECT * FROM roles WHERE name IN ('alice', 'visit', 'guest');
COMMIT;
RESET session.authenticated_role;
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('missing')), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id();
ROLLBACK;

-- The role is set for the transaction, and a rollback to a savepoint restores
-- it.
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('clerk')), true) IS NOT NULL AS set;
SAVEPOINT s;
SELECT session_pre_request();
SELECT session_user_id(), session_role(), current_user;
ROLLBACK TO s;
SELECT session_user_id(), session_role(), current_user;
SELECT session_pre_request();
SELECT session_user_id(), session_role(), current_user;
COMMIT;
SELECT session_user_id(), current_user = session_user AS own_role;

-- A second request in the same transaction starts with the role from before
-- the first request.
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('clerk')), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT current_user;
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('alice')), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id(), current_user;
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('guest')), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id(), current_user;
SELECT set_config('request.cookies', 'junk', true);
SELECT session_pre_request();
SELECT session_user_id(), current_user;
COMMIT;
:as_anon
SELECT session_pre_request();
SELECT current_user;
COMMIT;

-- A rollback to a savepoint restores the identity and the role from before it,
-- after any number of requests, and also the role to return to.
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('clerk')), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id(), current_user;
SAVEPOINT a;
SELECT set_config('request.cookies', '{}', true);
SELECT session_pre_request();
SELECT session_user_id(), current_user;
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('guest')), true) IS NOT NULL AS set;
SAVEPOINT b;
SELECT session_pre_request();
SELECT session_user_id(), current_user;
RELEASE b;
ROLLBACK TO a;
SELECT session_user_id(), current_user;
SELECT set_config('request.cookies', '{}', true);
SELECT session_pre_request();
SELECT session_user_id(), current_user;
COMMIT;
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('clerk')), true) IS NOT NULL AS set;
SAVEPOINT a;
SELECT session_pre_request();
ROLLBACK TO a;
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('guest')), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT set_config('request.cookies', '{}', true);
SELECT session_pre_request();
SELECT session_user_id(), current_user;
COMMIT;

-- A SECURITY DEFINER function cannot set a role, so no session is bound.
CREATE FUNCTION pg_temp.definer() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT session_pre_request()';
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('clerk')), true) IS NOT NULL AS set;
SAVEPOINT s;
SELECT pg_temp.definer();
ROLLBACK TO s;
SELECT session_user_id();
COMMIT;

-- The address of the client comes from the header that the setting names, the
-- user agent from its own header.  Both must match if sessions are bound to
-- them.
CREATE TEMP TABLE addresses AS
SELECT * FROM unnest(ARRAY['192.0.2.10', ' 192.0.2.10', '192.0.2.10:8080', '198.51.100.1, 192.0.2.10', '198.51.100.1,192.0.2.10', '192.0.2.11, 198.51.100.1, 192.0.2.10', '192.0.2.10 ',
                           E'x,\t192.0.2.10\t', '192.0.2.10, 198.51.100.1', '192.0.2.10,', '192.0.2.10/32', '192.0.2.10/24', '192.0.2.010', '192.0.2', '192.0.2.10.1',
                           '192.0.2.10x', '0xc000020a', '3221226506', '2001:db8::1', '[2001:db8::1]', '[2001:db8::1]:443', '2001:DB8:0:0::0001', '198.51.100.1, [2001:db8::1]',
                           '2001:db8::1/128', '2001:db8::1%eth0', '[2001:db8::1', '::ffff:192.0.2.10', ':', '[]', '[', ',', '', ' ', 'unknown',
                           'for=198.51.100.1, for=192.0.2.10;proto=https', 'for="[2001:db8::1]:443"', 'for=192.0.2.10;host="x, for=198.51.100.1"', 'for=", for=192.0.2.10',
                           'for=unknown', '192.0.2.10, unknown', repeat(',', 100000) || '192.0.2.10', repeat('1', 8192), repeat(',', 8192), repeat(':', 8192)])
       WITH ORDINALITY AS t (address, n);
GRANT SELECT ON addresses TO PUBLIC;
SET session.bind_ip = 'exact';
SET session.client_ip_header = 'X-Forwarded-For';
:as_anon
SELECT CASE WHEN length(address) > 100 THEN left(address, 3) || '...' ELSE format('%L', address) END AS address,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice')), jsonb_build_object('x-forwarded-for', address)::text) AS v4,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('v6')), jsonb_build_object('x-forwarded-for', address)::text) AS v6
  FROM (TABLE addresses ORDER BY n) AS addresses;
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice'))) AS none,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice')), '{"x-real-ip": "192.0.2.10"}') AS another,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice')), '{"x-forwarded-for": ["192.0.2.10"]}') AS list;
COMMIT;
SET session.client_ip_header = '';
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice')), '{"x-forwarded-for": "192.0.2.10", "": "192.0.2.10"}') AS unnamed;
COMMIT;
RESET session.client_ip_header;
RESET session.bind_ip;
SET session.bind_user_agent = on;
:as_anon
SELECT agent, pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice')), jsonb_build_object('user-agent', agent)::text)
  FROM unnest('{Firefox,firefox,NULL,5}'::text[]) AS agent;
COMMIT;
RESET session.bind_user_agent;

-- With the strategy cookie_cache, a request without a snapshot gets one.  The
-- cookie lives as long as the snapshot is valid.
SET session.strategy = 'cookie_cache';
:as_anon
SELECT name, pg_temp.asked(pg_temp.with_cookie(token)) FROM made WHERE name IN ('alice', 'clerk', 'visit', 'revoked', 'expired', 'missing') ORDER BY name COLLATE "C";
SELECT what, pg_temp.asked(cookies, headers) FROM (TABLE requests ORDER BY n) AS requests WHERE what IN ('nothing', 'header', 'header and cookie', 'chunks', 'line', 'unknown');
COMMIT;
CREATE FUNCTION pg_temp.snapshot(wanted text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', pg_temp.with_cookie(pg_temp.token(wanted)), true), set_config('response.headers', '', true);
    PERFORM session_pre_request();
    RAISE EXCEPTION USING MESSAGE = substring(current_setting('response.headers') FROM '__Host-session-cache=([^;]*);');
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
CREATE TEMP TABLE cached AS SELECT name, pg_temp.snapshot(name) AS cache FROM made WHERE name IN ('alice', 'bob', 'clerk', 'visit', 'v6');
GRANT SELECT ON cached TO PUBLIC;
CREATE FUNCTION pg_temp.cache(wanted text) RETURNS text LANGUAGE sql STABLE AS 'SELECT cache FROM cached WHERE name = wanted';

-- A token with its snapshot is validated without reading a table, with the
-- same result.
CREATE FUNCTION pg_temp.identity_of(cookies text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', cookies, true);
    PERFORM session_pre_request();
    RAISE EXCEPTION USING MESSAGE = concat_ws(' ', session_id(), session_user_id(), session_tenant_id(), session_role(), session_auth_level(),
                                              date_trunc('second', session_authenticated_at()), session_claims(), current_user);
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
CREATE TEMP VIEW reads AS
SELECT sum(seq_scan + coalesce(idx_scan, 0))::int AS reads FROM pg_stat_xact_all_tables WHERE schemaname = 'session';
GRANT SELECT ON reads TO PUBLIC;
:as_anon
SELECT name, pg_temp.asked(pg_temp.with_cookie(token, cache)), pg_temp.identity_of(pg_temp.with_cookie(token)) = pg_temp.identity_of(pg_temp.with_cookie(token, cache)) AS same
  FROM made JOIN cached USING (name) ORDER BY name COLLATE "C";
SELECT reads AS before FROM reads \gset
SELECT count(*), pg_temp.asked(pg_temp.with_cookie(token, cache)) FROM made JOIN cached USING (name), generate_series(1, 100) WHERE name = 'alice' GROUP BY 2;
SELECT reads - :before AS reads FROM reads;
SELECT count(*), pg_temp.asked(pg_temp.with_cookie(token)) IS NOT NULL AS asked FROM made, generate_series(1, 100) WHERE name = 'alice' GROUP BY 2;
SELECT reads - :before AS reads FROM reads;
COMMIT;

-- The row of alice's session is revoked without invalidating the snapshot.  So
-- the result shows whether the row or the snapshot decided.
ALTER TABLE session.sessions DISABLE TRIGGER sessions_changed;
UPDATE session.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'test' WHERE user_id = 'alice';
ALTER TABLE session.sessions ENABLE ALWAYS TRIGGER sessions_changed;
CREATE TEMP TABLE decisions AS
SELECT * FROM unnest(ARRAY['/todos', '/admin', '/admin/', '/admin/users', '//admin', '/Admin', '/a%64min', '/a%2564min', '/administration', '/sessions', '/sessions?id=1', '/sessions/1', '/x/../admin',
                           '/x/./y', '/rpc/pay', '/', '', NULL, 'admin', '/%', '/x;y', '/x\y', '/x%00y', '/x%2Fy', repeat('/x', 4000), repeat('/x', 8000)]) WITH ORDINALITY AS t (path, n);
GRANT SELECT ON decisions TO PUBLIC;
CREATE TEMP VIEW decided AS
SELECT CASE pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice'), pg_temp.cache('alice')), NULL, path)
       WHEN 'alice as anon' THEN 'snapshot' WHEN 'nobody as anon' THEN 'row' END AS decided, count(*), array_agg(left(path, 20) ORDER BY n) AS paths
  FROM decisions GROUP BY 1 ORDER BY min(n);
GRANT SELECT ON decided TO PUBLIC;
:as_anon
TABLE decided;
COMMIT;
SET session.sensitive_paths = '/admin/*, /sessions';
:as_anon
TABLE decided;
COMMIT;
SET session.sensitive_paths = '/*';
:as_anon
TABLE decided;
COMMIT;
SET session.sensitive_paths = ' , ';
:as_anon
TABLE decided;
COMMIT;
RESET session.sensitive_paths;

-- If the row was read only because the path is sensitive, there is no new
-- snapshot: the old one is still valid.
SET session.sensitive_paths = '/admin';
:as_anon
SELECT path, pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'), pg_temp.cache('bob')), NULL, path) FROM unnest('{/todos,/admin}'::text[]) AS path;
COMMIT;
RESET session.sensitive_paths;

-- A path pattern that could never match as intended cannot be set.
CREATE FUNCTION pg_temp.set_paths(paths text) RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.outcome_of(format('SET LOCAL session.sensitive_paths = %L', paths)) $$;
SELECT paths, left(pg_temp.set_paths(paths), 5) AS outcome
  FROM unnest(ARRAY['', '/', '/*', '/a,/b', ' /a , /b/* ', '/a /b', 'a', '/a, b', '*', '/a*', '/*/a', '/a/**', '/a/*/b', '/a/*,/b*']) AS paths;

-- With session.bind_ip or session.bind_user_agent the row decides, because a
-- snapshot contains neither an address nor a user agent.
SET session.bind_ip = 'exact';
SET session.client_ip_header = 'x-real-ip';
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice'), pg_temp.cache('alice')), '{"x-real-ip": "192.0.2.10"}') AS over,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'), pg_temp.cache('bob')), '{"x-real-ip": "192.0.2.10"}') AS here,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'), pg_temp.cache('bob')), '{"x-real-ip": "192.0.2.11"}') AS elsewhere;
COMMIT;
RESET session.bind_ip;
RESET session.client_ip_header;
SET session.bind_user_agent = on;
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice'), pg_temp.cache('alice')), '{"user-agent": "Firefox"}') AS over,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'), pg_temp.cache('bob')), '{"user-agent": "Firefox"}') AS here,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'), pg_temp.cache('bob')), '{"user-agent": "curl"}') AS elsewhere;
COMMIT;
RESET session.bind_user_agent;

-- A token in the header is validated with the row, even if there is a
-- snapshot.
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(NULL, pg_temp.cache('alice')), pg_temp.with_header(pg_temp.token('alice'))) AS over,
       pg_temp.asked(pg_temp.with_cookie(NULL, pg_temp.cache('bob')), pg_temp.with_header(pg_temp.token('bob'))) AS live;
COMMIT;

-- A snapshot is not accepted without its token, with another token, or with a
-- changed character.
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(NULL, pg_temp.cache('alice'))) AS alone,
       pg_temp.asked(pg_temp.with_cookie('junk', pg_temp.cache('alice'))) AS junk,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('revoked'), pg_temp.cache('alice'))) AS revoked,
       pg_temp.asked(pg_temp.with_cookie(overlay(pg_temp.token('alice') PLACING 'AAAAAAAA' FROM 40), pg_temp.cache('alice'))) AS secret,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.cache('alice'), pg_temp.cache('alice'))) AS itself,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'), pg_temp.cache('alice'))) AS bob;
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice'), overlay(cache PLACING CASE substr(cache, p, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM p))), count(*) = max(length(cache)) AS all
  FROM pg_temp.cache('alice') AS cache, generate_series(1, length(cache)) AS p GROUP BY 1;
COMMIT;
SELECT session_cookie_encode(jsonb_build_object('sid', rtrim(translate(encode(uuid_send(id), 'base64'), '+/', '-_'), '='), 'uid', 'admin')) AS encoded FROM made WHERE name = 'alice' \gset
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('alice'), :'encoded')) AS encoded;
COMMIT;

-- A replaced token gets no new snapshot.  With the new token, the old snapshot
-- is replaced.
SELECT token AS bob FROM session_regenerate(pg_temp.token('bob')) \gset
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(:'bob', pg_temp.cache('bob'))) AS new, pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'))) AS old;
COMMIT;
UPDATE made SET token = :'bob' WHERE name = 'bob';

-- An expired snapshot is not accepted.  It is replaced if the row is valid,
-- and the new one does not outlive the session.
CREATE FUNCTION pg_temp.due(wanted text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    session uuid := (SELECT id FROM made WHERE name = wanted);
    kept timestamptz := (SELECT expires_at FROM session.sessions WHERE id = session);
    cache text;
BEGIN
    FOR n IN 1 .. 1000 LOOP
        UPDATE session.sessions SET expires_at = date_trunc('second', clock_timestamp()) + interval '0.999999 seconds' WHERE id = session;
        cache := session_cookie_issue(pg_temp.token(wanted));
        EXIT WHEN cache IS NOT NULL;
    END LOOP;
    UPDATE session.sessions SET expires_at = kept WHERE id = session;
    RETURN cache;
END
$$;
SELECT pg_temp.due('bob') AS due, pg_temp.due('clerk') AS clerk_due \gset
SELECT session_revoke(pg_temp.token('clerk'));
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'), :'due')) AS live, pg_temp.asked(pg_temp.with_cookie(pg_temp.token('clerk'), :'clerk_due')) AS over,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.token('clerk'), pg_temp.cache('clerk'))) AS not_due;
COMMIT;
UPDATE session.sessions SET expires_at = clock_timestamp() + interval '100 seconds' WHERE user_id = 'bob';
:as_anon
SELECT substring(pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'))) FROM 'Max-Age=(\d+)')::int BETWEEN 40 AND 100 AS short;
COMMIT;
UPDATE session.sessions SET expires_at = 'infinity' WHERE user_id = 'bob';
:as_anon
SELECT substring(pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'))) FROM 'Max-Age=(\d+)') AS forever;
COMMIT;

-- The snapshot cookie has the attributes of the settings.  If a snapshot
-- cannot be a cookie, none is set, and the next request reads the row.
SET session.cookie_name = 'sid';
SET session.cookie_path = '/api';
SET session.cookie_domain = 'example.com';
SET session.cookie_secure = off;
SET session.cookie_http_only = off;
SET session.cookie_same_site = 'strict';
SET session.cookie_cache_ttl = '10min';
:as_anon
SELECT pg_temp.asked(jsonb_build_object('sid', pg_temp.token('bob'))::text);
COMMIT;
SET session.cookie_same_site = 'none';
:as_anon
SELECT pg_temp.asked(jsonb_build_object('sid', pg_temp.token('bob'))::text);
COMMIT;
RESET ALL;
SET TimeZone = 'UTC';
SET session.strategy = 'cookie_cache';
SELECT token AS long FROM session_create(repeat('u', 100), tenant_id => repeat('t', 100)) \gset
CREATE FUNCTION public.much(i session_info) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('much', repeat('x', 3500)) $$;
SET session.claims_function = 'public.much';
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(:'long')) LIKE repeat('u', 100) || ' as anon' AS none;
COMMIT;
RESET session.claims_function;

-- Headers of the response that others set stay.  A value that cannot be parsed
-- is not changed.
:as_anon
SELECT response, pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob')), NULL, '/', response)
  FROM unnest(ARRAY[NULL, '', '[]', '[{"X-A": "b"}]', '[{"Set-Cookie": "a=b"}, {"Set-Cookie": "__Host-session-cache=c"}]', '[1, null]', '{}', '{"X-A": "b"}', '"x"', '5', 'null', 'x', '[', '[]]']) AS response;
SELECT left(pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob')), NULL, '/', jsonb_build_array(jsonb_build_object('X', repeat('x', 10 * 1024 * 1024)))::text), 20) AS long;
COMMIT;
RESET session.strategy;
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob')), NULL, '/', '[{"X-A": "b"}]') AS without_cache;
COMMIT;

-- With the strategy stateless, the cookie is the session: a JWT or JWE for the
-- purpose "session", or one of an imported key for the purpose with the name
-- of the cookie.
SET session.strategy = 'stateless';
SELECT session_key_rotate('__Host-session') IS NOT NULL AS made, session_key_rotate('other') IS NOT NULL AS made,
       session_key_import('a secret that another system has', 'theirs', 'foreign');
CREATE TEMP TABLE carried AS
SELECT n, encoding, purpose, session_cookie_encode(jsonb_build_object('sub', 'kim', 'role', 'regress_session_clerk', 'tid', 'acme', 'lvl', 3, 'plan', 'pro',
                                                                      'sid', '01234567-89AB-cdef-0123-456789abcdef'), encoding, '1 hour', purpose) AS cookie
  FROM unnest('{compact,jwt,jwe,sealed}'::text[]) WITH ORDINALITY AS e (encoding, n), unnest('{session,__Host-session,foreign,other}'::text[]) AS purpose;
GRANT SELECT ON carried TO PUBLIC;
:as_anon
SELECT encoding, purpose, pg_temp.asked(pg_temp.with_cookie(cookie)), pg_temp.asked(NULL, pg_temp.with_header(cookie)) AS in_header FROM (TABLE carried ORDER BY n, purpose COLLATE "C") AS carried;
COMMIT;
SET session.cookie_name = 'foreign';
:as_anon
SELECT encoding, purpose, pg_temp.asked(jsonb_build_object('foreign', cookie)::text) FROM (TABLE carried ORDER BY n, purpose COLLATE "C") AS carried;
COMMIT;
RESET session.cookie_name;
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(cookie), true) IS NOT NULL AS set FROM carried WHERE encoding = 'jwt' AND purpose = 'session';
SELECT session_pre_request();
SELECT session_id(), session_user_id(), session_tenant_id(), session_role(), session_auth_level(), session_authenticated_at(), session_claims() - '{iat,exp,jti}'::text[] AS claims,
       session_claim('plan') AS plan, current_user;
COMMIT;

-- A cookie that is denied, is not such a cookie, or has a changed character,
-- is not accepted.
SELECT session_cookie_encode('{"sub": "lee"}', 'jwt') AS denied, session_cookie_encode('{"sub": "lee"}', 'jwt') AS good \gset
SELECT session_cookie_revoke(:'denied');
:as_anon
SELECT pg_temp.asked(pg_temp.with_cookie(:'denied')) AS denied, pg_temp.asked(pg_temp.with_cookie(:'good')) AS good, pg_temp.asked(pg_temp.with_cookie(pg_temp.token('bob'))) AS token,
       pg_temp.asked(pg_temp.with_cookie(pg_temp.cache('bob'))) AS snapshot, pg_temp.asked(NULL, pg_temp.with_header(pg_temp.token('bob'))) AS header;
SELECT encoding, purpose, pg_temp.asked(pg_temp.with_cookie(overlay(cookie PLACING CASE substr(cookie, p, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM p))), count(*) = max(length(cookie)) AS all
  FROM (TABLE carried ORDER BY n, purpose COLLATE "C" OFFSET 0) AS carried, generate_series(1, length(cookie)) AS p WHERE purpose = 'session' AND encoding IN ('jwt', 'jwe') GROUP BY n, encoding, purpose, 3 ORDER BY n, purpose COLLATE "C";
SELECT pg_temp.asked(jsonb_build_object('__Host-session.0', left(:'good', 50), '__Host-session.1', substr(:'good', 51))::text) AS chunks;
COMMIT;
BEGIN;
SELECT set_config('request.cookies', pg_temp.with_cookie(:'good'), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id(), session_cookie_revoke(:'good'), session_user_id();
SELECT session_pre_request(), session_user_id();
ROLLBACK;

-- The claims of the cookie are used as they are.  Without a user, the level is
-- zero.
CREATE FUNCTION pg_temp.carried(claims jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', pg_temp.with_cookie(session_cookie_encode(claims, 'jwt')), true);
    PERFORM session_pre_request();
    RAISE EXCEPTION USING MESSAGE = concat_ws(' ', session_id() IS NULL, coalesce(session_user_id(), '-'), coalesce(session_tenant_id(), '-'), coalesce(session_role(), '-'),
                                              session_auth_level(), coalesce(extract(epoch FROM session_authenticated_at())::int::text, '-'));
EXCEPTION
    WHEN raise_exception THEN RETURN sqlerrm;
    WHEN OTHERS THEN RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT claims, pg_temp.carried(claims)
  FROM unnest(ARRAY['{}', '{"sub": "kim"}', '{"sub": null, "lvl": 2, "auth_time": 1700000000}', '{"sub": "kim", "auth_time": 1700000000}', '{"sub": "kim", "auth_time": "1700000000"}',
                    '{"sub": "kim", "lvl": -1}', '{"sub": "kim", "lvl": 9999999999}', '{"sub": "kim", "lvl": "2"}', '{"sub": "kim", "lvl": 1.5}', '{"sub": "kim", "sid": "x"}',
                    '{"sub": "kim", "sid": "0123456789abcdef0123456789abcdef"}', '{"sub": "kim", "role": "none"}', '{"sub": "kim", "role": "regress_session_missing"}', '{"tid": "acme", "role": null}',
                    '{"sub": ""}', '{"sub": 5}', '{"sub": "kim", "role": ["a"]}', '{"sub": "kim", "tid": true}', '{"sub": "kim", "auth_time": 99999999999}', '{"sub": "kim", "auth_time": 9223372036854775807}',
                    '{"sub": "kim", "auth_time": -1}']::jsonb[]) AS claims;
RESET session.strategy;
:as_anon
SELECT DISTINCT pg_temp.asked(pg_temp.with_cookie(cookie)) AS with_rows FROM carried;
COMMIT;

-- The claims function is called once for each row that is read, and never for
-- a snapshot.  It cannot change the identity.
CREATE SEQUENCE public.calls;
GRANT USAGE ON SEQUENCE public.calls TO PUBLIC;
CREATE FUNCTION public.claims(i session_info) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('plan', 'pro', 'n', nextval('public.calls') > 0, 'of', i.user_id, 'sid', 'x', 'sub', 'mallory', 'uid', 'mallory', 'tid', 'other', 'role', 'regress_session_chief',
                              'lvl', 9, 'at', 0, 'tok', 'x', 'end', 0, 'iat', 0, 'exp', 0, 'nbf', 9999999999, 'jti', 'x', 'aud', 'x', 'iss', 'x')
$$;
SET session.claims_function = 'public.claims';
CREATE FUNCTION pg_temp.counted(strategy text, cookies text, readers int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before bigint := nextval('public.calls');
    line text;
BEGIN
    PERFORM set_config('session.strategy', strategy, true), set_config('request.cookies', cookies, true), set_config('response.headers', '', true);
    PERFORM session_pre_request();
    PERFORM session_claims(), session_claim('plan') FROM generate_series(1, readers);
    line := concat_ws(' ', strategy, session_user_id(), session_role(), session_auth_level(), nullif(current_user, session_user), session_claims() - 'sid');
    RAISE EXCEPTION USING MESSAGE = line || ', calls: ' || nextval('public.calls') - before - 1;
EXCEPTION WHEN raise_exception THEN
    RETURN sqlerrm;
END
$$;
SET session.strategy = 'cookie_cache';
INSERT INTO made SELECT 'lou', id, token FROM session_create('lou', tenant_id => 'acme', role => 'regress_session_clerk', auth_level => 2);
SELECT pg_temp.snapshot('lou') AS lou \gset
RESET session.strategy;
SELECT pg_temp.counted('database', pg_temp.with_cookie(pg_temp.token('lou')), 100);
SELECT pg_temp.counted('cookie_cache', pg_temp.with_cookie(pg_temp.token('lou')), 100);
SELECT pg_temp.counted('cookie_cache', pg_temp.with_cookie(pg_temp.token('lou'), :'lou'), 100);
SELECT pg_temp.counted('database', pg_temp.with_cookie('junk'), 100);
BEGIN;
SELECT nextval('public.calls') AS before \gset
SELECT session_authenticate(pg_temp.token('lou'));
SELECT session_claims() - 'sid' AS claims, session_user_id(), session_role(), session_claim('plan') AS plan, session_claim('n') AS n FROM generate_series(1, 2);
SELECT nextval('public.calls') - :before - 1 AS calls;
COMMIT;

-- The claims function may fail, return NULL, or read the identity, which is
-- not yet set.
CREATE FUNCTION public.nothing(i session_info) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
CREATE FUNCTION public.looks(i session_info) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('before', public.session_user_id(), 'id', public.session_id()) $$;
CREATE FUNCTION public.other(i session_info) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF i.user_id <> 'lou' THEN
        RETURN '{"other": true}';
    END IF;
    RETURN jsonb_build_object('bound', public.session_authenticate((SELECT token FROM pg_temp.made WHERE name = 'bob')), 'meanwhile', public.session_user_id());
END
$$;
CREATE FUNCTION public.fails(i session_info) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(1 / (i.auth_level - i.auth_level)) $$;
BEGIN;
SELECT session_authenticate(pg_temp.token('bob'));
SET LOCAL session.claims_function = 'public.nothing';
SELECT session_authenticate(pg_temp.token('lou')), session_claims() - 'sid' AS claims;
SET LOCAL session.claims_function = 'public.looks';
SELECT session_authenticate(pg_temp.token('lou')), session_claims() - 'sid' AS claims;
SET LOCAL session.claims_function = 'public.other';
SELECT session_authenticate(pg_temp.token('lou')), session_user_id(), session_claims() - 'sid' AS claims;
SET LOCAL session.claims_function = 'public.fails';
SELECT session_authenticate(pg_temp.token('lou'));
SELECT session_user_id();
ROLLBACK;
RESET session.claims_function;

-- Every request of a client gets an answer.  What cannot be parsed is ignored
-- as if it were not sent.
CREATE TEMP TABLE junk AS
SELECT * FROM unnest(ARRAY['', ' ', 'x', '{', '}', '{}', '[]', '"x"', '5', 'null', 'true', '{"a"}', '{"a": 1,}', '{"__Host-session"}',
    '{"__Host-session": ""}', '{"__Host-session": null}', '{"__Host-session": true}', '{"__Host-session": 1e1000}', '{"__Host-session": 1e400000}', '{"__Host-session": []}', '{"__Host-session": {"a": 1}}',
    '{"__Host-session": "\u0000"}', '{"\u0000": "x"}', '{"__Host-session": "\ud800"}', '{"__Host-session": "\ud83d\ude00"}', '{"__Host-session": "a", "__Host-session": "b"}',
    '{"__Host-session.0": "a", "__Host-session.1": {"a": 1}}', '{"x-session-token": "x"}', '{"x-session-token": ["x"]}', '{"x-session-token": 1e131071}', '{"cookie": "__Host-session=x"}', '{"cookie": 5}', '{"cookie": "="}',
    '{"cookie": ";;;;=;=;__Host-session"}', '{"cookie": "__Host-session=\"x"}', '{"": ""}', '{"user-agent": null}', '[{"__Host-session": "x"}]',
    repeat('x', 8192), repeat('{', 8192), repeat('[', 8192) || repeat(']', 8192), '{"__Host-session": ' || repeat('[', 100000) || '}', '{"__Host-session": "' || repeat('x', 8192) || '"}',
    '{"__Host-session": "st_' || repeat('A', 8192) || '"}', '{"__Host-session": "' || repeat('A', 8192) || '.' || repeat('A', 43) || '"}', '{"' || repeat('k', 8192) || '": "x"}',
    '{"cookie": "' || repeat('__Host-session=x; ', 500) || '"}', '{"x-session-token": "' || repeat('x', 8192) || '"}',
    repeat('x', 10 * 1024 * 1024), '{"__Host-session": "' || repeat('A', 10 * 1024 * 1024) || '"}', '{"x-session-token": "' || repeat('A', 10 * 1024 * 1024) || '"}',
    '{"cookie": "' || repeat('__Host-session.0=x; ', 500 * 1024) || '"}', '{"user-agent": "' || repeat('A', 10 * 1024 * 1024) || '"}']) WITH ORDINALITY AS t (junk, n);
GRANT SELECT ON junk TO PUBLIC;
CREATE TEMP VIEW junk_asked AS
SELECT asked AS everywhere, count(*)
  FROM junk, LATERAL (VALUES (pg_temp.asked(junk)), (pg_temp.asked(NULL, junk)), (pg_temp.asked(junk, junk, junk, junk))) AS t (asked) GROUP BY 1 ORDER BY min(asked COLLATE "C");
GRANT SELECT ON junk_asked TO PUBLIC;
CREATE TEMP VIEW junk_beside AS
SELECT CASE WHEN length(asked) > 200 THEN left(asked, 14) ELSE asked END AS beside_a_good_cookie, count(*)
  FROM junk, LATERAL (VALUES (pg_temp.asked(pg_temp.with_cookie(current_setting('test.good')), NULL, junk)),
                             (pg_temp.asked(pg_temp.with_cookie(current_setting('test.good')), NULL, '/', junk)),
                             (pg_temp.asked(pg_temp.with_cookie(current_setting('test.good'), junk))),
                             (pg_temp.asked(pg_temp.with_cookie(current_setting('test.good')), junk))) AS t (asked) GROUP BY 1 ORDER BY min(asked COLLATE "C");
GRANT SELECT ON junk_beside TO PUBLIC;
SELECT set_config('test.good', pg_temp.token('bob'), false) = pg_temp.token('bob') AS set;
:as_anon
TABLE junk_asked;
TABLE junk_beside;
COMMIT;
SET session.strategy = 'cookie_cache';
SET session.sensitive_paths = '/admin';
:as_anon
TABLE junk_asked;
SELECT left(beside_a_good_cookie, 14), sum(count) FROM junk_beside GROUP BY 1 ORDER BY min(beside_a_good_cookie COLLATE "C");
COMMIT;
RESET session.sensitive_paths;
SET session.strategy = 'stateless';
SELECT set_config('test.good', :'good', false) = :'good' AS set;
:as_anon
TABLE junk_asked;
TABLE junk_beside;
COMMIT;
SET session.on_invalid = 'reject';
:as_anon
TABLE junk_asked;
COMMIT;
RESET session.on_invalid;
RESET session.strategy;

-- session_pre_request changes nothing of the request, and only adds to the
-- response.
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(pg_temp.token('bob')), true) = pg_temp.with_cookie(pg_temp.token('bob')) AS set, set_config('request.headers', '{ "a" : 1 }', true), set_config('request.path', '/x', true);
SELECT session_pre_request();
SELECT current_setting('request.cookies') = pg_temp.with_cookie(pg_temp.token('bob')) AS same, current_setting('request.headers') AS headers, current_setting('request.path') AS path,
       current_setting('request.method', true) IS NULL AS none, coalesce(current_setting('response.headers', true), '') AS response;
COMMIT;

-- A request with a snapshot counts as a use, although the row is not read.
SELECT id, token FROM session_create('walker') \gset
SET session.strategy = 'cookie_cache';
BEGIN READ ONLY;
SELECT set_config('request.cookies', pg_temp.with_cookie(:'token'), true) IS NOT NULL AS set, set_config('response.headers', '', true) = '' AS none;
SELECT session_pre_request();
SELECT substring(current_setting('response.headers') FROM '-cache=([^;]*);') AS snapshot \gset
COMMIT;
SELECT last_seen_at AS before FROM session_get(:'id') \gset
BEGIN READ ONLY;
SELECT set_config('request.cookies', jsonb_build_object('__Host-session', :'token', '__Host-session-cache', :'snapshot')::text, true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id();
COMMIT;
SELECT last_seen_at > :'before' AS noted FROM session_get(:'id');
RESET session.strategy;

-- A second call in a transaction restores the role that the first one
-- replaced.  A role that was set in between stays, and a role change that was
-- rolled back is not undone again.
SELECT token AS fresh FROM session_create('carol', role => 'regress_session_clerk') \gset
:as_anon
SELECT set_config('request.cookies', pg_temp.with_cookie(:'fresh'), true) IS NOT NULL AS set;
SELECT session_pre_request();
SELECT session_user_id(), current_user;
SELECT set_config('request.cookies', '', true);
SELECT session_pre_request();
SELECT session_user_id(), current_user;
SAVEPOINT s;
SELECT set_config('request.cookies', pg_temp.with_cookie(:'fresh'), true) IS NOT NULL AS set;
SELECT session_pre_request();
ROLLBACK TO s;
SET LOCAL ROLE regress_session_member;
SELECT session_pre_request();
SELECT session_user_id(), current_user;
COMMIT;

DROP VIEW junk_beside, junk_asked, reads, decided, roles;
DROP FUNCTION public.much, public.claims, public.nothing, public.looks, public.other, public.fails;
DROP SEQUENCE public.calls;
DROP EXTENSION session;
DROP ROLE regress_session_gate, regress_session_anon, regress_session_member, regress_session_clerk, regress_session_chief, regress_session_super, "Regress""Session; --";
