-- Bound tables of users: a user who is removed from one loses all sessions, in
-- the same transaction.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
CREATE TABLE users (id int PRIMARY KEY, name text, active boolean DEFAULT true);
INSERT INTO users (id, name) SELECT n, 'user ' || n FROM generate_series(1, 9) AS n;

-- Each user has two sessions in different tenants.  There are also sessions of
-- users outside the table and an anonymous one.
CREATE PROCEDURE pg_temp.log_in(ids text)
LANGUAGE sql AS $$
    DELETE FROM session.sessions;
    SELECT session_create(id, tenant_id => tenant)
      FROM unnest(ids::text[]) AS id, unnest('{NULL,acme}'::text[]) AS tenant;
    SELECT session_create('stranger'), session_create();
$$;

-- The live sessions, and the reasons why the others ended.
CREATE FUNCTION pg_temp.live() RETURNS TABLE (live text, reasons text)
LANGUAGE sql AS $$
    SELECT string_agg(coalesce(user_id, '-'), ' ' ORDER BY user_id) FILTER (WHERE revoked_at IS NULL),
           string_agg(DISTINCT user_id || ' ' || revoked_reason, ', ')
      FROM session.sessions
$$;
CALL pg_temp.log_in('{1,2,3}');

-- A table has no effect before it is bound.
DELETE FROM users WHERE id = 1;
SELECT * FROM pg_temp.live();

-- Deleting a user revokes the sessions; a rollback undoes it.
SELECT session_bind_users('users', 'id', 'active');
BEGIN;
DELETE FROM users WHERE id = 2;
SELECT * FROM pg_temp.live();
ROLLBACK;
SELECT * FROM pg_temp.live();
BEGIN;
SAVEPOINT s;
DELETE FROM users WHERE id = 2;
ROLLBACK TO s;
COMMIT;
SELECT * FROM pg_temp.live();
DELETE FROM users WHERE id IN (2, 7);
SELECT * FROM pg_temp.live();

-- Changing the id does the same.  Changing other columns, or setting the same
-- id again, does not.
CALL pg_temp.log_in('{3,4,5}');
UPDATE users SET name = name || '!';
UPDATE users SET id = id, active = active, name = 'x';
INSERT INTO users VALUES (3, 'again', false) ON CONFLICT (id) DO UPDATE SET name = 'again';
SELECT * FROM pg_temp.live();
UPDATE users SET id = 33 WHERE id = 3;
SELECT * FROM pg_temp.live();
INSERT INTO users (id) VALUES (4) ON CONFLICT (id) DO UPDATE SET id = 44;
SELECT * FROM pg_temp.live();

-- Changing the active column to false or NULL revokes the sessions.  Changing
-- it to true, or to false again, does not.
CALL pg_temp.log_in('{5,6,33}');
UPDATE users SET active = false WHERE id = 5;
SELECT * FROM pg_temp.live();
UPDATE users SET active = NULL WHERE id = 6;
SELECT * FROM pg_temp.live();
CALL pg_temp.log_in('{5,6,33}');
UPDATE users SET active = NULL WHERE id = 5;
UPDATE users SET active = false WHERE id = 6;
UPDATE users SET active = true;
SELECT * FROM pg_temp.live();

-- A change that a trigger of the application makes during an update counts.
CREATE FUNCTION banned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.active := NEW.name <> 'banned';
    RETURN NEW;
END $$;
CREATE TRIGGER banned BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION banned();
UPDATE users SET name = 'banned' WHERE id = 5;
SELECT * FROM pg_temp.live();
DROP TRIGGER banned ON users;

-- The active column may be a generated column.
CREATE TABLE members (id text, left_at date, active boolean GENERATED ALWAYS AS (left_at IS NULL) STORED);
SELECT session_bind_users('members', 'id', 'active');
INSERT INTO members VALUES ('ada'), ('bob');
CALL pg_temp.log_in('{ada,bob}');
UPDATE members SET left_at = '2020-01-01' WHERE id = 'ada';
SELECT * FROM pg_temp.live();
DROP TABLE members;

