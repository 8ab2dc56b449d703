-- Binding: if the administrator wants it, a session is valid only from the
-- address or user agent for which it was created.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- The status of a session that was created with one address, for a request
-- from another address.
CREATE FUNCTION pg_temp.status_from(created inet, presented inet) RETURNS text
LANGUAGE sql AS $$
    SELECT session_status((session_create(ip => created)).token, presented)
$$;

-- By default a session is valid from everywhere.
SELECT token FROM session_create('alice', ip => '192.0.2.10', user_agent => 'Firefox') \gset
SELECT session_status(:'token') AS nowhere,
       session_status(:'token', '198.51.100.1', 'curl') AS elsewhere;
SELECT count(*) AS rows FROM session_validate(:'token', '198.51.100.1', 'curl');

-- The setting at the moment of the call decides, also for sessions created
-- before.
SET session.bind_ip = exact;
SELECT session_status(:'token', '192.0.2.10') AS here,
       session_status(:'token', '192.0.2.11') AS elsewhere,
       session_status(:'token') AS nowhere;
RESET session.bind_ip;
SELECT session_status(:'token', '192.0.2.11') AS elsewhere;

-- exact requires the same address, in any notation.
SET session.bind_ip = exact;
SELECT created, presented, pg_temp.status_from(created::inet, presented::inet) AS status
  FROM (VALUES ('192.0.2.10', '192.0.2.10'),
               ('192.0.2.10', '192.0.2.11'),
               ('192.0.2.10', '193.0.2.10'),
               ('192.0.2.10', '192.0.2.10/24'),
               ('192.0.2.10', '::ffff:192.0.2.10'),
               ('::ffff:192.0.2.10', '192.0.2.10'),
               ('::ffff:192.0.2.10', '::ffff:192.0.2.10'),
               ('::ffff:192.0.2.10', '192.0.2.11'),
               ('192.0.2.10', '::192.0.2.10'),
               ('192.0.2.10', '::fffe:192.0.2.10'),
               ('192.0.2.10', '2001:db8::ffff:192.0.2.10'),
               ('2001:db8::1', '2001:db8::1'),
               ('2001:db8::1', '2001:0db8:0:0:0:0:0:1'),
               ('2001:db8::1', '2001:db8::2'),
               ('2001:db8::1', '192.0.2.10'),
               ('192.0.2.10', '2001:db8::1')) AS t (created, presented);

-- subnet requires the same leading 24 bits of an IPv4 address, or 64 bits of
-- an IPv6 address.
SET session.bind_ip = subnet;
SELECT created, presented, pg_temp.status_from(created::inet, presented::inet) AS status
  FROM (VALUES ('192.0.2.10', '192.0.2.10'),
               ('192.0.2.10', '192.0.2.255'),
               ('192.0.2.10', '192.0.3.10'),
               ('192.0.2.10', '192.1.2.10'),
               ('192.0.2.10', '::ffff:192.0.2.77'),
               ('::ffff:192.0.2.10', '::ffff:192.0.2.77'),
               ('::ffff:192.0.2.10', '::ffff:192.0.3.10'),
               ('2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff'),
               ('2001:db8:1:2::1', '2001:db8:1:3::1'),
               ('2001:db8:1:2::1', '2001:db9:1:2::1'),
               ('192.0.2.10', 'c000:20a::')) AS t (created, presented);

-- The prefixes are settings, and need not be full bytes.
SELECT set_config('session.bind_ip_prefix_v4', bits::text, false) AS bits,
       pg_temp.status_from('192.0.2.128', '192.0.2.129') AS "one bit in 32",
       pg_temp.status_from('192.0.2.128', '192.0.2.255') AS "one bit in 26",
       pg_temp.status_from('192.0.2.128', '192.0.2.0') AS "one bit in 25",
       pg_temp.status_from('192.0.2.128', '192.0.3.128') AS "one bit in 24",
       pg_temp.status_from('192.0.2.128', '64.0.2.128') AS "one bit in 1"
  FROM unnest(ARRAY[32, 31, 26, 25, 24, 23, 8, 1, 0]) AS bits;
