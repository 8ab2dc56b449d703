-- Policies: rows that hold for live sessions at once.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE VIEW pg_temp.rows AS
SELECT tenant_id, role, lifetime, idle_timeout, max_sessions, bind_ip, bind_user_agent, valid_after IS NOT NULL AS cut
  FROM session.policies ORDER BY tenant_id NULLS FIRST, role NULLS FIRST;

-- A policy of a tenant, a role, both or everybody.  Setting it again replaces
-- what it said; without anything to say it is an error.
SELECT session_policy_set(lifetime => '8 hours', max_sessions => 5);
SELECT session_policy_set('acme', idle_timeout => '30 min');
SELECT session_policy_set(role => 'clerk', bind_ip => 'subnet', bind_user_agent => true);
SELECT session_policy_set('acme', 'clerk', '90 min', '0', 0, 'off', false);
TABLE pg_temp.rows;
SELECT session_policy_set('acme', max_sessions => 3);
TABLE pg_temp.rows;
SELECT session_policy_drop('acme'), session_policy_drop('acme') AS again, session_policy_drop('other') AS other;
SELECT session_policy_drop('acme', 'clerk'), session_policy_drop(role => 'clerk'), session_policy_drop();
TABLE pg_temp.rows;
SELECT session_policy_set('acme');
SELECT call, pg_temp.error_of('session_policy_set(' || call || ')') AS error FROM (VALUES
    ('lifetime => ''0'''), ('lifetime => ''-1 hour'''), ('lifetime => ''100 years'''), ('idle_timeout => ''-1 s'''),
    ('max_sessions => -1'), ('bind_ip => ''SUBNET'''), ('bind_ip => '''''), ('bind_ip => repeat(''x'', 10000000)'),
    ('tenant_id => '''', max_sessions => 1'), ('role => '''', max_sessions => 1'),
    ('tenant_id => repeat(''x'', 1025), max_sessions => 1'), ('role => repeat(''x'', 64), max_sessions => 1')) AS c (call);
SELECT pg_temp.error_of('session_policy_drop('''')'), pg_temp.error_of('session_policy_drop(role => '''')');

-- A shorter lifetime ends live sessions at once, wherever they are looked at.
-- A longer one lengthens none.
SELECT id, token, expires_at FROM session_create('alice', tenant_id => 'acme', role => 'clerk', ip => '192.0.2.1', user_agent => 'Firefox', lifetime => '1 day') \gset
CALL pg_temp.pass('2 hours');
SELECT expires_at FROM session_get(:'id') \gset
SELECT session_policy_set('acme', lifetime => '2 days');
SELECT expires_at = :'expires_at' AS unchanged FROM session_validate(:'token');
SELECT session_policy_set('acme', lifetime => '3 hours');
SELECT status, expires_at = created_at + interval '3 hours' AS capped FROM session_validate(:'token');
SELECT session_policy_set('acme', lifetime => '1 hour');
SELECT session_status(:'token'), session_is_valid(:'token'), session_is_expired(:'token'),
       (SELECT count(*) FROM session_validate(:'token')) AS validated, session_authenticate(:'token'),
       session_touch(:'token'), (SELECT count(*) FROM session_refresh(:'token')) AS refreshed,
       (SELECT count(*) FROM session_regenerate(:'token')) AS regenerated, session_revoke(:'token'),
       (SELECT count(*) FROM session_list('alice')) AS listed, (SELECT status FROM session_list('alice', include_ended => true));
SELECT status, expires_at = created_at + interval '1 hour' AS capped FROM session_get(:'id');

-- The row has not changed, and stays until its own deadline.
SELECT expires_at = :'expires_at' AS unchanged, purge_at >= :'expires_at' AS stays FROM session.sessions;
SELECT deleted FROM session_cleanup();
SELECT session_policy_drop('acme');
SELECT session_status(:'token');

-- The most specific policy counts.
SELECT session_policy_set(lifetime => '1 hour'), session_policy_set(role => 'clerk', lifetime => '3 hours');
SELECT session_status(:'token');
SELECT session_policy_set('acme', lifetime => '1 hour');
SELECT session_status(:'token');
SELECT session_policy_set('acme', 'clerk', lifetime => '3 hours');
SELECT session_status(:'token');
SELECT session_policy_set('acme', 'clerk', max_sessions => 9);
SELECT session_status(:'token');
SELECT session_policy_set('other', 'clerk', lifetime => '9 hours'), session_policy_drop('acme'), session_policy_drop(role => 'clerk');
SELECT session_status(:'token');
DELETE FROM session.policies;

-- Idle timeouts, which count from the last use.
SELECT session_policy_set(idle_timeout => '30 min');
SELECT session_status(:'token');
SELECT session_policy_set('acme', idle_timeout => '0');
SELECT session_status(:'token');
DELETE FROM session.policies;
SELECT token AS idle FROM session_create('idle', idle_timeout => '10 min') \gset
SELECT session_policy_set(idle_timeout => '1 hour');
SELECT expires_at - last_seen_at AS idle_timeout FROM session_validate(:'idle');
SELECT session_policy_set(idle_timeout => '5 min');
SELECT expires_at - last_seen_at AS idle_timeout FROM session_validate(:'idle');
DELETE FROM session.policies;

-- A sliding session gets a hard deadline.  The deadlines that functions return
-- are those that hold.
SELECT session_policy_set(lifetime => '2 hours');
SET session.sliding = on;
SELECT id AS sliding, expires_at - now() BETWEEN interval '59 min' AND interval '61 min' AS idle FROM session_create('sally', lifetime => '1 hour') \gset
CALL pg_temp.pass('50 min');
SELECT count(session_touch(token)) AS touched FROM session_regenerate((SELECT token FROM session_create('x')));
UPDATE session.sessions SET last_seen_at = clock_timestamp() WHERE id = :'sliding';
SELECT expires_at - last_seen_at > interval '59 min' AS idle FROM session_get(:'sliding');
CALL pg_temp.pass('30 min');
UPDATE session.sessions SET last_seen_at = clock_timestamp() WHERE id = :'sliding';
SELECT expires_at - created_at AS hard FROM session_get(:'sliding');
CALL pg_temp.pass('40 min');
UPDATE session.sessions SET last_seen_at = clock_timestamp() WHERE id = :'sliding';
SELECT status FROM session_get(:'sliding');
RESET session.sliding;
SELECT expires_at - now() BETWEEN interval '119 min' AND interval '121 min' AS capped FROM session_create('alice', lifetime => '1 day');

-- A refreshable session ends by its creation, its session token by that too.
SELECT token AS access, refresh_token AS refresh, expires_at < now() + interval '1 hour' AS access_unchanged,
       refresh_expires_at - now() BETWEEN interval '119 min' AND interval '121 min' AS capped
  FROM session_create('rita', refreshable => true) \gset
\echo :access_unchanged :capped
CALL pg_temp.pass('110 min');
SELECT token AS access, refresh_token AS refresh, expires_at = refresh_expires_at AS both FROM session_refresh(:'refresh') \gset
\echo :both
CALL pg_temp.pass('20 min');
SELECT session_status(:'access'), (SELECT count(*) FROM session_refresh(:'refresh')) AS refreshed;
-- An ordinary one starts its lifetime again.
SELECT id, token FROM session_create('olga') \gset
CALL pg_temp.pass('110 min');
SELECT expires_at - now() BETWEEN interval '119 min' AND interval '121 min' AS again FROM session_refresh(:'token');
DELETE FROM session.policies;

-- A login starts the lifetime of a visitor's session again, refreshable or not.
SELECT session_policy_set('acme', lifetime => '2 hours');
SELECT token AS one FROM session_create() \gset
SELECT token AS two FROM session_create() \gset
CALL pg_temp.pass('3 hours');
SELECT session_status(c.token), c.expires_at - now() BETWEEN interval '119 min' AND interval '121 min' AS capped
  FROM session_login(:'one', 'lou', tenant_id => 'acme', lifetime => '1 day') AS c;
SELECT session_status(c.token), c.refresh_expires_at - now() BETWEEN interval '119 min' AND interval '121 min' AS capped
  FROM session_login(:'two', 'lou', tenant_id => 'acme', refreshable => true) AS c;
-- Another tenant alone does not, unless it comes with a lifetime.
SELECT token AS one FROM session_create('mia') \gset
SELECT token AS two FROM session_create('mia') \gset
CALL pg_temp.pass('3 hours');
SELECT session_status(c.token) FROM session_regenerate(:'one', tenant_id => 'acme') AS c;
SELECT session_status(c.token) FROM session_regenerate(:'two', tenant_id => 'acme', lifetime => '1 day') AS c;
DELETE FROM session.policies;

-- Limits: a call may ask for less than the policy, not for more.
SELECT session_policy_set('acme', max_sessions => 2);
SELECT count(session_create('max', tenant_id => 'acme')) AS made FROM generate_series(1, 4);
SELECT count(*) AS live FROM session_list('max');
SELECT count(session_create('max', tenant_id => 'acme', max_sessions => 0)) AS made FROM generate_series(1, 4);
SELECT count(*) AS live FROM session_list('max');
SELECT count(session_create('max', tenant_id => 'acme', max_sessions => 1)) AS made FROM generate_series(1, 2);
SELECT count(*) AS live FROM session_list('max');
SELECT count(session_create('max', tenant_id => 'free')) AS made FROM generate_series(1, 4);
SELECT count(*) AS live FROM session_list('max', 'free');
SET session.max_sessions = 1;
SELECT session_policy_set('free', max_sessions => 0);
SELECT count(session_create('max', tenant_id => 'free')) AS made FROM generate_series(1, 4);
SELECT count(*) AS live FROM session_list('max', 'free');
SET session.on_limit = reject;
SELECT count(session_create('max', tenant_id => 'acme')) AS second;
SELECT session_create('max', tenant_id => 'acme', max_sessions => 9);
-- A login of an anonymous session counts as well.
SELECT token AS anonymous FROM session_create(tenant_id => 'acme') \gset
SELECT pg_temp.error_of(format('session_regenerate(%L, %L)', :'anonymous', 'max'));
RESET session.on_limit;
RESET session.max_sessions;
DELETE FROM session.policies;

-- Binding: a policy binds, or frees, sessions that exist.
SELECT token FROM session_create('bob', tenant_id => 'acme', ip => '192.0.2.1', user_agent => 'Firefox') \gset
SELECT token AS bare FROM session_create('bob', tenant_id => 'acme') \gset
SELECT session_policy_set('acme', bind_ip => 'subnet');
SELECT session_status(:'token', '192.0.2.99') AS subnet, session_status(:'token', '198.51.100.1') AS elsewhere,
       session_status(:'token') AS unknown, session_status(:'bare', '192.0.2.1') AS bare;
SELECT session_policy_set('acme', bind_ip => 'exact', bind_user_agent => true);
SELECT session_status(:'token', '192.0.2.1', 'Firefox') AS same, session_status(:'token', '192.0.2.99', 'Firefox') AS neighbour,
       session_status(:'token', '192.0.2.1', 'curl') AS agent;
SELECT session_create('bob', tenant_id => 'acme', user_agent => 'Firefox');
SELECT session_create('bob', tenant_id => 'acme', ip => '192.0.2.1');
SELECT count(session_create('bob', ip => '192.0.2.1')) AS of_no_tenant;
SET session.bind_ip = exact;
SET session.bind_user_agent = on;
SELECT session_policy_set('acme', bind_ip => 'off', bind_user_agent => false);
SELECT session_status(:'token'), session_status(:'bare') AS bare, count(session_create('bob', tenant_id => 'acme')) AS made;
RESET session.bind_ip;
RESET session.bind_user_agent;
DELETE FROM session.policies;

-- The role of a session decides, also a new one.
SELECT id, token FROM session_create('carol', role => 'guest', lifetime => '1 day') \gset
SELECT session_policy_set(role => 'manager', lifetime => '1 hour');
SELECT token, expires_at < now() + interval '61 min' AS capped FROM session_regenerate(:'token', role => 'manager') \gset
\echo :capped
DELETE FROM session.policies;

-- A change takes effect within its transaction, and a rollback undoes that, to
-- a savepoint as well.
BEGIN;
SELECT session_policy_set(lifetime => '1 us');
SELECT session_status(:'token');
ROLLBACK;
SELECT session_status(:'token');
BEGIN;
SAVEPOINT s;
SELECT session_policy_set(lifetime => '1 us');
SELECT session_status(:'token');
ROLLBACK TO s;
SELECT session_status(:'token');
SAVEPOINT s;
SELECT session_policy_set(lifetime => '1 us');
RELEASE s;
SELECT session_status(:'token');
COMMIT;
SELECT session_status(:'token');
SELECT session_policy_drop();
SELECT session_status(:'token');

-- Any statement of the owner takes effect the same way.
INSERT INTO session.policies (role, lifetime) VALUES ('manager', '1 us');
SELECT session_status(:'token');
UPDATE session.policies SET role = 'guest';
SELECT session_status(:'token');
UPDATE session.policies SET role = 'manager';
SELECT session_status(:'token');
TRUNCATE session.policies;
SELECT session_status(:'token');
COPY session.policies (tenant_id, role, lifetime) FROM STDIN WITH (NULL '-');
-	manager	1 us
\.
SELECT session_status(:'token');
DELETE FROM session.policies;
SELECT session_status(:'token');
-- An interval that is too long to count in ends no session.
INSERT INTO session.policies (lifetime, idle_timeout) VALUES ('100000000 years', '100000000 years');
SELECT session_status(:'token');
DELETE FROM session.policies;
-- The constraints keep out what the functions keep out.
SELECT values, pg_temp.outcome_of('INSERT INTO session.policies (tenant_id, lifetime, idle_timeout, max_sessions, bind_ip, valid_after) VALUES (' || values || ')') AS outcome
  FROM (VALUES ('NULL, ''0'', NULL, NULL, NULL, NULL'), ('NULL, NULL, ''-1 s'', NULL, NULL, NULL'), ('NULL, NULL, NULL, -1, NULL, NULL'),
               ('NULL, NULL, NULL, NULL, ''near'', NULL'), ('NULL, NULL, NULL, NULL, NULL, ''infinity''')) AS v (values);
