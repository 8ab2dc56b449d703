-- The extension's tables: which changes of them are allowed, and which are
-- refused with 55000 before a call could give a wrong answer.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET client_min_messages = warning;

-- Calls that read or write a table.  :t is a token, :c a cookie, and :u a
-- cookie that was denied.
CREATE TEMP TABLE calls (relation text, call text);
INSERT INTO calls VALUES
    ('sessions', 'session_status(:t)'), ('sessions', 'session_validate(:t)'), ('sessions', 'session_create()'),
    ('sessions', 'session_touch(:t)'), ('sessions', 'session_data_set(:t, ''a'', ''1'')'),
    ('sessions', 'session_revoke(:t)'), ('sessions', 'session_regenerate(:t)'), ('sessions', 'session_list(''ada'')'),
    ('sessions', 'session_revoke_user(''ada'')'), ('sessions', 'session_revoke_tenant(''acme'')'),
    ('sessions', 'session_authenticate(:t)'), ('sessions', 'session.stats'),
    ('keys', 'session_key_rotate()'), ('keys', 'session_key_retire(''none'')'), ('keys', 'session_cookie_encode(''{}'')'),
    ('keys', 'session_cookie_decode(:c)'), ('keys', 'session_create(refreshable => true)'),
    ('denylist', 'session_cookie_revoke(:c)'), ('denylist', 'session_cookie_decode(:c)'),
    ('denylist', 'session_cookie_decode(:u)'),
    ('policies', 'session_validate(:t)'), ('policies', 'session_policy_set(lifetime => ''1 hour'')'),
    ('policies', 'session_policy_drop()'), ('policies', 'session_revoke_all(tenant_id => ''other'')'),
    ('policies', 'session_cookie_decode(:c)'),
    ('events', 'session_create(''ada'')'), ('events', 'session_revoke(:t)'),
    ('origins', 'session_create(''ada'', ip => ''192.0.2.1'')');

SELECT session_key_rotate() IS NOT NULL AS key;
SELECT token FROM session_create('ada', tenant_id => 'acme') \gset
SELECT session_cookie_encode('{}') AS cookie, session_cookie_encode('{"a": 1}') AS denied \gset
SELECT session_cookie_revoke(:'denied');
SET session.log_events = 'all';
CREATE TEMP TABLE tok AS SELECT :'token' AS t, :'cookie' AS c, :'denied' AS u;

