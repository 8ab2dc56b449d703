-- Derived sessions: narrower sessions of the same user, which end with the
-- session that they were made of.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
-- The context of an error has the number of the schema of temporary objects.
\set SHOW_CONTEXT never

SET session.log_events = 'created, revoked';

-- Sessions by name.
CREATE TEMP TABLE made (name text PRIMARY KEY, id uuid, token text);
CREATE FUNCTION pg_temp.tok(wanted text) RETURNS text LANGUAGE sql AS $$
    SELECT token FROM made WHERE name = wanted
$$;
CREATE FUNCTION pg_temp.id(wanted text) RETURNS uuid LANGUAGE sql AS $$
    SELECT id FROM made WHERE name = wanted
$$;
-- Creates a session.
CREATE PROCEDURE pg_temp.make(name text, arguments text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO made SELECT %L, id, token FROM session_create(%s)',
                   name, arguments);
END
$$;
-- Derives a session from another one.
CREATE PROCEDURE pg_temp.derive(name text, parent text, arguments text DEFAULT 'NULL')
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO made SELECT %L, id, token FROM session_derive(pg_temp.tok(%L), %s)',
                   name, parent, arguments);
END
$$;
-- A family: a root, two children, a grandchild and a great-grandchild.
CREATE PROCEDURE pg_temp.start_over(arguments text DEFAULT $$'alice'$$) LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM session.sessions;
    DELETE FROM made;
    CALL pg_temp.make('root', arguments);
    CALL pg_temp.derive('a', 'root');
    CALL pg_temp.derive('b', 'root');
    CALL pg_temp.derive('aa', 'a');
    CALL pg_temp.derive('aaa', 'aa');
END
$$;
CREATE TEMP VIEW state AS
SELECT m.name, session_status(m.token) AS status, g.status AS got,
       d.status AS directory, s.revoked_reason AS reason
  FROM made m
  LEFT JOIN session.sessions s USING (id)
  LEFT JOIN session.directory d USING (id)
  LEFT JOIN LATERAL session_get(m.id) g ON true
 ORDER BY m.name COLLATE "C";

-- A derived session is of the same user, tenant, role and level, and has the
-- address of its parent.
SELECT id AS root, token AS token FROM session_create('alice', '{"a": 1}', 'acme', 'editor',
    '192.0.2.7', 'curl', auth_level => 2, amr => '{pwd,otp}') \gset
SELECT id AS child, token AS child_token, refresh_token IS NULL AS not_refreshable,
       expires_at <= (SELECT expires_at FROM session_get(:'root')) AS within
  FROM session_derive(:'token', '{todo:read,todo:write}', '1 hour', '{"b": 2}') \gset
SELECT :'not_refreshable' AS not_refreshable, :'within' AS within;
SELECT user_id, tenant_id, role, auth_level, amr, parent_id = :'root' AS of_root,
       actor_id, scopes, data, ip, user_agent,
       authenticated_at = (SELECT authenticated_at FROM session_get(:'root')) AS authenticated,
       expires_at - created_at <= interval '1 hour' AS short
  FROM session_validate(:'child_token');
SELECT kind, user_id, detail - 'parent_id' AS detail, detail ->> 'parent_id' = :'root' AS of_root
  FROM session.events WHERE session_id = :'child';

