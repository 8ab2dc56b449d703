-- What bench/live/run needs. :rows = sessions that are changed meanwhile.
CREATE EXTENSION session;
CREATE ROLE bench_app LOGIN;
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO bench_app;
CREATE TABLE bench.item AS SELECT n AS id, 'item ' || n AS what FROM generate_series(1, 1000) AS n;
ALTER TABLE bench.item ADD PRIMARY KEY (id);
GRANT SELECT ON bench.item TO bench_app;
CREATE TABLE bench.token AS SELECT token FROM session_create('user-7');
CREATE TABLE bench.others AS
	SELECT n, (session_get((s.token).id)).id
	FROM (SELECT n, session_create('other-' || n) AS token FROM generate_series(1, :rows) AS n) AS s;
ALTER TABLE bench.others ADD PRIMARY KEY (n);
VACUUM (ANALYZE, FREEZE) bench.item, bench.others, session.sessions;
