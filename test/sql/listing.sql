-- Listing: what an administrator, or a page "my devices", sees of sessions.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

-- Sessions of two users in two tenants, each created a minute after the one
-- before.
CREATE TEMP TABLE made (n int, id uuid, token text);
CREATE PROCEDURE pg_temp.make(n int, arguments text) LANGUAGE plpgsql AS $$
BEGIN
    CALL pg_temp.pass('1 minute');
    EXECUTE format('INSERT INTO made SELECT %s, id, token FROM session_create(%s)', n, arguments);
END
$$;
CALL pg_temp.make(1, $$ 'alice', tenant_id => 'acme' $$);
CALL pg_temp.make(2, $$ 'alice', id => 'ffffffff-ffff-4fff-bfff-ffffffffffff' $$);
CALL pg_temp.make(3, $$ 'bob', tenant_id => 'acme' $$);
CALL pg_temp.make(4, $$ 'alice', tenant_id => 'bolt', id => '00000000-0000-4000-8000-000000000000' $$);
CALL pg_temp.make(5, $$ 'alice', tenant_id => 'acme', data => '{"a": 1}', role => 'clerk',
                        ip => '192.0.2.10', user_agent => 'Firefox', auth_level => 2 $$);
CALL pg_temp.make(6, $$ NULL, tenant_id => 'acme' $$);

-- The live sessions of a user are listed newest first, whatever their ids.
SELECT n, status, user_id, tenant_id, role, auth_level, data, ip, user_agent
  FROM session_list('alice') WITH ORDINALITY AS l JOIN made USING (id) ORDER BY ordinality;

-- A tenant limits the list; NULL means all tenants.
SELECT array_agg(n ORDER BY ordinality) AS listed, 'acme' AS tenant
  FROM session_list('alice', 'acme') WITH ORDINALITY JOIN made USING (id);
SELECT array_agg(n ORDER BY ordinality) AS listed, 'bolt' AS tenant
  FROM session_list('alice', 'bolt') WITH ORDINALITY JOIN made USING (id);
SELECT count(*) AS listed FROM session_list('alice', 'nowhere');
SELECT count(*) AS listed FROM session_list('nobody');
SELECT count(*) AS listed FROM session_list('Alice');

-- Sessions created at the same time are ordered by their ids, which contain a
-- finer time.
BEGIN;
UPDATE session.sessions SET created_at = now();
SELECT array_agg(n ORDER BY ordinality) AS listed
  FROM session_list('alice') WITH ORDINALITY JOIN made USING (id);
ROLLBACK;

-- Every column has the value of the row.
SELECT count(*) AS same
  FROM session_list('alice') l JOIN session.sessions s USING (id)
 WHERE (l.user_id, l.auth_level, l.data, l.created_at, l.authenticated_at, l.last_seen_at, l.expires_at) =
       (s.user_id, s.auth_level, s.data, s.created_at, s.authenticated_at, s.last_seen_at, s.expires_at)
   AND (l.tenant_id, l.role, l.ip, l.user_agent) IS NOT DISTINCT FROM (s.tenant_id, s.role, s.ip, s.user_agent);

-- Ended sessions are listed on request, with their status.
SELECT session_revoke(token) FROM made WHERE n = 1;
UPDATE session.sessions SET expires_at = clock_timestamp() WHERE id = (SELECT id FROM made WHERE n = 2);
UPDATE session.sessions SET idle_timeout = '1 second' WHERE id = (SELECT id FROM made WHERE n = 4);
SELECT n, status FROM session_list('alice') JOIN made USING (id);
SELECT n, status FROM session_list('alice', include_ended => true) WITH ORDINALITY
  JOIN made USING (id) ORDER BY ordinality;
SELECT n, status FROM session_list('alice', 'acme', true) WITH ORDINALITY
  JOIN made USING (id) ORDER BY ordinality;
SELECT n, status FROM session_list('alice', NULL, NULL) JOIN made USING (id);

-- session_get returns a session by its id, whatever its status.
SELECT n, status, user_id, tenant_id FROM made, session_get(made.id) ORDER BY n;
SELECT count(*) AS unknown FROM session_get(gen_random_uuid());
SELECT count(*) AS "null" FROM session_get(NULL);
DELETE FROM session.sessions;
DELETE FROM made;