-- TRUNCATE revokes the sessions of all users in the table and no others.
CALL pg_temp.log_in('{5,6,33,333}');
BEGIN;
TRUNCATE users;
SELECT * FROM pg_temp.live();
ROLLBACK;
SELECT * FROM pg_temp.live();
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO users VALUES (333), (334);
TRUNCATE users;
COMMIT;
SELECT * FROM pg_temp.live();
DELETE FROM session.sessions;
TRUNCATE users;

-- This holds for every session_replication_role.
INSERT INTO users SELECT generate_series(1, 5);
CALL pg_temp.log_in('{1,2,3,4,5}');
SET session_replication_role = replica;
DELETE FROM users WHERE id = 1;
RESET session_replication_role;
SELECT * FROM pg_temp.live();

-- Columns and the table may be renamed, and columns may stand behind dropped
-- ones.
ALTER TABLE users RENAME id TO "the ""Id""";
ALTER TABLE users RENAME active TO "On";
ALTER TABLE users ADD COLUMN id text DEFAULT 'none';
CREATE SCHEMA "of Users";
ALTER TABLE users SET SCHEMA "of Users";
ALTER TABLE "of Users".users RENAME TO "my Users";
UPDATE "of Users"."my Users" SET id = 'other', "On" = false WHERE "the ""Id""" = 2;
DELETE FROM "of Users"."my Users" WHERE "the ""Id""" = 3;
SELECT * FROM pg_temp.live();
TRUNCATE "of Users"."my Users";
SELECT * FROM pg_temp.live();

-- Binding again replaces the earlier binding; unbinding ends it, whatever the
-- names of the triggers are.
SELECT session_bind_users('"of Users"."my Users"', 'the "Id"', 'On');
SELECT session_bind_users('"of Users"."my Users"', 'id');
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger
 WHERE tgrelid = '"of Users"."my Users"'::regclass AND NOT tgisinternal ORDER BY tgname;
ALTER TRIGGER session_users_changed ON "of Users"."my Users" RENAME TO other;
INSERT INTO "of Users"."my Users" VALUES (1, 'x', true, 'ada'), (2, 'y', true, 'bob'), (3, 'z', true, NULL);
CALL pg_temp.log_in('{1,2,ada,bob}');
UPDATE "of Users"."my Users" SET "On" = false;
DELETE FROM "of Users"."my Users" WHERE id = 'ada' OR id IS NULL;
SELECT * FROM pg_temp.live();
SELECT session_unbind_users('"of Users"."my Users"');
DELETE FROM "of Users"."my Users";
TRUNCATE "of Users"."my Users";
SELECT * FROM pg_temp.live();
SELECT count(*) AS triggers FROM pg_trigger WHERE tgfoid = 'session.session_users_changed'::regproc;

-- A column of the binding cannot be dropped without CASCADE; with its triggers
-- gone, the table is not bound.
SELECT session_bind_users('"of Users"."my Users"', 'the "Id"', 'On');
\set VERBOSITY terse
ALTER TABLE "of Users"."my Users" DROP COLUMN "On";
ALTER TABLE "of Users"."my Users" DROP COLUMN "On" CASCADE;
\set VERBOSITY default
INSERT INTO "of Users"."my Users" VALUES (1);
TRUNCATE "of Users"."my Users";
SELECT session_unbind_users('"of Users"."my Users"');
SET client_min_messages = warning;
DROP SCHEMA "of Users" CASCADE;
RESET client_min_messages;

-- The id may have any type: the user_id is the output of the type or its cast
-- to text.
CREATE DOMAIN id_domain AS varchar(40) CHECK (value <> '');
CREATE TYPE id_enum AS ENUM ('ada', 'bob', 'carol', 'dave');
CREATE DOMAIN id_flag AS boolean;
CREATE PROCEDURE pg_temp.try_type(type text, ids text)
LANGUAGE plpgsql AS $$
DECLARE
    id text[] := ids;
