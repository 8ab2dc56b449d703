--
-- A web application in SQL, for PostgREST: accounts, a to-do list for each
-- user, a basket that visitors have before they log in, "your devices", API
-- tokens for scripts, and the fleet of all sessions for administrators. The
-- extension session identifies the user by a cookie that no script can read, or
-- by an API token in a header.
--
-- Load it as a superuser into an empty database:
--
--   psql -X -1 -v ON_ERROR_STOP=1 -d shop -f app.sql
--
-- The parts, from top to bottom: roles, settings, the helpers (schema app),
-- and the functions and tables that clients can reach (schema api).
--

CREATE SCHEMA extensions;
CREATE EXTENSION pgcrypto SCHEMA extensions;
CREATE EXTENSION session SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO PUBLIC;

--
-- 1. Roles. PostgREST connects as authenticator, which has no rights of its
-- own, and runs each request as web_anon. session_pre_request switches to the
-- role of the session. API tokens have the role web_token, which can use the
-- to-do list and nothing of the account. Other services have sessions of the
-- role resource_server. app_owner owns everything else and never logs in.
-- fleet_owner owns the functions for administrators, and never logs in either.
--

CREATE ROLE web_anon NOLOGIN;
CREATE ROLE web_user NOLOGIN;
CREATE ROLE web_admin NOLOGIN IN ROLE web_user;
CREATE ROLE web_token NOLOGIN;
CREATE ROLE resource_server NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT
    IN ROLE web_anon, web_user, web_admin, web_token, resource_server;
CREATE ROLE app_owner NOLOGIN;
CREATE ROLE fleet_owner NOLOGIN;

-- app_owner creates and changes sessions for the functions below, and
-- fleet_owner sees and ends those of all users. No other role can.
SELECT extensions.session_grant('app_owner', 'app');
SELECT extensions.session_grant('fleet_owner', 'admin');

CREATE SCHEMA app AUTHORIZATION app_owner;
CREATE SCHEMA api AUTHORIZATION app_owner;
GRANT USAGE ON SCHEMA app, api TO web_anon, web_user;
GRANT USAGE ON SCHEMA api TO web_token, resource_server;

--
-- 2. Settings.  Only a superuser can set these.
--

DO $$
DECLARE
    setting text[];
BEGIN
    FOREACH setting SLICE 1 IN ARRAY ARRAY[
        -- A browser sends the cookie only with requests of this site's own
        -- pages.
        ['session.cookie_same_site', 'strict'],
        -- A request that a page of another origin causes cannot write. Those
        -- of other sites have no cookies, but those of the same site do, such
        -- as another port of this host; and a form on any site could log its
        -- visitor in to the attacker's account.
        ['session.csrf', 'same_origin'],
        -- API tokens come in this header. PostgREST takes Authorization:
        -- Bearer for a JWT. A page of another origin cannot send the header,
        -- because serve.mjs allows none by CORS.
        ['session.token_header', 'x-api-token'],
        -- serve.mjs sets this header to the address of the connection, and
        -- drops the client's own.
        ['session.client_ip_header', 'x-forwarded-for'],
        -- This path is never answered from a snapshot, even if
        -- session.strategy becomes cookie_cache.
        ['session.sensitive_paths', '/rpc/admin_report'],
        -- The timeline of the fleet shows logins and logouts, too.
        ['session.log_events', 'created, regenerated, revoked, evicted, refresh_reuse, '
                               'binding_mismatch, unbound, risk, failures, administration'],
        -- A refresh token expires after this time. The session token beside it
        -- expires after session.access_lifetime, 15 minutes.
        ['session.refresh_lifetime', '30d']]
    LOOP
        EXECUTE format('ALTER DATABASE %I SET %s = %L',
                       current_database(), setting[1], setting[2]);
    END LOOP;
END
$$;

SET ROLE app_owner;
SET search_path = extensions;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

--
-- 3. Accounts. A user sees only their own row, without the password. Row
-- security is not forced, so functions that run as the owner, such as log_in,
-- see all rows.
--