-- Returns the result of each call after some DDL, which is rolled back.
CREATE FUNCTION pg_temp.with_shape(relation text, ddl text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    f record;
    state text;
    message text;
    detail text;
    hint text;
    story text[] := '{}';
BEGIN
    BEGIN
        EXECUTE replace(replace(ddl, '%t', relation), '%c', (SELECT quote_ident(attname) FROM pg_attribute
            WHERE attrelid = ('session.' || relation)::regclass AND attnum = 1));
        FOR f IN SELECT replace(replace(replace(c.call, ':t', quote_literal(t)), ':c', quote_literal(tok.c)),
                                ':u', quote_literal(u)) AS call, c.call AS name
                   FROM calls AS c, tok WHERE c.relation = with_shape.relation LOOP
            BEGIN
                EXECUTE 'SELECT FROM ' || f.call;
                story := story || (f.name || ' works');
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                    detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
                story := story || concat_ws(' ', state, message || '.', detail, CASE WHEN hint = '' THEN '(no hint)' END);
            END;
        END LOOP;
        RAISE EXCEPTION USING errcode = 'XXXXX';
    EXCEPTION WHEN SQLSTATE 'XXXXX' THEN
        RETURN (SELECT CASE WHEN bool_and(s LIKE '% works') THEN 'all work' ELSE string_agg(DISTINCT s, E'\n' ORDER BY s) END
                  FROM unnest(story) AS s);
    END;
END
$$;

-- With the tables as installed, all calls work.
SELECT relation, count(*) AS calls, pg_temp.with_shape(relation, '') FROM calls GROUP BY relation ORDER BY relation;

-- Each of the tables must be an ordinary table of the extension: otherwise
-- every call that uses it fails.
CREATE FOREIGN DATA WRAPPER regress_session_wrapper;
CREATE SERVER regress_session_server FOREIGN DATA WRAPPER regress_session_wrapper;
CREATE ACCESS METHOD regress_session_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TEMP TABLE shapes (n serial, shape text, ddl text);
INSERT INTO shapes (shape, ddl) VALUES
    ('inherited', 'CREATE TABLE public.child (note text) INHERITS (session.%t)'),
    ('inherits', 'CREATE TABLE public.parent AS SELECT %c FROM session.%t; ALTER TABLE session.%t INHERIT public.parent'),
    ('a partition', 'CREATE TABLE public.parts (LIKE session.%t) PARTITION BY RANGE (%c);
      DO $d$ BEGIN IF ''%t'' = ''events'' THEN ALTER EXTENSION session DROP SEQUENCE session.events_id_seq;
      ALTER TABLE session.events ALTER id DROP IDENTITY; END IF; END $d$;
      ALTER TABLE public.parts ATTACH PARTITION session.%t DEFAULT'),
    ('partitioned', 'ALTER TABLE session.%t RENAME TO was; CREATE TABLE session.%t (LIKE session.was) PARTITION BY RANGE (%c);
      ALTER EXTENSION session ADD TABLE session.%t'),
    ('foreign', 'ALTER TABLE session.%t RENAME TO was; CREATE FOREIGN TABLE session.%t (id int) SERVER regress_session_server;
      ALTER EXTENSION session ADD FOREIGN TABLE session.%t'),
    ('a view', 'ALTER TABLE session.%t RENAME TO was; CREATE VIEW session.%t AS SELECT * FROM session.was;
      ALTER EXTENSION session ADD VIEW session.%t'),
    ('an index', 'ALTER TABLE session.%t RENAME TO was; CREATE INDEX %t ON session.was ((1))'),
    ('a stranger', 'ALTER TABLE session.%t RENAME TO was; CREATE TABLE session.%t (LIKE session.was INCLUDING ALL)'),
    ('not heap', 'ALTER TABLE session.%t SET ACCESS METHOD regress_session_heap'),
    ('gone', 'ALTER TABLE session.%t RENAME TO was'),
    ('unlogged', 'ALTER TABLE session.%t SET UNLOGGED'),
    ('distributed', 'CREATE TABLE public.pg_dist_partition (logicalrelid regclass, partmethod "char");
      INSERT INTO public.pg_dist_partition VALUES (''pg_class''), (''session.%t''); ALTER TABLE session.%t SET (autovacuum_enabled)'),
    ('not distributed', 'CREATE TABLE public.pg_dist_partition (logicalrelid regclass, partmethod "char");
      INSERT INTO public.pg_dist_partition VALUES (''pg_class''); ALTER TABLE session.%t SET (autovacuum_enabled)'),
    ('not a catalog of Citus', 'CREATE TABLE public.pg_dist_partition (logicalrelid text);
      INSERT INTO public.pg_dist_partition VALUES (''session.%t''); ALTER TABLE session.%t SET (autovacuum_enabled)');
SELECT shape, relation, pg_temp.with_shape(relation, ddl)
  FROM shapes, (SELECT DISTINCT relation FROM calls) AS r ORDER BY n, relation;

-- A role that may create tables cannot make calls fail with a table of the
-- same name.
CREATE ROLE regress_session_maker;
CREATE SCHEMA regress_session_maker AUTHORIZATION regress_session_maker;
SELECT pg_temp.with_shape('sessions', 'SET LOCAL ROLE regress_session_maker;
           CREATE TABLE regress_session_maker.pg_dist_partition (logicalrelid regclass); RESET ROLE;
           INSERT INTO regress_session_maker.pg_dist_partition VALUES (''session.%t''); ALTER TABLE session.%t SET (autovacuum_enabled)')
       AS despite_it;
DROP SCHEMA regress_session_maker;
DROP ROLE regress_session_maker;

-- Every column of every table is needed, by its name, with its type, NOT NULL
-- and collation.  A column that a view shows cannot be changed.
CREATE FUNCTION pg_temp.without_views() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('ALTER EXTENSION session DROP VIEW session.%1$s; DROP VIEW session.%1$s; ', v), '')
      FROM unnest('{key_ring,directory}'::text[]) AS v
$$;
SELECT a.attrelid::regclass, count(*) AS columns,
       count(*) FILTER (WHERE pg_temp.with_shape(relname, format('ALTER TABLE session.%%t RENAME %I TO other', attname))
             LIKE format('55000 %%. It has no column "%s".', attname)) AS named,
       count(*) FILTER (WHERE attnotnull AND attidentity = '' AND attnum <> ALL (coalesce(i.indkey::int2[], '{}'))) AS required,
       count(*) FILTER (WHERE attnotnull AND attidentity = '' AND attnum <> ALL (coalesce(i.indkey::int2[], '{}')) AND
             pg_temp.with_shape(relname, format('ALTER TABLE session.%%t ALTER %I DROP NOT NULL', attname))
             LIKE format('55000 %%. Column "%s" can be null.', attname)) AS checked,
       count(*) FILTER (WHERE attcollation <> 0) AS texts,
       count(*) FILTER (WHERE attcollation <> 0 AND
             pg_temp.with_shape(relname, pg_temp.without_views() || format('ALTER TABLE session.%%t ALTER %I TYPE text COLLATE "default"', attname))
             LIKE format('55000 %%. Column "%s" is not of type text with collation "C".', attname)) AS collated
  FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
 WHERE relnamespace = 'session'::regnamespace AND relkind = 'r' AND attnum > 0
 GROUP BY attrelid ORDER BY attrelid::regclass::text;
SELECT pg_temp.with_shape('sessions', pg_temp.without_views() || 'ALTER TABLE session.%t ALTER user_agent TYPE varchar(1024)');
SELECT pg_temp.with_shape('sessions', pg_temp.without_views() || 'ALTER TABLE session.%t DROP user_agent, ADD user_agent text COLLATE "C" GENERATED ALWAYS AS (''x'') STORED');

-- Every index that the code uses is needed, whatever its name; an invalid
-- index does not count.
CREATE TEMP TABLE needed AS
SELECT c.relname AS relation, i.indexrelid::regclass AS index, coalesce(k.conname, '') AS constraint,
       pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
 WHERE c.relnamespace = 'session'::regnamespace AND i.indexrelid <> ALL ('{session.events_user_id_idx,session.policies_pkey}'::regclass[]);
CREATE FUNCTION pg_temp.dropping(n needed) RETURNS text LANGUAGE sql AS $$
    SELECT CASE n.constraint WHEN '' THEN 'DROP INDEX ' || n.index
                ELSE format('ALTER TABLE session.%%t DROP CONSTRAINT %I', n.constraint) END || ';'
$$;
SELECT index, pg_temp.with_shape(relation, pg_temp.dropping(n)) AS missing,
       pg_temp.with_shape(relation, pg_temp.dropping(n)) =
       pg_temp.with_shape(relation, format('UPDATE pg_index SET indisvalid = false WHERE indexrelid = %L::regclass;
           ALTER TABLE session.%%t SET (autovacuum_enabled)', n.index)) AS invalid,
       pg_temp.with_shape(relation, pg_temp.dropping(n) || replace(definition, split_part(index::text, '.', 2), 'other')) AS replaced
  FROM needed AS n ORDER BY index::text;
CREATE FUNCTION pg_temp.instead(text, text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.with_shape(relation, pg_temp.dropping(n) || 'CREATE INDEX other ON session.%t ' || $2)
      FROM needed AS n WHERE index::text = 'session.' || $1
$$;
SELECT i, definition, pg_temp.instead(i, definition) ~ 'is missing or invalid' AS refused
  FROM (VALUES ('sessions_pkey', '(id)'), ('sessions_user_id_idx', 'USING hash (user_id)'),
               ('sessions_user_id_idx', '(user_id text_pattern_ops)'), ('sessions_user_id_idx', '(user_id COLLATE "default")'),
               ('sessions_user_id_idx', '(user_id) WHERE user_id IS NOT NULL'), ('sessions_user_id_idx', '(lower(user_id))'),
               ('sessions_tenant_id_idx', '(tenant_id) WHERE user_id IS NOT NULL'),
               ('sessions_tenant_id_idx', '(tenant_id) WHERE tenant_id IS NULL'),
               ('sessions_tenant_id_idx', '(tenant_id) WHERE tenant_id <> ''acme'''),
               ('sessions_tenant_id_idx', '(tenant_id) WHERE tenant_id IS NOT NULL'), ('sessions_tenant_id_idx', '(tenant_id)'),
               ('sessions_purge_at_idx', '(purge_at, id)'), ('sessions_purge_at_idx', '(purge_at) INCLUDE (id)'),
               ('keys_activated_at_idx', '(activated_at DESC)'), ('keys_activated_at_idx', '(created_at)'),
               ('origins_hash_idx', '(hash)'), ('events_pkey', '(at)')) AS t (i, definition);
SELECT pg_temp.with_shape('sessions', 'ALTER TABLE session.%t DROP CONSTRAINT sessions_pkey, ADD UNIQUE (id) DEFERRABLE') ~ 'is missing or invalid' AS deferrable;

-- The hint says what to do.
\set VERBOSITY default
BEGIN;
CREATE TABLE public.child () INHERITS (session.sessions);
SELECT session_status(:'token');
ROLLBACK;
BEGIN;
DROP INDEX session.origins_hash_idx;
SELECT session_create('ada', ip => '192.0.2.1');
ROLLBACK;

-- Dropped columns, and columns and indexes that a user has added, are ignored.
DO $$
DECLARE
    r text;
BEGIN
    FOR r IN SELECT DISTINCT relation FROM calls LOOP
        EXECUTE format('ALTER TABLE session.%I ADD COLUMN dropped text DEFAULT ''x''', r);
        EXECUTE format('ALTER TABLE session.%I DROP COLUMN dropped', r);
        EXECUTE format('ALTER TABLE session.%I ADD COLUMN extra text NOT NULL DEFAULT ''extra''', r);
        EXECUTE format('CREATE INDEX ON session.%I (extra)', r);
    END LOOP;
END
$$;
SELECT relation, count(*) AS calls, pg_temp.with_shape(relation, '') FROM calls GROUP BY relation ORDER BY relation;
SELECT user_id, tenant_id, status FROM session_validate(:'token');
SELECT session_cookie_decode(:'cookie') IS NOT NULL AS good, session_cookie_decode(:'denied') IS NULL AS denied;
-- A column of the extension may be added again behind them.
ALTER EXTENSION session DROP VIEW session.directory;
DROP VIEW session.directory;
ALTER TABLE session.sessions DROP COLUMN user_agent;
ALTER TABLE session.sessions ADD COLUMN user_agent text COLLATE "C" DEFAULT 'before';
SELECT token, id FROM session_create('bob', user_agent => 'after', data => '{"a": 1}') \gset
SELECT user_id, user_agent, data, status FROM session_validate(:'token');
SELECT user_id, user_agent FROM session_mine() RIGHT JOIN session_list('ada') USING (user_id, user_agent);
SELECT session_data_set(:'token', 'b', '2'), session_revoke(:'token'), session_status(:'token');
SELECT extra, user_agent, data FROM session.sessions WHERE id = :'id';
UPDATE session.sessions SET purge_at = now() - interval '1 day' WHERE id = :'id';
SELECT session_cleanup();
-- session_create() fails if a user's column is NOT NULL without a default.
SET session.log_events = '';
ALTER TABLE session.sessions ALTER extra DROP DEFAULT;
SELECT pg_temp.error_of('session_create(''carol'')');
SELECT count(*) AS sessions FROM session.sessions;

DROP EXTENSION session;
DROP ACCESS METHOD regress_session_heap;
DROP FOREIGN DATA WRAPPER regress_session_wrapper CASCADE;
