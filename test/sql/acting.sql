-- An administrator acts as a user: session_act_as.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET session.log_events = 'all';
SELECT id AS admin_id, token AS admin FROM session_create('root', auth_level => 2, amr => '{hwk}') \gset
SELECT token AS alice FROM session_create('alice', ip => '192.0.2.7') \gset
SELECT token AS visit FROM session_create() \gset

-- Without a function that decides, it is an error.
SELECT pg_temp.error_of(format('session_act_as(%L, %L, %L)', :'admin', 'alice', 'ticket 7')) AS without_a_function;
CREATE SCHEMA regress_session_acting;
CREATE FUNCTION regress_session_acting.may(s session_info, user_id text, tenant_id text, reason text) RETURNS boolean
LANGUAGE sql AS $$ SELECT s.user_id = 'root' AND s.auth_level >= 2 AND user_id <> 'ceo' AND reason LIKE 'ticket %' $$;
SET session.act_as_function = 'regress_session_acting.may';

-- The new session is one of the user, with an actor and level 1.
SELECT id AS acting_id, token AS acting, refresh_token IS NULL AS not_refreshable,
       expires_at - clock_timestamp() BETWEEN '14 min' AND '15 min' AS is_short FROM session_act_as(:'admin', 'alice', 'ticket 7') \gset
SELECT user_id, auth_level, amr, actor_id, parent_id = :'admin_id' AS parent, scopes FROM session_validate(:'acting');
BEGIN;
SELECT session_authenticate(:'acting'), session_user_id(), session_actor_id();
SELECT count(*) AS mine FROM session_mine();
SELECT session_revoke_others();
COMMIT;
SELECT session_status(:'alice');
SELECT kind, user_id, actor_kind, detail - 'session_id' - 'parent_id' AS detail FROM session.events WHERE kind IN ('created', 'administration') AND user_id = 'alice' ORDER BY at, kind;

-- Every event that it causes has the actor, and the user sees and ends it.
BEGIN;
SELECT session_authenticate(:'acting') \g /dev/null
SELECT session_revoke_mine((SELECT id FROM session_validate(:'alice'))) AS of_the_user, session_revoke_mine(:'acting_id') AS itself;
SELECT kind, actor_kind, actor, detail ->> 'actor_id' AS actor_id FROM session.events WHERE session_id = :'acting_id' AND kind = 'revoked';
ROLLBACK;
BEGIN;
SELECT session_authenticate(:'alice') \g /dev/null
SELECT actor_id, parent_id IS NOT NULL AS has_parent, current FROM session_mine() ORDER BY actor_id NULLS FIRST;
SELECT session_revoke_mine(:'acting_id'), session_status(:'acting');
ROLLBACK;
SELECT user_id, actor_id FROM session_list('alice') ORDER BY actor_id NULLS FIRST;

-- It refreshes nothing, and is bound to no key.
SELECT (SELECT count(*) FROM session_refresh(:'acting')) AS refreshed, session_bind_key(:'acting', 'a.b.c', 'GET', 'https://example.com/') AS bound,
       session_dbsc_offer(:'acting', '/bind') IS NULL AS not_offered;

-- It can do nothing that leads further.
SELECT pg_temp.error_of(format(call, :'acting')) AS error, call FROM unnest(ARRAY['session_act_as(%L, ''bob'', ''ticket 8'')', 'session_derive(%L, NULL)',
       'session_regenerate(%L, auth_level => 2)', 'session_regenerate(%L, role => ''admin'')']) AS call;

-- What the function refuses gives no row, and neither do other tokens.
SELECT (SELECT count(*) FROM session_act_as(:'admin', 'ceo', 'ticket 7')) AS ceo, (SELECT count(*) FROM session_act_as(:'admin', 'bob', 'because')) AS reason,
       (SELECT count(*) FROM session_act_as(:'alice', 'bob', 'ticket 7')) AS user, (SELECT count(*) FROM session_act_as('junk', 'bob', 'ticket 7')) AS junk;

