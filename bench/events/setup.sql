-- The extension, and a role that may set what is logged.
CREATE EXTENSION session;
CREATE ROLE bench_app LOGIN;
SELECT session_grant('bench_app', 'app');
GRANT SET ON PARAMETER session.log_events, session.notify TO bench_app;
