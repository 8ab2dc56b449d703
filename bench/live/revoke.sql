-- Ends a session of another user, or takes the end back so that there is always
-- one to end. Both are noted like every end.
\set n random(1, :rows)
UPDATE session.sessions SET
	revoked_at = CASE WHEN revoked_at IS NULL THEN now() END,
	revoked_reason = CASE WHEN revoked_at IS NULL THEN 'admin' END
WHERE id = (SELECT id FROM bench.others WHERE n = :n);