-- The event of a refusal survives a rollback.
BEGIN;
SELECT count(*) FROM session_act_as(:'admin', 'ceo', 'ticket 9', ip => '192.0.2.9');
ROLLBACK;
SELECT failed FROM session_cleanup();
SELECT user_id, session_id = :'admin_id' AS of_the_admin, actor_kind, detail FROM session.events WHERE detail ->> 'action' = 'act_as_refused' ORDER BY user_id COLLATE "C", at;

-- A transaction that is rolled back leaves no session, and one that is READ ONLY makes none.
BEGIN;
SELECT token AS undone FROM session_act_as(:'admin', 'alice', 'ticket 10') \gset
SELECT session_status(:'undone');
ROLLBACK;
SELECT session_status(:'undone');
BEGIN READ ONLY;
SELECT pg_temp.error_of(format('session_act_as(%L, %L, %L)', :'admin', 'alice', 'ticket 7')) AS read_only;
COMMIT;

-- It is for roles of the level admin.
CREATE ROLE regress_session_acting_app;
CREATE ROLE regress_session_acting_admin;
SELECT session_grant('regress_session_acting_app', 'app'), session_grant('regress_session_acting_admin', 'admin');
GRANT USAGE ON SCHEMA regress_session_acting TO regress_session_acting_admin;
SET ROLE regress_session_acting_app;
SELECT count(*) FROM session_act_as(:'admin', 'alice', 'ticket 7');
SET ROLE regress_session_acting_admin;
SELECT count(*) FROM session_act_as(:'admin', 'alice', 'ticket 7');
SET session.act_as_function = '';
RESET ROLE;
DROP OWNED BY regress_session_acting_app, regress_session_acting_admin;
DROP ROLE regress_session_acting_app, regress_session_acting_admin;

-- Arguments outside their domain.
SELECT call, pg_temp.error_of(format(call, :'admin')) AS error FROM unnest(ARRAY['session_act_as(%L, NULL, ''ticket 7'')', 'session_act_as(%L, ''bob'', NULL)',
       'session_act_as(%L, ''bob'', '''')', 'session_act_as(%L, ''bob'', repeat(''x'', 10000000))', 'session_act_as(%L, ''root'', ''ticket 7'')']) AS call;
SELECT pg_temp.error_of(format('session_act_as(%L, %L, %L)', :'visit', 'alice', 'ticket 7')) AS anonymous;

-- Erasing the administrator ends and deletes it. The events of the user remain.
SELECT token AS erased FROM session_create('eraser', auth_level => 2) \gset
CREATE FUNCTION regress_session_acting.every(s session_info, user_id text, tenant_id text, reason text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
SET session.act_as_function = 'regress_session_acting.every';
SELECT id AS first FROM session_act_as(:'erased', 'alice', 'ticket 7') \gset
SELECT id AS second FROM session_act_as(:'erased', 'bob', 'ticket 7') \gset
SELECT id AS over FROM session_act_as(:'erased', 'carol', 'ticket 7') \gset
SELECT session_revoke_id(:'over');
BEGIN;
SELECT session_erase('eraser') > 0 AS erased;
ROLLBACK;
SELECT count(*) FILTER (WHERE revoked_at IS NULL) AS live, count(*) AS kept FROM session.sessions WHERE actor_id = 'eraser';
SELECT session_erase('eraser') > 0 AS erased, session_erase('eraser') AS left;
SELECT count(*) FROM session.sessions WHERE actor_id = 'eraser' OR id IN (:'first', :'second', :'over');
SELECT user_id, kind, detail ->> 'reason' AS reason FROM session.events WHERE session_id IN (:'first', :'second', :'over') ORDER BY user_id, id;
SELECT count(*) FROM session.events AS e WHERE e::text LIKE '%eraser%';

-- It ends with the session of the administrator.
SELECT session_revoke(:'admin');
SELECT session_status(:'acting');
DROP SCHEMA regress_session_acting CASCADE;
DROP EXTENSION session;