SELECT set_config('session.bind_ip_prefix_v6', bits::text, false) AS bits,
       pg_temp.status_from('2001:db8::2', '2001:db8::3') AS "one bit in 128",
       pg_temp.status_from('2001:db8::2', '2001:db8:0:0:8000::2') AS "one bit in 65",
       pg_temp.status_from('2001:db8::2', '2001:db8:0:1::2') AS "one bit in 64",
       pg_temp.status_from('2001:db8::2', '2001:db8:100::2') AS "one bit in 40",
       pg_temp.status_from('2001:db8::2', 'a001:db8::2') AS "one bit in 1"
  FROM unnest(ARRAY[128, 127, 65, 64, 63, 41, 40, 39, 1, 0]) AS bits;

-- Addresses of different families never match, not even with a prefix of zero
-- bits.
SET session.bind_ip_prefix_v4 = 0;
SET session.bind_ip_prefix_v6 = 0;
SELECT pg_temp.status_from('192.0.2.10', '203.0.113.9') AS same_family,
       pg_temp.status_from('192.0.2.10', '2001:db8::1') AS other_family,
       pg_temp.status_from('192.0.2.10', NULL) AS nowhere;
RESET session.bind_ip_prefix_v4;
RESET session.bind_ip_prefix_v6;

-- With binding on, a call without an address is a mismatch.
SELECT token FROM session_create('bob', ip => '192.0.2.10') \gset
SELECT session_status(:'token') AS status, session_status(:'token', '192.0.2.1') AS from_there,
       session_is_valid(:'token') AS is_valid, session_is_expired(:'token') AS is_expired;
SELECT count(*) AS rows FROM session_validate(:'token');
SELECT count(*) AS rows FROM session_validate(:'token', '192.0.2.1');

-- Functions that take no address do not check the binding.
SELECT session_touch(:'token') AS touch, session_data(:'token') AS data,
       session_data_set(:'token', 'k', '1') AS data_set;

-- session_refresh checks it for both kinds of token, and a missing address is
-- a mismatch there too.
SELECT token AS r_token, refresh_token AS r_1 FROM session_create('ruth', ip => '192.0.2.10', refreshable => true) \gset
SELECT what, (SELECT count(*) FROM session_refresh(t)) AS nowhere,
       (SELECT count(*) FROM session_refresh(t, '198.51.100.1')) AS elsewhere,
       (SELECT count(*) FROM session_refresh(t, '192.0.2.10')) AS here
  FROM (VALUES ('session token', :'token'), ('refresh token', :'r_1')) AS v (what, t) ORDER BY what DESC;
SELECT session_status(:'r_token', '192.0.2.10') AS replaced, revoked_reason FROM session.sessions WHERE user_id = 'ruth';

-- Within the grace period, the same pair is returned only for the bound
-- address.
SELECT (SELECT count(*) FROM session_refresh(:'r_1', '198.51.100.1')) AS elsewhere,
       (SELECT count(*) FROM session_refresh(:'r_1', '192.0.2.10')) AS here;
SELECT b.refresh_token AS r_3 FROM session_refresh(:'r_1', '192.0.2.10') AS a, session_refresh(a.refresh_token, '192.0.2.10') AS b \gset

-- Reuse of a refresh token revokes the session for any address, because it
-- shows that the token was stolen.
SELECT count(*) AS refreshed FROM session_refresh(:'r_1', '203.0.113.66', 'wget');
SELECT revoked_reason FROM session.sessions WHERE user_id = 'ruth';
SELECT count(*) AS refreshed FROM session_refresh(:'r_3', '192.0.2.10');

-- A session without an address is valid from nowhere, and cannot be created
-- while binding is on.
SELECT pg_temp.error_of('session_create()');
RESET session.bind_ip;
SELECT token FROM session_create() \gset
SET session.bind_ip = subnet;
SELECT session_status(:'token', '192.0.2.10') AS somewhere, session_status(:'token') AS nowhere;
SET session.bind_ip = exact;
SELECT pg_temp.error_of('session_create()');
SELECT session_status(:'token', '192.0.2.10') AS somewhere, session_status(:'token') AS nowhere;
RESET session.bind_ip;

-- The user agent is compared byte by byte, up to the length that is stored.
SET session.bind_user_agent = on;
SELECT token FROM session_create('alice', user_agent => 'Firefox/1') \gset
SELECT what, session_status(:'token', user_agent => presented) AS status
  FROM (VALUES ('the same', 'Firefox/1'),
               ('another', 'Firefox/2'),
               ('its start', 'Firefox/'),
               ('longer', 'Firefox/1 '),
               ('other case', 'firefox/1'),
               ('nothing', ''),
               ('NULL', NULL)) AS t (what, presented);
