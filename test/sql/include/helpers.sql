-- Objects that several tests use, in pg_temp, so they end with the connection.
\set ECHO none

-- The procedure below subtracts days from timestamps, so a time zone without
-- daylight saving time is needed.
SET TimeZone = 'UTC';

-- Lets time pass: moves everything recorded about sessions into the past by a
-- span, including uses that are not written yet.
CREATE PROCEDURE pg_temp.pass(span interval)
LANGUAGE sql AS $$
    UPDATE session.sessions SET
        created_at = created_at - span,
        authenticated_at = authenticated_at - span,
        refreshed_at = refreshed_at - span,
        last_seen_at = coalesce((SELECT g.last_seen_at FROM session_get(id) AS g), last_seen_at) - span,
        expires_at = expires_at - span,
        max_expires_at = max_expires_at - span,
        refresh_expires_at = refresh_expires_at - span,
        rotated_at = rotated_at - span,
        revoked_at = revoked_at - span,
        purge_at = purge_at - span;
    UPDATE session.policies SET valid_after = valid_after - span
$$;

-- Returns whether a time is within the last minute; false for NULL.
CREATE FUNCTION pg_temp.is_recent(moment timestamptz) RETURNS boolean
LANGUAGE sql AS $$
    SELECT coalesce(moment > clock_timestamp() - interval '1 minute'
                    AND moment <= clock_timestamp(), false)
$$;

-- Returns a token with the given bytes.
CREATE FUNCTION pg_temp.token_of(bytes bytea) RETURNS text
LANGUAGE sql AS $$
    SELECT 'st_' || translate(encode(bytes, 'base64'), E'+/\n', '-_')
$$;

-- Returns the bytes of a token: 16 of the id and 32 of the secret.
CREATE FUNCTION pg_temp.bytes_of(token text) RETURNS bytea
LANGUAGE sql AS $$
    SELECT decode(translate(substr(token, 4), '-_', '+/'), 'base64')
$$;

-- The functions of the extension, from the catalog, so that tests cover all of
-- them.
CREATE TEMP VIEW extension_functions AS
SELECT p.*
  FROM pg_depend d
  JOIN pg_extension e ON e.oid = d.refobjid
  JOIN pg_proc p ON p.oid = d.objid
 WHERE d.refclassid = 'pg_extension'::regclass
   AND d.classid = 'pg_proc'::regclass
   AND d.deptype = 'e'
   AND e.extname = 'session';
GRANT SELECT ON extension_functions TO PUBLIC;

-- Returns the result of every function that takes a token, for this token, or
-- of the one that is wanted.
CREATE FUNCTION pg_temp.answers(token text, wanted name DEFAULT NULL)
RETURNS TABLE (function name, answer text)
LANGUAGE plpgsql AS $$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT p.oid, p.proname, p.proretset,
               (SELECT string_agg(CASE a.name
                                      WHEN 'token' THEN '$1'
                                      WHEN 'key' THEN '''theme'''
                                      WHEN 'value' THEN '''"dark"'''
                                      WHEN 'expected' THEN '''"dark"'''
                                      WHEN 'data' THEN '''{"theme": "dark"}'''
                                      WHEN 'patch' THEN '''{"theme": "dark"}'''
                                      WHEN 'path' THEN '''/bind'''
                                      WHEN 'refresh_path' THEN '''/refresh'''
                                      WHEN 'scopes' THEN '''{todo:read}'''
                                      WHEN 'proof' THEN '''proof'''
                                      WHEN 'method' THEN '''GET'''
                                      WHEN 'url' THEN '''https://api.example.com/'''
                                  END, ', ' ORDER BY a.n)
                  FROM unnest(p.proargnames) WITH ORDINALITY AS a (name, n)
                 WHERE a.n <= p.pronargs - p.pronargdefaults) AS arguments
          FROM extension_functions p
         WHERE p.proargnames[1] = 'token'
           AND p.proname NOT IN ('session_login', 'session_act_as')
           AND (wanted IS NULL OR p.proname = wanted)
         ORDER BY p.proname COLLATE "C"
    LOOP
        function := f.proname;
        EXECUTE format('SELECT string_agg(%s, '', '') FROM %s(%s) AS r',
                       CASE WHEN f.proretset THEN '''a row'''
                            ELSE 'coalesce(r::text, ''NULL'')' END,
                       f.oid::regproc, f.arguments)
           INTO answer USING token;
        answer := coalesce(answer, 'no row');
        RETURN NEXT;
    END LOOP;
END
$$;

-- Returns the outcome of a statement: "done", or SQLSTATE and message of its
-- error.
CREATE FUNCTION pg_temp.outcome_of(statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END
$$;

-- Returns SQLSTATE and message of the error of a call, or NULL if it succeeds.
CREATE FUNCTION pg_temp.error_of(call text) RETURNS text
LANGUAGE sql AS $$
    SELECT nullif(pg_temp.outcome_of('SELECT FROM ' || call), 'done')
$$;
\set ECHO all
