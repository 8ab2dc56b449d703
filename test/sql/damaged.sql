-- Rows that the CHECK constraints forbid: damaged, or written after the owner has
-- dropped the constraints.  A call fails or answers; it never accepts more than
-- the row says, and the backend goes on.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
DO $$
DECLARE
    dropped name;
BEGIN
    FOR dropped IN SELECT conname FROM pg_constraint WHERE conrelid = 'session.sessions'::regclass AND contype = 'c' LOOP
        EXECUTE format('ALTER TABLE session.sessions DROP CONSTRAINT %I', dropped);
    END LOOP;
END
$$;

CREATE TEMP TABLE made AS SELECT * FROM session_create('alice', '{"a": 1}', 'acme', ip => '192.0.2.1', refreshable => true);
SET session.log_events = '';

-- Returns what a statement does, with the code of its error.
CREATE FUNCTION pg_temp.does(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE query INTO result;
    RETURN coalesce(result, 'no row');
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate;
END
$$;

-- Returns what calls do with a row that was changed.
CREATE FUNCTION pg_temp.damaged(change text, OUT written text, OUT status text, OUT validate text,
                                OUT refresh text, OUT get text, OUT set text, OUT revoke text)
LANGUAGE plpgsql AS $$
BEGIN
    written := pg_temp.does('UPDATE session.sessions SET ' || change || ' RETURNING ''yes''');
    status := pg_temp.does('SELECT session_status(token) FROM made');
    validate := pg_temp.does('SELECT v.user_id || coalesce('' '' || v.amr::text, '''') || coalesce('' '' || v.scopes::text, '''') FROM made, session_validate(token) AS v');
    get := pg_temp.does('SELECT g.status FROM made, session_get(made.id) AS g');
    set := pg_temp.does('SELECT session_data_set(token, ''b'', ''2'') FROM made');
    BEGIN
        refresh := pg_temp.does('SELECT count(*) FROM made, session_refresh(refresh_token)');
        revoke := pg_temp.does('SELECT session_revoke_id(id) FROM made');
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN
        NULL;
    END;
END
$$;
BEGIN;
SAVEPOINT a;
SELECT * FROM pg_temp.damaged($$token_hash = '\x00'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$token_hash = sha256('')$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$refresh_key = '\x00'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$refresh_key = NULL$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$refresh_generation = NULL$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$refresh_generation = -5$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$bound_by = 'tpm', bound_thumbprint = sha256('')$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$bound_by = 'dbsc', bound_thumbprint = NULL$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$bound_by = 'dpop', bound_thumbprint = '\x00'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$amr = '{"no name", pwd}'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$amr = '{}'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$amr = '{{pwd}}'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$scopes = '{"no scope"}'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$scopes = '{NULL}'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$data = '[1]'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$data = '7'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$idle_timeout = '-1 hour'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$idle_timeout = '1 year'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$expires_at = '-infinity'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$last_seen_at = 'infinity', created_at = 'infinity'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$refresh_expires_at = '-infinity'$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$auth_level = -1$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$revoked_at = 'infinity', revoked_reason = NULL$$);
ROLLBACK TO a;
SELECT * FROM pg_temp.damaged($$parent_id = id$$);
ROLLBACK TO a;

-- The row as it was.
SELECT * FROM pg_temp.damaged('user_id = user_id');
ROLLBACK;
DROP EXTENSION session;
