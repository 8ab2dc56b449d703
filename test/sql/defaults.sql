-- In every function, NULL for an optional argument means its default.  The
-- test takes the functions from the catalog.
SET DateStyle = 'ISO';
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT session_key_rotate('other', 'ES256') IS NOT NULL AS made;
SELECT count(session_key_rotate(purpose)) AS keys FROM unnest('{session,jwt,other}'::text[]) AS purpose;
CREATE TABLE app_users (id text, active boolean);

-- A value for every argument.  The value of an optional argument differs from
-- its default.
CREATE TEMP TABLE given (name text PRIMARY KEY, value text);
INSERT INTO given VALUES
    ('token', 'pg_temp.setting(''token'')'), ('id', '''01890a5d-ac96-774b-bcce-b302099a8057'''), ('user_id', '''alice'''),
    ('data', '''{"cart": 1}'''), ('tenant_id', '''other'''), ('role', '''other'''), ('ip', '''192.0.2.2'''), ('user_agent', '''other'''),
    ('lifetime', '''1 hour'''), ('idle_timeout', '''1 hour'''), ('auth_level', '3'), ('refreshable', 'true'), ('max_sessions', '1'),
    ('include_ended', 'true'), ('except_id', 'pg_temp.setting(''id'')::uuid'), ('ids', 'ARRAY[pg_temp.setting(''id'')::uuid]'), ('reason', '''other'''), ('max_rows', '1'),
    ('payload', '''{"a": 1}'''), ('encoding', '''jwe'''), ('ttl', '''1 hour'''), ('purpose', '''other'''), ('sensitive', 'true'),
    ('claims', '''{"a": 1}'''), ('audience', '''other'''), ('max_age', '''0'''), ('value', '''v'''), ('name', '''sid'''),
    ('path', '''/app'''), ('domain', '''example.com'''), ('secure', 'false'), ('http_only', 'false'), ('same_site', '''strict'''),
    ('partitioned', 'true'), ('cookie_header', '''__Host-session=v; __Host-session.0=w; sid=x'''), ('secret', '''0123456789abcdef0123456789abcdef'''),
    ('kid', '''other'''), ('users', '''app_users'''), ('id_column', '''id'''), ('active_column', '''active'''), ('kind', '''cache'''),
    ('tablespace', '''pg_default'''), ('algorithm', '''ES256'''), ('issuer', '''other'''),
    ('jwk', '''{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'''), ('forwarded', '''192.0.2.1, 192.0.2.2'''), ('hops', '2'), ('sliding', 'true'), ('amr', '''{otp}'''),
    ('bound_cookie', '''other'''), ('jkt', quote_literal(repeat('A', 43))), ('method', '''GET'''), ('url', '''https://api.example.com/'''), ('key', '''a'''), ('patch', '''{"a": 2}'''), ('expected', '''1'''),
    ('proof', '''other'''), ('scope', '''todo:read'''), ('scopes', '''{todo:read}'''), ('refresh_path', '''/refresh'''), ('valid_after', '''2020-01-01'''), ('authenticated_at', '''2020-01-01''');
CREATE TEMP TABLE given_to (proname name, name text, value text, PRIMARY KEY (proname, name));
INSERT INTO given_to VALUES
    ('session_refresh', 'token', 'pg_temp.setting(''refresh_token'')'), ('session_regenerate', 'user_id', '''bob'''),
    ('session_revoke_id', 'id', 'pg_temp.setting(''id'')::uuid'), ('session_cookie_header', 'name', '''__Secure-other'''),
    ('session_cookie_validate', 'cookie', 'pg_temp.setting(''snapshot'')'), ('session_cookie_validate', 'token', 'pg_temp.setting(''ended'')'),
    ('session_data_set', 'value', '''2'''), ('session_data_append', 'value', '''2'''), ('session_data_append', 'key', '''list'''),
    ('session_data_replace', 'value', '''2'''), ('session_dbsc_refresh', 'cookie', '''other'''),
    ('session_policy_set', 'bind_ip', '''exact'''), ('session_policy_set', 'bind_user_agent', 'true'),
    ('session_cookie_decode', 'cookie', 'pg_temp.setting(''cookie'')'),
    ('session_cookie_revoke', 'cookie', 'pg_temp.setting(''cookie'')');
