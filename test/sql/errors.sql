-- Errors: an error that a caller can provoke names the argument, and shows no
-- statement of the extension.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET client_min_messages = warning;
SELECT session_key_rotate() IS NOT NULL AS key;
SELECT id, token FROM session_create('ada', tenant_id => 'acme') \gset
SELECT session_cookie_encode('{}') AS cookie \gset

-- An id or a kid that exists already.
SELECT session_create('bob', id => :'id');
SELECT count(session_create('bob', id => '00000000-0000-4000-8000-00000000000a')) FROM generate_series(1, 2);
SELECT session_key_import('\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'theirs');
SELECT session_key_import('\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'theirs', 'jwt');
SELECT session_key_retire('theirs'), session_key_retire('theirs');
SELECT session_key_import('\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'theirs');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT session_create('bob', id => :'id');
ROLLBACK;
-- The failed calls had no effect.
SELECT count(*) AS sessions FROM session.sessions;

-- Errors inside statements of the extension: the error of a user's trigger
-- shows the context of that trigger and no context of the extension.
CREATE FUNCTION public.regress_session_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'failed by trigger %', TG_NAME USING errcode = 'XX999';
END
$$;
CREATE TEMP TABLE calls (call text);
INSERT INTO calls VALUES
    ('session_create()'), ('session_create(id => gen_random_uuid())'), ('session_create(''ada'', ip => ''192.0.2.1'')'),
    ('session_touch(:t)'), ('session_data_set(:t, ''a'', ''1'')'), ('session_revoke(:t)'),
    ('session_regenerate(:t)'), ('session_revoke_id(:i)'), ('session_revoke_user(''ada'')'),
    ('session_revoke_tenant(''acme'')'), ('session_refresh(:t)'), ('session_create(refreshable => true)'),
    ('session_cookie_revoke(:c)'), ('session_key_rotate()'), ('session_key_retire(:k)'),
    ('session_key_import(sha256(''x''), ''other'')');
CREATE FUNCTION pg_temp.failures(relation text, ddl text, OUT call text, OUT state text, OUT message text, OUT context text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT c.call AS name, replace(replace(replace(replace(c.call, ':t', quote_literal(token)), ':c', quote_literal(cookie)),
                                         ':i', quote_literal(id)), ':k', quote_literal(kid)) AS call
               FROM calls AS c, tok LOOP
        BEGIN
            EXECUTE format(ddl, relation);
            EXECUTE 'SELECT FROM ' || f.call;
            RAISE EXCEPTION USING errcode = 'XXXXX';
        EXCEPTION WHEN SQLSTATE 'XXXXX' THEN
            NULL;
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
            call := f.name;
            RETURN NEXT;
        END;
    END LOOP;
END
$$;
CREATE TEMP TABLE tok AS SELECT :'token' AS token, :'cookie' AS cookie, :'id' AS id, kid FROM session.key_ring WHERE kid <> 'theirs';
SET session.log_events = 'all';
SELECT relation, timing, count(*) AS failed, count(*) FILTER (WHERE state = 'XX999') AS by_trigger,
       count(*) FILTER (WHERE context LIKE 'PL/pgSQL function public.regress_session_fail() line 3 at RAISE%') AS show_it,
       count(*) FILTER (WHERE regexp_replace(context, 'SQL statement "SELECT FROM session_.*', '') ~ 'session\.|INSERT|UPDATE|DELETE|\$1') AS show_ours
  FROM unnest(ARRAY['sessions', 'keys', 'denylist', 'events', 'origins']) AS relation,
       unnest(ARRAY['BEFORE', 'AFTER']) AS timing,
       pg_temp.failures(relation, 'CREATE TRIGGER mine ' || timing || ' INSERT OR UPDATE OR DELETE ON session.%I
           FOR EACH ROW EXECUTE FUNCTION public.regress_session_fail()')
 GROUP BY relation, timing ORDER BY relation, timing;
-- The error as a client sees it.
CREATE TRIGGER mine BEFORE INSERT OR UPDATE ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.regress_session_fail();
SELECT session_create();
SELECT session_revoke(:'token');
DROP TRIGGER mine ON session.sessions;
-- The same holds for a constraint or a rule that a user has added.
SELECT relation, state, message, count(*), bool_or(regexp_replace(context, 'SQL statement "SELECT FROM session_.*', '') <> '') AS show_ours
  FROM unnest(ARRAY['sessions', 'keys', 'denylist', 'events', 'origins']) AS relation,
       unnest(ARRAY['ALTER TABLE session.%1$I ADD CONSTRAINT mine CHECK (false) NOT VALID',
                    'CREATE TEMP TABLE other (a int) ON COMMIT DROP; CREATE RULE mine AS ON INSERT TO session.%1$I
                        DO ALSO INSERT INTO other SELECT 1 / (random() * 0)::int']) AS ddl,
       pg_temp.failures(relation, ddl)
 GROUP BY relation, state, message ORDER BY relation, state, message;

-- If a rule or a trigger suppresses a change, the call fails where its result
-- would be wrong.
CREATE FUNCTION public.regress_session_ignore() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SELECT relation, why, count(*) AS calls, state, message
  FROM unnest(ARRAY['sessions', 'keys', 'denylist', 'events', 'origins']) AS relation,
       (VALUES ('BEFORE trigger', 'CREATE TRIGGER mine BEFORE INSERT OR UPDATE ON session.%1$I FOR EACH ROW EXECUTE FUNCTION public.regress_session_ignore()'),
               ('rule of nothing', 'CREATE RULE mine AS ON UPDATE TO session.%1$I DO INSTEAD NOTHING'),
               ('rule of something else', 'CREATE TEMP TABLE other ON COMMIT DROP AS SELECT 1 AS a;
                 CREATE RULE mine AS ON UPDATE TO session.%1$I DO INSTEAD UPDATE other SET a = 2')) AS w (why, ddl),
       pg_temp.failures(relation, ddl)
 GROUP BY relation, why, state, message ORDER BY relation, why, state, message;
CREATE RULE mine AS ON UPDATE TO session.sessions DO INSTEAD NOTHING;
SELECT session_revoke(:'token');
DROP RULE mine ON session.sessions;
SELECT session_status(:'token');
SELECT session_revoke(token), session_status(token) FROM session_create();
-- A rule that does something in addition causes no error.
CREATE TABLE public.regress_session_log (id uuid);
CREATE RULE mine AS ON UPDATE TO session.sessions DO ALSO (INSERT INTO public.regress_session_log VALUES (OLD.id); NOTIFY regress_session);
SELECT session_data_set(:'token', 'a', '1'), session_data(:'token');
SELECT count(*) AS logged FROM public.regress_session_log WHERE id = :'id';
DROP RULE mine ON session.sessions;
DROP TABLE public.regress_session_log;

-- Errors in the statements that bind tables and move the storage do not show
-- the statement either.
CREATE TABLE public.regress_session_users (id text);
CREATE TRIGGER session_users_changed AFTER DELETE ON public.regress_session_users FOR EACH ROW EXECUTE FUNCTION public.regress_session_fail();
SELECT session_bind_users('public.regress_session_users', 'id');
DROP TABLE public.regress_session_users;
BEGIN;
CREATE TABLE public.regress_session_child (id uuid REFERENCES session.sessions);
SELECT session_storage('cache');
ROLLBACK;

DROP EXTENSION session;
DROP FUNCTION public.regress_session_fail(), public.regress_session_ignore();
