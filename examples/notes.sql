-- The database of the small examples: accounts, and notes that only their
-- owner sees. Load it as a superuser into an empty database:
--
--   createdb notes
--   psql -X -1 -v ON_ERROR_STOP=1 -d notes -f notes.sql

CREATE EXTENSION pgcrypto;

-- The functions of session have a schema of their own. No other role can
-- create a function there that would take calls meant for them.
CREATE SCHEMA auth;
CREATE EXTENSION session SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO PUBLIC;
SET search_path = public, auth;
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = public, auth', current_database());
END $$;

-- The role that the applications connect as. It can use sessions but cannot
-- create any: log_in does that, and requires a password.
CREATE ROLE notes_app LOGIN;

CREATE TABLE account (
    name text PRIMARY KEY,
    password text NOT NULL
);
INSERT INTO account VALUES
    ('ada', crypt('ada''s password', gen_salt('bf', 8))),
    ('bob', crypt('bob''s password', gen_salt('bf', 8)));

-- Logs in with the header Cookie of the request. Returns the new token, or NULL
-- if the name or the password is wrong. It takes the same time for a name that
-- does not exist. The address is that of the connection or, behind a proxy, the
-- header X-Forwarded-For that the proxy sets.
CREATE FUNCTION log_in(name text, password text, cookie text, address text, user_agent text)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public, auth, pg_temp
AS $$
DECLARE
    hash text := coalesce((SELECT a.password FROM account a WHERE a.name = log_in.name),
                          gen_salt('bf', 8));
BEGIN
    IF crypt(log_in.password, hash) = hash THEN
        RETURN (SELECT token FROM session_login(
            session_cookie_read(cookie), log_in.name, ip => session_ip(address),
            user_agent => log_in.user_agent, amr => '{pwd}'));
    END IF;
    RETURN NULL;
END $$;

CREATE SCHEMA api;
CREATE TABLE api.note (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL DEFAULT session_user_id(),
    body text NOT NULL
);
CREATE INDEX ON api.note (owner);
ALTER TABLE api.note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON api.note USING (owner = session_user_id());

GRANT USAGE ON SCHEMA api TO notes_app;
GRANT SELECT, INSERT, DELETE ON api.note TO notes_app;