-- Its scopes are at most those of its parent.  NULL = the same.
\set VERBOSITY sqlstate
SELECT scopes FROM session_get((SELECT id FROM session_derive(:'child_token', NULL)));
SELECT scopes FROM session_get((SELECT id FROM session_derive(:'child_token', '{todo:read}')));
SELECT scopes FROM session_get((SELECT id FROM session_derive(:'child_token', '{}')));
SELECT id FROM session_derive(:'child_token', '{todo:read,mail:read}');
SELECT id FROM session_derive(:'child_token', '{todo:*}');
SELECT id FROM session_derive(:'child_token', '{*}');
SELECT token AS wide FROM session_derive(:'token', '{todo:*}') \gset
SELECT scopes FROM session_get((SELECT id FROM session_derive(:'wide', '{todo:a:b,todo:*}')));
SELECT id FROM session_derive(:'wide', '{todo}');
-- What is no scope is an error, whatever the token is.
SELECT id FROM session_derive('no token', '{"a b"}');
SELECT id FROM session_derive(:'token', '{""}');
SELECT id FROM session_derive(:'token', '{NULL}');
SELECT id FROM session_derive(:'token', '{{a},{b}}');
SELECT id FROM session_derive(:'token', ARRAY[repeat('a', 129)]);
SELECT id FROM session_derive(:'token', (SELECT array_agg('s' || n) FROM generate_series(1, 65) n));
SELECT id FROM session_derive(:'token', NULL, '0');
SELECT id FROM session_derive(:'token', NULL, NULL, '[]');
\set VERBOSITY default
SELECT id FROM session_derive(:'child_token', '{todo:*}');
SELECT id FROM session_derive(:'token', '{"a\\b"}');

-- A token that is not good gives no row.
SELECT count(*) FROM session_derive(NULL, NULL);
SELECT count(*) FROM session_derive('no token', NULL);
SELECT count(*) FROM session_derive(overlay(:'token' placing 'AAAA' from 60), NULL);
-- A session without a user cannot be derived from.
SELECT id FROM session_derive((SELECT token FROM session_create()), NULL);

-- A session of the fourth generation is the last one.
CALL pg_temp.start_over();
CALL pg_temp.derive('aaaa', 'aaa');
SELECT status FROM session_validate(pg_temp.tok('aaaa'));
CALL pg_temp.derive('aaaaa', 'aaaa');

-- Whatever statement ends a session ends its descendants, with events.
CREATE PROCEDURE pg_temp.end_by(statement text) LANGUAGE plpgsql AS $$
BEGIN
    CALL pg_temp.start_over();
    EXECUTE statement;
END
$$;
CALL pg_temp.end_by($$ SELECT session_revoke(pg_temp.tok('root')) $$);
TABLE state;
SELECT m.name, e.kind, e.detail FROM session.events e JOIN made m ON m.id = e.session_id
 WHERE e.kind = 'revoked' ORDER BY m.name COLLATE "C";
CALL pg_temp.end_by($$ SELECT session_revoke(pg_temp.tok('a')) $$);
TABLE state;
CALL pg_temp.end_by($$ SELECT session_revoke_id(pg_temp.id('aa'), 'stolen') $$);
TABLE state;
CALL pg_temp.end_by($$ SELECT session_login(pg_temp.tok('root'), 'bob') $$);
TABLE state;
-- Those asked for have the reason that was given, and are counted.
CALL pg_temp.start_over();
SELECT session_revoke_ids(ARRAY[pg_temp.id('a'), pg_temp.id('aaa')], 'asked');
TABLE state;
CALL pg_temp.start_over();
SELECT session_revoke_user('alice');
TABLE state;
CALL pg_temp.start_over();
SELECT session_revoke_user('alice', except_id => pg_temp.id('root'));
TABLE state;
-- Eviction ends the descendants of the evicted session.  Derived sessions do
-- not count, and are not evicted.
CALL pg_temp.start_over();
SET session.max_sessions = 1;
SELECT status FROM session_validate((SELECT token FROM session_create('alice')));
TABLE state;
RESET session.max_sessions;
-- So does a refresh token that is used again.
SELECT id, token, refresh_token AS first FROM session_create('alice', refreshable => true) \gset
DELETE FROM made;
INSERT INTO made VALUES ('root', :'id', :'token');
CALL pg_temp.derive('a', 'root');
SELECT token, refresh_token AS second FROM session_refresh(:'first') \gset
SELECT token, refresh_token AS third FROM session_refresh(:'second') \gset
UPDATE made SET token = :'token' WHERE name = 'root';
SELECT name, status FROM state;
SELECT count(*) FROM session_refresh(:'first');
TABLE state;