BEGIN
    EXECUTE format('CREATE TABLE typed AS SELECT id::%s, true::id_flag AS ok FROM unnest($1) AS id', type) USING id;
    PERFORM session_bind_users('typed', 'id', 'ok');
    CALL pg_temp.log_in(ids);
    EXECUTE format('UPDATE typed SET id = %L WHERE id = %L', id[2], id[1]);
    RAISE NOTICE '% after UPDATE: %', type, (SELECT live FROM pg_temp.live());
    EXECUTE format('UPDATE typed SET ok = false WHERE id = %L', id[3]);
    RAISE NOTICE '% after turning off: %', type, (SELECT live FROM pg_temp.live());
    TRUNCATE typed;
    RAISE NOTICE '% after TRUNCATE: %', type, (SELECT live FROM pg_temp.live());
    DROP TABLE typed;
END $$;
CALL pg_temp.try_type('int', '{1,2,3,4}');
CALL pg_temp.try_type('bigint', '{9223372036854775807,2,-3,4}');
CALL pg_temp.try_type('uuid', '{00000000-0000-4000-8000-00000000000a,00000000-0000-4000-8000-00000000000b,00000000-0000-4000-8000-00000000000c}');
CALL pg_temp.try_type('text', '{ada,ADA,carol,dave}');
CALL pg_temp.try_type('id_domain', '{ada,bob,carol,dave}');
CALL pg_temp.try_type('id_enum', '{ada,bob,carol,dave}');
CALL pg_temp.try_type('numeric', '{1.0,1.00,3,4}');
CALL pg_temp.try_type('inet', '{192.0.2.1,192.0.2.2,192.0.2.3/24,::1}');

-- If a cast to text differs from the output of the type, both forms match.
CREATE TABLE padded (id char(8));
INSERT INTO padded VALUES ('ada'), ('bob');
SELECT session_bind_users('padded', 'id');
CREATE TABLE addressed (id inet);
INSERT INTO addressed VALUES ('10.1.1.1'), ('10.1.1.2');
SELECT session_bind_users('addressed', 'id');
SELECT count(session_create(user_id)) FROM unnest('{ada,"ada     ",bob,"bob     ",10.1.1.1,10.1.1.1/32,10.1.1.2,10.1.1.2/32}'::text[]) AS user_id;
DELETE FROM padded WHERE id = 'ada';
DELETE FROM addressed WHERE id = '10.1.1.1';
SELECT user_id FROM session.sessions WHERE revoked_at IS NULL AND user_id ~ '^(ada|bob|10)' ORDER BY user_id;
TRUNCATE padded, addressed;
SELECT user_id FROM session.sessions WHERE revoked_at IS NULL AND user_id ~ '^(ada|bob|10)' ORDER BY user_id;
DROP TABLE padded, addressed;
SELECT count(*) > 0 AS citext FROM pg_available_extensions WHERE name = 'citext' \gset
\if :citext
CREATE EXTENSION citext;
CREATE DOMAIN id_citext AS citext;
CREATE DOMAIN id_citext_twice AS id_citext CHECK (value <> '');
CREATE TABLE loose (a citext, b id_citext, c id_citext_twice);
SELECT pg_temp.error_of('session_bind_users(''loose'', ''a'')');
SELECT pg_temp.error_of('session_bind_users(''loose'', ''b'')');
SELECT pg_temp.error_of('session_bind_users(''loose'', ''c'')');
SELECT session_bind_users('loose', 'a');
-- Instead, a generated column with a deterministic collation can be bound.
ALTER TABLE loose ADD COLUMN id text COLLATE "C" GENERATED ALWAYS AS (lower(a::text)) STORED;
SELECT session_bind_users('loose', 'id');
INSERT INTO loose (a) VALUES ('Ada'), ('Bob');
CALL pg_temp.log_in('{ada,bob}');
DELETE FROM loose WHERE a = 'ADA';
UPDATE loose SET a = 'BOB';
SELECT * FROM pg_temp.live();
DROP TABLE loose;
DROP EXTENSION citext CASCADE;
\endif

