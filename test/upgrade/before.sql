-- Fills a database of the oldest major with everything that an upgrade must
-- keep, and writes the credentials to the file :held, as settings of psql.
CREATE SCHEMA web;
CREATE EXTENSION session SCHEMA web;
GRANT USAGE ON SCHEMA web TO PUBLIC;
SET search_path = public, web;
ALTER DATABASE shop SET search_path = public, web;
ALTER DATABASE shop SET session.foreign_tokens = on;
ALTER DATABASE shop SET session.log_events = 'all';
ALTER DATABASE shop SET session.act_as_function = 'public.may_act_as';
SET session.foreign_tokens = on;
SET session.log_events = 'all';
\i :includes/proofs.sql
\set ECHO none

CREATE ROLE app LOGIN;
CREATE ROLE boss LOGIN;
SELECT FROM (SELECT session_grant('app', 'app'), session_grant('boss', 'admin')) AS granted;
CREATE FUNCTION may_act_as(actor session_info, user_id text, tenant_id text, reason text) RETURNS boolean LANGUAGE sql AS $$ SELECT (actor).user_id = 'support' $$;
SET session.act_as_function = 'public.may_act_as';

-- Keys: retired, in use, of each algorithm, and of another system.
SELECT FROM session_key_retire(session_key_rotate());
SELECT FROM session_key_rotate();
SELECT FROM session_key_rotate('jwt', 'ES256');
SELECT FROM session_key_rotate('mail', 'EdDSA');
SELECT FROM session_key_import('of another system, thirty-two b.', 'theirs', 'legacy');

-- Policies, and the end of the earlier sessions of a tenant.
SELECT token AS over FROM session_create('olga', tenant_id => 'old') \gset
SELECT FROM session_policy_set('acme', NULL, '8 hours', '2 hours', 2, 'subnet', true);
SELECT FROM session_revoke_all('an incident', 'old');

-- Sessions of every kind.
SELECT token AS plain FROM session_create('alice', '{"cart": [1, 2]}') \gset
SELECT token AS visitor FROM session_create(NULL, '{"theme": "dark"}') \gset
SELECT token AS sliding FROM session_create('sam', sliding => true, lifetime => '1 hour') \gset
SELECT token AS access, refresh_token AS refresh FROM session_create('rita', refreshable => true) \gset
SELECT token AS tenant FROM session_create('tina', tenant_id => 'acme', ip => '192.0.2.7', user_agent => 'Safari') \gset
SELECT token AS bound FROM session_create('dora', jkt => (SELECT pg_temp.base64url(sha256(format('{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}', jwk ->> 'x', jwk ->> 'y')::bytea)) FROM proof_keys WHERE name = 'one')) \gset
SELECT 'a-token-of-another-system-' || gen_random_uuid() AS foreign \gset
SELECT FROM session_create('fred', token => :'foreign');
SELECT token AS derived FROM session_derive(:'plain', '{todo:read}') \gset
SELECT token AS support FROM session_create('support') \gset
SELECT token AS acting FROM session_act_as(:'support', 'alice', 'a ticket', lifetime => '1 hour') \gset
SELECT token AS revoked FROM session_create('rob') \gset
SELECT FROM session_revoke(:'revoked');
SET session.encrypt_data = on;
SELECT token AS sealed FROM session_create('ivan', '{"secret": "of the row"}') \gset
RESET session.encrypt_data;

-- Credentials that carry their own proof, one of them on the denylist.
SELECT session_cookie_encode('{"cart": 1}') AS cookie \gset
SELECT session_cookie_encode('{"cart": 2}', 'jwt', NULL, 'legacy') AS theirs \gset
SELECT session_jwt(:'plain', '1 hour') AS jwt \gset
SELECT session_jwks('jwt') AS jwks \gset
SELECT session_cookie_encode('{"cart": 3}') AS denied \gset
SELECT FROM session_cookie_revoke(:'denied');
SELECT session_cookie_encode('{"sub": "sam"}', 'jwe', '1 day') AS stateless \gset

-- Users: a session ends with its user.
CREATE TABLE users (id text PRIMARY KEY, active boolean NOT NULL);
INSERT INTO users SELECT name, true FROM unnest('{alice,sam,rita,theo,tina,dora,fred,ivan,support,olga,rob,v15,v17,v18}'::text[]) AS name;
SELECT FROM session_bind_users('users', 'id', 'active');

-- What a user may see, by row-level security.
CREATE TABLE notes (owner text, note text);
INSERT INTO notes VALUES ('alice', 'of alice'), ('sam', 'of sam');
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (owner = session_user_id());
GRANT SELECT ON notes TO app;

\setenv HELD :held
\o | cat >>"$HELD"
SELECT format('\set %s %L', name, value)
  FROM (VALUES ('over', :'over'), ('plain', :'plain'), ('visitor', :'visitor'), ('sliding', :'sliding'), ('access', :'access'), ('refresh', :'refresh'),
        ('tenant', :'tenant'), ('bound', :'bound'), ('foreign', :'foreign'), ('derived', :'derived'), ('support', :'support'), ('acting', :'acting'),
        ('revoked', :'revoked'), ('sealed', :'sealed'), ('cookie', :'cookie'), ('theirs', :'theirs'), ('jwt', :'jwt'), ('jwks', :'jwks'), ('denied', :'denied'),
        ('stateless', :'stateless')) AS t(name, value);
\i :here/steal.sql
