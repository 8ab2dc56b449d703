-- Prints what pg_upgrade must not change: a digest of the rows of each table of
-- the extension, the privileges of its objects, and the triggers of bound
-- tables.
SELECT format('SELECT %L, count(*), md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM session.%I AS t', relname, relname)
  FROM pg_class
 WHERE relnamespace = 'session'::regnamespace AND relkind = 'r'
 ORDER BY relname
\gexec
SELECT p.oid::regprocedure, p.proacl
  FROM pg_proc AS p
 WHERE p.proname LIKE 'session%'
 ORDER BY p.oid::regprocedure::text;
SELECT c.relname, a.grantee::regrole, a.privilege_type
  FROM pg_class AS c, aclexplode(c.relacl) AS a
 WHERE c.relnamespace = 'session'::regnamespace AND a.grantee <> c.relowner
 ORDER BY 1, 2, 3;
SELECT * FROM session.bound_tables;
SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname;
SELECT extversion FROM pg_extension WHERE extname = 'session';
