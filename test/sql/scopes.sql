-- Scopes and the actor in the identity of a transaction, in claims, in JWTs, in
-- snapshots and in cookies that are a session by themselves.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;
SELECT id AS parent, token AS whole FROM session_create('alice') \gset
SELECT id AS admin FROM session_create('root') \gset
SELECT id, token FROM session_create('alice') \gset
SELECT id AS acting_id, token AS acting FROM session_create('alice') \gset
SELECT token AS visit FROM session_create() \gset
UPDATE session.sessions SET parent_id = :'parent', scopes = '{todo:read,mail:*}' WHERE id = :'id';
UPDATE session.sessions SET parent_id = :'admin', actor_id = 'root' WHERE id = :'acting_id';

-- Without an identity, the readers are NULL.
SELECT session_actor_id(), session_scopes(), session_has_scope('todo:read');

-- A session without scopes may do everything.
BEGIN READ ONLY;
SELECT session_authenticate(:'whole');
SELECT session_actor_id(), session_scopes(), session_has_scope('todo:read'), session_has_scope('*'), session_has_scope(NULL);
SELECT session_require(scope => 'todo:read');
SELECT session_claims() - 'sid' AS claims;
COMMIT;

-- A session with scopes may do what they cover.
BEGIN READ ONLY;
SELECT session_authenticate(:'token');
SELECT session_actor_id(), session_scopes();
SELECT scope, session_has_scope(scope) FROM unnest('{todo:read,todo:write,mail:send,mail:*,mail,*,todo:*,"",two words}'::text[]) AS scope;
SELECT session_has_scope(repeat('x', 10000000)) AS long, session_has_scope('mail:' || repeat('x', 10000000)) AS long_and_covered;
SELECT scope, coalesce(pg_temp.error_of(format('session_require(scope => %L)', scope)), 'met') AS requirement
  FROM unnest('{todo:read,mail:send,todo:write,*,NULL}'::text[]) AS scope;
SELECT pg_temp.error_of(format('session_require(scope => %L)', scope)) AS error FROM unnest(ARRAY['', 'two words', '"', repeat('x', 129)]) AS scope;
SELECT session_claims() - 'sid' AS claims, session_claim('scope') AS claim;
COMMIT;

-- An actor is named beside the user.
BEGIN READ ONLY;
SELECT session_authenticate(:'acting');
SELECT session_user_id(), session_actor_id(), session_scopes(), session_has_scope('todo:read');
SELECT session_claims() - 'sid' AS claims;
COMMIT;

-- session_require reads the row, the readers do not.
BEGIN;
SELECT session_authenticate(:'token');
UPDATE session.sessions SET scopes = '{todo:write}' WHERE id = :'id';
SELECT session_has_scope('todo:read') AS bound, pg_temp.error_of('session_require(scope => ''todo:read'')') AS read;
SELECT session_require(scope => 'todo:write');
ROLLBACK;

-- The identity follows a savepoint.
BEGIN;
SELECT session_authenticate(:'whole');
SAVEPOINT one;
SELECT session_authenticate(:'token'), session_has_scope('admin');
ROLLBACK TO one;
SELECT session_has_scope('admin'), session_scopes();
COMMIT;

-- In a policy, also of a function that does not look at the rows.
CREATE TABLE regress_session_todos (user_id text, title text);
INSERT INTO regress_session_todos VALUES ('alice', 'milk'), ('bob', 'bread');
ALTER TABLE regress_session_todos ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON regress_session_todos USING (user_id = session_user_id() AND session_has_scope('todo:read'));
CREATE ROLE regress_session_reader;
GRANT SELECT ON regress_session_todos TO regress_session_reader;
SET ROLE regress_session_reader;
SELECT count(*) AS of_a_visitor FROM regress_session_todos;
BEGIN;
SELECT session_authenticate(:'token');
SELECT title FROM regress_session_todos;
ROLLBACK;
RESET ROLE;
UPDATE session.sessions SET scopes = '{mail:*}' WHERE id = :'id';
SET ROLE regress_session_reader;
BEGIN;
SELECT session_authenticate(:'token');
SELECT count(*) AS without_the_scope FROM regress_session_todos;
ROLLBACK;
RESET ROLE;
UPDATE session.sessions SET scopes = '{todo:read,mail:*}' WHERE id = :'id';
DROP TABLE regress_session_todos;
DROP ROLE regress_session_reader;