-- expires_at is the effective deadline: the earlier of the absolute deadline
-- and the idle timeout.
SELECT id FROM session_create('carol', lifetime => '2 hours') \gset
SELECT expires_at - created_at AS ends_after FROM session_get(:'id');
SELECT id, token FROM session_create('carol', lifetime => '2 hours', idle_timeout => '30 minutes') \gset
SELECT expires_at - created_at AS ends_after FROM session_get(:'id');
CALL pg_temp.pass('10 minutes');
SELECT session_touch(:'token');
SELECT expires_at - last_seen_at AS ends_after,
       expires_at - created_at BETWEEN '40 minutes' AND '41 minutes' AS moved
  FROM session_list('carol') WHERE id = :'id';
UPDATE session.sessions SET idle_timeout = '3 hours' WHERE id = :'id';
SELECT expires_at - created_at AS ends_after FROM session_get(:'id');
SELECT expires_at FROM session_refresh(:'token') \gset
SELECT expires_at = :'expires_at' AS as_refresh_said FROM session_get(:'id');
DELETE FROM session.sessions;

-- The current session is the one that this transaction validated or created,
-- and no other.
CALL pg_temp.make(1, $$ 'alice' $$);
CALL pg_temp.make(2, $$ 'alice' $$);
SELECT token FROM made WHERE n = 2 \gset
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);
BEGIN;
SELECT current FROM session_validate(:'token');
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);
SELECT n, current FROM made, session_get(id) ORDER BY n;
COMMIT;
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);

-- If there were several, the last one is current.
BEGIN;
SELECT count(*) AS valid FROM made, session_validate(made.token) WHERE n = 2;
SELECT count(*) AS valid FROM made, session_validate(made.token) WHERE n = 1;
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);
COMMIT;

-- A failed validation makes no session current, and neither does
-- session_status.
BEGIN;
SELECT count(*) AS valid FROM session_validate('st_' || repeat('A', 64));
SELECT session_status(:'token');
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);
COMMIT;

-- Creating a session, reading its data, refreshing and regenerating make it
-- current.
BEGIN;
SELECT count(*) FILTER (WHERE current) AS current
  FROM (SELECT (session_create('alice')).id) AS made, session_get(made.id);
SELECT session_data(:'token');
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);
COMMIT;
BEGIN;
SELECT count(*) AS refreshed FROM session_refresh(:'token');
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);
COMMIT;
BEGIN;
SELECT count(*) AS regenerated FROM session_regenerate(:'token');
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);
ROLLBACK;

-- After a rollback no session is current.
SELECT array_agg(n) FILTER (WHERE current) AS current FROM session_list('alice') JOIN made USING (id);

-- Listing a session does not count as a use.
DELETE FROM session.sessions;
SELECT id FROM session_create('alice') \gset
CALL pg_temp.pass('1 hour');
SELECT ctid FROM session.sessions \gset
SELECT count(*) AS listed FROM session_list('alice');
SELECT count(*) AS got FROM session_get(:'id');
SELECT ctid = :'ctid' AS untouched FROM session.sessions;

-- Changes in the same transaction are listed at once.
BEGIN;
SELECT count(session_create('alice')) AS made FROM generate_series(1, 2);
SELECT count(*) AS listed FROM session_list('alice');
SELECT session_revoke_user('alice');
SELECT count(*) AS listed FROM session_list('alice');
ROLLBACK;

-- The list contains no part of a token.
SELECT id, token FROM session_create('dave', '{"a": 1}') \gset
SELECT encode(token_hash, 'hex') AS hash FROM session.sessions WHERE user_id = 'dave' \gset
SELECT strpos(l::text, :'token') + strpos(l::text, substr(:'token', 26)) + strpos(l::text, :'hash') AS found
  FROM session_list('dave') AS l;

-- Sessions can be listed in a READ ONLY transaction.
BEGIN READ ONLY;
SELECT count(*) AS listed FROM session_list('dave');
SELECT count(*) AS got FROM session_get(:'id');
COMMIT;

-- An invalid argument is an error that names it.
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_list(NULL)$$,
    $$session_list('')$$,
    $$session_list('alice', '')$$,
    $$session_list(repeat('x', 1025))$$,
    $$session_list('alice', repeat('x', 1025))$$]) AS call;

DROP EXTENSION session;