SELECT session_is_valid(:'token');
SELECT pg_temp.error_of('session_create()');
SELECT token FROM session_create(user_agent => repeat('x', 2000)) \gset
SELECT session_status(:'token', user_agent => repeat('x', 2000)) AS same,
       session_status(:'token', user_agent => repeat('x', 3000)) AS same_start,
       session_status(:'token', user_agent => repeat('x', 1023)) AS shorter,
       session_status(:'token', user_agent => repeat('x', 1023) || 'y') AS other;
SELECT token FROM session_create(user_agent => '') \gset
SELECT session_status(:'token', user_agent => '') AS empty, session_status(:'token') AS "null";

-- With both bindings on, both must match.
SET session.bind_ip = subnet;
SELECT token FROM session_create('carol', ip => '192.0.2.10', user_agent => 'Firefox') \gset
SELECT session_status(:'token', '192.0.2.11', 'Firefox') AS both,
       session_status(:'token', '192.0.9.11', 'Firefox') AS agent,
       session_status(:'token', '192.0.2.11', 'curl') AS address,
       session_status(:'token', '192.0.9.11', 'curl') AS neither;
SELECT pg_temp.error_of($$ session_create(user_agent => 'Firefox') $$),
       pg_temp.error_of($$ session_create(ip => '192.0.2.10') $$);
RESET session.bind_user_agent;

-- By default a mismatch only rejects the call and does not change the row.
SELECT ctid, xmin FROM session.sessions WHERE user_id = 'carol' \gset
SELECT count(*) AS rows FROM session_validate(:'token', '198.51.100.1');
SELECT ctid = :'ctid' AND xmin = :'xmin' AS untouched, revoked_reason
  FROM session.sessions WHERE user_id = 'carol';
SELECT session_status(:'token', '192.0.2.10');

-- With session.on_mismatch = revoke, a mismatch in session_validate revokes
-- the session; session_status does not.
SET session.on_mismatch = revoke;
SELECT session_status(:'token', '198.51.100.1'), session_is_valid(:'token');
SELECT session_status(:'token', '192.0.2.10');
SELECT count(*) AS rows FROM session_validate(:'token', '198.51.100.1');
SELECT session_status(:'token', '192.0.2.10');
SELECT pg_temp.is_recent(revoked_at) AS revoked_now, revoked_reason
  FROM session.sessions WHERE user_id = 'carol';

-- A mismatch in session_refresh does so too, with both kinds of token.
SELECT token AS plain FROM session_create('sam', ip => '192.0.2.10') \gset
SELECT refresh_token AS refreshable FROM session_create('sam', ip => '192.0.2.10', refreshable => true) \gset
SELECT count(*) AS refreshed FROM unnest(ARRAY[:'plain', :'refreshable']) AS t, session_refresh(t, '198.51.100.1');
SELECT revoked_reason, count(*) FROM session.sessions WHERE user_id = 'sam' GROUP BY revoked_reason;
SELECT count(*) AS refreshed FROM unnest(ARRAY[:'plain', :'refreshable']) AS t, session_refresh(t, '192.0.2.10');

-- A missing address is a mismatch here as well.
SELECT token FROM session_create('dave', ip => '192.0.2.10') \gset
SELECT count(*) AS rows FROM session_validate(:'token');
SELECT session_status(:'token', '192.0.2.10');

-- Revoking needs the right token: a client that only knows the id cannot
-- revoke the session.
SELECT token FROM session_create('erin', ip => '192.0.2.10') \gset
SELECT pg_temp.token_of(set_bit(bytes, 383, 1 - get_bit(bytes, 383))) AS guess
  FROM pg_temp.bytes_of(:'token') AS bytes \gset
SELECT count(*) AS rows FROM session_validate(:'guess', '198.51.100.1');
SELECT session_status(:'token', '192.0.2.10');

-- In a READ ONLY transaction, revoke only rejects.
BEGIN READ ONLY;
SELECT count(*) AS rows FROM session_validate(:'token', '198.51.100.1');
SELECT count(*) AS rows FROM session_validate(:'token', '192.0.2.10');
COMMIT;
SELECT session_status(:'token', '192.0.2.10');

-- The status of an ended session is that it has ended, from any address.
SELECT session_revoke(:'token');
SELECT session_status(:'token', '198.51.100.1');
SELECT token FROM session_create('frank', ip => '192.0.2.10', lifetime => '1 hour') \gset
CALL pg_temp.pass('1 hour');
SELECT session_status(:'token', '198.51.100.1'), session_is_expired(:'token');

DROP EXTENSION session;
