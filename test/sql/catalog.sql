-- The catalog: the objects of the extension and how they are declared.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql

\pset format unaligned
\pset tuples_only on

-- The functions: their names, the order of their arguments, the defaults and
-- the results are fixed.
SELECT format('%s(%s) returns %s', proname, pg_get_function_arguments(oid), pg_get_function_result(oid)) AS function
  FROM extension_functions ORDER BY proname COLLATE "C";

-- The types and their columns are fixed, too.
SELECT t.typname, string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) AS columns
  FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
 WHERE t.oid IN ('session_info'::regtype, 'session_credentials'::regtype)
 GROUP BY t.typname ORDER BY t.typname COLLATE "C";
\pset format aligned
\pset tuples_only off

-- A function reads what is committed now.  Therefore it must not be evaluated
-- in advance, omitted, merged with a call that has the same arguments, or run
-- in a parallel worker.  Functions for headers read only settings, session_ip
-- reads only its arguments, and functions that return the context read only
-- what is already bound.
SELECT l.lanname, p.provolatile, p.proparallel, p.proisstrict, p.prosecdef, p.proleakproof,
       p.proconfig, p.prokind, count(*)
  FROM extension_functions p JOIN pg_language l ON l.oid = p.prolang
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6;
SELECT proname FROM extension_functions WHERE provolatile <> 'v' ORDER BY proname COLLATE "C";

-- Each C function has the same name as in SQL, and is in the library of the
-- extension.
SELECT count(*) AS others FROM extension_functions
 WHERE prosrc <> proname OR probin <> '$libdir/session' OR proname NOT LIKE 'session\_%';

-- The planner gets an estimate of the number of rows.
SELECT prorows, array_agg(proname ORDER BY proname COLLATE "C") AS functions
  FROM extension_functions WHERE proretset GROUP BY prorows ORDER BY prorows;

-- Every object of the extension has a comment, and so has every column.
CREATE TEMP VIEW uncommented AS
SELECT pg_describe_object(classid, objid, 0) AS object
  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'session'
   AND coalesce(obj_description(objid, classid::regclass::name), '') = ''
   AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
                    WHERE classid = 'pg_type'::regclass AND t.oid = objid
                      AND (t.typelem <> 0 OR c.relkind IN ('r', 'v')))  -- created implicitly
UNION ALL
SELECT pg_describe_object('pg_class'::regclass, attrelid, attnum)
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE (relnamespace = 'session'::regnamespace AND relkind IN ('r', 'v') OR relname IN ('session_info', 'session_credentials') AND relkind = 'c')
   AND attnum > 0 AND coalesce(col_description(attrelid, attnum), '') = ''
UNION ALL
SELECT pg_describe_object('pg_extension'::regclass, oid, 0)
  FROM pg_extension WHERE extname = 'session' AND coalesce(obj_description(oid, 'pg_extension'), '') = ''
UNION ALL
SELECT pg_describe_object('pg_class'::regclass, indexrelid, 0)
  FROM pg_index JOIN pg_class c ON c.oid = indrelid
 WHERE relnamespace = 'session'::regnamespace AND NOT indisprimary
   AND coalesce(obj_description(indexrelid, 'pg_class'), '') = ''
UNION ALL
SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0)
  FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
 WHERE relnamespace = 'session'::regnamespace AND NOT tgisinternal
   AND coalesce(obj_description(t.oid, 'pg_trigger'), '') = '';
SELECT * FROM uncommented ORDER BY object COLLATE "C";
COMMENT ON FUNCTION session_touch(text) IS NULL;
COMMENT ON COLUMN session.sessions.ip IS NULL;
COMMENT ON COLUMN session.keys.secret IS NULL;
COMMENT ON INDEX session.denylist_expires_at_idx IS NULL;
COMMENT ON TRIGGER keys_changed ON session.keys IS NULL;
COMMENT ON VIEW session.key_ring IS NULL;
COMMENT ON COLUMN session.events.detail IS NULL;
COMMENT ON SEQUENCE session.events_id_seq IS NULL;
COMMENT ON COLUMN session.stats.live IS NULL;
COMMENT ON COLUMN session_info.status IS NULL;
SELECT * FROM uncommented ORDER BY object COLLATE "C";
DROP VIEW uncommented;

-- No comment has more than 400 characters: what is longer is in docs/reference.
SELECT pg_describe_object(c.classoid, c.objoid, c.objsubid) AS object, length(c.description)
  FROM pg_description c
  JOIN pg_depend d ON d.classid = c.classoid AND d.objid = c.objoid AND d.deptype = 'e'
                   OR c.classoid = 'pg_class'::regclass AND d.classid = 'pg_type'::regclass AND d.deptype = 'e'
                      AND d.objid = (SELECT reltype FROM pg_class WHERE oid = c.objoid)
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
 WHERE e.extname = 'session' AND length(c.description) > 400
 ORDER BY 1;

