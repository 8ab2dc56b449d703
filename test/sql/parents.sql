-- Columns of a session that was made of another: parent, actor, scopes.
CREATE EXTENSION session;
\getenv here PG_ABS_SRCDIR
\i :here/sql/include/helpers.sql
SELECT id AS parent FROM session_create('alice') \gset
SELECT id AS admin FROM session_create('root') \gset
SELECT id, token FROM session_create('alice') \gset
SELECT id AS other, token AS refreshable FROM session_create('alice', refreshable => true) \gset

-- An ordinary session has none of them.
SELECT parent_id, actor_id, scopes FROM session_get(:'id');
SELECT count(*) AS ordinary FROM session.sessions WHERE num_nulls(parent_id, actor_id, scopes) = 3;

-- They are shown wherever a session is.
UPDATE session.sessions SET parent_id = :'parent', scopes = '{todo:read,mail:*}' WHERE id = :'id';
SELECT parent_id = :'parent' AS parent, actor_id, scopes FROM session_get(:'id');
SELECT parent_id = :'parent' AS parent, actor_id, scopes FROM session_validate(:'token');
UPDATE session.sessions SET parent_id = :'admin', actor_id = 'root', scopes = NULL WHERE id = :'id';
SELECT parent_id = :'admin' AS parent, actor_id, scopes FROM session_list('alice') WHERE id = :'id';
SELECT parent_id = :'admin' AS parent, actor_id, scopes FROM session.directory WHERE id = :'id';
SELECT s ->> 'parent_id' = :'admin' AS parent, s -> 'actor_id' AS actor_id, s -> 'scopes' AS scopes
  FROM jsonb_array_elements(session_export('alice') -> 'sessions') AS s WHERE s ->> 'id' = :'id';

-- Scopes that are not scopes allow nothing, instead of everything.
UPDATE session.sessions SET scopes = '{"two words"}' WHERE id = :'id';
SELECT scopes FROM session_validate(:'token');
UPDATE session.sessions SET scopes = '{todo:read,NULL}' WHERE id = :'id';
SELECT scopes FROM session_validate(:'token');
UPDATE session.sessions SET scopes = '{{a},{b}}' WHERE id = :'id';
SELECT scopes FROM session_validate(:'token');
UPDATE session.sessions SET scopes = array_fill('a'::text, ARRAY[65]) WHERE id = :'id';
SELECT scopes FROM session_validate(:'token');
UPDATE session.sessions SET scopes = '{}' WHERE id = :'id';
SELECT scopes FROM session_validate(:'token');

-- What contradicts itself is not stored.
SELECT change, pg_temp.outcome_of(format('UPDATE session.sessions SET %s WHERE id = %L', change, :'id')) AS outcome
  FROM unnest(ARRAY['parent_id = id', 'parent_id = NULL, scopes = NULL', 'parent_id = NULL, actor_id = NULL',
                    'auth_level = 2', 'user_id = NULL, auth_level = 0, authenticated_at = NULL']) AS change;
SELECT pg_temp.outcome_of(format('UPDATE session.sessions SET parent_id = %L WHERE id = %L', :'parent', :'other')) AS refreshable;

DROP EXTENSION session;
