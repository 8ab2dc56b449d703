-- CHECK constraints: a backend keeps the expressions of those on our tables.
-- Each statement checks the constraints that the table has then.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SET client_min_messages = warning;
\set VERBOSITY terse

-- A constraint that a user adds, changes, or drops.
SELECT token FROM session_create('ada') \gset
ALTER TABLE session.sessions ADD CONSTRAINT mine CHECK (user_id <> 'eve');
SELECT count(session_create('eve'));
SELECT count(session_create('bob')) AS bob, session_touch(:'token') AS ada;
ALTER TABLE session.sessions DROP CONSTRAINT mine, ADD CONSTRAINT mine CHECK (user_id <> 'bob') NOT VALID;
SELECT count(session_create('bob'));
SELECT session_revoke_user('bob');
SELECT count(session_create('eve')) AS eve;
BEGIN;
ALTER TABLE session.sessions DROP CONSTRAINT mine;
SELECT count(session_create('bob')) AS bob;
ROLLBACK;
SELECT count(session_create('bob'));
ALTER TABLE session.sessions DROP CONSTRAINT mine;
SELECT session_revoke_user('bob') AS bob;

-- One of our own constraints, removed and put back.
ALTER TABLE session.sessions DROP CONSTRAINT sessions_token_hash_is_sha256;
SELECT count(session_create('ada')) AS ada;
ALTER TABLE session.sessions ADD CONSTRAINT sessions_token_hash_is_sha256 CHECK (octet_length(token_hash) = 32);
SELECT count(session_create('ada')) AS ada;
UPDATE session.sessions SET token_hash = '' WHERE user_id = 'ada';

-- A function in a constraint that is replaced.
CREATE FUNCTION public.regress_session_allowed(text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 <> 'eve';
ALTER TABLE session.sessions ADD CONSTRAINT mine CHECK (public.regress_session_allowed(user_id)) NOT VALID;
SELECT count(session_create('eve'));
SELECT count(session_create('bob')) AS bob;
CREATE OR REPLACE FUNCTION public.regress_session_allowed(text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 <> 'bob';
SELECT count(session_create('bob'));
SELECT count(session_create('eve')) AS eve;

-- The same within a statement of ours: a trigger replaces the function and
-- creates a session, for each row.
CREATE FUNCTION public.regress_session_nest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION public.regress_session_allowed(text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 <> %L',
                   'not ' || NEW.id);
    PERFORM public.session_create('nested', role => repeat('x', 63));
    RETURN NEW;
END
$$;
SELECT count(session_create('cleo')) FROM generate_series(1, 5);
CREATE TRIGGER mine BEFORE UPDATE ON session.sessions FOR EACH ROW EXECUTE FUNCTION public.regress_session_nest();
SELECT session_revoke_user('cleo') AS cleo;
SELECT user_id, count(*) FROM session.sessions WHERE user_id IN ('cleo', 'nested') GROUP BY 1 ORDER BY 1;
DROP TRIGGER mine ON session.sessions;
ALTER TABLE session.sessions DROP CONSTRAINT mine;

-- A constraint that fails before any row is checked.
ALTER TABLE session.sessions ADD CONSTRAINT mine CHECK (auth_level < 1 / 0) NOT VALID;
SELECT count(session_create('ada'));
SELECT count(session_create('ada'));
ALTER TABLE session.sessions DROP CONSTRAINT mine;
SELECT count(session_create('ada')) AS ada;

-- A constraint whose function creates a session, so that the same constraint is
-- checked while it is checked.
CREATE FUNCTION public.regress_session_nests(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF name LIKE 'deep%' AND length(name) < 7 THEN
        PERFORM public.session_create(name || 'x');
    END IF;
    IF name = 'deepfail' THEN
        RAISE division_by_zero;
    END IF;
    RETURN name;
END
$$;
ALTER TABLE session.sessions ADD CONSTRAINT mine CHECK (user_id = public.regress_session_nests(user_id) AND user_id <> 'deepxxxx') NOT VALID;
SELECT count(session_create('deep')) AS deep;
SELECT user_id FROM session.sessions WHERE user_id LIKE 'deep%' ORDER BY 1;
SELECT count(session_create('deepfail'));
SELECT count(session_create('deepxxxx'));
SELECT count(session_create('deep')) AS deep;
ALTER TABLE session.sessions DROP CONSTRAINT mine;

-- A constraint on the whole row, and one with a domain that changes.
CREATE FUNCTION public.regress_session_row(session.sessions) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN ($1).user_id <> ''rowless''; END';
ALTER TABLE session.sessions ADD CONSTRAINT mine CHECK (public.regress_session_row(sessions)) NOT VALID;
SELECT count(session_create('row')) AS rows FROM generate_series(1, 3);
SELECT count(session_create('row')) AS rows FROM generate_series(1, 50);
SELECT count(session_create('row')) AS row;
SELECT count(session_create('rowless'));
ALTER TABLE session.sessions DROP CONSTRAINT mine;
DROP FUNCTION public.regress_session_row(session.sessions);
CREATE DOMAIN public.regress_session_domain AS text;
ALTER TABLE session.sessions ADD CONSTRAINT mine CHECK (user_id::public.regress_session_domain IS NOT NULL) NOT VALID;
SELECT count(session_create('domain')) AS domain;
ALTER DOMAIN public.regress_session_domain ADD CONSTRAINT first CHECK (value <> 'domain');
SELECT count(session_create('domain'));
ALTER DOMAIN public.regress_session_domain DROP CONSTRAINT first;
ALTER DOMAIN public.regress_session_domain ADD CONSTRAINT second CHECK (value <> 'other');
SELECT count(session_create('domain')) AS domain;
SELECT count(session_create('other'));
ALTER TABLE session.sessions DROP CONSTRAINT mine;
DROP DOMAIN public.regress_session_domain;

-- A role that may not execute the function of a constraint: the privilege is
-- revoked, and the table gets another owner.
CREATE ROLE regress_session_owner;
GRANT USAGE ON SCHEMA session TO regress_session_owner;
ALTER TABLE session.sessions ADD CONSTRAINT mine CHECK (user_id = public.regress_session_nests(user_id)) NOT VALID;
REVOKE EXECUTE ON FUNCTION public.regress_session_nests(text) FROM PUBLIC;
SELECT count(session_create('ada')) AS ada;
SELECT relowner::regrole AS owner FROM pg_class WHERE oid = 'session.sessions'::regclass \gset
ALTER TABLE session.sessions OWNER TO regress_session_owner;
SELECT count(session_create('ada'));
GRANT EXECUTE ON FUNCTION public.regress_session_nests(text) TO regress_session_owner;
SELECT count(session_create('ada')) AS ada;
REVOKE EXECUTE ON FUNCTION public.regress_session_nests(text) FROM regress_session_owner;
SELECT count(session_create('ada'));
ALTER TABLE session.sessions OWNER TO :owner;
ALTER TABLE session.sessions DROP CONSTRAINT mine;
REVOKE USAGE ON SCHEMA session FROM regress_session_owner;
DROP ROLE regress_session_owner;

-- The other tables.
SET session.log_events = 'created';
SELECT count(session_create('ada')) AS ada;
ALTER TABLE session.events ADD CONSTRAINT mine CHECK (user_id <> 'eve');
SELECT count(session_create('eve'));
SELECT count(session_create('bob')) AS bob;
ALTER TABLE session.events DROP CONSTRAINT mine;
SELECT count(session_create('eve')) AS eve;

DROP EXTENSION session;