CREATE TABLE app.users
(
    id         text PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL CHECK (name ~ '^[A-Za-z0-9_.-]{2,40}$'),
    password   text NOT NULL CHECK (password ~ '^\$2a\$10\$.{53}$'),
    admin      boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX ON app.users (lower(name));

ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.users FOR SELECT TO web_user
    USING (id = session_user_id());
GRANT SELECT (id, name, admin, created_at) ON app.users TO web_user;

-- bcrypt ignores everything after 72 bytes.
CREATE FUNCTION app.hash_password(password text) RETURNS text
LANGUAGE plpgsql SET search_path = extensions, pg_temp AS $$
BEGIN
    IF char_length(password) < 10 OR octet_length(password) > 72 THEN
        RAISE SQLSTATE 'PT400' USING
            MESSAGE = 'A password has 10 characters or more, and at most 72 bytes.';
    END IF;
    RETURN crypt(password, gen_salt('bf', 10));
END
$$;

-- Returns whether the password matches the hash. It takes the same time for a
-- user who does not exist: without a hash, the function computes bcrypt with a
-- salt that belongs to no user.
CREATE FUNCTION app.password_matches(password text, hash text) RETURNS boolean
LANGUAGE sql SET search_path = extensions, pg_temp AS $$
    SELECT crypt(coalesce(password, ''), coalesce(hash, '$2a$10$' || repeat('x', 22)))
           IS NOT DISTINCT FROM hash
$$;

--
-- 4. The request, as PostgREST passes it to the database.
--

CREATE FUNCTION app.header(name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('request.headers', true), '')::json ->> name
$$;

CREATE FUNCTION app.cookie(name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('request.cookies', true), '')::json ->> name
$$;

CREATE FUNCTION app.session_token() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT app.cookie(current_setting('session.cookie_name'))
$$;

-- The cookie without which the token of a bound session is of no use.
CREATE FUNCTION app.bound_cookie() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT app.cookie(current_setting('session.cookie_name') || '-bound')
$$;

-- The address of the client, from the header of session.client_ip_header.
CREATE FUNCTION app.client_ip() RETURNS inet
LANGUAGE sql STABLE SET search_path = extensions, pg_temp AS $$
    SELECT session_ip(app.header('x-forwarded-for'))
$$;

-- PostgREST calls this before each request (db-pre-request).
--
-- session_pre_request refuses what pages of other origins cause, as
-- session.csrf says.
--
-- API tokens count only in the header X-API-Token, and nothing else counts
-- there. A request with that header is a token's or is refused; a cookie beside
-- it is not looked at. So the functions for users can rely on it that the
-- session of the cookie is the one of the request.
--
-- A page may send the account that it shows (X-Account: the id, or
-- "visitor"). If the session has ended since then, or belongs to another user,
-- the request is refused and the page drawn again. Otherwise a device that was
-- signed out elsewhere would continue as a visitor, under the user's name.
-- This protects the user of an honest page, and nothing else.
--
-- A browser that renews its bound cookie sends the token without it. That is
-- no theft, so the token is not looked at.
CREATE FUNCTION app.pre_request() RETURNS void
LANGUAGE plpgsql SET search_path = extensions, pg_temp AS $$
DECLARE
    expected text := app.header('x-account');
    has_token boolean := app.header('x-api-token') IS NOT NULL;
BEGIN
    IF current_setting('request.path', true) = '/rpc/dbsc_refresh' THEN
        RETURN;
    END IF;
    PERFORM session_pre_request();
    IF has_token <> (session_role() IS NOT DISTINCT FROM 'web_token') THEN
        RAISE SQLSTATE 'PT401' USING MESSAGE = 'This is no API token that is valid.';
    END IF;
    IF expected <> coalesce(session_user_id(), 'visitor') THEN
        RAISE SQLSTATE 'PT412' USING MESSAGE = 'You are not signed in as on this page any more.';
    END IF;
END
$$;
GRANT EXECUTE ON FUNCTION app.pre_request(), app.header(text) TO web_anon;

--
-- 5. The response.  The tokens of a browser go into cookies and nowhere else.
--

-- Adds headers to those that session_pre_request may have set. NULL is none.
CREATE FUNCTION app.add_headers(name text, VARIADIC headers text[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT set_config('response.headers', (
               coalesce(nullif(current_setting('response.headers', true), ''), '[]')::jsonb
               || coalesce((SELECT jsonb_agg(jsonb_build_object(name, header) ORDER BY n)
                            FROM unnest(headers) WITH ORDINALITY AS u (header, n)
                            WHERE header IS NOT NULL), '[]'))::text, true)
$$;

-- Gives the browser the two tokens of a session: for 30 days, or until the
-- browser is closed. The refresh token is sent only to the function that needs
-- it. The path is the one that the browser sees, with the proxy's /api.
CREATE FUNCTION app.hand_out(given session_credentials, remember boolean) RETURNS json
LANGUAGE plpgsql SET search_path = extensions, pg_temp AS $$
DECLARE
    keep interval := CASE WHEN remember THEN '30 days' END;
BEGIN
    PERFORM app.add_headers('Set-Cookie', VARIADIC ARRAY(
        SELECT session_cookie_header(given.token, max_age => keep)
        UNION ALL
        SELECT session_cookie_header(given.refresh_token, '__Secure-refresh',
                                     max_age => keep, path => '/api/rpc/refresh')));
    RETURN json_build_object('expires_in',
        floor(extract(epoch FROM given.expires_at - clock_timestamp())));
END
$$;

CREATE FUNCTION app.take_back_cookies() RETURNS void
LANGUAGE sql SET search_path = extensions, pg_temp AS $$
    SELECT app.add_headers('Set-Cookie', VARIADIC ARRAY(
        SELECT session_cookie_clear()
        UNION ALL
        SELECT session_cookie_clear(current_setting('session.cookie_name') || '-cache')
        UNION ALL
        SELECT session_cookie_clear(current_setting('session.cookie_name') || '-bound')
        UNION ALL
        SELECT session_cookie_header('', '__Secure-refresh', max_age => '0',
                                     path => '/api/rpc/refresh')))
$$;

-- Offers the browser to bind the session to a key of its own. A browser that
-- cannot do that ignores the header. The path is the one that the browser sees.
CREATE FUNCTION app.offer_binding(token text) RETURNS void
LANGUAGE sql SET search_path = extensions, pg_temp AS $$
    SELECT app.add_headers('Secure-Session-Registration',
                           session_dbsc_offer(token, '/api/rpc/dbsc_register'))
$$;

-- Logs in with the cookies that came with the request. The session of a visitor
-- becomes the user's, with its id and data; one of another user ends.
CREATE FUNCTION app.log_in(account app.users, remember boolean) RETURNS json
LANGUAGE plpgsql SET search_path = extensions, pg_temp AS $$
DECLARE
    given session_credentials;
BEGIN
    given := session_login(app.session_token(), account.id,
        data => jsonb_build_object('remember', remember),
        role => CASE WHEN account.admin THEN 'web_admin' ELSE 'web_user' END,
        ip => app.client_ip(), user_agent => app.header('user-agent'),
        refreshable => true, amr => '{pwd}', bound_cookie => app.bound_cookie());
    PERFORM app.offer_binding(given.token);
    RETURN app.hand_out(given, remember);
END
$$;

--
-- 6. For all clients: POST /rpc/sign_up, /rpc/login, /rpc/refresh, GET
-- /rpc/me.
--

CREATE FUNCTION api.sign_up(name text, password text, remember boolean DEFAULT false)
RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    account app.users;
BEGIN
    INSERT INTO app.users (name, password)
    VALUES (sign_up.name, app.hash_password(sign_up.password))
    ON CONFLICT DO NOTHING RETURNING * INTO account;
    IF account.id IS NULL THEN
        RAISE SQLSTATE 'PT409' USING MESSAGE = 'This name is taken.';
    END IF;
    RETURN app.log_in(account, remember);
END
$$;

-- The lock makes a login wait for a change of the account, and a change wait
-- for a login, so that revoking all sessions of a user misses none.
CREATE FUNCTION api.login(name text, password text, remember boolean DEFAULT false)
RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    account app.users;
BEGIN
    SELECT * INTO account FROM app.users u
    WHERE lower(u.name) = lower(login.name) FOR SHARE;
    IF NOT app.password_matches(login.password, account.password) THEN
        RAISE SQLSTATE 'PT401' USING MESSAGE = 'Name or password is wrong.';
    END IF;
    RETURN app.log_in(account, remember);
END
$$;

-- Returns the next pair of tokens in cookies. If there is none, the function
-- sets the status 401 instead of raising an error: an error would roll back
-- the revocation that session_refresh made when a token was reused. A user who
-- did not choose "remember me" is logged out after 12 hours.
CREATE FUNCTION api.refresh() RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    given session_credentials;
    seen session_info;
    remember boolean;
BEGIN
    SELECT * INTO given FROM session_refresh(app.cookie('__Secure-refresh'),
        app.client_ip(), app.header('user-agent'), app.bound_cookie());
    SELECT * INTO seen FROM session_validate(given.token,
        app.client_ip(), app.header('user-agent'), app.bound_cookie());
    remember := coalesce((seen.data ->> 'remember')::boolean, false);
    IF remember OR coalesce(seen.authenticated_at, seen.created_at)
                   > now() - interval '12 hours' THEN
        RETURN app.hand_out(given, remember);
    END IF;
    PERFORM session_revoke(given.token);
    PERFORM app.take_back_cookies();
    PERFORM set_config('response.status', '401', true);
    RETURN json_build_object('message', 'Please log in again.');
END
$$;

-- Returns the user of the session, or null for a visitor.
CREATE FUNCTION api.me() RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
    SELECT json_build_object('id', id, 'name', name, 'admin', admin,
                             'auth_level', session_auth_level())
    FROM app.users WHERE id = session_user_id()
$$;

GRANT EXECUTE ON FUNCTION api.sign_up(text, text, boolean), api.login(text, text, boolean),
    api.refresh(), api.me() TO web_anon, web_user;
GRANT EXECUTE ON FUNCTION api.me() TO web_token;

--
-- 7. The basket: GET /rpc/basket, POST /rpc/basket_set. It is kept in the data
-- of the session, with one key for each item, so that two tabs lose no change.
--

CREATE FUNCTION api.basket() RETURNS TABLE (item text, quantity int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
    SELECT substr(key, 8), value::int
    FROM jsonb_each(session_data(app.session_token(), app.bound_cookie()))
    WHERE starts_with(key, 'basket:') ORDER BY key
$$;

CREATE FUNCTION api.basket_set(item text, quantity int) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    token text := app.session_token();
    given session_credentials;
BEGIN
    IF item !~ '^[[:alpha:] ]{1,40}$' OR quantity NOT BETWEEN 0 AND 99 THEN
        RAISE SQLSTATE 'PT400' USING MESSAGE = 'An item has a plain name, and there are 0 to 99.';
    END IF;
    IF session_id() IS NULL THEN
        given := session_create(ip => app.client_ip(), user_agent => app.header('user-agent'),
                                refreshable => true);
        token := given.token;
    END IF;
    IF quantity = 0 THEN
        PERFORM session_data_delete(token, 'basket:' || item, app.bound_cookie());
    ELSE
        PERFORM session_data_set(token, 'basket:' || item, to_jsonb(quantity),
                                 app.bound_cookie());
    END IF;
    IF given.token IS NOT NULL THEN
        RETURN app.hand_out(given, false);
    END IF;
    RETURN '{}';
END
$$;

GRANT EXECUTE ON FUNCTION api.basket(), api.basket_set(text, int) TO web_anon, web_user;

--
-- 8. For users and their API tokens: /todos. Only the policies separate the
-- users. They apply to the owner of the table too. The session of a browser has
-- no scopes and may do everything; a token may do what its scopes say.
--

CREATE TABLE api.todos
(
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL DEFAULT session_user_id()
          REFERENCES app.users ON UPDATE CASCADE ON DELETE CASCADE,
    task  text NOT NULL CHECK (char_length(task) BETWEEN 1 AND 200),
    done  boolean NOT NULL DEFAULT false
);
CREATE INDEX ON api.todos (owner);

ALTER TABLE api.todos ENABLE ROW LEVEL SECURITY;
ALTER TABLE api.todos FORCE ROW LEVEL SECURITY;
CREATE POLICY reading ON api.todos FOR SELECT
    USING (owner = session_user_id() AND session_has_scope('todo:read'));
CREATE POLICY adding ON api.todos FOR INSERT
    WITH CHECK (owner = session_user_id() AND session_has_scope('todo:write'));
CREATE POLICY changing ON api.todos FOR UPDATE
    USING (owner = session_user_id() AND session_has_scope('todo:write'));
CREATE POLICY removing ON api.todos FOR DELETE
    USING (owner = session_user_id() AND session_has_scope('todo:write'));
GRANT SELECT, INSERT (task), UPDATE (task, done), DELETE ON api.todos TO web_user, web_token;

-- By the policies alone, a token without the scope would change no rows and get
-- no error. This tells it why.
CREATE FUNCTION app.refuse_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE SQLSTATE 'PT403' USING
        MESSAGE = format('This token does not have the scope %s.', tg_argv[0]);
END
$$;
CREATE TRIGGER scope BEFORE INSERT OR UPDATE OR DELETE ON api.todos
    FOR EACH STATEMENT WHEN (NOT session_has_scope('todo:write'))
    EXECUTE FUNCTION app.refuse_write('todo:write');

--
-- 9. For users: GET and DELETE /sessions, the user's own; with ?id=eq.<id>,
-- one of them. Only logout ends the current session, so that DELETE /sessions
-- ends all others. A session that began as a visitor's is older than the
-- login: signed_in_at is the time at which the password was last given. API
-- tokens are not among them.
--

CREATE VIEW api.sessions WITH (security_invoker) AS
    SELECT id, ip, user_agent, created_at, authenticated_at AS signed_in_at, last_seen_at,
           expires_at, auth_level, bound, current
    FROM session_mine()
    WHERE role IS DISTINCT FROM 'web_token';

CREATE FUNCTION app.revoke_session() RETURNS trigger
LANGUAGE plpgsql SET search_path = extensions, pg_temp AS $$
BEGIN
    IF NOT old.current AND session_revoke_mine(old.id) THEN
        RETURN old;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER revoke INSTEAD OF DELETE ON api.sessions
    FOR EACH ROW EXECUTE FUNCTION app.revoke_session();
GRANT SELECT, DELETE ON api.sessions TO web_user;

--
-- 10. For users: POST /rpc/create_token, GET and DELETE /tokens: API tokens for
-- scripts and agents, which go on after a logout.
--
-- A derived session ends with the session that it was made of. So a token is
-- not derived from the session of the browser, but from one that is made for
-- it, its keeper. The token of the keeper is thrown away: no client ever has
-- it. To revoke an API token is to revoke its keeper, whose id is the id that
-- the user sees.
--

CREATE TABLE app.tokens
(
    id    uuid PRIMARY KEY,
    owner text NOT NULL DEFAULT session_user_id()
          REFERENCES app.users ON UPDATE CASCADE ON DELETE CASCADE,
    name  text NOT NULL CHECK (name ~ '^[^[:cntrl:]]{1,60}$'),
    UNIQUE (owner, name)
);

ALTER TABLE app.tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.tokens FOR SELECT TO web_user
    USING (owner = session_user_id());
GRANT SELECT ON app.tokens TO web_user;

CREATE VIEW api.tokens WITH (security_invoker) AS
    SELECT t.id, t.name, s.scopes, s.created_at,
           nullif(s.last_seen_at, s.created_at) AS last_used_at, s.expires_at
    FROM session_mine() s JOIN app.tokens t ON t.id = s.parent_id;

CREATE FUNCTION app.revoke_token() RETURNS trigger
LANGUAGE plpgsql SET search_path = extensions, pg_temp AS $$
BEGIN
    IF session_revoke_mine(old.id) THEN
        RETURN old;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER revoke INSTEAD OF DELETE ON api.tokens
    FOR EACH ROW EXECUTE FUNCTION app.revoke_token();
GRANT SELECT, DELETE ON api.tokens TO web_user;

-- Returns a new API token, which is shown this once: the database has only its
-- hash. It outlives the session that asks for it, so the password must have
-- been given a moment ago, as for delete_account. Names of tokens that have
-- ended are free again. The lock makes two calls of one user count each other's
-- tokens.
CREATE FUNCTION api.create_token(name text, scopes text[], days int) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    keeper session_credentials;
    given session_credentials;
BEGIN
    PERFORM session_require(2, '5 minutes');
    IF (scopes <> '{}' AND scopes <@ '{todo:read,todo:write}' AND days BETWEEN 1 AND 365)
       IS NOT TRUE THEN
        RAISE SQLSTATE 'PT400' USING
            MESSAGE = 'Choose what the token may do, and for how long: 1 to 365 days.';
    END IF;
    PERFORM FROM app.users u WHERE u.id = session_user_id() FOR NO KEY UPDATE;
    DELETE FROM app.tokens t
    WHERE t.owner = session_user_id()
      AND NOT EXISTS (SELECT FROM session_mine() s WHERE s.parent_id = t.id);
    IF (SELECT count(*) >= 20 FROM app.tokens t WHERE t.owner = session_user_id()) THEN
        RAISE SQLSTATE 'PT409' USING MESSAGE = 'You have 20 tokens. Revoke one first.';
    END IF;
    keeper := session_create(session_user_id(), role => 'web_token',
        lifetime => make_interval(days => days), idle_timeout => '0');
    SELECT * INTO STRICT given FROM session_derive(keeper.token, scopes,
        lifetime => make_interval(days => days));
    INSERT INTO app.tokens (id, name) VALUES (keeper.id, create_token.name)
    ON CONFLICT ON CONSTRAINT tokens_owner_name_key DO NOTHING;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'PT409' USING MESSAGE = 'You have a token of this name.';
    END IF;
    RETURN json_build_object('token', given.token, 'expires_at', given.expires_at);
END
$$;
GRANT EXECUTE ON FUNCTION api.create_token(text, text[], int) TO web_user;

--
-- 11. For users: POST /rpc/logout, /rpc/step_up, /rpc/delete_account.
--

CREATE FUNCTION api.logout() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
BEGIN
    PERFORM session_revoke_mine(session_id());
    PERFORM app.take_back_cookies();
END
$$;

-- Checks the password again and raises the level of the session, for functions
-- that call session_require. A second factor would be checked here. A session
-- whose user has authenticated again is not bound any more, so it is offered.
CREATE FUNCTION api.step_up(password text) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    token text := app.session_token();
    account app.users;
    given session_credentials;
BEGIN
    SELECT * INTO account FROM app.users u WHERE u.id = session_user_id() FOR SHARE;
    IF NOT app.password_matches(step_up.password, account.password) THEN
        RAISE SQLSTATE 'PT403' USING MESSAGE = 'The password is wrong.';
    END IF;
    SELECT * INTO STRICT given FROM session_regenerate(token, auth_level => 2,
        bound_cookie => app.bound_cookie());
    PERFORM app.offer_binding(given.token);
    RETURN app.hand_out(given, session_data_get(given.token, 'remember')::boolean);
END
$$;

CREATE FUNCTION api.delete_account() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
BEGIN
    PERFORM session_require(2, '5 minutes');
    DELETE FROM app.users WHERE id = session_user_id();
    PERFORM session_revoke_others();
    PERFORM session_revoke_mine(session_id());
    PERFORM app.take_back_cookies();
END
$$;

GRANT EXECUTE ON FUNCTION api.logout(), api.step_up(text), api.delete_account() TO web_user;

--
-- 12. For administrators: GET /rpc/admin_report, a sensitive path.
--

CREATE FUNCTION api.admin_report() RETURNS TABLE (name text, admin boolean, joined timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
    SELECT name, admin, created_at FROM app.users ORDER BY created_at
$$;
GRANT EXECUTE ON FUNCTION api.admin_report() TO web_admin;

--
-- 13. For other services: POST /rpc/introspect, POST /rpc/revoke, with a form
-- as RFC 7662 and RFC 7009 define it. Only resource_server may call them.
-- Otherwise every client could test stolen tokens.
--

-- Returns what a service may know about a user's session token; only
-- {"active": false} for any other token, a visitor's, a service's or an API
-- token included.
CREATE FUNCTION api.introspect(token text DEFAULT NULL, token_type_hint text DEFAULT NULL)
RETURNS json
LANGUAGE sql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
    SELECT coalesce((
        SELECT json_build_object(
                   'active', true,
                   'token_type', 'Bearer',
                   'sub', u.id,
                   'username', u.name,
                   'scope', CASE WHEN s.role = 'web_admin' THEN 'todos admin' ELSE 'todos' END,
                   'auth_time', floor(extract(epoch FROM s.authenticated_at))::bigint,
                   'iat', floor(extract(epoch FROM s.created_at))::bigint,
                   'exp', floor(extract(epoch FROM s.expires_at))::bigint)
        FROM session_validate(introspect.token) s JOIN app.users u ON u.id = s.user_id
        WHERE s.role IN ('web_user', 'web_admin')), '{"active":false}')
$$;

-- Ends the session of a session token or a refresh token. The answer is the
-- same for every token.
CREATE FUNCTION api.revoke(token text DEFAULT NULL, token_type_hint text DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
BEGIN
    PERFORM session_revoke(revoke.token);
    RETURN '{}';
END
$$;
GRANT EXECUTE ON FUNCTION api.introspect(text, text), api.revoke(text, text) TO resource_server;

--
-- 14. For browsers that bind a session to a key of their own: POST
-- /rpc/dbsc_register, POST /rpc/dbsc_refresh. The browser calls them by itself,
-- without a body. A refusal is a status and no error, so that the evidence of
-- it is kept.
--

-- Answers a browser that was offered to bind the session of its cookie.
CREATE FUNCTION api.dbsc_register() RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM session_dbsc_register(app.session_token(),
        app.header('secure-session-response'), '/api/rpc/dbsc_refresh');
    IF answer.instructions IS NULL THEN
        PERFORM set_config('response.status', '400', true);
        RETURN jsonb_build_object('message', 'This is no proof of a key for this session.');
    END IF;
    PERFORM app.add_headers('Set-Cookie', answer.set_cookie);
    PERFORM app.add_headers('Secure-Session-Challenge', answer.challenge);
    RETURN answer.instructions;
END
$$;

-- Answers a browser whose bound cookie is over: with another one for a proof,
-- and otherwise with a challenge, so that it asks again with a proof. A browser
-- whose session has ended is told so.
CREATE FUNCTION api.dbsc_refresh() RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    answer record;
BEGIN
    SELECT * INTO answer FROM session_dbsc_refresh(app.header('sec-secure-session-id'),
        app.header('secure-session-response'), '/api/rpc/dbsc_refresh');
    PERFORM app.add_headers('Set-Cookie', answer.set_cookie);
    PERFORM app.add_headers('Secure-Session-Challenge', answer.challenge);
    IF answer.instructions IS NULL THEN
        PERFORM set_config('response.status', '403', true);
        RETURN jsonb_build_object('message', 'Prove the key of this session.');
    END IF;
    RETURN answer.instructions;
END
$$;
GRANT EXECUTE ON FUNCTION api.dbsc_register(), api.dbsc_refresh() TO web_anon, web_user;

RESET search_path;
RESET ROLE;

--
-- 15. For administrators: the fleet, all sessions of all users. GET
-- /rpc/fleet_sessions, /rpc/fleet_policies, /rpc/fleet_events,
-- /rpc/fleet_keys, /rpc/fleet_stats; POST /rpc/fleet_revoke,
-- /rpc/fleet_revoke_all, /rpc/fleet_policy_set, /rpc/fleet_policy_drop.
--
-- Three locks: only web_admin may execute the functions; all of them require
-- that the session is live at this moment (session_require reads its row); and
-- those that change something, that the password was given a few minutes ago.
-- fleet_owner has the rights of an administrator of sessions. web_admin has
-- none, so a request can do nothing but call these functions.
--

-- Only the owner of the extension may read these two views. Neither has a
-- secret.
CREATE FUNCTION app.key_ring() RETURNS SETOF session.key_ring
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM session.key_ring
$$;

CREATE FUNCTION app.stats() RETURNS SETOF session.stats
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM session.stats WHERE database = current_database()
$$;

REVOKE EXECUTE ON FUNCTION app.key_ring(), app.stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.key_ring(), app.stats() TO fleet_owner;

GRANT USAGE, CREATE ON SCHEMA app, api TO fleet_owner;
GRANT SELECT (id, name) ON app.users TO fleet_owner;
CREATE POLICY names ON app.users FOR SELECT TO fleet_owner USING (true);
GRANT EXECUTE ON FUNCTION app.add_headers(text, text[]), app.take_back_cookies() TO fleet_owner;

SET ROLE fleet_owner;
SET search_path = extensions;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Raises an error unless the password was given a few minutes ago. The hint
-- tells the page to ask for it.
CREATE FUNCTION app.require_password() RETURNS void
LANGUAGE plpgsql SET search_path = extensions, pg_temp AS $$
BEGIN
    PERFORM session_require();
    BEGIN
        PERFORM session_require(2, '5 minutes');
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE SQLSTATE 'PT403' USING
            MESSAGE = 'Enter your password to change sessions of others.', HINT = 'step_up';
    END;
END
$$;

-- The directory with the names of users and without the data of sessions.
CREATE VIEW app.fleet AS
    SELECT d.id, d.status, d.user_id, u.name AS user_name, d.tenant_id, d.role, d.auth_level,
           d.amr, d.ip, d.user_agent, d.created_at, d.authenticated_at, d.last_seen_at,
           d.expires_at, d.bound, d.current
    FROM session.directory d LEFT JOIN app.users u ON u.id = d.user_id;

-- Returns the newest sessions that match, 25 a page, and how many there are on
-- all pages. The order of ids is that of creation: before is the last id of the
-- page before.
CREATE FUNCTION api.fleet_sessions(account text DEFAULT NULL, tenant text DEFAULT NULL,
    status text DEFAULT NULL, address inet DEFAULT NULL, agent text DEFAULT NULL,
    newer interval DEFAULT NULL, older interval DEFAULT NULL, before uuid DEFAULT NULL)
RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
    SELECT session_require();
    WITH found AS MATERIALIZED (
        SELECT f.id FROM app.fleet f
        WHERE (account IS NULL OR f.user_id = account
               OR strpos(lower(f.user_name), lower(account)) > 0)
          AND (tenant IS NULL OR f.tenant_id = tenant)
          AND (address IS NULL OR f.ip <<= address)
          AND (agent IS NULL OR strpos(lower(f.user_agent), lower(agent)) > 0)
          AND (newer IS NULL OR f.created_at >= now() - newer)
          AND (older IS NULL OR f.created_at < now() - older)
          AND (fleet_sessions.status IS NULL OR f.status = fleet_sessions.status)),
    page AS (
        SELECT f.* FROM app.fleet f JOIN found USING (id)
        WHERE before IS NULL OR id < before
        ORDER BY id DESC LIMIT 25)
    SELECT json_build_object('total', (SELECT count(*) FROM found),
               'sessions', (SELECT coalesce(json_agg(page ORDER BY id DESC), '[]') FROM page))
$$;

-- Ends sessions by their ids, except that of the caller. Returns how many.
CREATE FUNCTION api.fleet_revoke(ids uuid[], reason text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
BEGIN
    PERFORM app.require_password();
    RETURN session_revoke_ids(array_remove(ids, session_id()), nullif(reason, ''));
END
$$;

-- The kill switch: ends all sessions, that of the caller included, or those of
-- a tenant. The caller confirms it by typing a sentence.
CREATE FUNCTION api.fleet_revoke_all(confirmation text, reason text DEFAULT NULL,
    tenant text DEFAULT NULL)
RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
DECLARE
    expected text := coalesce('end ' || tenant, 'end all sessions');
    until timestamptz;
BEGIN
    IF confirmation IS DISTINCT FROM expected THEN
        RAISE SQLSTATE 'PT400' USING
            MESSAGE = format('Type “%s” to end these sessions. Nothing has ended.', expected);
    END IF;
    PERFORM app.require_password();
    until := session_revoke_all(nullif(reason, ''), tenant);
    IF tenant IS NULL THEN
        PERFORM app.take_back_cookies();
    END IF;
    RETURN json_build_object('until', until);
END
$$;

-- Returns the policies, with times as people read them.
CREATE FUNCTION api.fleet_policies()
RETURNS TABLE (tenant text, role text, lifetime text, idle_timeout text, max_sessions int,
               bind_ip text, bind_user_agent boolean, valid_after timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = extensions, pg_temp SET intervalstyle = 'postgres_verbose' AS $$
    SELECT session_require();
    SELECT p.tenant_id, p.role, ltrim(p.lifetime::text, '@ '), ltrim(p.idle_timeout::text, '@ '),
           p.max_sessions, p.bind_ip, p.bind_user_agent, p.valid_after
    FROM session.policies p
    ORDER BY p.tenant_id NULLS FIRST, p.role NULLS FIRST
$$;

CREATE FUNCTION api.fleet_policy_set(tenant text DEFAULT NULL, role text DEFAULT NULL,
    lifetime interval DEFAULT NULL, idle_timeout interval DEFAULT NULL,
    max_sessions int DEFAULT NULL, bind_ip text DEFAULT NULL,
    bind_user_agent boolean DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
BEGIN
    PERFORM app.require_password();
    PERFORM session_policy_set(tenant, role, lifetime, idle_timeout, max_sessions, bind_ip,
                               bind_user_agent);
END
$$;

CREATE FUNCTION api.fleet_policy_drop(tenant text DEFAULT NULL, role text DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
BEGIN
    PERFORM app.require_password();
    RETURN session_policy_drop(tenant, role);
END
$$;

-- Returns the newest events, 25 a page. before_at and before_id are those of
-- the last event of the page before. The actor is a name if it is a user.
CREATE FUNCTION api.fleet_events(kinds text[] DEFAULT NULL, account text DEFAULT NULL,
    before_at timestamptz DEFAULT 'infinity', before_id bigint DEFAULT 0)
RETURNS TABLE (id bigint, at timestamptz, kind text, user_name text, tenant text, ip inet,
               user_agent text, actor text, actor_kind text, detail jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
    SELECT session_require();
    SELECT e.id, e.at, e.kind, coalesce(u.name, e.user_id), e.tenant_id, e.ip, e.user_agent,
           coalesce(a.name, e.actor), e.actor_kind, e.detail
    FROM session.events e
         LEFT JOIN app.users u ON u.id = e.user_id
         LEFT JOIN app.users a ON a.id = e.actor AND e.actor_kind = 'user'
    WHERE (e.at, e.id) < (before_at, before_id)
      AND (kinds IS NULL OR e.kind = ANY (kinds))
      AND (account IS NULL OR e.user_id = account
           OR strpos(lower(u.name), lower(account)) > 0)
    ORDER BY e.at DESC, e.id DESC LIMIT 25
$$;

CREATE FUNCTION api.fleet_keys()
RETURNS TABLE (kid text, purpose text, algorithm text, imported boolean, created_at timestamptz,
               activated_at timestamptz, retired_at timestamptz, signs boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
    SELECT session_require();
    SELECT k.kid, k.purpose, k.algorithm, k.imported, k.created_at, k.activated_at, k.retired_at,
           k.signs
    FROM app.key_ring() k
    ORDER BY k.purpose, k.retired_at DESC NULLS FIRST, k.created_at DESC, k.kid
$$;

-- Returns the figures of session.stats that the page draws, and how many of the
-- sessions that are kept were created on each of the last 14 days.
CREATE FUNCTION api.fleet_stats() RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = extensions, pg_temp AS $$
    SELECT session_require();
    SELECT json_build_object(
        'sessions', (SELECT json_build_object('live', s.live, 'idle', s.idle,
            'expired', s.expired, 'revoked', s.revoked) FROM app.stats() s),
        'checks', (SELECT json_build_object('active', s.checks_active,
            'malformed', s.checks_malformed, 'unknown', s.checks_unknown,
            'revoked', s.checks_revoked, 'expired', s.checks_expired, 'idle', s.checks_idle,
            'binding', s.checks_binding, 'unbound', s.checks_unbound, 'risk', s.checks_risk)
            FROM app.stats() s),
        'totals', (SELECT json_build_object('created', s.sessions_created,
            'refreshed', s.sessions_refreshed, 'regenerated', s.sessions_regenerated,
            'ended', s.sessions_ended, 'evicted', s.sessions_evicted,
            'refresh_reuses', s.refresh_reuses) FROM app.stats() s),
        'memory', (SELECT json_build_object('used', s.activity_used, 'size', s.activity_size)
            FROM app.stats() s),
        'days', (SELECT json_agg(json_build_object('day', day::date, 'created',
                (SELECT count(*) FROM session.directory d
                 WHERE d.created_at >= day AND d.created_at < day + interval '1 day'))
                ORDER BY day)
            FROM generate_series(current_date - 13, current_date, interval '1 day') day))
$$;

GRANT EXECUTE ON FUNCTION
    api.fleet_sessions(text, text, text, inet, text, interval, interval, uuid),
    api.fleet_revoke(uuid[], text), api.fleet_revoke_all(text, text, text),
    api.fleet_policies(),
    api.fleet_policy_set(text, text, interval, interval, int, text, boolean),
    api.fleet_policy_drop(text, text),
    api.fleet_events(text[], text, timestamptz, bigint), api.fleet_keys(), api.fleet_stats()
TO web_admin;

RESET search_path;
RESET ROLE;
REVOKE CREATE ON SCHEMA app, api FROM fleet_owner;
