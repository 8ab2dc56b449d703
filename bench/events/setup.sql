-- A role that may choose what is logged, and the extension.
CREATE EXTENSION session;
CREATE ROLE bench_app LOGIN;
SELECT session_grant('bench_app', 'app');
GRANT SET ON PARAMETER session.log_events, session.notify TO bench_app;