CREATE FUNCTION pg_temp.setting(name text) RETURNS text LANGUAGE sql AS $$ SELECT current_setting('test.' || name) $$;

CREATE FUNCTION pg_temp.value_of(function name, argument text) RETURNS text
LANGUAGE sql AS $$
    SELECT coalesce((SELECT value FROM given_to WHERE proname = function AND name = argument), (SELECT value FROM given WHERE name = argument))
$$;

-- Every optional argument, and the arguments that a call of its function
-- requires.
CREATE TEMP VIEW optional AS
SELECT p.proname, a.n, a.name, pg_temp.value_of(p.proname, a.name) AS another,
       (SELECT coalesce(string_agg(format('%I => %s', r.name, pg_temp.value_of(p.proname, r.name)), ', ' ORDER BY r.n), '')
          FROM unnest(p.proargnames) WITH ORDINALITY AS r (name, n) WHERE r.n <= p.pronargs - p.pronargdefaults) AS required
  FROM extension_functions AS p, unnest(p.proargnames) WITH ORDINALITY AS a (name, n)
 WHERE a.n > p.pronargs - p.pronargdefaults AND a.n <= p.pronargs;
CREATE FUNCTION pg_temp.call_of(function name, required text, more text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT format('%s(%s)', function, concat_ws(', ', nullif(required, ''), more)) $$;

-- Replaces random values in a text by placeholders, and times by multiples of
-- four minutes from now.
CREATE FUNCTION pg_temp.steady(said text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    moment text;
BEGIN
    FOR moment IN SELECT DISTINCT m[1] FROM regexp_matches(said, '\d{4}-\d\d-\d\d[ T][\d:.]+\+00(?::00)?', 'g') AS m LOOP
        said := replace(said, moment, round(extract(epoch FROM moment::timestamptz - clock_timestamp()) / 240) || '*4 min');
    END LOOP;
    said := regexp_replace(said, '[sr]t_[\w-]{64}', 'TOKEN', 'g');
    said := regexp_replace(said, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'UUID', 'g');
    said := regexp_replace(said, '(?<![\w-])[\w-]{16}(?![\w-])', 'KID', 'g');
    RETURN regexp_replace(said, '\\\\x[0-9a-f]+', 'BYTES', 'g');
END
$$;
CREATE FUNCTION pg_temp.steady_cookie(said text) RETURNS text
LANGUAGE sql AS $$
    SELECT CASE WHEN length(said) > 60 AND said ~ '^[\w-]+(\.[\w-]*){0,4}$' THEN
        concat_ws(' ', length(said) - length(replace(said, '.', '')), 'dots',
                  (SELECT string_agg(format('for %s: %s %s s', purpose, payload - '{iat,exp,jti,sid}'::text[], (payload ->> 'exp')::bigint - (payload ->> 'iat')::bigint), ' ')
                     FROM unnest('{session,jwt,other}'::text[]) AS purpose, session_cookie_decode(said, purpose) AS payload WHERE payload IS NOT NULL))
        ELSE said END
$$;
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    PERFORM session_authenticate(pg_temp.setting('token'));
    EXECUTE 'SELECT coalesce(string_agg(coalesce(pg_temp.steady_cookie(r::text), ''NULL''), E''\n''), ''no row'') FROM ' || call || ' AS r' INTO said;
    said := concat_ws(E'\n', said, 'bound: ' || session_claims()::text,
        (SELECT string_agg((to_jsonb(t) - 'purge_at')::text, E'\n' ORDER BY t.user_id, t.created_at) FROM session.sessions AS t),
        (SELECT string_agg(to_jsonb(t)::text, E'\n' ORDER BY t.purpose, t.created_at) FROM session.keys AS t),
        (SELECT string_agg((to_jsonb(t) - 'id')::text, E'\n' ORDER BY t.id) FROM session.events AS t),
        (SELECT string_agg(to_jsonb(t)::text, E'\n') FROM session.denylist AS t),
        (SELECT string_agg((to_jsonb(t) - 'id')::text, E'\n' ORDER BY t.tenant_id, t.role) FROM session.policies AS t),
        (SELECT string_agg(pg_get_triggerdef(t.oid), E'\n' ORDER BY t.tgname) FROM pg_trigger AS t WHERE t.tgrelid = 'app_users'::regclass));
    RAISE EXCEPTION USING ERRCODE = 'RB000', MESSAGE = pg_temp.steady(said);
EXCEPTION
    WHEN SQLSTATE 'RB000' THEN RETURN sqlerrm;
    WHEN OTHERS THEN RETURN sqlstate || ' ' || sqlerrm;
END
$$;

-- A revoked session, a refreshable session and another session, all of one
-- user, and cookies.
SET session.log_events = 'all';
SELECT set_config('test.ended', token, false) IS NOT NULL AS made FROM session_create('alice');
SELECT session_revoke(current_setting('test.ended'));
SELECT set_config('test.refresh_token', refresh_token, false) IS NOT NULL AS made FROM session_create('alice', refreshable => true);
SELECT set_config('test.token', token, false) IS NOT NULL AND set_config('test.id', id::text, false) IS NOT NULL AS made
  FROM session_create('alice', '{"a": 1}', 'acme', current_user, '192.0.2.1', 'Firefox');
SELECT set_config('test.snapshot', session_cookie_issue(current_setting('test.token')), false) <> '' AS made,
       set_config('test.cookie', session_cookie_encode('{"a": 1}'), false) <> '' AS made;
SELECT count(session_policy_set(tenant_id, role, max_sessions => 1000)) AS policies
  FROM (VALUES (NULL, NULL), ('other', NULL), (NULL, 'other')) AS p (tenant_id, role);

-- Each call runs in a transaction of its own.  session_cookie_validate comes
-- first: after a change of its session was rolled back, a snapshot is also
-- checked against the row.
CREATE TEMP TABLE outcomes (proname name, n bigint, name text, usual text, with_null text, with_another text, with_nulls text);
CREATE PROCEDURE pg_temp.try_all()
LANGUAGE plpgsql AS $$
DECLARE
    o record;
BEGIN
    FOR o IN SELECT *, (SELECT string_agg(format('%I => NULL', name), ', ') FROM optional AS a WHERE a.proname = t.proname) AS nulls
                 FROM optional AS t ORDER BY proname <> 'session_cookie_validate', proname, n LOOP
        INSERT INTO outcomes (proname, n, name, usual) VALUES (o.proname, o.n, o.name, pg_temp.outcome(pg_temp.call_of(o.proname, o.required)));
        COMMIT;
        UPDATE outcomes SET with_null = pg_temp.outcome(pg_temp.call_of(o.proname, o.required, format('%I => NULL', o.name))) WHERE proname = o.proname AND n = o.n;
        COMMIT;
        UPDATE outcomes SET with_another = pg_temp.outcome(pg_temp.call_of(o.proname, o.required, format('%I => %s', o.name, o.another))) WHERE proname = o.proname AND n = o.n;
        COMMIT;
        UPDATE outcomes SET with_nulls = pg_temp.outcome(pg_temp.call_of(o.proname, o.required, o.nulls)) WHERE proname = o.proname AND n = o.n;
        COMMIT;
    END LOOP;
END
$$;
CALL pg_temp.try_all();

-- - fails: the error of the call without optional arguments, if there is one.
-- - is_default: NULL for this argument, and NULL for all, have the same effect
--   as omitting it.
-- - seen: another value has another effect (or raises this error), which shows
--   that the test can tell a difference.
SELECT proname, name, CASE WHEN usual ~ '^[0-9A-Z]{5} ' THEN usual END AS fails, with_null = usual AND with_nulls = usual AS is_default,
       CASE WHEN with_another ~ '^[0-9A-Z]{5} ' THEN with_another ELSE (with_another <> usual)::text END AS seen
  FROM outcomes ORDER BY proname COLLATE "C", n;

DROP EXTENSION session;
DROP TABLE app_users;