-- The tables and the view: columns, indexes, constraints and triggers.
SELECT relname, attname, format_type(atttypid, atttypmod) AS type, attnotnull AS not_null, collname AS collation
  FROM pg_class r JOIN pg_attribute ON attrelid = r.oid LEFT JOIN pg_collation c ON c.oid = attcollation
 WHERE relnamespace = 'session'::regnamespace AND relkind <> 'i' AND attnum > 0
 ORDER BY relname COLLATE "C", attnum;
SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid
 WHERE relnamespace = 'session'::regnamespace ORDER BY indexrelid::regclass::text COLLATE "C";
SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
 WHERE connamespace = 'session'::regnamespace AND contype <> 'n' ORDER BY conname COLLATE "C";
SELECT relname, relkind, relpersistence, reloptions, relrowsecurity, relhastriggers, relhasrules FROM pg_class
 WHERE relnamespace = 'session'::regnamespace AND relkind <> 'i' ORDER BY relname COLLATE "C";
\pset format unaligned
SELECT tgenabled, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
 WHERE relnamespace = 'session'::regnamespace AND NOT tgisinternal ORDER BY tgname;
\pset format aligned

-- Keys (stored sealed), denied cookies, events and the known origins of users
-- are part of a dump.
SELECT relname FROM pg_extension, unnest(extconfig) AS t JOIN pg_class c ON c.oid = t
 WHERE extname = 'session' ORDER BY relname COLLATE "C";

-- The constraints apply even to a superuser.
SELECT id FROM session_create('alice') \gset
SELECT change, pg_temp.outcome_of('UPDATE session.sessions SET ' || change) AS outcome
  FROM unnest(ARRAY[
    'token_hash = ''\x00''',
    'token_hash = NULL',
    'max_expires_at = expires_at - interval ''1 second''',
    'user_id = NULL',
    'revoked_at = now()',
    'revoked_reason = ''because''',
    'refresh_key = ''\x00''',
    'refresh_key = decode(repeat(''00'', 60), ''hex'')',
    'refresh_generation = 1',
    'refresh_expires_at = now()',
    'data = NULL',
    'purge_at = NULL']) AS change;
SELECT count(session_key_rotate()) AS made FROM generate_series(1, 2);
SELECT statement, pg_temp.outcome_of(statement) AS outcome
  FROM unnest(ARRAY[
    'UPDATE session.keys SET secret = ''\x00''',
    'UPDATE session.keys SET secret = NULL',
    'UPDATE session.keys SET kid = ''k''',
    'UPDATE session.keys SET retired_at = NULL, purpose = NULL',
    'INSERT INTO session.denylist VALUES (''\x00'', now())',
    'INSERT INTO session.denylist VALUES (sha256(''a''), NULL)',
    'INSERT INTO session.events (at) VALUES (now())',
    'INSERT INTO session.events (kind) VALUES (''created'')',
    'INSERT INTO session.events (id, at, kind) VALUES (1, now(), ''created'')',
    'INSERT INTO session.origins VALUES (1, NULL, now(), 1)', 'INSERT INTO session.origins VALUES (1, 1, NULL, 1)', 'INSERT INTO session.origins VALUES (1, 1, now(), NULL)']) AS statement;

-- A publication of all tables does not prevent updates and deletions: each
-- table has a replica identity.
SELECT c.oid::regclass AS without_replica_identity
  FROM pg_class c WHERE c.relnamespace = 'session'::regnamespace AND c.relkind IN ('r', 'p') AND
       CASE c.relreplident WHEN 'n' THEN true WHEN 'f' THEN false
            WHEN 'd' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
            ELSE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) END;

-- The columns that activity, data and rotation change are not indexed, so
-- those updates are HOT.
SELECT a.attname AS indexed
  FROM pg_index i CROSS JOIN unnest(i.indkey) AS k (n)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n
 WHERE i.indrelid = 'session.sessions'::regclass GROUP BY a.attname ORDER BY a.attname;
SELECT pg_stat_force_next_flush();
SELECT pg_stat_reset_single_table_counters('session.sessions'::regclass) IS NOT NULL AS reset;
CREATE TEMP TABLE tokens AS SELECT (session_create('user' || n, idle_timeout => '10 days')).token FROM generate_series(1, 20) AS n;
DO $$
BEGIN
    FOR n IN 1 .. 20 LOOP
        PERFORM session_touch(token) FROM tokens;
        COMMIT;
        PERFORM session_data_set(token, 'n', to_jsonb(n)) FROM tokens;
        COMMIT;
        UPDATE tokens SET token = (SELECT r.token FROM session_regenerate(tokens.token) AS r);
        COMMIT;
    END LOOP;
END
$$;
SELECT pg_stat_force_next_flush();
SELECT n_tup_upd AS updates, n_tup_hot_upd >= 0.9 * n_tup_upd AS nearly_all_hot
  FROM pg_stat_user_tables WHERE relid = 'session.sessions'::regclass;

DROP EXTENSION session;
