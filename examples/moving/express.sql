-- The signed cookie of express-session, beside the new one. Import the secret
-- as a key of the purpose connect.sid first: docs/guides/moving.md shows it.

-- Returns the token of a request, from its Cookie header: that of the new
-- cookie, session.cookie_name, or else the id that express-session has signed
-- in the old one. NULL if there is neither.
CREATE FUNCTION request_token(cookies text) RETURNS text
LANGUAGE sql
RETURN coalesce(
    session_cookie_read(cookies),
    session_cookie_decode(session_cookie_read(cookies, 'connect.sid'), 'connect.sid') ->> 'sid');
