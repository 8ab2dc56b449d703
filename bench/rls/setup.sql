-- Rows of many owners, and a role for each kind of policy.
CREATE EXTENSION session;
CREATE SCHEMA bench;

CREATE TABLE bench.item (id int NOT NULL, owner text NOT NULL, body text NOT NULL);
INSERT INTO bench.item
SELECT n, 'user-' || n % 20000, 'item number ' || n FROM generate_series(1, :rows) n;
VACUUM (FREEZE, ANALYZE) bench.item;
ALTER TABLE bench.item ENABLE ROW LEVEL SECURITY;

CREATE ROLE by_literal;
CREATE ROLE by_session;
CREATE ROLE by_setting;
CREATE ROLE by_claims;
GRANT USAGE ON SCHEMA bench TO by_literal, by_session, by_setting, by_claims;
GRANT SELECT ON bench.item TO by_literal, by_session, by_setting, by_claims;

CREATE POLICY by_literal ON bench.item TO by_literal
    USING (owner = 'user-7');
CREATE POLICY by_session ON bench.item TO by_session
    USING (owner = session_user_id());
CREATE POLICY by_setting ON bench.item TO by_setting
    USING (owner = current_setting('bench.owner'));
CREATE POLICY by_claims ON bench.item TO by_claims
    USING (owner = current_setting('request.jwt.claims')::json ->> 'sub');
