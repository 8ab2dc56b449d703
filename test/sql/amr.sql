-- Methods of authentication (RFC 8176): stored, shown, in claims, required.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt}'::text[]) AS purpose;
SELECT id, token FROM session_create('alice', amr => '{pwd,otp}', auth_level => 2) \gset
SELECT amr FROM session.sessions;
SELECT amr FROM session_validate(:'token');
SELECT amr FROM session_get(:'id');
SELECT amr FROM session_list('alice');

-- In a transaction: the reader, the claims, and session_require, which any of
-- the methods meets.
BEGIN READ ONLY;
SELECT session_amr() AS before;
SELECT session_authenticate(:'token');
SELECT session_amr(), session_claims() -> 'amr' AS claim;
SELECT amr FROM session_mine();
SELECT wanted, coalesce(pg_temp.error_of(format('session_require(amr => %L)', wanted)), 'met') AS requirement
  FROM unnest(ARRAY['{pwd}', '{otp}', '{hwk,otp}', '{hwk}', '{pw}', '{pwdotp}', '{}', NULL]) AS wanted;
COMMIT;

-- In JWTs as an array, and in snapshots.
SELECT session_cookie_decode(session_jwt(:'token'), 'jwt') -> 'amr' AS jwt;
SELECT pg_temp.error_of(format('session_jwt(%L, claims => ''{"amr": ["hwk"]}'')', :'token')) AS own_claim;
SELECT amr, source FROM session_cookie_validate(session_cookie_issue(:'token'), token => :'token');
CREATE SCHEMA regress_session_claims;
CREATE FUNCTION regress_session_claims.add(s session_info) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('amr', '["hwk"]'::jsonb, 'methods', to_jsonb(s.amr)) $$;
SET session.claims_function = 'regress_session_claims.add';
SELECT session_cookie_decode(session_jwt(:'token'), 'jwt') - '{sid,iat,exp,jti}'::text[] AS not_replaced;
RESET session.claims_function;
DROP SCHEMA regress_session_claims CASCADE;

-- A cookie that is a session by itself has them as well. Anything but an array
-- of names proves nothing.
SET session.strategy = stateless;
SELECT claim, (SELECT session_amr() FROM (SELECT set_config('request.cookies', jsonb_build_object('__Host-session',
           session_cookie_encode(jsonb_build_object('sub', 'alice', 'amr', claim), 'jwt'))::text, true) IS NOT NULL AS set OFFSET 0) AS s,
       LATERAL (SELECT session_pre_request() OFFSET 0) AS p WHERE s.set) AS methods
  FROM unnest('{"[\"pwd\", \"otp\"]","[]","null","\"pwd\"","[1]","[[\"pwd\"]]","[\"two words\"]","{\"pwd\": 1}"}'::jsonb[]) AS claim;
RESET session.strategy;

-- A change of level says with which methods. A lower level without methods
-- has none; a rotation leaves them.
SELECT token FROM session_regenerate(:'token') \gset
SELECT auth_level, amr FROM session_validate(:'token');
SELECT token FROM session_regenerate(:'token', auth_level => 1) \gset
SELECT auth_level, amr FROM session_validate(:'token');
CALL pg_temp.pass('10 minutes');
SELECT token FROM session_regenerate(:'token', amr => '{hwk}') \gset
SELECT auth_level, amr, pg_temp.is_recent(authenticated_at) AS authenticated FROM session_validate(:'token');
SELECT token FROM session_regenerate(:'token', auth_level => 3) \gset
SELECT auth_level, amr FROM session_validate(:'token');
SELECT token FROM session_regenerate(:'token', amr => '{}') \gset
SELECT auth_level, amr FROM session_validate(:'token');
SELECT amr IS NULL AS is_null FROM session.sessions;

-- A visitor has none.
SELECT token AS visit FROM session_create(amr => '{}') \gset
SELECT pg_temp.error_of(format('session_regenerate(%L, amr => ''{pwd}'')', :'visit')) AS error;
SELECT token FROM session_regenerate(:'visit', 'bob', amr => '{pwd}') \gset
SELECT auth_level, amr FROM session_validate(:'token');

DROP EXTENSION session;
