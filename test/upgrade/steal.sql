-- Makes a session whose first refresh token was used long ago, as a thief
-- would hold it, and appends it to the file :held.
\o
SELECT token AS stolen, refresh_token AS stale FROM session_create('theo', refreshable => true) \gset
SELECT refresh_token AS second FROM session_refresh(:'stale') \gset
SELECT token AS stolen FROM session_refresh(:'second') \gset
UPDATE session.sessions SET rotated_at = rotated_at - interval '1 hour' WHERE user_id = 'theo' AND revoked_at IS NULL;
\o | cat >>"$HELD"
SELECT format('\set %s %L', name, value) FROM (VALUES ('stolen', :'stolen'), ('stale', :'stale')) AS t(name, value);
\o
