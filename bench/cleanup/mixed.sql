-- Calls of applications on live sessions: mostly validations.
\set n random(1, :rows)
\set what random(1, 100)
SELECT token AS t FROM tok WHERE n = :n \gset
\if :what <= 70
SELECT user_id, data FROM session_validate(:t);
\elif :what <= 80
SELECT session_data_set(:t, 'n', to_jsonb(:what::int));
\elif :what <= 86
SELECT session_touch(:t);
\elif :what <= 92
SELECT FROM session_create('user' || :n::int, max_sessions => 3);
\elif :what <= 95
WITH new AS MATERIALIZED (SELECT token FROM session_regenerate(:t))
UPDATE tok SET token = new.token FROM new WHERE n = :n;
\elif :what <= 97
SELECT count(*) FROM session_list('user' || :n::int);
\elif :what <= 98
SELECT session_revoke_user('user' || :n::int);
\else
BEGIN;
SELECT session_revoke(:t);
UPDATE tok SET token = (SELECT token FROM session_create('user' || :n::int)) WHERE n = :n;
COMMIT;
\endif
