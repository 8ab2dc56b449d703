-- session.store_ip: what sessions, events and origins store of an address.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET session.log_events = 'all';
CREATE TEMP TABLE cases (n serial, ip inet);
INSERT INTO cases (ip) VALUES ('192.0.2.77'), ('192.0.2.77/20'), ('::ffff:192.0.2.77'), ('2001:db8:1:2:3:4:5:6'), (NULL);

CREATE FUNCTION pg_temp.stored(setting text, v4 int, v6 int) RETURNS TABLE (n int, session inet, event inet)
LANGUAGE plpgsql AS $$
DECLARE
    c record;
    made uuid;
BEGIN
    PERFORM set_config('session.store_ip', setting, true), set_config('session.bind_ip_prefix_v4', v4::text, true),
            set_config('session.bind_ip_prefix_v6', v6::text, true);
    FOR c IN SELECT * FROM cases ORDER BY cases.n LOOP
        SELECT id INTO made FROM session_create('ada', ip => c.ip);
        n := c.n;
        SELECT ip INTO session FROM session.sessions WHERE id = made;
        SELECT ip INTO event FROM session.events WHERE session_id = made AND kind = 'created';
        RETURN NEXT;
    END LOOP;
END
$$;
-- By default, the address is stored as it was given.
SHOW session.store_ip;
SELECT * FROM pg_temp.stored('full', 24, 64);

-- With subnet, the network that session.bind_ip_prefix_v4 or _v6 makes of it.
SELECT * FROM pg_temp.stored('subnet', 24, 64);
SELECT * FROM pg_temp.stored('subnet', 13, 47);
SELECT * FROM pg_temp.stored('subnet', 0, 0);
SELECT * FROM pg_temp.stored('subnet', 32, 128);

-- With off, nothing.
SELECT * FROM pg_temp.stored('off', 24, 64);

-- Only a superuser, or a role that was granted the setting, changes it.
CREATE ROLE regress_session_app;
SET ROLE regress_session_app;
SET session.store_ip = 'full';
RESET ROLE;
SET session.store_ip = 'half';
DROP ROLE regress_session_app;

-- A session that is bound to its subnet works with the subnet alone.
SET session.store_ip = 'subnet';
SET session.bind_ip = 'subnet';
SELECT token FROM session_create('ben', ip => '198.51.100.7') \gset
SELECT ip, session_status(:'token', ip) FROM unnest('{198.51.100.7,198.51.100.200,198.51.101.7,::ffff:198.51.100.9}'::inet[]) AS ip;
SELECT session_status(:'token');
SELECT token FROM session_create('ben', ip => '2001:db8:1:2::7') \gset
SELECT ip, session_status(:'token', ip) FROM unnest('{2001:db8:1:2::7,2001:db8:1:2:ffff::,2001:db8:1:3::7}'::inet[]) AS ip;

-- An exact address cannot be compared then, and with off no address can.
SET session.bind_ip = 'exact';
SELECT session_create('ben', ip => '198.51.100.7');
SET session.store_ip = 'off';
SELECT session_create('ben', ip => '198.51.100.7');
SET session.bind_ip = 'subnet';
SELECT session_create('ben', ip => '198.51.100.7');
-- A session without a stored address is not valid while addresses are bound.
SET session.bind_ip = 'off';
SELECT token FROM session_create('ben', ip => '198.51.100.7') \gset
SET session.bind_ip = 'subnet';
SELECT session_status(:'token', '198.51.100.7');
-- Neither does a session lose the address that it is bound to.
RESET session.store_ip;
SELECT token FROM session_create('ben', ip => '198.51.100.7') \gset
SET session.store_ip = 'off';
SELECT count(*) FROM session_regenerate(:'token');
SELECT session_status(:'token', '198.51.100.7');
SET session.store_ip = 'subnet';
SELECT token FROM session_regenerate(:'token') \gset
SELECT ip, status FROM session_validate(:'token', '198.51.100.9');
SELECT token IS NOT NULL AS logged_in FROM session_login(:'token', 'ben', ip => '198.51.100.8');
SET session.store_ip = 'off';
SELECT session_login(NULL, 'ben', ip => '198.51.100.8');
RESET session.bind_ip;

-- A login, and session_regenerate, store as much of the address.
SET session.store_ip = 'subnet';
SELECT token, id FROM session_login(NULL, 'bob', ip => '198.51.100.7') \gset
SELECT ip FROM session_get(:'id');
SELECT token, id FROM session_login(:'token', 'bob', ip => '198.51.101.7') \gset
SELECT ip FROM session_get(:'id');
SELECT token FROM session_regenerate(:'token', ip => '198.51.102.7') \gset
SELECT ip FROM session_get(:'id');
RESET session.store_ip;

-- Events copy the address of the session as far as it may be stored now.
SELECT id FROM session_create('cleo', ip => '203.0.113.9') \gset
SET session.store_ip = 'subnet';
SELECT session_revoke_id(:'id');
SELECT kind, ip FROM session.events WHERE session_id = :'id' AND kind IN ('created', 'revoked') ORDER BY id;
RESET session.store_ip;

-- A login is from a new address if its network is new, and with off never.
-- The hash of a full address is not kept.
TRUNCATE session.events, session.origins;
SET session.store_ip = 'subnet';
SELECT FROM session_create('dora', ip => '203.0.113.9');
SELECT FROM session_create('dora', ip => '203.0.113.10');
SELECT FROM session_create('dora', ip => '203.0.114.9');
SELECT count(*) AS origins FROM session.origins;
SELECT kind, ip FROM session.events WHERE kind = 'new_ip' ORDER BY id;
SET session.store_ip = 'off';
SELECT FROM session_create('dora', ip => '198.51.100.1', user_agent => 'Firefox');
SELECT count(*) AS origins FROM session.origins;
SELECT kind, ip, user_agent FROM session.events WHERE kind LIKE 'new%' ORDER BY id;

-- Evidence, too.
SET session.failure_threshold = 1;
SET session.bind_ip = 'off';
SET session.store_ip = 'subnet';
SELECT token FROM session_create('eve', ip => '203.0.113.9', user_agent => 'Firefox') \gset
SELECT session_status('st_x', '198.18.77.7'), session_status('st_x', '198.18.77.7'), session_status('st_x', '2001:db8:77:2:3::1'),
       session_status('st_x', '2001:db8:77:2:3::1');
SET session.bind_ip_prefix_v6 = 48;
SELECT session_status('st_x', '2001:db8:78:2:3::1'), session_status('st_x', '2001:db8:78:2:3::1');
RESET session.bind_ip_prefix_v6;
SET session.bind_user_agent = on;
SELECT count(*) AS valid FROM session_validate(:'token', '203.0.113.200', 'Chrome');
RESET session.bind_user_agent;
SET session.store_ip = 'off';
SELECT session_status('st_x', '198.18.78.7'), session_status('st_x', '198.18.78.7');
RESET session.store_ip;
SELECT errors FROM (SELECT failed AS errors FROM session_cleanup()) AS c;
SELECT kind, ip, user_agent FROM session.events WHERE kind IN ('failures', 'binding_mismatch') ORDER BY kind, ip;

DROP EXTENSION session;
