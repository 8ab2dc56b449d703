-- Calls of one kind. The memory of the backend is measured after the first
-- 20000 and after the last, inside the loop, so that everything that a call
-- left behind is still allocated.
CREATE UNLOGGED TABLE bench.memory_log (
    at int,
    contexts bigint,
    rss_anon int,
    vm_rss int
);

-- RssAnon is the backend's own memory. VmRSS also counts the shared buffers
-- that it has touched.
CREATE FUNCTION bench.memory(OUT contexts bigint, OUT rss_anon int, OUT vm_rss int)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT (SELECT sum(total_bytes) FROM pg_backend_memory_contexts),
           substring(status FROM 'RssAnon:\s+(\d+)')::int,
           substring(status FROM 'VmRSS:\s+(\d+)')::int
    FROM pg_read_file('/proc/self/status') AS status;
END;

CREATE PROCEDURE bench.watch_memory(kind text, calls int) LANGUAGE plpgsql AS $$
DECLARE
    warm constant int := 20000;
    token text;
BEGIN
    TRUNCATE bench.memory_log;
    FOR i IN 1 .. warm + calls LOOP
        CASE kind
            WHEN 'list' THEN
                PERFORM session_validate(t.token) FROM bench.tokens t WHERE n = 1 + i % 20000;
            WHEN 'from' THEN
                token := (SELECT t.token FROM bench.tokens t WHERE n = 1 + i % 20000);
                PERFORM user_id, data FROM session_validate(token);
            WHEN 'life' THEN
                token := (SELECT c.token FROM session_create('user-' || i % 1000) c);
                PERFORM session_data_set(token, 'step', to_jsonb(i));
                token := (SELECT r.token FROM session_regenerate(token, auth_level => 2) r);
                ASSERT session_revoke(token);
        END CASE;
        IF i % 1000 = 0 THEN
            COMMIT;
        END IF;
        IF i = warm OR i = warm + calls THEN
            INSERT INTO bench.memory_log SELECT i, * FROM bench.memory();
        END IF;
    END LOOP;
END $$;
