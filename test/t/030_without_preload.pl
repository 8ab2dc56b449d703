# Without shared_preload_libraries every function works. Settings that a role
# sets as placeholders before the library is loaded have no effect afterwards
# that its privileges would not allow.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE ROLE app LOGIN;
	CREATE ROLE boss LOGIN;
	SELECT session_grant('app', 'app');
	SELECT session_grant('boss', 'admin');
});

# Runs SQL as a role in a new connection. Leaves the messages in $err.
my $err;

sub as
{
	my ($role, $sql, %params) = @_;
	my $out = '';

	local $ENV{PGOPTIONS} = $params{options} // '';
	$node->psql(
		'postgres', $sql,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=sqlstate' ]);
	return $out;
}

is( $node->safe_psql(
		'postgres', q{SHOW shared_preload_libraries}),
	'',
	'no library is preloaded');

is( $node->safe_psql(
		'postgres',
		q{SELECT database, preloaded, live, checks_active, rounds FROM session.stats}),
	'postgres|f|0||',
	'session.stats shows that the library is not preloaded');

# The whole life of a session, as an application uses it.
my $life = q{
	SELECT token AS t0, id FROM session_create(data => '{"cart": [1]}',
		ip => '192.0.2.7', user_agent => 'curl') \gset
	SELECT status, user_id IS NULL, data, host(ip), user_agent, current
		FROM session_validate(:'t0');
	SELECT session_data_set(:'t0', 'theme', '"dark"');
	SELECT token AS t1 FROM session_regenerate(:'t0', 'alice', auth_level => 2) \gset
	SELECT session_status(:'t0'), session_status(:'t1'), session_is_valid(:'t1'),
		session_is_expired(:'t1');
	SELECT id = :'id', user_id, auth_level, data FROM session_validate(:'t1');
	SELECT session_touch(:'t1');
	SELECT token = :'t1', expires_at > now() FROM session_refresh(:'t1');
	SELECT session_data_get(:'t1', 'theme'), session_data_pop(:'t1', 'cart'),
		session_data(:'t1');
	SELECT session_data_delete(:'t1', 'theme'), session_data_save(:'t1', '{"a": 1}'),
		session_data_merge(:'t1', '{"a": null, "b": {"c": 1}}'),
		session_data_append(:'t1', 'list', '1'),
		session_data_replace(:'t1', 'n', NULL, '2'), session_data(:'t1');
	SELECT session_data_clear(:'t1'), session_data(:'t1');
	SELECT session_revoke(:'t1'), session_status(:'t1');
	SELECT count(*) FROM session_validate(:'t1');
};
is(as('app', $life), <<'OUT' =~ s/\n\z//r, 'an application can use every function on its session');
active|t|{"cart": [1]}|192.0.2.7|curl|t
t
unknown|active|t|f
t|alice|2|{"cart": [1], "theme": "dark"}
t
t|t
"dark"|[1]|{"theme": "dark"}
t|t|t|t|t|{"b": {"c": 1}, "n": 2, "list": [1]}
t|{}
t|revoked
0
OUT
is($err, '', 'the functions of an application cause no warning');

is( as( 'boss', q{
	SELECT count(session_create('bob', tenant_id => 'acme')) FROM generate_series(1, 3);
	SELECT count(*), bool_and(status = 'active') FROM session_list('bob');
	SELECT session_revoke_id(id) FROM session_list('bob') LIMIT 1;
	SELECT session_revoke_user('bob', 'acme', (SELECT id FROM session_list('bob') LIMIT 1));
	SELECT session_revoke_tenant('acme');
	SELECT count(*) FROM session_list('bob', include_ended => true);
	SELECT deleted FROM session_cleanup();
}),
	"3\n3|t\nt\n1\n1\n3\n0",
	'an administrator lists and revokes sessions');
is($err, '', 'the functions of an administrator cause no warning');
is( as( 'boss', q{
	SELECT id FROM session_create('erin', '{"cart": [1]}', ip => '192.0.2.7') \gset
	SELECT status, data, last_seen_at <= now() FROM session.directory WHERE user_id = 'erin' AND ip <<= '192.0.2.0/24';
	SELECT session_revoke_ids(array_agg(id)) FROM session.directory WHERE user_id = 'erin';
	SELECT status FROM session.directory WHERE id = :'id';
	SELECT s -> 'revoked_reason', s -> 'data' FROM jsonb_array_elements(session_export('erin') -> 'sessions') AS s;
	SELECT session_erase('erin') > 0, session_erase('erin');
	SELECT count(*) FROM session.directory WHERE user_id = 'erin';
	}),
	qq{active|{"cart": [1]}|t\n1\nrevoked\n"admin"|{"cart": [1]}\nt|0\n0},
	'an administrator reads session.directory, and exports and erases a user');
is($err, '', 'that causes no warning');

# Activity. Without shared memory a use is written to the row, when that is due
# and possible. Returns two values: whether last_seen_at is recent, and whether
# the row was written.
sub used
{
	my ($idle_timeout, $span, $call) = @_;

	my ($id, $token) = split /\|/,
	  as('app', "SELECT id, token FROM session_create('carol', idle_timeout => '$idle_timeout')");
	my $ctid = $node->safe_psql('postgres',
		"UPDATE session.sessions SET last_seen_at = last_seen_at - interval '$span' "
		  . "WHERE id = '$id' RETURNING ctid");
	as('app', $call =~ s/token/'$token'/r);
	return $node->safe_psql('postgres',
		"SELECT last_seen_at > now() - interval '5 seconds', ctid <> '$ctid' "
		  . "FROM session.sessions WHERE id = '$id'");
}

# Without shared memory a use in a READ ONLY transaction is not recorded, so a
# pair of tokens may have been used without a trace. The pair is therefore not
# given again after the grace.
is( $node->safe_psql(
		'postgres', q{
	SELECT refresh_token FROM session_create('dora', refreshable => true) \gset
	SELECT refresh_token AS next FROM session_refresh(:'refresh_token') \gset
	SELECT refresh_token = :'next' FROM session_refresh(:'refresh_token');
	UPDATE session.sessions SET rotated_at = rotated_at - interval '10 seconds',
		last_seen_at = last_seen_at - interval '10 seconds' WHERE user_id = 'dora';
	SELECT count(*) FROM session_refresh(:'refresh_token');
	SELECT revoked_reason FROM session.sessions WHERE user_id = 'dora'}),
	"t\n0\nrefresh_reuse",
	'a replaced refresh token counts as reuse as soon as its grace is over');

my $validate = 'SELECT FROM session_validate(token)';
is(used('0', '9 minutes 50 seconds', $validate),
	'f|f', 'a use is not written before session.update_age is over');
is(used('0', '10 minutes', $validate), 't|t',
	'a use is written when session.update_age is over');
is(used('4 minutes', '1 minute 50 seconds', $validate),
	'f|f', 'a use is not written before half the idle timeout is over');
is(used('4 minutes', '2 minutes', $validate), 't|t',
	'a use is written when half the idle timeout is over');
is(used('0', '1 hour', 'SELECT session_data(token)'),
	't|t', 'session_data counts as a use');
is(used('0', '1 hour', 'SELECT session_status(token)'),
	'f|f', 'session_status does not count as a use');
is(used('0', '1 hour', "BEGIN READ ONLY; $validate; COMMIT"),
	'f|f', 'a use in a READ ONLY transaction is not written');
is(used('0', '1 hour', "BEGIN; $validate; ROLLBACK"),
	'f|f', 'a use in a transaction that is rolled back is not written');

# Recording a use does not wait for a transaction that holds the row.
my ($id, $token) = split /\|/, as('app',
	"SELECT id, token FROM session_create('dave')");
$node->safe_psql('postgres',
	"UPDATE session.sessions SET last_seen_at = '2020-01-01 UTC' WHERE id = '$id'");
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; SELECT FROM session.sessions WHERE id = '$id' FOR UPDATE");
is(as('app', "SELECT status FROM session_validate('$token')"),
	'active', 'a session whose row is locked validates');
$holder->query_safe('COMMIT');
$holder->quit;
is( $node->safe_psql(
		'postgres', "SELECT last_seen_at::date FROM session.sessions WHERE id = '$id'"),
	'2020-01-01',
	'a use of a session whose row is locked is not written');

# Without shared memory a snapshot is valid until its ttl is over, even if its
# session is revoked.
$node->safe_psql('postgres', 'SELECT session_key_rotate()');
is( as('app', qq{
	SELECT session_cookie_issue('$token') AS c \\gset
	SELECT source FROM session_cookie_validate(:'c');
	SELECT session_revoke('$token');
	SELECT source FROM session_cookie_validate(:'c');
	SELECT count(*) FROM session_cookie_validate(:'c', true, '$token');
}),
	"cookie\nt\ncookie\n0",
	'a snapshot stays valid after a revocation, unless the row is asked');

# Settings. The first call in a connection loads the library. Before that, any
# role can set any name as a placeholder.
my $hours = q{
	SELECT round(extract(epoch FROM expires_at - now()) / 3600)
	FROM session_create('alice');
};
is(as('app', $hours), '24', 'a session lives for a day by default');

is(as('app', "SET session.lifetime = '1h'; $hours"),
	'24', 'a placeholder of an unprivileged role does not change the lifetime');
like($err, qr/WARNING: .*42501/,
	'a placeholder of an unprivileged role causes a warning');
is( as('app', "BEGIN; SET LOCAL session.lifetime = '1h'; $hours COMMIT; $hours"),
	"24\n24",
	'SET LOCAL of a placeholder does not change the lifetime');
is( as('app', $hours, options => '-c session.lifetime=1h'),
	'24',
	'a placeholder in the connection string does not change the lifetime');
is( as('app', "SELECT set_config('session.max_sessions', '1', false) \\g /dev/null\n"
		. "SET session.bind_ip = off; SET session.on_limit = 'reject'; "
		. 'SELECT count(session_create($$zoe$$)) FROM generate_series(1, 3); '
		. 'SHOW session.max_sessions; SHOW session.on_limit'),
	"3\n0\nevict",
	'placeholders do not change other settings');
is(as('app', "$hours SET session.lifetime = '1h'; $hours"),
	"24\n24",
	'once the library is loaded, an unprivileged role cannot set the lifetime');
like($err, qr/ERROR: +42501/,
	'setting the lifetime without the privilege fails with 42501');

as('app', "ALTER ROLE app SET session.lifetime = '1h'");
like($err, qr/ERROR: +42501/,
	'an unprivileged role cannot set the lifetime for its later connections');
is(as('app', $hours), '24', 'later connections of that role have the default');

$node->safe_psql('postgres', "ALTER ROLE app SET session.lifetime = '2h'");
is(as('app', $hours), '2', 'a superuser sets the lifetime for a role');
is($err, '', 'a setting of a superuser for a role causes no warning');
is(as('boss', $hours), '24',
	'the setting of one role does not affect other roles');
$node->safe_psql('postgres',
	"ALTER DATABASE postgres SET session.lifetime = '3h'");
is(as('boss', $hours), '3', 'a superuser sets the lifetime for a database');
is(as('app', "RESET session.lifetime; $hours"),
	'2', 'RESET returns to the value of the superuser');

done_testing();
