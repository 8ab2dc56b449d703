-- Data: the application's own state in a session, accessed by key and as a
-- whole.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
\pset null '(null)'

-- A session starts with the data passed to session_create, by default an empty
-- object.
SELECT session_data(token) FROM session_create();
SELECT token FROM session_create('alice', '{"theme": "dark", "cart": [1, 2]}') \gset
SELECT session_data(:'token');

-- Keys are read and set one by one, and other keys stay.
SELECT session_data_get(:'token', 'theme'), session_data_get(:'token', 'cart');
SELECT session_data_set(:'token', 'theme', '"light"');
SELECT session_data_set(:'token', 'language', '"de"');
SELECT session_data(:'token');

-- The row, session_validate and the lists return the same data.
SELECT s.data = v.data AS validated, s.data = l.data AS listed, s.data = g.data AS got
  FROM session.sessions s, session_validate(:'token') v, session_list('alice') l,
       session_get(s.id) g
 WHERE s.user_id = 'alice';

-- A value may be any JSON value, and is returned unchanged.
SELECT session_data_set(:'token', 'value', value) AS set,
       session_data_get(:'token', 'value') IS NOT DISTINCT FROM value AS same, value
  FROM unnest(ARRAY['"text"', '""', '1', '-0.50', '1e100', '123456789012345678901234567890',
                    'true', 'false', '[]', '{}', '[1, [2, [3]], {"a": null}]',
                    '{"a": {"b": {"c": []}}}', '"é \" \\ \n"', 'null']::jsonb[]) AS value;

-- An unknown key is NULL, a JSON null is 'null'.
SELECT session_data_get(:'token', 'value') AS null_value, session_data_get(:'token', 'nothing') AS no_key;