-- JWTs: scope is a string, act an object.  For a session that may do
-- everything, the call chooses the scope.
SELECT session_cookie_decode(session_jwt(:'token'), 'jwt') - '{sid,iat,exp,jti}'::text[] AS scoped,
       session_cookie_decode(session_jwt(:'acting'), 'jwt') - '{sid,iat,exp,jti}'::text[] AS acting;
SELECT session_cookie_decode(session_jwt(:'whole', claims => '{"scope": "mail"}'), 'jwt') ->> 'scope' AS chosen;
SELECT pg_temp.error_of(format('session_jwt(%L, claims => ''{"scope": "*"}'')', :'token')) AS wider,
       pg_temp.error_of(format('session_jwt(%L, claims => ''{"act": {"sub": "x"}}'')', :'whole')) AS actor;

-- Snapshots.
SELECT actor_id, scopes FROM session_cookie_validate(session_cookie_issue(:'token'), token => :'token');
SELECT actor_id, scopes FROM session_cookie_validate(session_cookie_issue(:'acting'), token => :'acting');
SELECT actor_id, scopes FROM session_cookie_validate(session_cookie_issue(:'whole'), token => :'whole');
UPDATE session.sessions SET scopes = '{}' WHERE id = :'id';
SELECT actor_id, scopes FROM session_cookie_validate(session_cookie_issue(:'token'), token => :'token');
UPDATE session.sessions SET scopes = '{todo:read,mail:*}' WHERE id = :'id';

-- The claims function sets none of these.
CREATE SCHEMA regress_session_claims;
CREATE FUNCTION regress_session_claims.add(s session_info) RETURNS jsonb LANGUAGE sql AS $$
    SELECT '{"scope": "*", "scp": "*", "act": {"sub": "x"}, "aby": "x", "drv": 1, "plan": "free"}'::jsonb $$;
SET session.claims_function = 'regress_session_claims.add';
SELECT session_cookie_decode(session_jwt(:'whole'), 'jwt') - '{sid,iat,exp,jti}'::text[] AS jwt;
SELECT actor_id, scopes FROM session_cookie_validate(session_cookie_issue(:'whole'), token => :'whole');
BEGIN;
SELECT session_authenticate(:'whole'), session_claims() - 'sid' AS claims, session_actor_id(), session_scopes();
COMMIT;
RESET session.claims_function;
DROP SCHEMA regress_session_claims CASCADE;

-- Requests with snapshots and tokens: the same.
SET session.strategy = cookie_cache;
CREATE FUNCTION pg_temp.request(cookies jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', cookies::text, true);
    PERFORM session_pre_request();
    RETURN concat_ws(' ', coalesce(session_user_id(), 'nobody'), 'by', coalesce(session_actor_id(), 'themselves'),
                     'may', coalesce(session_scopes()::text, 'everything'), session_has_scope('todo:read'));
END $$;
SELECT pg_temp.request(jsonb_build_object('__Host-session', token, '__Host-session-cache', session_cookie_issue(token)))
  FROM unnest(ARRAY[:'whole', :'token', :'acting', :'visit']) AS token;
RESET session.strategy;

-- A cookie that is a session by itself has the claims scope and act.  What is
-- no scope is left out, and no string at all allows nothing.  An actor that is
-- not named ends the matter.
SET session.strategy = stateless;
SELECT claims, pg_temp.request(jsonb_build_object('__Host-session', session_cookie_encode('{"sub": "alice"}' || claims, 'jwt')))
  FROM unnest(ARRAY['{}', '{"scope": "todo:read mail:send"}', '{"scope": "*"}', '{"scope": ""}', '{"scope": null}', '{"scope": ["todo:read"]}',
                    '{"scope": 1}', '{"scope": "  todo:read  \"x\" é "}', '{"act": {"sub": "root"}}', '{"act": {"sub": "agent", "act": {"sub": "root"}}}',
                    '{"act": null}', '{"act": "root"}', '{"act": {}}', '{"act": {"sub": 1}}', '{"act": {"sub": ""}}', '{"act": []}']::jsonb[]) AS claims;
SELECT cardinality(string_to_array(split_part(pg_temp.request(jsonb_build_object('__Host-session', session_cookie_encode(jsonb_build_object('sub', 'alice',
       'scope', (SELECT string_agg('s' || n, ' ') FROM generate_series(1, 100) AS n)), 'jwt'))), '{', 2), ',')) AS scopes;
RESET session.strategy;

-- Events say who acted.
SET session.log_events = 'all';
BEGIN;
SELECT session_authenticate(:'acting'), session_revoke_id(:'id');
COMMIT;
SELECT kind, user_id, actor_kind, actor FROM session.events WHERE session_id = :'id' AND kind = 'revoked';

DROP EXTENSION session;
