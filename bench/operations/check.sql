-- Checks that PL/pgSQL does the same as the extension: what each call returns
-- for good and bad tokens, and what is in the row afterwards.
DO $$
DECLARE
    ours record;
    theirs record;
    a record;
    b record;
BEGIN
    SELECT * INTO ours FROM session_create('check', '{"a": 1}', 'acme', ip => '192.0.2.1',
                                           user_agent => 'agent', refreshable => true);
    SELECT * INTO theirs FROM bench.login('check', '{"a": 1}', 'acme', '192.0.2.1', 'agent', true);
    SELECT * INTO a FROM session.sessions WHERE user_id = 'check';
    SELECT * INTO b FROM bench.sessions WHERE user_id = 'check';
    ASSERT (a.user_id, a.tenant_id, a.role, a.auth_level, a.data, a.ip, a.user_agent, a.purge_at,
            a.refresh_generation, a.expires_at - a.created_at, a.refresh_expires_at - a.created_at)
           IS NOT DISTINCT FROM
           (b.user_id, b.tenant_id, b.role, b.auth_level, b.data, b.ip, b.user_agent, b.purge_at,
            b.refresh_generation, b.expires_at - b.created_at, b.refresh_expires_at - b.created_at),
           format(E'%s\n%s', a, b);

    SELECT * INTO a FROM session_refresh(ours.refresh_token);
    SELECT * INTO b FROM bench.rotate(theirs.refresh_token);
    ASSERT a.token IS NOT NULL AND b.token IS NOT NULL;
    ASSERT session_is_valid(a.token) AND bench.authenticate(b.token);
    ASSERT NOT session_is_valid(ours.token) AND NOT bench.authenticate(theirs.token);
    ASSERT (SELECT token FROM session_refresh(ours.refresh_token)) = a.token;
    ASSERT (SELECT token FROM bench.rotate(theirs.refresh_token)) = b.token;

    ASSERT NOT session_revoke(ours.token) AND NOT bench.logout(theirs.token);
    ASSERT session_revoke(a.token) AND bench.logout(b.token);
    ASSERT NOT session_revoke(a.token) AND NOT bench.logout(b.token);
    ASSERT NOT session_revoke('nonsense') AND NOT bench.logout('nonsense');
    ASSERT (SELECT purge_at FROM session.sessions WHERE user_id = 'check')
         = (SELECT purge_at FROM bench.sessions WHERE user_id = 'check');

    ASSERT (SELECT count(*) FROM session_refresh(bench.token(1))) = 1 AND bench.extend(bench.token(1));
    ASSERT (SELECT (expires_at - refreshed_at, purge_at) FROM session.sessions WHERE id = bench.id(1))
         = (SELECT (expires_at - refreshed_at, purge_at) FROM bench.sessions WHERE id = bench.id(1));
    ASSERT (SELECT array_agg(id ORDER BY id) FROM session_list('user-7'))
         = (SELECT array_agg(id ORDER BY id) FROM bench.list('user-7'));
    ASSERT (SELECT count(*) FROM session_list('user-7')) = 5;
    ASSERT session_authenticate(bench.token(7)) AND bench.authenticate(bench.token(7));
    ASSERT session_user_id() = 'user-7' AND current_setting('bench.user') = 'user-7';
    ASSERT session_revoke_user('user-8') = 5 AND bench.revoke_user('user-8') = 5;
    ASSERT session_revoke_user('user-8') = 0 AND bench.revoke_user('user-8') = 0;
END $$;
