-- Sessions with idle timeouts, last used ten minutes ago, as update_age has it.
-- Their deadlines are spread over the hour, because purge_at, which is indexed,
-- moves when a deadline enters another hour.
UPDATE session.sessions
SET last_seen_at = clock_timestamp() - interval '10 minutes',
    expires_at = 'infinity',
    idle_timeout = make_interval(mins => 30, secs => n * 3600.0 / 20000)
FROM bench.tokens WHERE id = bench.id(n);

UPDATE session.sessions
SET purge_at = date_bin('1 hour', last_seen_at + idle_timeout, 'epoch') + interval '1 hour';

VACUUM FULL session.sessions;
VACUUM (FREEZE, ANALYZE) session.sessions;