-- What no statement of ours ends ends the descendants in the same instant.
CALL pg_temp.end_by($$ DELETE FROM session.sessions WHERE id = pg_temp.id('root') $$);
TABLE state;
CALL pg_temp.end_by($$ UPDATE session.sessions SET revoked_at = now(), revoked_reason = 'sql'
                        WHERE id = pg_temp.id('root') $$);
TABLE state;
CALL pg_temp.end_by($$ UPDATE session.sessions SET expires_at = now() WHERE id = pg_temp.id('root') $$);
TABLE state;
CALL pg_temp.end_by($$ UPDATE session.sessions SET idle_timeout = '1 hour',
                               last_seen_at = now() - interval '2 hours', created_at = now() - interval '3 hours'
                        WHERE id = pg_temp.id('root') $$);
TABLE state;
CALL pg_temp.end_by($$ UPDATE session.sessions SET user_id = 'bob' WHERE id = pg_temp.id('root') $$);
TABLE state;
CALL pg_temp.end_by($$ UPDATE session.sessions SET created_at = now() - interval '1 day' WHERE id = pg_temp.id('root');
                       INSERT INTO session.policies (valid_after) VALUES (now() - interval '1 hour') $$);
TABLE state;
DELETE FROM session.policies;
CALL pg_temp.end_by($$ TRUNCATE session.sessions $$);
TABLE state;
-- A circle that an administrator made has no living parent.
CALL pg_temp.end_by($$ UPDATE session.sessions SET parent_id = pg_temp.id('aaa') WHERE id = pg_temp.id('root') $$);
TABLE state;
SELECT session_revoke_id(pg_temp.id('root'));
SELECT session_revoke_user('alice');
SELECT deleted FROM session_cleanup();
-- More parents than four are too many.
CALL pg_temp.start_over();
CALL pg_temp.derive('aaaa', 'aaa');
CALL pg_temp.make('top', $$ 'alice' $$);
UPDATE session.sessions SET created_at = created_at - interval '1 hour' WHERE id = pg_temp.id('top');
UPDATE session.sessions SET parent_id = pg_temp.id('top') WHERE id = pg_temp.id('root');
TABLE state;

-- A parent that is younger is another session, which got the id of the first.
SET session.foreign_tokens = on;
SELECT token FROM session_create('alice', token => 'a-secret-of-the-application') \gset
SELECT id, token AS child FROM session_derive(:'token', '{todo:read}') \gset
SELECT count(*) FROM session_validate(:'child');
DELETE FROM session.sessions WHERE id <> :'id';
SELECT session_status(:'child');
SELECT count(*) AS again FROM session_create('alice', token => 'a-secret-of-the-application');
SELECT session_status(:'child');
RESET session.foreign_tokens;

-- A role or a tenant that the parent gives up ends those that had it from it.
CALL pg_temp.start_over($$ 'alice', tenant_id => 'shop', role => 'pg_monitor' $$);
SELECT count(*) FROM session_regenerate(pg_temp.tok('a')) AS r, session_validate(r.token);
BEGIN;
SELECT count(*) FROM session_regenerate(pg_temp.tok('root'), role => 'pg_read_all_stats');
SELECT name, status FROM state WHERE name <> 'root';
ROLLBACK;
SELECT count(*) FROM session_regenerate(pg_temp.tok('root'), tenant_id => 'market');
SELECT name, status FROM state WHERE name <> 'root';

