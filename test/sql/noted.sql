-- Snapshots become invalid with every change of session.sessions, whatever
-- makes it: a statement, a foreign key, a trigger of the user,
-- session_replication_role or TRUNCATE.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT session_key_rotate() IS NOT NULL AS made;

-- Creates a session for each of some names, and a valid snapshot of each.
CREATE TEMP TABLE made (name text PRIMARY KEY, id uuid, token text, cookie text);
CREATE FUNCTION pg_temp.make(names text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO made
    SELECT name, s.id, s.token
      FROM unnest(names) AS name, session_create(name, role => 'reader', tenant_id => 'acme', idle_timeout => '1 hour', refreshable => name = 'refreshable') AS s
$$;
CREATE FUNCTION pg_temp.issue() RETURNS void LANGUAGE sql AS $$
    UPDATE made SET cookie = session_cookie_issue(token)
$$;

-- Returns for each snapshot the validated identity, and whether it came from
-- the snapshot ("cookie") or the row ("database").
CREATE FUNCTION pg_temp.answers() RETURNS TABLE (name text, answer text) LANGUAGE sql AS $$
    SELECT m.name, coalesce((SELECT concat_ws(' ', v.source, v.user_id, v.tenant_id, v.role, v.auth_level) FROM session_cookie_validate(m.cookie, token => m.token) AS v), 'nobody')
      FROM made AS m ORDER BY m.name COLLATE "C"
$$;

-- The triggers fire under every session_replication_role.
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'session.sessions'::regclass ORDER BY tgname;

-- Each column that a snapshot contains, or that ends a session.
CREATE TEMP TABLE changes (name text, change text);
INSERT INTO changes VALUES
    ('untouched', NULL),
    ('id', 'id = ''00000000-0000-4000-8000-000000000001'''),
    ('token_hash', 'token_hash = sha256(''another'')'),
    ('user_id', 'user_id = ''mallory'''),
    ('tenant_id', 'tenant_id = NULL'),
    ('role', 'role = ''editor'''),
    ('role to null', 'role = NULL'),
    ('auth_level', 'auth_level = 0'),
    ('parent_id', 'parent_id = (SELECT id FROM made WHERE name = ''untouched'')'),
    ('authenticated_at', 'authenticated_at = NULL'),
    ('created_at', 'created_at = created_at - interval ''1 day'''),
    ('expires_at', 'expires_at = clock_timestamp()'),
    ('idle_timeout', 'idle_timeout = ''1 microsecond'''),
    ('last_seen_at', 'created_at = created_at - interval ''1 hour'', last_seen_at = last_seen_at - interval ''1 hour'''),
    ('refreshable', 'refresh_expires_at = clock_timestamp()'),
    ('revoked_at', 'revoked_at = clock_timestamp(), revoked_reason = ''by hand''');
SELECT pg_temp.make(array_agg(name)) FROM changes;
SELECT pg_temp.issue();
SELECT count(*) AS believed, count(*) FILTER (WHERE answer LIKE 'cookie %') = count(*) AS "all" FROM pg_temp.answers();
SELECT c.name, pg_temp.outcome_of(format('UPDATE session.sessions SET %s WHERE id = %L', change, id)) AS outcome
  FROM changes AS c JOIN made USING (name) WHERE change IS NOT NULL ORDER BY c.name COLLATE "C";
SELECT * FROM pg_temp.answers();

-- Changes that make no snapshot wrong leave the snapshots valid.
TRUNCATE made, changes;
INSERT INTO changes VALUES
    ('activity', 'last_seen_at = last_seen_at + interval ''1 second'', purge_at = purge_at + interval ''1 hour'''),
    ('data', 'data = ''{"a": 1}'''),
    ('later', 'expires_at = expires_at + interval ''1 day'''),
    ('origin', 'ip = ''192.0.2.1'', user_agent = ''curl'''),
    ('same', 'id = id, token_hash = token_hash, user_id = user_id, role = ''reader'', revoked_at = NULL');
SELECT pg_temp.make(array_agg(name)) FROM changes;
SELECT pg_temp.issue();
SELECT c.name, pg_temp.outcome_of(format('UPDATE session.sessions SET %s WHERE id = %L', change, id)) AS outcome
  FROM changes AS c JOIN made USING (name) ORDER BY c.name COLLATE "C";
SELECT * FROM pg_temp.answers();

-- After a token was changed by hand, a snapshot for the new token is accepted.
-- One for a token that the session had before is not.
TRUNCATE made;
SELECT pg_temp.make('{back,new}');
SELECT pg_temp.issue();
SELECT token AS other FROM session_regenerate((SELECT token FROM made WHERE name = 'back'), role => 'editor') \gset
UPDATE session.sessions SET token_hash = sha256(substr(pg_temp.bytes_of(token), 17)) FROM made WHERE name = 'back' AND made.id = sessions.id;
UPDATE made SET token = pg_temp.token_of(substr(pg_temp.bytes_of(token), 1, 16) || sha256('secret')) WHERE name = 'new';
UPDATE session.sessions SET token_hash = sha256(substr(pg_temp.bytes_of(token), 17)) FROM made WHERE name = 'new' AND made.id = sessions.id;
SELECT * FROM pg_temp.answers();
UPDATE made SET cookie = session_cookie_issue(token) WHERE name = 'new';
SELECT * FROM pg_temp.answers();

-- A snapshot for a new token is never mistaken for one of an earlier token.
-- After more than six tokens, the row is looked up instead.
TRUNCATE made;
SELECT pg_temp.make(array_agg('s' || n)) FROM generate_series(1, 200) AS n;
SELECT pg_temp.issue();
\set ECHO none
SELECT 'UPDATE made SET token = (SELECT r.token FROM session_regenerate(made.token) AS r)' FROM generate_series(1, 6) \gexec
\set ECHO all
SELECT pg_temp.issue();
SELECT split_part(answer, ' ', 1) AS source, count(*) FROM pg_temp.answers() GROUP BY source;
UPDATE made SET token = (SELECT r.token FROM session_regenerate(made.token) AS r);
SELECT pg_temp.issue();
SELECT split_part(answer, ' ', 1) AS source, count(*) FROM pg_temp.answers() GROUP BY source;

-- Rows changed twice in one transaction, and changes that are rolled back.
TRUNCATE made;
SELECT pg_temp.make('{aborted,twice,undone}');
SELECT pg_temp.issue();
BEGIN;
UPDATE session.sessions SET token_hash = sha256('another') WHERE user_id = 'twice';
UPDATE session.sessions SET role = 'editor' WHERE user_id = 'twice';
SAVEPOINT s;
DELETE FROM session.sessions WHERE user_id = 'undone';
ROLLBACK TO s;
COMMIT;
BEGIN;
DELETE FROM session.sessions WHERE user_id = 'aborted';
ROLLBACK;
SELECT * FROM pg_temp.answers();

-- Rows that are deleted: by a statement, by the cascade of a foreign key, and
-- with session_replication_role = replica.
TRUNCATE made;
SELECT pg_temp.make('{cascaded,deleted,moved,replica,untouched}');
SELECT pg_temp.issue();
CREATE TABLE owners (id text PRIMARY KEY);
INSERT INTO owners SELECT DISTINCT user_id FROM session.sessions;
ALTER TABLE session.sessions ADD CONSTRAINT owner FOREIGN KEY (user_id) REFERENCES owners ON DELETE CASCADE ON UPDATE CASCADE;
DELETE FROM owners WHERE id = 'cascaded';
UPDATE owners SET id = 'elsewhere' WHERE id = 'moved';
DELETE FROM session.sessions WHERE user_id = 'deleted';
SET session_replication_role = replica;
DELETE FROM session.sessions WHERE user_id = 'replica';
RESET session_replication_role;
SELECT * FROM pg_temp.answers();

-- A row that is inserted again with the same id does not make the snapshot
-- valid.
INSERT INTO session.sessions (id, token_hash, user_id, role, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
SELECT id, sha256(substr(pg_temp.bytes_of(token), 17)), 'untouched', 'editor', 1, '{}', now(), now(), 'infinity', 'infinity'
  FROM made WHERE name = 'deleted';
SELECT * FROM pg_temp.answers() WHERE name = 'deleted';

-- TRUNCATE of the table, or of one that it references.  A snapshot of a
-- session created later is accepted.
TRUNCATE made;
INSERT INTO owners VALUES ('emptied');
SELECT pg_temp.make('{emptied}');
SELECT pg_temp.issue();
BEGIN;
TRUNCATE session.sessions;
ROLLBACK;
SELECT * FROM pg_temp.answers();
SELECT pg_temp.issue();
SELECT * FROM pg_temp.answers();
BEGIN;
TRUNCATE owners CASCADE;
SELECT * FROM pg_temp.answers();
COMMIT;
SELECT * FROM pg_temp.answers();
ALTER TABLE session.sessions DROP CONSTRAINT owner;
TRUNCATE made;
SELECT pg_temp.make('{after}');
SELECT pg_temp.issue();
SELECT * FROM pg_temp.answers();
TRUNCATE session.sessions;
SELECT * FROM pg_temp.answers();

-- A trigger of the user changes a row during session_touch.
TRUNCATE made;
SELECT pg_temp.make('{promoted,touched}');
SELECT pg_temp.issue();
CREATE FUNCTION promote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.user_id = 'promoted' THEN NEW.role := 'editor'; END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER promote BEFORE UPDATE ON session.sessions FOR EACH ROW EXECUTE FUNCTION promote();
SELECT session_touch(token) FROM made;
SELECT * FROM pg_temp.answers();
DROP TRIGGER promote ON session.sessions;

-- If the trigger does not fire, every change that makes a snapshot invalid
-- fails; other changes succeed.
TRUNCATE made;
SELECT pg_temp.make('{kept}');
\set VERBOSITY default
ALTER TABLE session.sessions DISABLE TRIGGER sessions_changed;
SELECT session_revoke(token) FROM made;
\set VERBOSITY terse
SELECT count(*) FROM made, session_regenerate(token);
SELECT session_revoke_user('kept');
SELECT session_status(token), session_touch(token), session_data_set(token, 'k', '1') FROM made;
SELECT session_cleanup();
ALTER TABLE session.sessions ENABLE TRIGGER sessions_changed;
SET session_replication_role = replica;
SELECT session_revoke(token) FROM made;
RESET session_replication_role;
\set VERBOSITY default
SELECT session_cleanup();
\set VERBOSITY terse
ALTER TABLE session.sessions ENABLE ALWAYS TRIGGER sessions_changed;
SELECT session_cleanup();
CREATE FUNCTION take_back() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
CREATE TRIGGER take_back BEFORE UPDATE ON session.sessions FOR EACH ROW EXECUTE FUNCTION take_back();
SELECT session_revoke(token) FROM made;
DROP TRIGGER take_back ON session.sessions;
-- Also if the end of only one of several sessions is taken back.
SELECT count(session_create('several', role => role)) FROM unnest(ARRAY['guest', 'keeper', 'guest']) AS role;
CREATE TRIGGER take_back BEFORE UPDATE ON session.sessions FOR EACH ROW WHEN (OLD.role = 'keeper') EXECUTE FUNCTION take_back();
SELECT session_revoke_user('several');
DROP TRIGGER take_back ON session.sessions;
SELECT session_revoke_user('several');
SELECT session_status(token), session_revoke(token), session_status(token) FROM made;

-- The same for keys, which every backend caches.
ALTER TABLE session.keys DISABLE TRIGGER keys_changed;
SELECT session_key_rotate();
SELECT session_key_import(sha256('secret'));
SELECT session_key_retire(kid) FROM session.key_ring;
SELECT session_cleanup();
ALTER TABLE session.keys ENABLE ALWAYS TRIGGER keys_changed;
SELECT count(session_key_rotate()) AS rotated FROM session.key_ring;

-- The same for denied cookies, which may be bound.
SELECT session_cookie_encode('{"sub": "ada"}') AS cookie \gset
ALTER TABLE session.denylist DISABLE TRIGGER denylist_changed;
SELECT session_cookie_revoke(:'cookie');
SELECT session_cleanup();
ALTER TABLE session.denylist ENABLE ALWAYS TRIGGER denylist_changed;
SELECT session_cookie_revoke(:'cookie'), session_cookie_revoke(:'cookie');

-- The trigger function works only on this table, and only in these triggers.
CREATE TABLE fake (LIKE session.sessions);
CREATE TRIGGER t AFTER DELETE ON fake FOR EACH ROW EXECUTE FUNCTION session.session_sessions_changed();
CREATE TRIGGER e AFTER TRUNCATE ON fake FOR EACH STATEMENT EXECUTE FUNCTION session.session_sessions_changed();
INSERT INTO fake SELECT * FROM session.sessions LIMIT 1;
DELETE FROM fake;
TRUNCATE fake;
DROP TABLE fake;
CREATE TRIGGER t AFTER INSERT ON session.sessions FOR EACH ROW EXECUTE FUNCTION session.session_sessions_changed();
SELECT FROM session_create('nobody');
DROP TRIGGER t ON session.sessions;
CREATE TRIGGER t BEFORE UPDATE ON session.sessions FOR EACH ROW EXECUTE FUNCTION session.session_sessions_changed();
UPDATE session.sessions SET role = 'nobody';
DROP TRIGGER t ON session.sessions;
SELECT session.session_sessions_changed();
CREATE TABLE fake (LIKE session.denylist);
CREATE TRIGGER t AFTER INSERT ON fake FOR EACH ROW EXECUTE FUNCTION session.session_denylist_changed();
INSERT INTO fake VALUES ('', 'infinity');
DROP TRIGGER t ON fake;
CREATE TRIGGER t AFTER INSERT ON fake FOR EACH STATEMENT EXECUTE FUNCTION session.session_denylist_changed();
INSERT INTO fake VALUES ('', 'infinity');
DROP TABLE fake;
SELECT session.session_denylist_changed();

-- An idle timeout too long to be added to a time counts as none.
SELECT id, token FROM session_create('patient', idle_timeout => '1 hour') \gset
UPDATE session.sessions SET idle_timeout = '300000 years' WHERE id = :'id';
SELECT session_status(:'token'), session_revoke(:'token');
DELETE FROM session.sessions WHERE id = :'id';

DROP FUNCTION promote, take_back;
DROP TABLE owners CASCADE;
DROP EXTENSION session;
