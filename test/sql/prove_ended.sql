-- session_pre_request() with a session that the request itself ends: the address
-- is another, and session.on_mismatch is "revoke".  The request goes on without a
-- session, because an error would undo the end.
CREATE EXTENSION session;
SET session.bind_ip = exact;
SET session.client_ip_header = 'x-real-ip';
SET session.on_mismatch = revoke;
SET session.on_invalid = reject;
SELECT token, id FROM session_create('alice', ip => '192.0.2.1') \gset
SELECT set_config('request.cookies', jsonb_build_object('__Host-session', :'token')::text, false) <> '' AS set;

BEGIN;
SELECT set_config('request.headers', '{"x-real-ip": "192.0.2.1"}', true);
SELECT session_pre_request();
SELECT session_user_id();
COMMIT;

-- A transaction that may not write cannot end it, and refuses the request.
BEGIN READ ONLY;
SELECT set_config('request.headers', '{"x-real-ip": "192.0.2.2"}', true);
\set VERBOSITY sqlstate
SELECT session_pre_request();
ROLLBACK;
SELECT status FROM session_get(:'id');
BEGIN;
SELECT set_config('request.headers', '{"x-real-ip": "192.0.2.2"}', true);
SELECT session_pre_request();
SELECT session_user_id() IS NULL AS without_session;
COMMIT;
SELECT status FROM session_get(:'id');

-- The next request has a token that is not valid.
BEGIN;
SELECT set_config('request.headers', '{"x-real-ip": "192.0.2.1"}', true);
SELECT session_pre_request();
ROLLBACK;
DROP EXTENSION session;