-- A cookie that is a session by itself, and has scopes or an actor, manages no
-- session of its user.
CALL pg_temp.start_over();
SELECT session_key_rotate() IS NOT NULL AS has_key;
SET session.strategy = stateless;
CREATE FUNCTION pg_temp.managed(claims jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('request.cookies', jsonb_build_object('__Host-session', session_cookie_encode('{"sub": "alice"}' || claims, 'jwt'))::text, true);
    PERFORM session_pre_request();
    RETURN concat_ws(' ', session_user_id(), (SELECT count(*) FROM session_mine()), session_revoke_mine(pg_temp.id('b')), session_revoke_others());
END $$;
SELECT claims, pg_temp.managed(claims) FROM unnest(ARRAY['{"scope": "todo:read"}', '{"scope": ""}', '{"act": {"sub": "root"}}', '{}']::jsonb[]) AS claims;
RESET session.strategy;

-- A session that was deleted together with its parent is noted, too.
CREATE TABLE people (id text COLLATE "C" PRIMARY KEY);
INSERT INTO people VALUES ('alice');
CALL pg_temp.start_over();
ALTER TABLE session.sessions ADD CONSTRAINT of_people FOREIGN KEY (user_id) REFERENCES people ON DELETE CASCADE;
BEGIN;
SELECT session_authenticate(pg_temp.tok('aa')), session_user_id();
DELETE FROM people;
SELECT session_user_id();
ROLLBACK;
ALTER TABLE session.sessions DROP CONSTRAINT of_people;
DROP TABLE people;

-- A use keeps a session alive as before; a use of a child is none of its parent.
CALL pg_temp.start_over($$ 'alice', idle_timeout => '1 hour' $$);
CALL pg_temp.pass('40 minutes');
SELECT status FROM session_validate(pg_temp.tok('a'));
CALL pg_temp.pass('30 minutes');
SELECT name, status FROM state WHERE name IN ('root', 'a');

-- A use of the parent counts before it is written into its row.
CALL pg_temp.start_over($$ 'alice', idle_timeout => '1 hour' $$);
UPDATE session.sessions SET created_at = now() - interval '3 hours', last_seen_at = now() - interval '40 minutes'
 WHERE id = pg_temp.id('root');
SELECT status FROM session_validate(pg_temp.tok('root'));
UPDATE session.sessions SET last_seen_at = now() - interval '2 hours' WHERE id = pg_temp.id('root');
SELECT name, status FROM state WHERE name IN ('root', 'a');
SELECT status FROM session_validate(pg_temp.tok('a'));

-- A rotation of the parent ends nothing.
CALL pg_temp.start_over($$ 'alice', refreshable => true $$);
UPDATE made SET token = r.token FROM session_regenerate(pg_temp.tok('root')) r WHERE name = 'root';
TABLE state;
CALL pg_temp.pass('20 minutes');
SELECT name, status FROM state;

-- A child has at most the level of its parent, also later.
CALL pg_temp.start_over($$ 'alice', auth_level => 2, amr => '{pwd,otp}' $$);
SELECT auth_level, amr FROM session_validate(pg_temp.tok('aa'));
SELECT count(*) FROM session_regenerate(pg_temp.tok('root'), auth_level => 1);
SELECT auth_level, amr FROM session_validate(pg_temp.tok('aa'));

-- A child lives no longer than its parent can now.
CALL pg_temp.start_over($$ 'alice', lifetime => '2 hours' $$);
CALL pg_temp.derive('long', 'root', $$ NULL, '1 year' $$);
SELECT c.expires_at = p.expires_at AS same, c.purge_at <= p.purge_at AS purged_with
  FROM session.sessions c, session.sessions p
 WHERE c.id = pg_temp.id('long') AND p.id = pg_temp.id('root');
-- It cannot be extended.
SELECT count(*) FROM session_refresh(pg_temp.tok('a'));
SELECT session_touch(pg_temp.tok('a'));
-- Regenerated, it gets a new token and stays what it was.
SELECT expires_at AS before, authenticated_at AS proven FROM session.sessions WHERE id = pg_temp.id('a') \gset
UPDATE made SET token = r.token
  FROM session_regenerate(pg_temp.tok('a'), user_id => 'alice', auth_level => 1) r WHERE name = 'a';
SELECT status, parent_id = pg_temp.id('root') AS of_root, expires_at = :'before' AS same_deadline,
       authenticated_at = :'proven' AS same_proof
  FROM session_validate(pg_temp.tok('a'));
\set VERBOSITY terse
SELECT id FROM session_regenerate(pg_temp.tok('a'), auth_level => 2);
SELECT id FROM session_regenerate(pg_temp.tok('a'), role => 'admin');
SELECT id FROM session_regenerate(pg_temp.tok('a'), tenant_id => 'acme');
SELECT id FROM session_regenerate(pg_temp.tok('a'), lifetime => '1 year');
SELECT id FROM session_regenerate(pg_temp.tok('a'), amr => '{hwk}');
SELECT id FROM session_regenerate(pg_temp.tok('a'), user_id => 'bob');
\set VERBOSITY default
-- A login with its token ends it, and is no child.
SELECT id AS login, id <> pg_temp.id('a') AS another FROM session_login(pg_temp.tok('a'), 'alice') \gset
SELECT :'another' AS another, parent_id FROM session_get(:'login');
TABLE state;
-- No browser can bind its key to it.
SELECT session_dbsc_offer(pg_temp.tok('b'), '/bind');

-- Limits: a number of live sessions in all generations, where four are.
CALL pg_temp.start_over();
SET session.max_derived = 4;
CALL pg_temp.derive('c', 'root');
CALL pg_temp.derive('aaaa', 'aaa');
SELECT session_revoke(pg_temp.tok('aaa'));
CALL pg_temp.derive('aab', 'aa');
CALL pg_temp.derive('c', 'root');
CALL pg_temp.derive('bb', 'b');
SELECT session_revoke(pg_temp.tok('a'));
CALL pg_temp.derive('bb', 'b');
CALL pg_temp.derive('bbb', 'bb');
-- Those of another login do not count.
CALL pg_temp.make('other', $$ 'alice' $$);
CALL pg_temp.derive('o', 'other');
SET session.max_derived = 0;
CALL pg_temp.derive('bc', 'b');
RESET session.max_derived;

-- session_mine lists children after their parents.
CALL pg_temp.start_over();
CALL pg_temp.make('new', $$ 'alice' $$);
BEGIN;
SELECT session_authenticate(pg_temp.tok('root'));
SELECT m.name, p.name AS parent, s.current FROM session_mine() WITH ORDINALITY s
  JOIN made m USING (id) LEFT JOIN made p ON p.id = s.parent_id ORDER BY s.ordinality;
SELECT session_revoke_mine(pg_temp.id('aa'));
SELECT session_revoke_others();
COMMIT;
TABLE state;
-- A session with scopes sees and ends itself and its descendants alone.
CALL pg_temp.start_over();
CALL pg_temp.derive('narrow', 'root', $$ '{a}' $$);
CALL pg_temp.derive('narrower', 'narrow', $$ '{a}' $$);
BEGIN;
SELECT session_authenticate(pg_temp.tok('narrow'));
SELECT m.name FROM session_mine() s JOIN made m USING (id) ORDER BY m.name;
SELECT session_revoke_mine(pg_temp.id('root')), session_revoke_mine(pg_temp.id('a')), session_revoke_mine(pg_temp.id('b'));
SELECT session_revoke_others();
SELECT session_revoke_mine(pg_temp.id('narrow'));
COMMIT;
SELECT name, status, reason FROM state;
-- One without scopes does not end those it was made of with the others.
CALL pg_temp.start_over();
BEGIN;
SELECT session_authenticate(pg_temp.tok('aa'));
SELECT session_revoke_others();
COMMIT;
SELECT name, status, reason FROM state;

-- What is rolled back ends nothing.
CALL pg_temp.start_over();
BEGIN;
SAVEPOINT s;
SELECT session_revoke(pg_temp.tok('root'));
SELECT name, status FROM state;
ROLLBACK TO s;
SELECT name, status FROM state;
SELECT count(*) FROM session_derive(pg_temp.tok('root'), NULL);
ROLLBACK;
SELECT name, status, reason FROM state;
-- Nothing is derived READ ONLY.
BEGIN READ ONLY;
SELECT status FROM session_validate(pg_temp.tok('aaa'));
SELECT id FROM session_derive(pg_temp.tok('root'), NULL);
ROLLBACK;

-- The row decides about each snapshot of a child, so it ends with its parent.
SELECT session_key_rotate() IS NOT NULL AS has_key;
SELECT session_cookie_issue(pg_temp.tok('aa')) AS cookie \gset
SELECT source FROM session_cookie_validate(:'cookie', false, pg_temp.tok('aa'));
SELECT count(*) FROM session_cookie_validate(:'cookie');
UPDATE session.sessions SET expires_at = now() - interval '1 second' WHERE id = pg_temp.id('root');
SELECT count(*) FROM session_cookie_validate(:'cookie', false, pg_temp.tok('aa'));
-- Also when the parent becomes idle.
CALL pg_temp.start_over($$ 'alice', idle_timeout => '30 seconds' $$);
SELECT translate(split_part(session_cookie_issue(pg_temp.tok('aa')), '.', 1), '-_', '+/') AS payload \gset
SELECT (convert_from(decode(:'payload' || repeat('=', -length(:'payload') & 3), 'base64'), 'UTF8')::jsonb ->> 'exp')::numeric - extract(epoch FROM now()) < 31 AS due_with_parent;
-- A change of the parent that ends it, or lowers its level, reaches the
-- snapshots of its descendants; a new token of the parent does not.
CREATE PROCEDURE pg_temp.snapshot_after(statement text) LANGUAGE plpgsql AS $$
DECLARE
    cookie text;
    note text;
BEGIN
    CALL pg_temp.start_over($a$ 'alice', auth_level => 2 $a$);
    COMMIT;
    cookie := session_cookie_issue(pg_temp.tok('aa'));
    EXECUTE statement;
    SELECT concat_ws(' ', source, auth_level) INTO note FROM session_cookie_validate(cookie, false, pg_temp.tok('aa'));
    RAISE NOTICE '%: %', split_part(statement, '$', 1), coalesce(note, 'no row');
END
$$;
CALL pg_temp.snapshot_after($$ SELECT session_revoke(pg_temp.tok('root')) $$);
CALL pg_temp.snapshot_after($$ DELETE FROM session.sessions WHERE id = pg_temp.id('root') $$);
CALL pg_temp.snapshot_after($$ UPDATE session.sessions SET expires_at = now() WHERE id = pg_temp.id('root') $$);
CALL pg_temp.snapshot_after($$ UPDATE session.sessions SET user_id = 'bob' WHERE id = pg_temp.id('a') $$);
CALL pg_temp.snapshot_after($$ UPDATE session.sessions SET parent_id = NULL WHERE id = pg_temp.id('a') $$);
CALL pg_temp.snapshot_after($$ SELECT session_regenerate(pg_temp.tok('root'), auth_level => 1) $$);
CALL pg_temp.snapshot_after($$ UPDATE session.sessions SET token_hash = sha256('x') WHERE id = pg_temp.id('root') $$);
CALL pg_temp.snapshot_after($$ TRUNCATE session.sessions $$);

-- Sessions of a user who is erased are deleted with those made of them.
CALL pg_temp.start_over();
SELECT session_erase('alice') > 0 AS erased;
TABLE state;

-- Purging: a dead child is deleted when it is due.
CALL pg_temp.start_over($$ 'alice', lifetime => '1 hour' $$);
CALL pg_temp.pass('3 hours');
SELECT deleted FROM session_cleanup();

DROP VIEW state;
DROP EXTENSION session;
