-- Headers of cookies: what is sent, refused and read.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Without arguments, the settings determine the attributes.
SELECT session_cookie_header('abc');
SELECT session_cookie_header('');

-- Every attribute, on and off.
CREATE FUNCTION pg_temp.headers_of(arguments text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT session_cookie_header(' || arguments || ')';
END
$$;
SELECT option, header FROM unnest(ARRAY[
    $$max_age => '1 hour'$$, $$max_age => NULL$$,
    $$path => '/app'$$, $$path => ''$$, $$path => '/a:b@c(d)=%20*'$$,
    $$domain => 'example.com'$$, $$domain => '.example.com'$$, $$domain => ''$$, $$domain => '10.0.0.1'$$,
    $$secure => true$$, $$secure => false$$,
    $$http_only => true$$, $$http_only => false$$,
    $$same_site => 'lax'$$, $$same_site => 'Strict'$$, $$same_site => 'NONE'$$,
    $$partitioned => true$$, $$partitioned => false$$,
    $$name => '__Host-a'$$, $$name => '__Host-Http-a'$$, $$name => 'a!#$%&''*+-.^_`|~Z0'$$]) AS option,
    pg_temp.headers_of($$'v', $$ || CASE WHEN option LIKE 'name%' THEN '' ELSE $$'sid', $$ END || option) AS header;
SELECT session_cookie_header('v', '__Secure-sid', '400 days', '/app', 'example.com', true, true, 'none', true);

-- Max-Age: whole seconds, rounded down, from zero to 400 days.
SELECT age, substring(h FROM 'Max-Age=[0-9]+') AS max_age
  FROM unnest(ARRAY['0', '0.9 s', '1 s', '1.999999 s', '1 month', '1 year', '400 days', '9600 hours 0.5 s']::interval[]) AS age,
       session_cookie_header('v', max_age => age) AS h;
SELECT age, pg_temp.error_of(format('session_cookie_header(''v'', max_age => %L)', age)) AS error
  FROM unnest(ARRAY['-0.000001 s', '-1 day', '400 days 1 s', '13 months 11 days', '178000000 years']::interval[]) AS age;

-- The settings are defaults; arguments take precedence.
BEGIN;
SET LOCAL session.cookie_name = 'other';
SET LOCAL session.cookie_path = '/shop';
SET LOCAL session.cookie_domain = '.shop.example';
SET LOCAL session.cookie_secure = off;
SET LOCAL session.cookie_http_only = off;
SET LOCAL session.cookie_same_site = strict;
SELECT session_cookie_header('v');
SELECT session_cookie_clear();
SELECT session_cookie_read('__Host-session=1; other=2');
SELECT session_cookie_header('v', '__Host-a', NULL, '/', '', true, true, 'none');
ROLLBACK;

-- Attributes that browsers would refuse are errors that name the argument.
SELECT call, pg_temp.error_of(format('session_cookie_header(''v'', %s)', call)) AS error
  FROM unnest(ARRAY[
    $$'__Host-a', secure => false$$,
    $$'__Host-a', path => '/app'$$,
    $$'__Host-a', path => ''$$,
    $$'__Host-a', domain => 'example.com'$$,
    $$'__host-a', domain => 'example.com'$$,
    $$'__Host-a', http_only => false$$,
    $$'__Secure-a', secure => false$$,
    $$'__SECURE-a', secure => false$$,
    $$'__Secure-a', domain => 'example.com', path => '/app', http_only => false$$,
    $$'__Http-a', secure => false$$,
    $$'__Http-a', http_only => false$$,
    $$'__Host-Http-a', http_only => false$$,
    $$'__Host-Http-a', path => '/app'$$,
    $$'a', same_site => 'none', secure => false$$,
    $$'a', partitioned => true, secure => false$$]) AS call;

-- So are characters that a header cannot contain.
SELECT call, pg_temp.error_of(format('session_cookie_header(''v'', %s)', call)) AS error
  FROM unnest(ARRAY[
    $$''$$, $$'a b'$$, $$'a=b'$$, $$'a;b'$$, $$E'a\r\nb'$$, $$E'\xc3\xa4'$$, $$repeat('a', 1025)$$,
    $$path => 'app'$$, $$path => '/;'$$, $$path => '/,'$$, $$path => '/ '$$, $$path => E'/\n'$$, $$path => E'/\xc3\xa4'$$,
    $$path => '/' || repeat('a', 1024)$$,
    $$'a', domain => '.'$$, $$'a', domain => '..a'$$, $$'a', domain => 'a;b'$$, $$'a', domain => 'a,b'$$,
    $$'a', domain => 'a.example:80'$$, $$'a', domain => E'b\xc3\xbccher.example'$$, $$'a', domain => E'a\r\nSet-Cookie: b=c'$$,
    $$same_site => ''$$, $$same_site => 'laxer'$$]) AS call;
SELECT pg_temp.error_of('session_cookie_header(NULL)');
SELECT session_cookie_header('not; good');
SELECT session_cookie_header('v', domain => 'example.com');
SELECT session_cookie_header(repeat('x', 500000));

-- Of all characters of a text, 90 are allowed in a value.
SELECT string_agg(c, '' ORDER BY n) AS accepted, count(*)
  FROM generate_series(1, 255) AS n, chr(n) AS c
 WHERE pg_temp.error_of(format('session_cookie_header(%L)', 'a' || c || 'b')) IS NULL;
SELECT DISTINCT left(pg_temp.error_of(format('session_cookie_header(%L)', c || 'b')), 5) AS refused
  FROM generate_series(1, 255) AS n, chr(n) AS c
 WHERE n <= 32 OR n >= 127 OR c IN ('"', ',', ';', '\');

-- Settings are checked when they are used, and the error names the setting.
BEGIN;
SET LOCAL session.cookie_domain = 'example.com';
SELECT pg_temp.error_of('session_cookie_header(''v'')');
SELECT pg_temp.error_of('session_cookie_clear()');
SELECT pg_temp.error_of('session_cookie_header(''v'', ''__Secure-a'')');
SET LOCAL session.cookie_name = E'a\r\nb';
SELECT pg_temp.error_of('session_cookie_header(''v'')');
SELECT pg_temp.error_of('session_cookie_clear()');
SELECT pg_temp.error_of('session_cookie_read(''a=b'')');
SET LOCAL session.cookie_name = 'a';
SET LOCAL session.cookie_path = 'a;b';
SELECT pg_temp.error_of('session_cookie_header(''v'')');
SET LOCAL session.cookie_path = '/';
SET LOCAL session.cookie_secure = off;
SET LOCAL session.cookie_same_site = none;
SELECT pg_temp.error_of('session_cookie_header(''v'')');
SELECT pg_temp.error_of('session_cookie_clear(''__Secure-a'')');
ROLLBACK;

-- A header has at most 4096 bytes including its attributes; a longer value is
-- split into chunks.
SELECT n, length(h), left(h, 20) AS header FROM (VALUES (3993), (4038), (4039), (9000)) AS v (n),
       session_cookie_header(repeat('x', n), 'sid', '1 h', domain => 'example.com') AS h;
SELECT count(*), max(length(h)) FROM session_cookie_header(repeat('x', 405000), 's') AS h;

-- Returns the Cookie header that a browser sends after it has received some
-- Set-Cookie headers.
CREATE FUNCTION pg_temp.sent_back(headers text[]) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    jar jsonb := '{}';
    h text;
BEGIN
    FOREACH h IN ARRAY headers LOOP
        jar := jar - split_part(h, '=', 1);
        IF h !~ 'Max-Age=0' THEN
            jar := jar || jsonb_build_object(split_part(h, '=', 1), substring(h FROM '^[^=]*=([^;]*)'));
        END IF;
    END LOOP;
    RETURN (SELECT string_agg(key || '=' || value, '; ' ORDER BY random()) FROM jsonb_each_text(jar));
END
$$;
CREATE TEMP TABLE lengths AS SELECT n FROM (
    SELECT generate_series(1, 20000, 397) UNION SELECT generate_series(4030, 4070)
    UNION SELECT generate_series(8060, 8110) UNION VALUES (20000)) AS u (n);
SELECT count(*) AS lengths,
       count(*) FILTER (WHERE session_cookie_read(pg_temp.sent_back(ARRAY(SELECT session_cookie_header(v)))) = v) AS came_back
  FROM lengths, LATERAL (SELECT substr(repeat('0123456789abcdefghij', 1001), 1 + n % 20, n) AS v) AS value;

-- A value replaces another one of any length, and clearing removes all of it.
SELECT old, new,
       session_cookie_read(pg_temp.sent_back(
           ARRAY(SELECT session_cookie_header(repeat('o', old))) ||
           ARRAY(SELECT session_cookie_clear(cookie_header => pg_temp.sent_back(ARRAY(SELECT session_cookie_header(repeat('o', old)))))) ||
           ARRAY(SELECT session_cookie_header(repeat('n', new))))) = repeat('n', new) AS replaced,
       pg_temp.sent_back(
           ARRAY(SELECT session_cookie_header(repeat('o', old))) ||
           ARRAY(SELECT session_cookie_clear(cookie_header => pg_temp.sent_back(ARRAY(SELECT session_cookie_header(repeat('o', old))))))) IS NULL AS cleared
  FROM (VALUES (10, 10), (10, 9000), (9000, 10), (20000, 9000), (9000, 20000)) AS v (old, new);
-- A value that grows, or that no longer needs chunks, needs no clearing
-- before.
SELECT old, new,
       session_cookie_read(pg_temp.sent_back(
           ARRAY(SELECT session_cookie_header(repeat('o', old))) ||
           ARRAY(SELECT session_cookie_header(repeat('n', new))))) = repeat('n', new) AS replaced
  FROM (VALUES (10, 10), (10, 9000), (9000, 10), (9000, 20000)) AS v (old, new);

-- session_cookie_clear removes the cookie and those chunks that the request
-- has; no other text of the request is returned.
SELECT session_cookie_clear();
SELECT session_cookie_clear('sid', NULL);
SELECT session_cookie_clear('sid', 'sid=1; other=2; sid.0=a; sid.11=b; sid.0=c; sid.03=d; sid.100=e; sid.x=f; SID.1=g; sid-x=h; sid.2');
SELECT session_cookie_clear('sid', E'sid.1\r\nSet-Cookie: a=b; sid.2 \r\n=x; sid.3\n');
-- It also removes the cookie with the snapshot, if the request has it.
SELECT session_cookie_clear('sid', 'sid=1; sid-cache=2; sid-cache.0=3; sid-cache.7=4; sid-cached=5; SID-cache=6; sid-cache-cache=7');
SELECT session_cookie_clear(cookie_header => '__Host-session=1; __Host-session-cache=2');
SELECT session_cookie_clear('sid', 'sid=1; sid-cache');
SELECT count(*) FROM session_cookie_clear(repeat('s', 1024), 'a=b; ' || repeat('s', 1024) || '-cache=2');
SELECT count(*) FROM session_cookie_clear('sid', (SELECT string_agg('sid.' || n, '=;') FROM generate_series(0, 1000) AS n) || '=');
SELECT pg_temp.error_of('session_cookie_clear(''a b'')');

-- session_cookie_read finds exactly the name, or its chunks without a gap.
\pset null (null)
SELECT header, session_cookie_read(header, 's') AS value FROM unnest(ARRAY[
    's=1', 'a=0; s=1', 'a=0;s=1;', '  s  =  1  ', 's=1=2==', 's=', 's=""', 's="1 2"', 's=%20', 's=1; s=2',
    '', 's', '=1', 'S=1', 's-x=1', 'xs=1', ';;;', '$Version=1; s=1',
    's.0=a; s.1=b', 's.1=b; s.0=a', 's.0=a', 's.0=a; s.2=c', 's.1=b', 's.0=a; s.1=b; s.0=c', 's.0=a; s=w; s.1=b',
    's.0=a; s.01=b', 's.00=a', 's.0=a; s.100=b', 's.0=a; s.x=b; s-1=c', NULL]) AS header;
SELECT session_cookie_read(E's= \xc3\xa4\x07\t', 's') = E'\xc3\xa4\x07' AS anything;
SELECT session_cookie_read('__Host-session=1; session=2'), session_cookie_read('__host-session=1');
\pset null ''
SELECT pg_temp.error_of('session_cookie_read(''a=b'', ''a=b'')');
SELECT pg_temp.error_of('session_cookie_read(NULL, '''')');

-- Junk of any length causes no error.
SELECT junk, session_cookie_read(repeat(junk, 10000000 / length(junk)), 's') IS NULL AS nothing,
       session_cookie_read(repeat(junk, 10000000 / length(junk)) || ';s=1', 's') AS found,
       (SELECT count(*) FROM session_cookie_clear('s', repeat(junk, 10000000 / length(junk)))) AS cleared
  FROM unnest(ARRAY[';', '=', ' ', 's', 's;', 's.', 's.1', '"', '=;', 'a=b;', E's\n=;']) AS junk;

-- These functions are public, read only settings, and run in parallel workers.
SELECT proname, provolatile, proparallel, proisstrict, proretset, proacl
  FROM extension_functions WHERE proname IN ('session_cookie_header', 'session_cookie_clear', 'session_cookie_read')
 ORDER BY proname COLLATE "C";
CREATE ROLE regress_session_nobody;
SET ROLE regress_session_nobody;
BEGIN READ ONLY;
SELECT session_cookie_header('v'), session_cookie_clear(), session_cookie_read('__Host-session=v');
COMMIT;
RESET ROLE;
DROP ROLE regress_session_nobody;
SET session.cookie_name = 'set';
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode');
SELECT session_cookie_header('v'), session_cookie_clear(), session_cookie_read('set=v');
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode');
RESET session.cookie_name;

DROP EXTENSION session;
