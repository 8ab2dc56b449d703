-- Sessions with idle timeouts, last used ten minutes ago, which is
-- session.update_age. Their deadlines are spread over the hour, because
-- purge_at, which is indexed, moves when a deadline passes it. It then moves
-- an hour further than necessary. So for sessions in constant use it is up to
-- one hour ahead as often as up to two hours.
UPDATE session.sessions
SET last_seen_at = clock_timestamp() - interval '10 minutes',
    expires_at = 'infinity',
    idle_timeout = make_interval(mins => 30, secs => n * 3600.0 / 20000)
FROM bench.tokens WHERE id = bench.id(n);

UPDATE session.sessions
SET purge_at = date_bin('1 hour', last_seen_at + idle_timeout, 'epoch')
               + CASE WHEN id < median THEN interval '1 hour' ELSE interval '2 hours' END
FROM (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY id::text)::uuid AS median
      FROM session.sessions) AS half;

VACUUM FULL session.sessions;
VACUUM (FREEZE, ANALYZE) session.sessions;
