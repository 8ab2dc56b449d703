-- A thousand policies that end no session: for all sessions, for tenants, for
-- roles, and for roles of a tenant.
SELECT session_policy_set(lifetime => '1 year') \g /dev/null
SELECT count(session_policy_set(tenant_id => 'tenant-' || n, idle_timeout => '90 days'))
FROM generate_series(0, 699) AS n \g /dev/null
SELECT count(session_policy_set(role => CASE n WHEN 1 THEN 'member' ELSE 'role-' || n END, max_sessions => 100))
FROM generate_series(1, 99) AS n \g /dev/null
SELECT count(session_policy_set(tenant_id => 'tenant-' || n, role => 'member', lifetime => '100 days', bind_ip => 'off'))
FROM generate_series(0, 199) AS n \g /dev/null

-- Puts them into the table and takes them out again.
CREATE TABLE bench.policies AS SELECT * FROM session.policies;
CREATE FUNCTION bench.policies(present boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    TRUNCATE session.policies;
    INSERT INTO session.policies SELECT * FROM bench.policies WHERE present;
    RETURN (SELECT count(*) FROM session.policies);
END $$;
DO $$ BEGIN
    ASSERT bench.policies(true) = 1000 AND bench.policies(false) = 0;
END $$;