-- A collation in which different texts are equal is refused, whether it comes
-- from the column or from its domain.
CREATE COLLATION loosely (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION strictly (provider = icu, locale = 'und', deterministic = true);
CREATE DOMAIN id_loose AS text COLLATE loosely;
CREATE TABLE loose (a text COLLATE loosely, b id_loose, c varchar(10) COLLATE loosely, d char(10) COLLATE loosely,
                    e text COLLATE strictly, f id_loose COLLATE strictly, g name, h varchar, i char(4), j "char", k uuid, l id_domain);
SELECT attname, pg_temp.error_of(format('session_bind_users(''loose'', %L)', attname))
  FROM pg_attribute WHERE attrelid = 'loose'::regclass AND attnum > 0 ORDER BY attnum;
SELECT session_bind_users('loose', 'b');
SELECT pg_temp.error_of('session_bind_users(''loose'', ''e'', ''a'')');
DROP TABLE loose;
CREATE TABLE loose (id text COLLATE loosely) PARTITION BY LIST (id);
SELECT pg_temp.error_of('session_bind_users(''loose'', ''id'')');
DROP TABLE loose;
DROP DOMAIN id_loose;
DROP COLLATION loosely, strictly;

-- An id that cannot be the user_id of a session is not an error.
CREATE TABLE users (id text, active boolean);
SELECT session_bind_users('users', 'id', 'active');
INSERT INTO users VALUES (repeat('x', 100000), true), ('', true), (NULL, true);
CALL pg_temp.log_in('{ada}');
UPDATE users SET active = false;
UPDATE users SET id = NULL;
DELETE FROM users;
SELECT * FROM pg_temp.live();

-- Partitions of a table are bound too, including those that are created later.
CREATE TABLE parts (region text, id int, active boolean) PARTITION BY LIST (region);
CREATE TABLE parts_eu (id int, gone int, active boolean, region text);
ALTER TABLE parts_eu DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION parts_eu FOR VALUES IN ('eu');
SELECT session_bind_users('parts', 'id', 'active');
CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us') PARTITION BY LIST (id);
CREATE TABLE parts_us_all PARTITION OF parts_us DEFAULT;
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
 WHERE tgfoid = 'session.session_users_changed'::regproc AND tgrelid::regclass::text ~ 'parts' ORDER BY 1, 2;
INSERT INTO parts SELECT region, n + CASE region WHEN 'us' THEN 10 ELSE 0 END, true
  FROM unnest('{eu,us}'::text[]) AS region, generate_series(1, 4) AS n;
CALL pg_temp.log_in('{1,2,3,4,11,12,13,14}');
DELETE FROM parts WHERE id IN (1, 11);
DELETE FROM parts_eu WHERE id = 2;
UPDATE parts SET active = false WHERE id IN (3, 13);
SELECT live FROM pg_temp.live();
TRUNCATE parts;
SELECT live FROM pg_temp.live();
SELECT session_unbind_users('parts_eu');
SELECT session_unbind_users('parts');
DROP TABLE parts;

-- Objects that are not tables, tables with child tables, and columns that do
-- not exist are refused.
CREATE TABLE child () INHERITS (users);
CREATE TABLE plain (id int, "Id" int, active boolean, flag text);
CREATE VIEW v AS SELECT * FROM plain;
CREATE MATERIALIZED VIEW mv AS SELECT * FROM plain;
CREATE INDEX i ON plain (id);
CREATE SEQUENCE s;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE ft (id int) SERVER nowhere;
SELECT call, pg_temp.error_of(call) AS error
  FROM unnest(ARRAY[
    $$session_bind_users(NULL, 'id')$$,
    $$session_bind_users('plain', NULL)$$,
    $$session_bind_users('plain', '')$$,
    $$session_bind_users('plain', 'ID')$$,
    $$session_bind_users('plain', 'ctid')$$,
    $$session_bind_users('plain', 'id', 'nothing')$$,
    $$session_bind_users('plain', 'id', 'flag')$$,
    $$session_bind_users('plain', 'active', 'active')$$,
    $$session_bind_users('users', 'id')$$,
    $$session_bind_users('v', 'id')$$,
    $$session_bind_users('mv', 'id')$$,
    $$session_bind_users('i', 'id')$$,
    $$session_bind_users('s', 'last_value')$$,
    $$session_bind_users('ft', 'id')$$,
    $$session_bind_users('nothing', 'id')$$,
    $$session_bind_users(0, 'id')$$,
    $$session_bind_users(4294967295, 'id')$$,
    $$session_bind_users('pg_authid', 'rolname')$$,
    $$session_unbind_users(NULL)$$,
    $$session_unbind_users('plain')$$,
    $$session_unbind_users(0)$$]) AS call;
BEGIN READ ONLY;
SELECT session_bind_users('plain', 'id');
ROLLBACK;
BEGIN READ ONLY;
SELECT session_unbind_users('plain');
ROLLBACK;
DROP TABLE child;
DROP FOREIGN DATA WRAPPER nothing CASCADE;
DROP SEQUENCE s;

-- session.bound_tables lists the bound tables and why some changes end no
-- session; upkeep warns once.
SELECT users, owner = current_user AS own, id_column, active_column, enabled, problems FROM session.bound_tables;
CREATE TABLE later (id int, ok boolean);
SELECT session_bind_users('later', 'id', 'ok');
SELECT users, owner = current_user AS own, id_column, active_column, enabled, problems FROM session.bound_tables ORDER BY users::text;
SELECT failed FROM session_cleanup();
CREATE TABLE later_child () INHERITS (later);
CREATE TABLE "later Child" () INHERITS (later);
SELECT users, owner = current_user AS own, id_column, active_column, enabled, problems FROM session.bound_tables WHERE problems <> '{}';
SELECT failed FROM session_cleanup();
SELECT failed FROM session_cleanup();
INSERT INTO later_child VALUES (1, true);
CALL pg_temp.log_in('{1}');
DELETE FROM later;
SELECT * FROM pg_temp.live();
SELECT session_bind_users('later_child', 'id', 'ok'), session_bind_users('"later Child"', 'id');
SELECT users, active_column, problems FROM session.bound_tables ORDER BY users::text;
INSERT INTO later_child VALUES (1, true);
DELETE FROM later;
SELECT * FROM pg_temp.live();
SELECT failed FROM session_cleanup();
CREATE TABLE later_grandchild () INHERITS ("later Child");
SELECT failed FROM session_cleanup();
DROP TABLE later_grandchild;
SELECT failed FROM session_cleanup();
ALTER TABLE later DISABLE TRIGGER session_users_changed;
SELECT enabled, problems FROM session.bound_tables WHERE users = 'later'::regclass;
ALTER TABLE later ENABLE TRIGGER session_users_changed;
SELECT enabled, problems FROM session.bound_tables WHERE users = 'later'::regclass;
ALTER TABLE later ENABLE REPLICA TRIGGER session_users_emptied;
SELECT enabled, problems FROM session.bound_tables WHERE users = 'later'::regclass;
DROP TRIGGER session_users_rewritten ON later;
SELECT enabled, problems FROM session.bound_tables WHERE users = 'later'::regclass;
DROP TRIGGER session_users_changed ON later;
SELECT id_column, problems FROM session.bound_tables WHERE users = 'later'::regclass;
SELECT session_bind_users('later', 'id');
SELECT enabled, problems FROM session.bound_tables WHERE users = 'later'::regclass;
CREATE TABLE shares (id int) PARTITION BY LIST (id);
CREATE TABLE shares_one PARTITION OF shares FOR VALUES IN (1);
SELECT session_bind_users('shares', 'id');
SELECT enabled, problems FROM session.bound_tables WHERE users = 'shares'::regclass;
ALTER TABLE shares_one DISABLE TRIGGER ALL;
SELECT enabled, problems FROM session.bound_tables WHERE users = 'shares'::regclass;
ALTER TABLE shares DISABLE TRIGGER ALL;
SELECT enabled, problems FROM session.bound_tables WHERE users = 'shares'::regclass;
SELECT session_unbind_users(users) FROM session.bound_tables WHERE users::text LIKE 'later%' OR users = 'shares'::regclass;
DROP TABLE later CASCADE;
DROP TABLE shares;

-- The caller needs the privilege TRIGGER on the table as well as the level.
CREATE ROLE regress_session_admin;
CREATE ROLE regress_session_app;
SELECT session_grant('regress_session_admin', 'admin'), session_grant('regress_session_app', 'app');
GRANT ALL ON plain TO regress_session_app;
\set VERBOSITY sqlstate
SET ROLE regress_session_app;
SELECT session_bind_users('plain', 'id');
SELECT session_unbind_users('users');
SET ROLE regress_session_admin;
SELECT session_bind_users('plain', 'id');
SELECT session_unbind_users('users');
RESET ROLE;
GRANT TRIGGER ON plain TO regress_session_admin;
SET ROLE regress_session_admin;
SELECT session_bind_users('plain', 'id', 'active');
SELECT current_user;

-- A role that changes the table needs no privilege on sessions.  Only
-- session_bind_users can create the trigger: otherwise the owner of any table
-- could log out other users.
RESET ROLE;
GRANT CREATE ON SCHEMA public TO regress_session_app;
GRANT USAGE ON SCHEMA session TO regress_session_app;
CALL pg_temp.log_in('{1,2}');
SET ROLE regress_session_app;
INSERT INTO plain (id) VALUES (1), (2);
DELETE FROM plain WHERE id = 1;
TRUNCATE plain;
CREATE TABLE fake (id text);
CREATE TRIGGER t AFTER DELETE ON fake FOR EACH ROW EXECUTE FUNCTION session.session_users_changed();
RESET ROLE;
\set VERBOSITY default
SELECT * FROM pg_temp.live();
SELECT session.session_users_changed();

-- A trigger created by hand without columns revokes nothing.
CREATE TRIGGER t AFTER DELETE ON fake FOR EACH ROW EXECUTE FUNCTION session.session_users_changed();
CALL pg_temp.log_in('{1}');
INSERT INTO fake VALUES ('1');
DELETE FROM fake;
SELECT * FROM pg_temp.live();
DROP TABLE fake;
DROP OWNED BY regress_session_admin, regress_session_app;
DROP ROLE regress_session_admin, regress_session_app;

-- A role that deletes a user may have other output settings than the role that
-- created the session under default settings.
DELETE FROM session.sessions;
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE FUNCTION pg_temp.strange() RETURNS void LANGUAGE sql AS $$
    SELECT set_config('bytea_output', 'escape', false), set_config('extra_float_digits', '-3', false),
           set_config('datestyle', 'German', false), set_config('intervalstyle', 'iso_8601', false)
$$;
CREATE TABLE printed (a bytea, b float8, c date, d interval, n int, active boolean DEFAULT true);
INSERT INTO printed SELECT int4send(n), 1.0 / 3 + n, '2026-01-01'::date + n, n * interval '1 day 1 hour', n FROM generate_series(1, 5) AS n;
CREATE TEMP TABLE found (type regtype, live text, reasons text);
DO $$
DECLARE
    col text;
BEGIN
    FOREACH col IN ARRAY '{a,b,c,d}'::text[] LOOP
        PERFORM session_bind_users('printed', col, 'active');
        EXECUTE format('SELECT count(session_create(%I::text)) FROM printed', col);
        BEGIN
            PERFORM pg_temp.strange();
            DELETE FROM printed WHERE n = 1;
            UPDATE printed SET active = false WHERE n = 2;
            EXECUTE format('UPDATE printed SET %1$I = (SELECT %1$I FROM printed WHERE n = 4) WHERE n = 3', col);
            INSERT INTO found
            SELECT (SELECT atttypid FROM pg_attribute WHERE attrelid = 'printed'::regclass AND attname = col),
                   count(*) FILTER (WHERE revoked_at IS NULL), count(revoked_reason)
              FROM session.sessions WHERE user_id <> 'stranger';
            TRUNCATE printed;
            INSERT INTO found SELECT NULL, count(*) FILTER (WHERE revoked_at IS NULL), count(revoked_reason)
              FROM session.sessions WHERE user_id <> 'stranger';
            RAISE EXCEPTION USING errcode = 'P0042', message = (SELECT string_agg(coalesce(type::text, 'emptied') || ' ' || live || ' ' || reasons, ', ') FROM found);
        EXCEPTION WHEN SQLSTATE 'P0042' THEN
            RAISE NOTICE '%', sqlerrm;
        END;
        DELETE FROM session.sessions;
    END LOOP;
END
$$;
SHOW bytea_output;
RESET datestyle;
RESET intervalstyle;
DROP TABLE printed;

-- A cast that a user has defined for a type is not called; the output of the
-- type counts.
CREATE TYPE mood AS ENUM ('happy', 'sad', 'lost');
CREATE TABLE moods (id mood);
INSERT INTO moods VALUES ('happy'), ('sad'), ('lost');
SELECT session_bind_users('moods', 'id');
CREATE FUNCTION trap(mood) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''caught''; END';
CREATE CAST (mood AS text) WITH FUNCTION trap(mood);
CALL pg_temp.log_in('{happy,sad,lost}');
DELETE FROM moods WHERE id = 'happy';
UPDATE moods SET id = 'happy' WHERE id = 'sad';
SELECT * FROM pg_temp.live();
TRUNCATE moods;
SELECT * FROM pg_temp.live();
SELECT session_bind_users('moods', 'id');
INSERT INTO moods VALUES ('sad');
CALL pg_temp.log_in('{happy,sad,lost}');
UPDATE moods SET id = 'lost';
DELETE FROM moods;
SELECT * FROM pg_temp.live();
DROP TABLE moods;
DROP TYPE mood CASCADE;

-- Rows of a foreign table cannot be read before TRUNCATE, so TRUNCATE fails.
CREATE EXTENSION postgres_fdw;
CREATE SERVER nowhere FOREIGN DATA WRAPPER postgres_fdw;
CREATE TABLE spread (id int) PARTITION BY LIST (id);
CREATE TABLE near PARTITION OF spread FOR VALUES IN (1);
CREATE FOREIGN TABLE far PARTITION OF spread FOR VALUES IN (2) SERVER nowhere;
SELECT session_bind_users('spread', 'id');
INSERT INTO near VALUES (1);
CALL pg_temp.log_in('{1,2}');
TRUNCATE spread;
SELECT * FROM pg_temp.live();
DELETE FROM near;
SELECT * FROM pg_temp.live();
DROP TABLE spread;
DROP EXTENSION postgres_fdw CASCADE;

-- Dropping a bound table leaves nothing behind, and a bound table does not
-- prevent DROP EXTENSION.
DROP TABLE users;
SELECT session_bind_users('plain', 'id');
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgfoid = 'session.session_users_changed'::regproc ORDER BY 1, 2;
SELECT 'session.session_users_changed'::regproc::oid AS oid \gset
DROP EXTENSION session;
SELECT count(*) AS triggers FROM pg_trigger WHERE tgfoid = :oid OR tgrelid = 'plain'::regclass;
DELETE FROM plain;
TRUNCATE plain;
DROP TABLE plain CASCADE;
DROP FUNCTION banned;
DROP DOMAIN id_domain, id_flag;
DROP TYPE id_enum;
