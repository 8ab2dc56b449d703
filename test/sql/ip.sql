-- The address of a client behind proxies: session_ip.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
\pset null '(null)'

-- What proxies write: addresses with ports, zones, brackets and white space,
-- IPv4-mapped addresses, lists, and the pairs of RFC 7239.
SELECT format('%L', forwarded) AS forwarded, session_ip(forwarded)
  FROM unnest(ARRAY['192.0.2.43', '192.0.2.43:47011', E' 192.0.2.43\t', '2001:db8:cafe::17', '[2001:db8:cafe::17]', '[2001:db8:cafe::17]:4711',
                    'fe80::1%eth0', '[fe80::1%eth0]:80', '::ffff:192.0.2.43', '::ffff:c000:22b', '[::ffff:192.0.2.43]:80',
                    '203.0.113.1, 192.0.2.43', '203.0.113.1,192.0.2.43:80', ',,192.0.2.43', 'junk, 192.0.2.43',
                    'for=192.0.2.43', 'For="[2001:db8:cafe::17]:4711"', 'for=192.0.2.60;proto=http;by=203.0.113.43', 'by=_x; for="192.0.2.43:_port" ;host=a',
                    'for=203.0.113.1, for=192.0.2.43', 'for=192.0.2.43;host="a, for=203.0.113.1"', 'for=203.0.113.1;x=", for=192.0.2.43']) AS forwarded;

-- What is no address gives NULL and no error.
SELECT count(*), array_agg(forwarded) FILTER (WHERE session_ip(forwarded) IS NOT NULL) AS read
  FROM unnest(ARRAY[NULL, '', ' ', ',', 'unknown', '_hidden', 'for=unknown', 'for="_hidden"', 'by=192.0.2.43', 'for=', 'for=192.0.2.1;for=192.0.2.2',
                    'example.com', 'localhost', 'unix:', '192.0.2.0/24', '192.0.2.43/32', '2001:db8::/32', '192.0.2', '010.0.0.1', '10.0.0.01',
                    '0x7f.0.0.1', '2130706433', '256.0.0.1', '192.0.2.43:', '192.0.2.43:port', '192.0.2.43:123456', '[192.0.2.43]', '[::1', '::1]', '[::1]80',
                    '192.0.2.43%eth0', 'fe80::1%', '192.0.2.43,', '192.0.2.43, ', '192.0.2.43, junk', '192.0.2.43 203.0.113.1', '"192.0.2.43"',
                    E'192.0.2.43\n', 'for="192.0.2.43', 'for=192.0.2.43"', 'for = 192.0.2.43', '１９２.0.2.43']) AS forwarded;

-- hops counts from the right.  Junk counts, and there is no address if there
-- are fewer elements.
SELECT hops, session_ip('203.0.113.1, 192.0.2.1, unknown, , 192.0.2.2:80', hops) AS list,
       session_ip('for=203.0.113.1, for="[2001:db8::1]";by=_x, by=_y, , for=192.0.2.2', hops) AS pairs, session_ip('192.0.2.2', hops) AS single
  FROM unnest(ARRAY[NULL, 1, 2, 3, 4, 5, 6, 2147483647]) AS hops;

-- The application's mistake is an error.
SELECT call, pg_temp.error_of(call)
  FROM unnest('{"session_ip(''192.0.2.1'', 0)","session_ip(''192.0.2.1'', -1)","session_ip(NULL, 0)","session_ip(''192.0.2.1'', NULL)"}'::text[]) AS call;

-- An address is complete: it has the same text as the type inet gives it, and
-- the family that it is written in.
SELECT count(*), count(*) FILTER (WHERE session_ip(host(ip)) = ip AND masklen(session_ip(host(ip))) IN (32, 128)) AS same
  FROM (SELECT '0.0.0.0'::inet + (random() * 4294967295)::bigint AS ip FROM generate_series(1, 1000)
        UNION ALL
        SELECT regexp_replace(replace(gen_random_uuid()::text, '-', ''), '(....)(?=.)', '\1:', 'g')::inet FROM generate_series(1, 1000)) AS t;

-- 10 MB of junk is no error.  Only the end is read, so a client cannot hide an
-- address by writing more before it.
SELECT format('%L', junk) AS junk, session_ip(repeat(junk, 10000000 / length(junk))) IS NULL AS nothing,
       session_ip(repeat(junk, 10000000 / length(junk)) || ', 192.0.2.43') AS found,
       session_ip(repeat(junk, 10000000 / length(junk)), 2147483647) IS NULL AS none
  FROM unnest(ARRAY[',', ' ', '"', '\', 'a', '1', ':', '[', '%', 'for=', 'for="', ';', 'for=1.2.3.4,', '1.2.3.4', '\"']) AS junk;
SELECT size, session_ip('192.0.2.43' || repeat(' ', size - 10)) AS first, session_ip('192.0.2.43' || repeat(',', size - 10), size - 9) AS far
  FROM unnest('{8191,8192,8193,9000}'::int[]) AS size;
CREATE TEMP TABLE stored (kind text, value text);
ALTER TABLE stored ALTER value SET STORAGE EXTERNAL;
INSERT INTO stored VALUES ('external', repeat('x', 10000000) || ',192.0.2.43');
ALTER TABLE stored ALTER value SET STORAGE EXTENDED;
INSERT INTO stored VALUES ('compressed', repeat('x', 10000000) || ',192.0.2.43'), ('inline', repeat('x', 3000) || ',192.0.2.43');
SELECT kind, session_ip(value), session_ip(value, 2) FROM stored ORDER BY kind;

-- The function is public, reads only its arguments, and can be used in an
-- index, a READ ONLY transaction and a parallel worker.
SELECT proname, provolatile, proparallel, proisstrict, proretset, proacl FROM extension_functions WHERE proname = 'session_ip';
CREATE ROLE regress_session_nobody;
SET ROLE regress_session_nobody;
BEGIN READ ONLY;
SELECT session_ip('192.0.2.43');
COMMIT;
RESET ROLE;
DROP ROLE regress_session_nobody;
CREATE INDEX ON stored (session_ip(value));
DROP TABLE stored;
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode');
SELECT session_ip('192.0.2.43, 192.0.2.44', 2);
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode');

-- A session that is created with the address is bound to it.
SET session.bind_ip = 'exact';
SELECT token FROM session_create('alice', ip => session_ip('203.0.113.1, ::ffff:192.0.2.43')) \gset
SELECT user_id, ip FROM session_validate(:'token', ip => session_ip('for="192.0.2.43:80"'));
SELECT user_id, ip FROM session_validate(:'token', ip => session_ip('192.0.2.43, 203.0.113.1'));
SELECT user_id, ip FROM session_validate(:'token', ip => session_ip('junk'));
RESET session.bind_ip;

DROP EXTENSION session;
