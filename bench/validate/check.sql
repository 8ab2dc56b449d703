-- Checks that every candidate finds the session of a token, and the same one.
SELECT set_config('bench.rows', :'rows', false) \g /dev/null
DO $$
DECLARE
    n int;
    expected record;
    found record;
BEGIN
    FOR i IN 1 .. 1000 LOOP
        n := 1 + floor(random() * current_setting('bench.rows')::int);
        SELECT user_id, data INTO STRICT expected FROM session.sessions WHERE id = bench.id(n);
        SELECT user_id, data INTO STRICT found FROM session_validate(bench.token(n));
        ASSERT found::text = expected::text;
        SELECT user_id, data INTO STRICT found FROM bench.plpgsql_validate(bench.token(n));
        ASSERT found::text = expected::text;
        SELECT sess ->> 'user' AS user_id, (sess -> 'data')::jsonb AS data INTO STRICT found
        FROM "session" WHERE sid = bench.sid(n);
        ASSERT found::text = expected::text;
    END LOOP;
END $$;