-- Keys are used literally: no paths, no positions, no case folding.
SELECT session_data_clear(:'token');
CREATE TEMP TABLE keys (n serial, key text);
INSERT INTO keys (key) VALUES
    (''), (' '), ('a'), ('A'), ('a.b'), ('{a,b}'), ('$.a'), ('$'), ('0'), ('-1'), ('1'),
    ('a"b'), ('a''b'), ('a\b'), (E'a\nb'), ('é'), ('null'), ('__proto__'),
    ('''); DROP TABLE session.sessions; --'), (repeat('k', 300));
SELECT bool_and(session_data_set(:'token', key, to_jsonb(n))) AS set FROM keys;
SELECT count(*) AS keys,
       count(*) FILTER (WHERE session_data_get(:'token', key) = to_jsonb(n)) AS right,
       session_data(:'token') = jsonb_object_agg(key, n) AS same
  FROM keys;
SELECT count(*) AS gone FROM keys
 WHERE session_data_delete(:'token', key) AND session_data_get(:'token', key) IS NULL;
SELECT session_data(:'token');
SELECT session_data_set(:'token', 'a', '{"b": [1, 2]}');
SELECT session_data_get(:'token', 'a.b'), session_data_get(:'token', '{a,b}'), session_data_get(:'token', 'b');

-- session_data_pop removes a key and returns its value, once.
SELECT session_data_save(:'token', '{"flash": "saved", "nothing": null, "x": 1}');
SELECT session_data_pop(:'token', 'flash') AS first, session_data_pop(:'token', 'flash') AS second;
SELECT session_data_pop(:'token', 'nothing') AS first, session_data_pop(:'token', 'nothing') AS second;
SELECT session_data(:'token');

-- session_data_delete returns true for a live session, with or without the
-- key.
SELECT session_data_delete(:'token', 'x') AS there, session_data_delete(:'token', 'x') AS gone;
SELECT session_data(:'token');

-- session_data_save replaces all data with an object.
SELECT session_data_save(:'token', '{"a": 1, "b": 2}');
SELECT session_data_save(:'token', '{"b": 3}');
SELECT session_data(:'token');

-- session_data_clear removes all keys.
SELECT session_data_clear(:'token');
SELECT session_data(:'token');

-- session_data_merge changes the data by a merge patch: a null removes its
-- key, objects are merged, and other values replace.
SELECT session_data_save(:'token', '{"theme": "dark", "seen": ["a"], "address": {"city": "Bonn", "zip": "53111"}}');
SELECT session_data_merge(:'token', '{"theme": null, "seen": ["b"], "address": {"zip": null, "street": {"no": 1}}, "new": {"x": null}}');
SELECT session_data(:'token');
SELECT session_data_merge(:'token', '{}'), session_data_merge(:'token', '{"address": "none", "nothing": null}');
SELECT session_data(:'token');

-- The examples of RFC 7396, appendix A: under a key, and as the whole data
-- where original and patch are objects.
CREATE TEMP TABLE rfc7396 (n serial, original jsonb, patch jsonb, result jsonb);
INSERT INTO rfc7396 (original, patch, result) VALUES
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b", "b":"c"}'),
    ('{"a":"b"}', '{"a":null}', '{}'),
    ('{"a":"b", "b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a": {"b": "c"}}', '{"a": {"b": "d", "c": null}}', '{"a": {"b": "d"}}'),
    ('{"a": [{"b":"c"}]}', '{"a": [1]}', '{"a": [1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', 'null', 'null'),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null, "a":1}'),
    ('[1,2]', '{"a":"b", "c":null}', '{"a":"b"}'),
    ('{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}');
SELECT n, (session_data_save(:'token', jsonb_build_object('k', original, 'other', 1)) AND
           session_data_merge(:'token', jsonb_build_object('k', patch))) AS merged,
       session_data(:'token') = jsonb_build_object('other', 1) ||
       CASE WHEN patch = 'null' THEN '{}' ELSE jsonb_build_object('k', result) END AS under_key,
       CASE WHEN jsonb_typeof(original) = 'object' AND jsonb_typeof(patch) = 'object'
            THEN session_data_save(:'token', original) AND session_data_merge(:'token', patch)
                 AND session_data(:'token') = result END AS whole
  FROM rfc7396 ORDER BY n;

-- A patch can be deep, within the server's limit.
CREATE TEMP TABLE deep AS
SELECT n, (repeat('{"a":', n) || '1' || repeat('}', n))::jsonb AS patch FROM (VALUES (100), (2000)) AS deep (n);
SELECT session_data_save(:'token', '{"a": {"b": 2}}');
SELECT session_data_merge(:'token', patch) AS merged, session_data(:'token') = jsonb_set(patch, '{a,b}', '2') AS right
  FROM deep WHERE n = 100;
SET max_stack_depth = '100kB';
SELECT pg_temp.error_of(format('session_data_merge(%L, (SELECT patch FROM deep WHERE n = 2000))', :'token')) AS error;
RESET max_stack_depth;

-- A large patch: what counts is the size of the data that it makes.
SELECT session_data_save(:'token', '{"k1": 1, "other": 2}');
SELECT pg_temp.error_of(format('session_data_merge(%L, jsonb_build_object(''k'', repeat(''x'', 10000000)))', :'token')) AS error;
SELECT session_data_merge(:'token', jsonb_object_agg('k' || n, NULL)) AS merged FROM generate_series(1, 200000) AS n;
SELECT session_data(:'token');

-- session_data_append adds one value to an array, and makes the array.
SELECT session_data_clear(:'token');
SELECT value, session_data_append(:'token', 'a', value) AS appended
  FROM unnest(ARRAY['1', '"two"', '[3, 4]', '[]', '{"five": 5}', 'null', 'true']::jsonb[]) AS value;
SELECT session_data(:'token');

-- A key that has another value is an error, and nothing changes.
SELECT value, pg_temp.error_of(format('session_data_append(%L, ''k'', ''1'')', :'token')) AS error
  FROM unnest(ARRAY['null', '"text"', '1', 'true', '{}', '{"0": 1}']::jsonb[]) AS value
 WHERE session_data_set(:'token', 'k', value);
SELECT session_data_get(:'token', 'k');

-- session_data_replace sets a key that has the expected value. An expected
-- NULL is no such key, and a NULL value removes the key.
SELECT session_data_save(:'token', '{"n": 1, "null": null, "o": {"a": 1, "b": [1, 2]}}');
SELECT key, expected, value, session_data_replace(:'token', key, expected, value) AS replaced, session_data(:'token') AS data
  FROM (VALUES ('n', '2'::jsonb, '3'::jsonb), ('n', '1.0', '2'), ('n', '1', '3'), ('n', NULL, '4'), ('n', 'null', '4'),
               ('new', 'null', '1'), ('new', NULL, '1'), ('new', NULL, '2'), ('new', '1', NULL), ('new', '1', NULL), ('new', NULL, NULL),
               ('null', NULL, '1'), ('null', 'null', '"x"'), ('null', '"x"', 'null'), ('null', 'null', NULL),
               ('o', '{"b": [2, 1], "a": 1}', '1'), ('o', '{"b": [1, 2]}', '1'), ('o', '{"b": [1, 2], "a": 1}', '[]'), ('o', '{}', '1'), ('o', '[]', '{}'))
    AS calls (key, expected, value);

-- A session that does not exist has no data.
SELECT pg_temp.token_of(decode(repeat('00', 48), 'hex')) AS nobody \gset
SELECT * FROM pg_temp.answers(:'nobody') WHERE function LIKE 'session_data%';

-- Invalid arguments are errors that name the argument, also without a session.
SELECT call, pg_temp.error_of(replace(call, 'token', quote_literal(:'token'))) AS error,
       pg_temp.error_of(replace(call, 'token', 'NULL')) AS without_token
  FROM unnest(ARRAY[
    $$session_data_get(token, NULL)$$,
    $$session_data_pop(token, NULL)$$,
    $$session_data_delete(token, NULL)$$,
    $$session_data_set(token, NULL, '1')$$,
    $$session_data_set(token, 'k', NULL)$$,
    $$session_data_save(token, NULL)$$,
    $$session_data_save(token, '[]')$$,
    $$session_data_save(token, '"text"')$$,
    $$session_data_save(token, '1')$$,
    $$session_data_save(token, 'null')$$,
    $$session_data_merge(token, NULL)$$,
    $$session_data_merge(token, '[]')$$,
    $$session_data_merge(token, 'null')$$,
    $$session_data_append(token, NULL, '1')$$,
    $$session_data_append(token, 'k', NULL)$$,
    $$session_data_replace(token, NULL, '1', '2')$$]) AS call;
SELECT session_data(:'token');

-- The limit is the size of the jsonb value; exactly that size is allowed.
SET session.max_data_size = '1kB';
SELECT length, pg_column_size(data) - 4 AS bytes,
       pg_temp.error_of(format('session_data_save(%L, %L)', :'token', data)) AS save,
       pg_temp.error_of(format('session_data_set(%L, ''k'', %L)', :'token', data -> 'k')) AS set,
       pg_temp.error_of(format('session_create(NULL, %L)', data)) AS create
  FROM generate_series(1010, 1012) AS length,
       jsonb_build_object('k', repeat('x', length)) AS data;

-- A write that was too large changes nothing.
SELECT length(session_data_get(:'token', 'k') #>> '{}') AS length;

-- The size of all data counts, not that of one value.
SELECT session_data_save(:'token', jsonb_build_object('a', repeat('x', 600)));
\set VERBOSITY sqlstate
SELECT session_data_set(:'token', 'b', to_jsonb(repeat('x', 600)));
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT session_data_set(:'token', 'b', to_jsonb(repeat('x', 600)));
\set VERBOSITY sqlstate
SELECT session_data_set(:'token', 'a', to_jsonb(repeat('x', 700)));
SELECT session_data_set(:'token', repeat('b', 600), '1');
SELECT session_data_merge(:'token', jsonb_build_object('b', jsonb_build_object('c', repeat('x', 600))));
SELECT session_data_append(:'token', 'b', to_jsonb(repeat('x', 600)));
SELECT session_data_replace(:'token', 'b', NULL, to_jsonb(repeat('x', 600)));
SELECT session_data_replace(:'token', 'b', '1', to_jsonb(repeat('x', 600))) AS not_expected;

-- Compression does not increase the limit.
RESET session.max_data_size;
SELECT session_data_set(:'token', 'a', to_jsonb(repeat('x', 70000)));
SELECT session_data_set(:'token', 'a', to_jsonb(repeat('x', 60000)));
SELECT pg_column_size(data) < 2000 AS is_compressed, pg_column_size(data || '{}') AS bytes
  FROM session.sessions WHERE user_id = 'alice';
SELECT session_data_set(:'token', 'b', to_jsonb(repeat('x', 10000)));

-- After the limit was lowered, data can be read and made smaller, but not
-- written.
SET session.max_data_size = '1kB';
SELECT length(session_data_get(:'token', 'a') #>> '{}') AS length;
SELECT session_data_set(:'token', 'b', '1');
SELECT session_data_merge(:'token', '{"b": 1}');
SELECT session_data_append(:'token', 'b', '1');
SELECT session_data_replace(:'token', 'b', NULL, '1');
SELECT session_data_merge(:'token', jsonb_build_object('a', repeat('x', 50000), 'c', null)) AS smaller;
SELECT session_data_replace(:'token', 'c', NULL, NULL), session_data_merge(:'token', '{"c": null}');
SELECT session_data_delete(:'token', 'b'), session_data_delete(:'token', 'a');
SELECT session_data_set(:'token', 'b', '1');
RESET session.max_data_size;

-- Large data that does not compress is stored out of line and returned
-- unchanged.
SELECT string_agg(encode(sha256(n::text::bytea), 'hex'), '') AS large
  FROM generate_series(1, 900) AS n \gset
SELECT session_data_set(:'token', 'large', to_jsonb(:'large'::text));
SELECT session_data_get(:'token', 'large') #>> '{}' = :'large' AS got,
       session_data(:'token') ->> 'large' = :'large' AS read,
       (SELECT data ->> 'large' = :'large' FROM session_validate(:'token')) AS validated,
       (SELECT data ->> 'large' = :'large' FROM session_list('alice')) AS listed;
SELECT session_touch(:'token');
SELECT session_data_get(:'token', 'large') #>> '{}' = :'large' AS after_touch;
SELECT token FROM session_regenerate(:'token') \gset
SELECT session_data_get(:'token', 'large') #>> '{}' = :'large' AS after_regenerate;
SELECT session_data_set(:'token', 'small', '1');
SELECT session_data_pop(:'token', 'large') #>> '{}' = :'large' AS popped;
SELECT session_data(:'token');

-- A write that does not change the data does not write the row; a write that
-- does, does.
CREATE FUNCTION pg_temp.writes(call text, token text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    before tid;
    after tid;
BEGIN
    SELECT ctid INTO before FROM session.sessions WHERE user_id = 'alice';
    EXECUTE 'SELECT ' || replace(call, 'token', quote_literal(token));
    SELECT ctid INTO after FROM session.sessions WHERE user_id = 'alice';
    RETURN before <> after;
END
$$;
SELECT session_data_save(:'token', '{"a": 1, "b": {"c": [1, 2]}}');
SELECT call, pg_temp.writes(call, :'token') AS writes
  FROM unnest(ARRAY[
    $$session_data(token)$$,
    $$session_data_get(token, 'a')$$,
    $$session_data_set(token, 'a', '1')$$,
    $$session_data_set(token, 'a', '2')$$,
    $$session_data_set(token, 'a', '2')$$,
    $$session_data_set(token, 'b', '{ "c" : [1,2] }')$$,
    $$session_data_set(token, 'n', 'null')$$,
    $$session_data_set(token, 'n', 'null')$$,
    $$session_data_save(token, '{"n": null, "b": {"c": [1, 2]}, "a": 2}')$$,
    $$session_data_save(token, '{"a": 2, "b": {"c": [2, 1]}}')$$,
    $$session_data_delete(token, 'nothing')$$,
    $$session_data_pop(token, 'nothing')$$,
    $$session_data_delete(token, 'a')$$,
    $$session_data_pop(token, 'b')$$,
    $$session_data_clear(token)$$,
    $$session_data_save(token, '{}')$$,
    $$session_data_set(token, 'a', '1')$$,
    $$session_data_clear(token)$$,
    $$session_data_merge(token, '{"a": 1, "b": {"c": 2}, "d": null}')$$,
    $$session_data_merge(token, '{"a": 1, "b": {"c": 2, "e": null}}')$$,
    $$session_data_merge(token, '{"b": {"c": null}}')$$,
    $$session_data_append(token, 'list', '1')$$,
    $$session_data_append(token, 'list', '1')$$,
    $$session_data_replace(token, 'a', '1', '2')$$,
    $$session_data_replace(token, 'a', '1', '3')$$,
    $$session_data_replace(token, 'a', '2', '2')$$,
    $$session_data_replace(token, 'a', '2', NULL)$$,
    $$session_data_replace(token, 'a', NULL, NULL)$$,
    $$session_data_clear(token)$$]) AS call;

-- Every call that changes the data makes one version of the row.
BEGIN;
CREATE TEMP TABLE versions (n serial, call text, rows_updated bigint);
DO $$
DECLARE
    alice text := (SELECT token FROM session_create('alice'));
    statement text;
    before bigint;
BEGIN
    FOREACH statement IN ARRAY ARRAY[
        'session_data_merge(%L, ''{"a": {"b": 1}}'')',
        'session_data_append(%L, ''list'', ''1'')',
        'session_data_append(%L, ''list'', ''2'')',
        'session_data_replace(%L, ''n'', NULL, ''1'')',
        'session_data_replace(%L, ''n'', ''1'', ''2'')',
        'session_data_replace(%L, ''n'', ''1'', ''2'')',
        'session_data_replace(%L, ''n'', ''2'', NULL)',
        'session_data_merge(%L, ''{"a": null}'')']
    LOOP
        before := pg_stat_get_xact_tuples_updated('session.sessions'::regclass);
        EXECUTE 'SELECT ' || format(statement, alice);
        INSERT INTO versions (call, rows_updated)
        VALUES (replace(statement, '%L', 'token'), pg_stat_get_xact_tuples_updated('session.sessions'::regclass) - before);
    END LOOP;
END
$$;
SELECT call, rows_updated FROM versions ORDER BY n;
ROLLBACK;

-- Several changes in one statement and in one transaction add up.
SELECT count(*) FILTER (WHERE session_data_set(:'token', 'k' || n, to_jsonb(n))) AS set
  FROM generate_series(1, 100) AS n;
BEGIN;
SELECT session_data_set(:'token', 'k1', '"one"');
SAVEPOINT before;
SELECT session_data_set(:'token', 'k2', '"two"'), session_data_delete(:'token', 'k3');
ROLLBACK TO before;
SELECT session_data_pop(:'token', 'k4');
COMMIT;
SELECT (SELECT count(*) FROM jsonb_object_keys(data)) AS keys,
       data -> 'k1' AS k1, data -> 'k2' AS k2, data -> 'k3' AS k3, data -> 'k4' AS k4
  FROM session_data(:'token') AS data;

-- Data can be read in a READ ONLY transaction.
BEGIN READ ONLY;
SELECT session_data_get(:'token', 'k5'), (session_data(:'token')) -> 'k6' AS k6;
SELECT session_data_set(:'token', 'k5', '1');
ROLLBACK;

-- Changes roll back with the transaction, and see each other within it.
BEGIN;
SELECT session_data_replace(:'token', 'k5', '5', '6'), session_data_replace(:'token', 'k5', '5', '7'),
       session_data_append(:'token', 'log', '1'), session_data_append(:'token', 'log', '2'),
       session_data_merge(:'token', '{"k6": null}');
SELECT data -> 'k5' AS k5, data -> 'k6' AS k6, data -> 'log' AS log FROM session_data(:'token') AS data;
ROLLBACK;
SELECT data -> 'k5' AS k5, data -> 'k6' AS k6, data -> 'log' AS log FROM session_data(:'token') AS data;

DROP EXTENSION session;
