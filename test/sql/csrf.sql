-- Requests that a page of another origin causes in the browser of a user, and
-- tokens that such a page does not know.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE ROLE regress_session_nobody;
SELECT id, token FROM session_create('alice') \gset
SELECT token AS other FROM session_create('alice') \gset
SELECT token AS visitor FROM session_create() \gset

-- Returns what session_csrf_token() returns for a session.
CREATE FUNCTION pg_temp.token_for(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM session_authenticate(token);
    RETURN session_csrf_token();
END
$$;
-- Returns whether a text is good for a session.
CREATE FUNCTION pg_temp.is_good(token text, checked text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM session_authenticate(token);
    RETURN session_csrf_check(checked);
END
$$;

-- Without a bound session there is no token, and none is good.
SELECT session_csrf_token() AS token, session_csrf_check('x') AS x, session_csrf_check(NULL) AS nothing;

-- The first token needs a key, which a READ ONLY transaction cannot generate.
BEGIN READ ONLY;
SELECT session_authenticate(:'token'), session_csrf_check('x');
SELECT session_csrf_token();
ROLLBACK;

-- Each token is another, because it is masked; all are good for their session.
BEGIN;
SELECT session_authenticate(:'token');
SELECT session_csrf_token() AS one, session_csrf_token() AS two \gset
COMMIT;
SELECT :'one' ~ '^sc_[A-Za-z0-9_-]{86}$' AS form, :'one' <> :'two' AS differ;
CREATE FUNCTION pg_temp.mac_of(token text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(to_hex(get_byte(b, i) # get_byte(b, i + 32)), ' ' ORDER BY i)
      FROM (SELECT decode(translate(substr(token, 4), '-_', '+/') || '==', 'base64') AS b) AS t, generate_series(0, 31) AS i
$$;
SELECT pg_temp.mac_of(:'one') = pg_temp.mac_of(:'two') AS same_mac;
BEGIN READ ONLY;
SELECT pg_temp.is_good(:'token', :'one') AS one, pg_temp.is_good(:'token', :'two') AS two, pg_temp.is_good(:'token', session_csrf_token()) AS another;
COMMIT;

-- Any other text is not good.
SELECT what, pg_temp.is_good(:'token', checked) FROM (VALUES
    ('nothing', NULL), ('empty', ''), ('shorter', left(:'one', -1)), ('longer', :'one' || 'A'), ('a space', ' ' || :'one'), ('a space behind it', :'one' || ' '),
    ('two', :'one' || ', ' || :'two'), ('without its prefix', substr(:'one', 4)), ('capitals', upper(:'one')), ('another prefix', 'st_' || substr(:'one', 4)),
    ('another mask', overlay(:'one' PLACING CASE substr(:'one', 10, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM 10)),
    ('another end', overlay(:'one' PLACING CASE substr(:'one', 80, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM 80)),
    ('of another session', pg_temp.token_for(:'other')), ('the session token', :'token'), ('zeroes', 'sc_' || repeat('A', 86)),
    ('another character', 'sc_' || repeat('ü', 86)), ('10 MB', repeat('sc_' || repeat('A', 86), 120000))) AS t (what, checked);

-- A visitor has a token too; a token ends with the session token that it was
-- made for, and with the session.
SELECT pg_temp.is_good(:'visitor', pg_temp.token_for(:'visitor')) AS visitor, pg_temp.is_good(:'token', pg_temp.token_for(:'visitor')) AS of_visitor;
SELECT token AS next FROM session_regenerate(:'token') \gset
SELECT pg_temp.is_good(:'next', :'one') AS earlier, pg_temp.is_good(:'token', :'one') AS with_the_earlier, pg_temp.is_good(:'next', pg_temp.token_for(:'next')) AS new;
SELECT pg_temp.token_for(:'visitor') AS before \gset
SELECT token AS logged_in FROM session_login(:'visitor', 'bob') \gset
SELECT pg_temp.is_good(:'logged_in', :'before') AS before_login;
-- In the transaction of a rotation, the new token is bound first.
BEGIN;
SELECT session_authenticate(:'other');
SELECT token AS rotated FROM session_regenerate(:'other') \gset
SELECT session_csrf_token() AS early \gset
SELECT session_authenticate(:'rotated');
SELECT session_csrf_token() AS late \gset
COMMIT;
SELECT pg_temp.is_good(:'rotated', :'early') AS early, pg_temp.is_good(:'rotated', :'late') AS late;
SELECT pg_temp.token_for(:'rotated') AS last \gset
SELECT session_revoke(:'rotated');
SELECT pg_temp.is_good(:'rotated', :'last') AS after_logout;

-- A token is good while its key is.
SELECT pg_temp.token_for(:'next') AS of_old_key, (SELECT kid FROM session.keys WHERE purpose = 'bound') AS old \gset
SELECT session_key_rotate('bound') IS NOT NULL AS rotated;
SELECT pg_temp.is_good(:'next', :'of_old_key') AS old, pg_temp.is_good(:'next', pg_temp.token_for(:'next')) AS new;
SELECT session_key_retire(:'old');
SELECT pg_temp.is_good(:'next', :'of_old_key') AS old, pg_temp.is_good(:'next', pg_temp.token_for(:'next')) AS new;

-- Every role may call the functions.
SET ROLE regress_session_nobody;
BEGIN;
SELECT session_authenticate(:'next');
SELECT session_csrf_check(session_csrf_token());
COMMIT;
RESET ROLE;
SELECT proname, provolatile, proparallel, proisstrict FROM extension_functions WHERE proname ~ '^session_csrf' ORDER BY proname COLLATE "C";

-- A cookie that is a session by itself has tokens, too.
SELECT session_key_rotate() IS NOT NULL AS made;
SELECT session_cookie_encode('{"sub": "carol"}', 'jwt') AS cookie, session_cookie_encode('{"sub": "carol"}', 'jwt') AS other_cookie \gset

--
-- Requests.
--

-- A gateway that passes on no headers.
SET session.csrf = same_origin;
BEGIN;
SELECT set_config('request.method', 'POST', true) AS method, set_config('request.cookies', json_build_object('__Host-session', :'next')::text, true) <> '' AS set,
       current_setting('request.headers', true) IS NULL AS without_headers;
SELECT session_pre_request();
COMMIT;
RESET session.csrf;

-- Returns what session_pre_request did with a request: the user, or the error.
CREATE FUNCTION pg_temp.asked(method text, headers jsonb, credential text, name text = '__Host-session') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.method', method, true), set_config('request.headers', (coalesce(headers, '{}') || '{"host": "shop.example"}')::text, true),
            set_config('request.cookies', coalesce(jsonb_strip_nulls(jsonb_build_object(name, credential))::text, ''), true), set_config('request.path', '/', true);
    PERFORM session_pre_request();
    RETURN coalesce(session_user_id(), 'anonymous');
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END
$$;
-- The same for each mode.
CREATE FUNCTION pg_temp.modes(method text, headers jsonb, credential text, OUT off text, OUT same_origin text, OUT token text) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL session.csrf = off;
    off := pg_temp.asked(method, headers, credential);
    SET LOCAL session.csrf = same_origin;
    same_origin := pg_temp.asked(method, headers, credential);
    SET LOCAL session.csrf = token;
    token := pg_temp.asked(method, headers, credential);
END
$$;

-- What a browser says about where a request comes from.  The origin counts only
-- where it does not say that.
CREATE TEMP TABLE origins (n int GENERATED ALWAYS AS IDENTITY, headers jsonb);
INSERT INTO origins (headers) SELECT h::jsonb FROM unnest(ARRAY[
    '{}', '{"sec-fetch-site": "same-origin"}', '{"sec-fetch-site": "none"}', '{"sec-fetch-site": "same-site"}', '{"sec-fetch-site": "cross-site"}',
    '{"sec-fetch-site": "Same-Origin"}', '{"sec-fetch-site": "same-origin "}', '{"sec-fetch-site": "same-origin, cross-site"}', '{"sec-fetch-site": "cross-site, same-origin"}',
    '{"sec-fetch-site": ["same-origin"]}', '{"sec-fetch-site": "same-origin-but-not-really"}', '{"sec-fetch-site": ""}', '{"sec-fetch-site": null}',
    '{"sec-fetch-site": "same-origin", "origin": "https://evil.example"}', '{"sec-fetch-site": "cross-site", "origin": "https://shop.example"}',
    '{"sec-fetch-site": "", "origin": "https://evil.example"}',
    '{"origin": "https://shop.example"}', '{"origin": "http://shop.example"}', '{"origin": "https://shop.example:443"}', '{"origin": "https://SHOP.example"}',
    '{"origin": "https://evil.example"}', '{"origin": "https://shop.example:8443"}', '{"origin": "https://www.shop.example"}', '{"origin": "https://shop.example.evil.example"}',
    '{"origin": "https://shop.example."}', '{"origin": "null"}', '{"origin": ""}', '{"origin": "https://shop.example/"}', '{"origin": "https://shop.example, https://evil.example"}',
    '{"origin": "https://shop.example https://evil.example"}', '{"origin": "https://evil.example@shop.example"}', '{"origin": "ftp://shop.example"}', '{"origin": "shop.example"}',
    '{"origin": ["https://shop.example"]}', '{"origin": 5}', '{"referer": "https://evil.example/"}']) AS h;
BEGIN;
SELECT headers, (pg_temp.modes('POST', headers, :'next')).* FROM origins ORDER BY n;
-- Without a cookie: it may log the user in to the account of an attacker.
SELECT (pg_temp.modes('POST', headers, NULL)).*, count(*) FROM origins GROUP BY 1, 2, 3 ORDER BY 4;
SELECT (pg_temp.modes('POST', headers, 'junk')).*, count(*) FROM origins GROUP BY 1, 2, 3 ORDER BY 4;
-- A method that changes nothing is not checked.
SELECT (pg_temp.modes('GET', headers, :'next')).*, count(*) FROM origins GROUP BY 1, 2, 3 ORDER BY 4;
COMMIT;

-- Which methods are checked; an unknown one is.  Other headers that name a
-- method do not count.
BEGIN;
SELECT method, (pg_temp.modes(method, '{"sec-fetch-site": "cross-site"}', :'next')).*
  FROM unnest('{GET,HEAD,OPTIONS,TRACE,POST,PUT,PATCH,DELETE,CONNECT,QUERY,get,Get,"GET "," GET",GETX,"GET, POST","",NULL}'::text[]) WITH ORDINALITY AS t (method, n) ORDER BY n;
SELECT header, (pg_temp.modes('POST', jsonb_build_object('sec-fetch-site', 'cross-site', header, 'GET'), :'next')).*
  FROM unnest('{x-http-method-override,x-http-method,x-method-override,access-control-request-method}'::text[]) AS header;
COMMIT;

-- Headers that are missing or cannot be read may be any.
CREATE FUNCTION pg_temp.asked_raw(method text, headers text, cookies text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.method', method, true), set_config('request.headers', headers, true), set_config('request.cookies', cookies, true);
    PERFORM session_pre_request();
    RETURN coalesce(session_user_id(), 'anonymous');
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END
$$;
CREATE TEMP TABLE unreadable (n int GENERATED ALWAYS AS IDENTITY, headers text);
INSERT INTO unreadable (headers) VALUES ('{}'), ('{"a": {"b": 1}}'), (''), (' '), ('null'), ('[]'), ('"x"'), ('5'), ('x'), ('{'), ('{"sec-fetch-site": "same-origin"'), ('{"sec-fetch-site": "same-origin"} x'),
    ('[{"sec-fetch-site": "same-origin"}]'), ('"sec-fetch-site: same-origin"'), ('{"sec-fetch-site": "same-origin", "a": "\u0000"}'), ('{"sec-fetch-site": "same-origin", "a": ' || repeat('[', 100000)),
    ('{sec-fetch-site: "same-origin"}'), ('sec-fetch-site: same-origin'), ('{"a": "' || repeat('a', 100000) || '"}'), ('{"a": "' || repeat('a', 100000));
BEGIN;
SET LOCAL session.csrf = same_origin;
SELECT left(headers, 40) AS headers, pg_temp.asked_raw('POST', headers, json_build_object('__Host-session', :'next')::text) AS cookie, pg_temp.asked_raw('POST', headers, '') AS no_cookie,
       pg_temp.asked_raw('', headers, json_build_object('__Host-session', :'next')::text) AS no_method, pg_temp.asked_raw('GET', headers, json_build_object('__Host-session', :'next')::text) AS safe FROM unreadable ORDER BY n;
SET LOCAL session.csrf = token;
SELECT pg_temp.asked_raw('POST', headers, json_build_object('__Host-session', :'next')::text) AS cookie, count(*), min(n), max(n) FROM unreadable GROUP BY 1 ORDER BY min(n);
SET LOCAL session.csrf = off;
SELECT pg_temp.asked_raw('POST', headers, json_build_object('__Host-session', :'next')::text) AS cookie, count(*) FROM unreadable GROUP BY 1;
COMMIT;

-- With session.public_url, its origin counts, and the host does not.
SET session.public_url = 'https://api.shop.example:8443/v1';
BEGIN;
SELECT headers, (pg_temp.modes('POST', headers, :'next')).same_origin FROM unnest(ARRAY[
    '{"origin": "https://api.shop.example:8443"}', '{"origin": "https://API.shop.example:8443"}', '{"origin": "http://api.shop.example:8443"}', '{"origin": "https://api.shop.example"}',
    '{"origin": "https://shop.example"}', '{"origin": "https://api.shop.example:8443/v1"}', '{"origin": "null"}', '{"sec-fetch-site": "cross-site", "origin": "https://api.shop.example:8443"}']::jsonb[]) AS headers;
COMMIT;
RESET session.public_url;

-- The token goes into a header, in any spelling of its name that the gateway
-- makes small letters of.
SELECT pg_temp.token_for(:'next') AS good, pg_temp.token_for(:'logged_in') AS foreign \gset
BEGIN;
SELECT what, (pg_temp.modes('POST', headers, :'next')).* FROM (VALUES
    ('good', jsonb_build_object('x-csrf-token', :'good', 'sec-fetch-site', 'same-origin')), ('good, without other headers', jsonb_build_object('x-csrf-token', :'good')),
    ('good, from another origin', jsonb_build_object('x-csrf-token', :'good', 'sec-fetch-site', 'same-site')), ('good, from null', jsonb_build_object('x-csrf-token', :'good', 'origin', 'null')),
    ('none', '{"sec-fetch-site": "same-origin"}'), ('empty', '{"x-csrf-token": ""}'), ('null', '{"x-csrf-token": null}'), ('x', '{"x-csrf-token": "x"}'),
    ('of another session', jsonb_build_object('x-csrf-token', :'foreign')), ('of the earlier token', jsonb_build_object('x-csrf-token', :'one')), ('twice', jsonb_build_object('x-csrf-token', :'good' || ', ' || :'good')),
    ('in another header', jsonb_build_object('csrf-token', :'good', 'x-xsrf-token', :'good')), ('10 MB', jsonb_build_object('x-csrf-token', repeat('A', 10000000)))) AS t (what, headers);
-- A header twice in the object: the last one counts.
SELECT set_config('request.headers', format('{"x-csrf-token": "%s", "x-csrf-token": "x"}', :'good'), true) <> '' AS set,
       set_config('request.cookies', json_build_object('__Host-session', :'next')::text, true) <> '' AS set, set_config('request.method', 'POST', true) AS method;
SET LOCAL session.csrf = token;
SAVEPOINT s;
SELECT session_pre_request();
ROLLBACK TO s;
SELECT set_config('request.headers', format('{"x-csrf-token": "x", "x-csrf-token": "%s"}', :'good'), true) <> '' AS set;
SELECT session_pre_request(), session_user_id();
COMMIT;
-- Only the method counts, not whether the transaction is READ ONLY.
BEGIN READ ONLY;
SELECT (pg_temp.modes('POST', '{}', :'next')).*;
SELECT (pg_temp.modes('POST', jsonb_build_object('x-csrf-token', :'good'), :'next')).*;
COMMIT;

-- A credential in a header needs none of it, valid or not; nor does a token for
-- another system.  A browser sends Basic by itself.
BEGIN;
SELECT what, (pg_temp.modes('POST', headers || '{"sec-fetch-site": "cross-site"}', cookie)).* FROM (VALUES
    ('header', jsonb_build_object('x-session-token', :'next'), NULL), ('header and cookie', jsonb_build_object('x-session-token', :'next'), :'logged_in'),
    ('junk', '{"x-session-token": "junk"}', NULL), ('empty', '{"x-session-token": ""}', :'next'), ('Bearer', '{"authorization": "Bearer x"}', NULL), ('DPoP', '{"authorization": "DPoP x"}', NULL),
    ('Bearer and cookie', '{"authorization": "Bearer x"}', :'next'), ('Basic', '{"authorization": "Basic eDp4"}', NULL), ('Bearer alone', '{"authorization": "Bearer"}', NULL)) AS t (what, headers, cookie);
SET LOCAL session.token_header = 'authorization';
SELECT (pg_temp.modes('POST', jsonb_build_object('authorization', 'Bearer ' || :'next', 'sec-fetch-site', 'cross-site'), :'logged_in')).*;
COMMIT;

-- A browser that proves its key (DBSC) sends no token.  It says that it is of
-- this origin.
BEGIN;
SELECT headers, (pg_temp.modes('POST', headers || '{"secure-session-response": "x"}', :'next')).* FROM (VALUES
    (1, '{"sec-fetch-site": "same-origin"}'::jsonb), (2, '{"origin": "https://shop.example"}'), (3, '{"sec-fetch-site": "same-site"}'), (4, '{"origin": "null"}'), (5, '{}')) AS t (n, headers) ORDER BY n;
COMMIT;

-- A request that is refused is not looked at: no use of the session is recorded,
-- and no evidence of a bad token.
CALL pg_temp.pass('2 hours');
SET session.csrf = same_origin;
SELECT pg_temp.asked('POST', '{"sec-fetch-site": "cross-site"}', :'next');
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'id');
SELECT pg_temp.asked('POST', '{"sec-fetch-site": "same-origin"}', :'next');
SELECT pg_temp.is_recent(last_seen_at) AS seen FROM session_get(:'id');

-- An invalid token is refused as before, unless the request is foreign.
SET session.on_invalid = reject;
SELECT pg_temp.asked('POST', '{"sec-fetch-site": "same-origin"}', 'junk') AS own, pg_temp.asked('POST', '{"sec-fetch-site": "cross-site"}', 'junk') AS other;
RESET session.on_invalid;

-- The strategies.  A snapshot beside the token has the same tokens.
SET session.csrf = token;
SET session.strategy = cookie_cache;
BEGIN READ ONLY;
SELECT pg_temp.token_for(:'next') AS by_row \gset
SELECT set_config('request.method', 'GET', true) AS method, set_config('request.cookies', json_build_object('__Host-session', :'next')::text, true) <> '' AS set, set_config('request.headers', '', true);
SELECT session_pre_request(), session_user_id();
SELECT (regexp_match(current_setting('response.headers'), '__Host-session-cache=([^;]+)'))[1] AS snapshot \gset
COMMIT;
CREATE FUNCTION pg_temp.cached(headers text, token text, snapshot text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.method', 'POST', true), set_config('request.headers', headers, true),
            set_config('request.cookies', json_build_object('__Host-session', token, '__Host-session-cache', snapshot)::text, true);
    PERFORM session_pre_request();
    RETURN session_user_id() || CASE WHEN session_csrf_check(session_csrf_token()) THEN ' has a token' END;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END
$$;
SELECT :'snapshot' <> '' AS has_snapshot, pg_temp.cached('{}', :'next', :'snapshot') AS without_token, pg_temp.cached('', :'next', :'snapshot') AS without_headers, pg_temp.cached(json_build_object('x-csrf-token', :'by_row')::text, :'next', :'snapshot') AS with_token,
       pg_temp.cached(json_build_object('x-csrf-token', :'foreign')::text, :'next', :'snapshot') AS foreign_token;
SET session.strategy = stateless;
CREATE FUNCTION pg_temp.token_of_cookie(cookie text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.asked('GET', NULL, cookie);
    RETURN session_csrf_token();
END
$$;
SELECT pg_temp.token_of_cookie(:'cookie') AS stateless, pg_temp.token_of_cookie(:'other_cookie') AS stateless_other \gset
SELECT pg_temp.asked('POST', NULL, :'cookie') AS without_token, pg_temp.asked('POST', jsonb_build_object('x-csrf-token', :'stateless'), :'cookie') AS with_token,
       pg_temp.asked('POST', jsonb_build_object('x-csrf-token', :'stateless_other'), :'cookie') AS of_another_cookie, pg_temp.asked('POST', jsonb_build_object('x-csrf-token', :'good'), :'cookie') AS of_a_session,
       pg_temp.asked('POST', '{"sec-fetch-site": "cross-site"}', :'cookie') AS foreign;
SELECT session_cookie_revoke(:'cookie');
SELECT pg_temp.asked('POST', jsonb_build_object('x-csrf-token', :'stateless'), :'cookie') AS denied;
RESET session.strategy;

-- With token, the first session makes the key, so that requests that are READ
-- ONLY have tokens.
RESET session.csrf;
DELETE FROM session.keys WHERE purpose = 'bound';
SELECT token AS off FROM session_create('dan') \gset
SELECT count(*) FROM session.keys WHERE purpose = 'bound';
SET session.csrf = token;
SELECT token AS on FROM session_create('dan') \gset
SELECT count(*) FROM session.keys WHERE purpose = 'bound';
BEGIN READ ONLY;
SELECT pg_temp.is_good(:'on', pg_temp.token_for(:'on')) AS good;
COMMIT;

-- Whole errors.  An application role cannot turn the check off.
SET session.csrf = token;
SELECT set_config('request.method', 'POST', false) AS method, set_config('request.cookies', json_build_object('__Host-session', :'next')::text, false) <> '' AS set;
SELECT session_pre_request();
SELECT set_config('request.headers', '{}', false) AS headers;
SELECT session_pre_request();
SELECT set_config('request.headers', '{"sec-fetch-site": "same-site"}', false) AS headers;
SELECT session_pre_request();
SET ROLE regress_session_nobody;
SET session.csrf = off;
SELECT session_pre_request();
RESET ROLE;
DROP ROLE regress_session_nobody;
DROP EXTENSION session;
