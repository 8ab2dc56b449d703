-- Measures refusals, see run. The kinds of tokens, all of the right form:
--
--   far       the hash in the row differs from that of the token in its first byte
--   near      in its last byte
--   wrong     the token has the id of a session and another secret
--   unknown   it has the id of no session
--
-- An attacker who could see the difference between "far" and "near" could find
-- out byte by byte what a hash must be.
CREATE EXTENSION session;
CREATE TABLE calls AS
SELECT n, c.token FROM generate_series(1, 100) AS n, session_create('user-' || n) AS c;
ALTER TABLE calls ADD far text, ADD near text, ADD wrong text, ADD unknown text;

-- Replaces the character at a position by the next one.
CREATE FUNCTION pg_temp.other(token text, at int) RETURNS text LANGUAGE sql AS $$
    SELECT overlay(token placing translate(substr(token, at, 1),
        'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
        'BCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A') from at)
$$;
UPDATE calls SET
    far = (session_create('far')).token,
    near = (session_create('near')).token,
    wrong = pg_temp.other(token, 26),
    unknown = pg_temp.other(token, 20);
UPDATE session.sessions SET token_hash = set_byte(token_hash, 0, get_byte(token_hash, 0) # 1) WHERE user_id = 'far';
UPDATE session.sessions SET token_hash = set_byte(token_hash, 31, get_byte(token_hash, 31) # 1) WHERE user_id = 'near';
VACUUM (FREEZE, ANALYZE);

-- Returns how long the calls took, in nanoseconds for each.
CREATE FUNCTION pg_temp.batch(tokens text[]) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
    one text;
    status text;
    begun timestamptz := clock_timestamp();
BEGIN
    FOREACH one IN ARRAY tokens LOOP
        status := session_status(one);
    END LOOP;
    IF status IS NULL OR status = 'active' THEN
        RAISE 'a token is % that must be refused', status;
    END IF;
    RETURN extract(epoch FROM clock_timestamp() - begun) * 1e9 / cardinality(tokens);
END
$$;

CREATE TEMP TABLE measured (turn int, far float, near float, wrong float, unknown float);
CREATE PROCEDURE pg_temp.measure(turns int) LANGUAGE plpgsql AS $$
DECLARE
    kinds text[] := ARRAY['far', 'near', 'wrong', 'unknown'];
    far text[];
    near text[];
    wrong text[];
    unknown text[];
    took float[];
    kind int;
BEGIN
    SELECT array_agg(c.far ORDER BY n), array_agg(c.near ORDER BY n),
           array_agg(c.wrong ORDER BY n), array_agg(c.unknown ORDER BY n)
      INTO far, near, wrong, unknown FROM calls AS c;
    FOR turn IN 1 .. turns LOOP
        took := array_fill(0::float, ARRAY[4]);
        FOR i IN 0 .. 3 LOOP
            -- Each kind comes first, and behind each other, equally often.
            kind := 1 + CASE WHEN turn % 2 = 0 THEN (turn / 2 + i) % 4 ELSE (turn / 2 + 4 - i) % 4 END;
            took[kind] := pg_temp.batch(CASE kind WHEN 1 THEN far WHEN 2 THEN near WHEN 3 THEN wrong ELSE unknown END);
        END LOOP;
        INSERT INTO measured VALUES (turn, took[1], took[2], took[3], took[4]);
    END LOOP;
END
$$;
CALL pg_temp.measure(:batches / 10);
TRUNCATE measured;
CALL pg_temp.measure(:batches);

-- The median of differences, and its standard error, from the distance between
-- the quartiles: 1.2533 times that of a mean.
CREATE FUNCTION pg_temp.compare(a text, b text, OUT difference float, OUT error float) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY %1$I - %2$I),
        1.2533 * (percentile_cont(0.75) WITHIN GROUP (ORDER BY %1$I - %2$I)
                  - percentile_cont(0.25) WITHIN GROUP (ORDER BY %1$I - %2$I)) / 1.349 / sqrt(count(*)) FROM measured', a, b)
       INTO difference, error;
END
$$;
SELECT format('# %s: a call takes %s ns (median of %s batches)', kind, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY took)), count(*))
  FROM measured, LATERAL (VALUES (1, 'far', far), (2, 'near', near), (3, 'wrong', wrong), (4, 'unknown', unknown)) AS k (n, kind, took)
 GROUP BY n, kind ORDER BY n;
SELECT format('# a wrong secret takes %s ns longer than an unknown id (standard error %s ns), which is what the row costs to read',
              round(difference::numeric, 1), round(error::numeric, 1))
  FROM pg_temp.compare('wrong', 'unknown');
SELECT '1..1';
SELECT format('%s 1 - a hash that differs in the last byte is refused as fast as in the first: %s ns, standard error %s ns',
              CASE WHEN 3 * error > 50 OR (abs(difference) > 50 AND abs(difference) > 3 * error) THEN 'not ok' ELSE 'ok' END,
              round(difference::numeric, 1), round(error::numeric, 1))
  FROM pg_temp.compare('near', 'far');