INSERT INTO session.policies (max_sessions) VALUES (1), (2);
-- A disabled trigger is noticed.
ALTER TABLE session.policies DISABLE TRIGGER policies_changed;
SELECT session_policy_set(lifetime => '1 hour');
ALTER TABLE session.policies ENABLE ALWAYS TRIGGER policies_changed;
SELECT session.session_policies_changed();

-- Many policies.
INSERT INTO session.policies (tenant_id, role, lifetime)
SELECT 'tenant ' || n, CASE n % 2 WHEN 1 THEN 'role ' || n END, n * interval '1 min' FROM generate_series(1, 3000) AS n;
SELECT count(*) FILTER (WHERE g.expires_at - g.created_at = n * interval '1 min') AS right
  FROM generate_series(1, 1000) AS n, session_create('many', tenant_id => 'tenant ' || n, role => 'role ' || n) AS c, session_get(c.id) AS g;
DELETE FROM session.policies;

-- The log says who set and dropped which policy.
DELETE FROM session.events;
SET session.log_events = 'administration';
SELECT session_policy_set('acme', 'clerk', '90 min', '1500 ms', 0, 'exact', false);
SELECT session_policy_drop('acme', 'clerk'), session_policy_drop('acme', 'clerk');
SELECT kind, tenant_id, actor IS NOT NULL AS actor, detail FROM session.events ORDER BY at, id;

-- Administrators read the policies, others do not.
CREATE ROLE regress_session_admin;
CREATE ROLE regress_session_app;
SELECT session_grant('regress_session_admin', 'admin'), session_grant('regress_session_app', 'app');
SET ROLE regress_session_admin;
SELECT session_policy_set('acme', max_sessions => 3);
SELECT count(*) FROM session.policies;
UPDATE session.policies SET max_sessions = 4;
SET ROLE regress_session_app;
SELECT session_policy_set('acme', max_sessions => 4);
SELECT count(*) FROM session.policies;
RESET ROLE;
DROP VIEW pg_temp.rows;
DROP EXTENSION session;
DROP OWNED BY regress_session_admin, regress_session_app;
DROP ROLE regress_session_admin, regress_session_app;
