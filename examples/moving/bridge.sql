-- Both systems at once: the old application, with connect-pg-simple, goes on
-- writing its table "session", and each change reaches the session here in the
-- same transaction. Run the file before the new application starts, and
-- express.sql before it. docs/guides/moving.md has the rules.

-- Has the ids that were copied, so that no row is copied twice.
CREATE TABLE IF NOT EXISTS moved (sid text PRIMARY KEY, session_id uuid NOT NULL);

-- The user is where Passport has it, or in "userId": change it to your key.
CREATE FUNCTION bridge_user(sess json) RETURNS text IMMUTABLE LANGUAGE sql
RETURN coalesce(sess #>> '{passport,user}', sess ->> 'userId');

-- Runs as its owner, who needs the level "app". A session is made when the row
-- is written, and its lifetime restarts with each write, so both have one
-- deadline. A session that has ended here stays ended. If the user of the row
-- changes, it ends: an id belongs to one login.
CREATE FUNCTION bridge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM session_revoke(OLD.sid);
    ELSIF TG_OP = 'UPDATE' AND bridge_user(OLD.sess) IS DISTINCT FROM bridge_user(NEW.sess)
          AND session_revoke(OLD.sid) THEN
        RETURN NULL;
    ELSIF EXISTS (SELECT FROM moved WHERE sid = NEW.sid) THEN
        IF OLD.sess::text IS DISTINCT FROM NEW.sess::text THEN
            PERFORM session_data_save(NEW.sid, NEW.sess::jsonb #- '{cookie,expires}');
        END IF;
        PERFORM session_refresh(NEW.sid);
    ELSIF NEW.expire::timestamptz > clock_timestamp() THEN
        INSERT INTO moved SELECT NEW.sid, id FROM session_create(
            bridge_user(NEW.sess),
            NEW.sess::jsonb #- '{cookie,expires}',
            lifetime => NEW.expire::timestamptz - clock_timestamp(),
            max_sessions => 0,
            token => NEW.sid,
            -- Passport makes a row at the login. Others are older.
            authenticated_at => CASE TG_OP WHEN 'UPDATE' THEN to_timestamp(0) END);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER bridge AFTER INSERT OR DELETE OR UPDATE ON "session"
FOR EACH ROW EXECUTE FUNCTION bridge();

-- Returns the token of a request to the new application, which calls it in
-- place of request_token. Restarts the lifetime of the old row, as
-- express-session does with each request. The trigger does the rest. A cookie
-- without maxAge has the default of connect-pg-simple, one day.
CREATE FUNCTION bridge_token(cookies text) RETURNS text LANGUAGE sql AS $$
    UPDATE "session"
       SET expire = clock_timestamp() + coalesce(
               (sess #>> '{cookie,originalMaxAge}')::float8 * interval '1 ms', '1 day')
     WHERE sid = request_token(cookies) AND expire::timestamptz > clock_timestamp();
    SELECT request_token(cookies);
$$;

-- Ends for the old application what has ended here by session_revoke_user and
-- the like. Run it often.
DELETE FROM "session"
 WHERE sid IN (SELECT sid FROM moved WHERE session_status(sid) <> 'active');
