-- Updates of one kind, each in a transaction of its own. 20000 of them update
-- every session once, in an order that is spread over the table.
CREATE TABLE bench.tokens AS
SELECT n, bench.token(n) AS token FROM generate_series(1, 20000) n;
ALTER TABLE bench.tokens ADD PRIMARY KEY (n);

CREATE PROCEDURE bench.update_sessions(kind text, times int) LANGUAGE plpgsql AS $$
DECLARE
    which int;
    current text;
BEGIN
    FOR i IN 1 .. times LOOP
        which := 1 + i * 7919 % 20000;
        SELECT token INTO STRICT current FROM bench.tokens WHERE n = which;
        CASE kind
            WHEN 'activity' THEN
                PERFORM session_touch(current);
            WHEN 'data' THEN
                PERFORM session_data_set(current, 'step', to_jsonb(i));
            WHEN 'rotation' THEN
                SELECT token INTO STRICT current FROM session_regenerate(current);
                UPDATE bench.tokens SET token = current WHERE n = which;
        END CASE;
        COMMIT;
    END LOOP;
END $$;
