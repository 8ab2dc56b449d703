-- Calls: the functions work wherever SQL allows a call, with one row or none.
CREATE EXTENSION session;
SELECT id, token FROM session_create('alice', '{"a": 1}') \gset
SELECT token AS other FROM session_create('bob') \gset
\set unknown 'st_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

-- In FROM: alone, with other column names, and WITH ORDINALITY.
SELECT user_id, status FROM session_validate(:'token');
SELECT status FROM session_validate(:'unknown');
SELECT s, u FROM session_validate(:'token') AS v (i, s, u) WHERE i = :'id';
SELECT user_id, ordinality FROM session_validate(:'token') WITH ORDINALITY;
SELECT user_id, c = created_at AS same
  FROM ROWS FROM (session_validate(:'token'), session_list('alice'), session_get(NULL))
       AS v (id, status, user_id, d, e, f, g, h, i, c, k, l, m, n,
             id_2, status_2, user_id_2, d_2, e_2, f_2, g_2, h_2, i_2, created_at);

-- In FROM for each row of a table, and in an outer join.
CREATE TEMP TABLE tokens AS
SELECT n, token FROM (VALUES (1, :'token'), (2, 'junk'), (3, :'unknown'), (4, :'other'), (5, NULL)) AS t (n, token);
SELECT n, user_id FROM tokens, session_validate(token) ORDER BY n;
SELECT n, user_id FROM tokens LEFT JOIN session_validate(token) ON true ORDER BY n;
SELECT n, (SELECT user_id FROM session_validate(token)) AS user_id FROM tokens ORDER BY n;

-- In the target list: one row or none.
SELECT (session_validate(:'token')).user_id;
SELECT (session_validate(:'unknown')).user_id;
SELECT n, (session_validate(token)).user_id FROM tokens ORDER BY n;
SELECT n, (v).user_id, (v).data
  FROM (SELECT n, session_validate(token) AS v FROM tokens OFFSET 0) AS s ORDER BY n;
SELECT session_validate(:'token') IS NULL AS is_null;
SELECT n, (session_validate(token)).user_id, generate_series(1, 3) FROM tokens WHERE n IN (1, 2);
SELECT (session_list('alice')).user_id, (session_get(:'id')).status;

-- As a value that is stored, compared and converted to JSON.
CREATE TEMP TABLE kept AS SELECT v FROM session_validate(:'token') AS v;
SELECT (v).user_id, to_jsonb(v) ->> 'status' AS status,
       (SELECT array_agg(k) FROM jsonb_object_keys(to_jsonb(v)) AS k) @> ARRAY['id', 'data', 'current'] AS keys
  FROM kept;
DROP TABLE kept;

-- In prepared statements, also after their plans became generic.
PREPARE validate (text) AS SELECT user_id FROM session_validate($1);
EXECUTE validate (:'token');
EXECUTE validate ('junk');
SET plan_cache_mode = force_generic_plan;
EXECUTE validate (:'other');
EXECUTE validate (:'unknown');
EXECUTE validate (NULL);
RESET plan_cache_mode;

-- In PL/pgSQL, SQL functions and procedures.
CREATE FUNCTION pg_temp.who(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found session_info;
BEGIN
    SELECT * INTO found FROM session_validate(token);
    RETURN coalesce(found.user_id, 'nobody');
END
$$;
CREATE FUNCTION pg_temp.all_of(token text) RETURNS SETOF session_info LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT * FROM session_validate(token);
    RETURN NEXT (SELECT v FROM session_validate(token) AS v);
END
$$;
CREATE FUNCTION pg_temp.inlined(token text) RETURNS SETOF session_info LANGUAGE sql STABLE
AS 'SELECT * FROM session_validate(token)';
SELECT n, pg_temp.who(token) FROM tokens ORDER BY n;
SELECT user_id FROM pg_temp.all_of(:'token');
SELECT user_id FROM pg_temp.inlined(:'token');
DO $$
DECLARE
    t record;
    v session_info;
BEGIN
    FOR t IN SELECT * FROM tokens ORDER BY n LOOP
        FOR v IN SELECT * FROM session_validate(t.token) LOOP
            RAISE NOTICE '% is %', t.n, v.user_id;
        END LOOP;
        COMMIT;
    END LOOP;
END
$$;

-- In a cursor, which may outlive its transaction.
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT user_id FROM tokens, session_validate(token) ORDER BY n;
FETCH c;
COMMIT;
FETCH ALL c;
CLOSE c;

-- In a view, a CTE and a subquery.
CREATE TEMP VIEW sessions_of_alice AS SELECT status, user_id FROM session_list('alice');
TABLE sessions_of_alice;
WITH v AS MATERIALIZED (SELECT * FROM session_validate(:'token')) SELECT user_id FROM v;
SELECT n FROM tokens WHERE session_is_valid(token) ORDER BY n;
SELECT n FROM tokens WHERE EXISTS (SELECT FROM session_validate(token)) ORDER BY n;
DROP VIEW sessions_of_alice;

-- With a LIMIT, and with results that are not fetched.
SELECT user_id FROM tokens, session_validate(token) ORDER BY n LIMIT 1;
SELECT count(*) FROM tokens, session_validate(token);
SELECT FROM session_list('alice') LIMIT 1;

-- Ten thousand times in one statement.
SELECT count(*) AS valid FROM generate_series(1, 10000), LATERAL session_validate(:'token');

-- A call that binds a session affects the calls evaluated after it, wherever
-- it stands in the statement.
SELECT n, session_authenticate(token), session_user_id() FROM (TABLE tokens ORDER BY n) AS tokens;
WITH bound AS MATERIALIZED (SELECT session_authenticate(:'token') AS bound) SELECT session_user_id(), bound FROM bound;
SELECT session_user_id(), s.user_id, current FROM session_authenticate(:'token') AS a, LATERAL session_mine() AS s WHERE a;
SELECT n FROM tokens WHERE session_authenticate(token) ORDER BY n;

-- Each call sees what earlier calls in the same statement have changed.
SELECT session_data_set(:'token', 'n', to_jsonb(n)) AS set, session_data_get(:'token', 'n') AS got
  FROM generate_series(1, 3) AS n;
SELECT session_status(:'other') AS before, session_revoke(:'other') AS revoked, session_status(:'other') AS after;

DROP FUNCTION pg_temp.all_of(text), pg_temp.inlined(text);
DROP EXTENSION session;
