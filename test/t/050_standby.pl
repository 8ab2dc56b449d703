# On a hot standby sessions are validated and not changed. A revocation arrives
# with replication. After promotion every function works. Cookies are verified
# and made if the standby has a copy of the master key, which replication does
# not bring.

use strict;
use warnings;
use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\nsession.naptime = '1s'\n"
	  . "session.log_events = 'created, revoked, binding_mismatch'\n");
$primary->start;
$primary->safe_psql('postgres',
	'CREATE EXTENSION session; CREATE TABLE users (id text PRIMARY KEY)');
$primary->backup('copy');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;

# Runs a query on the standby after it has replayed everything from the
# primary.
sub on_standby
{
	$primary->wait_for_catchup($standby, 'replay');
	return $standby->safe_psql('postgres', shift);
}

my $token = $primary->safe_psql('postgres',
	q{SELECT token FROM session_create('alice', '{"cart": [1]}', 'acme', ip => '192.0.2.1')});
my $other =
  $primary->safe_psql('postgres', q{SELECT token FROM session_create('alice')});
my $id = $primary->safe_psql('postgres',
	"SELECT id FROM session_validate('$token')");

# The uses are so old that a use would be written to the row at once without
# shared memory.
$primary->safe_psql('postgres',
	"UPDATE session.sessions SET last_seen_at = '2020-01-01 UTC'");

is(on_standby('SELECT pg_is_in_recovery()'), 't',
	'the standby is in recovery');
is( on_standby(
		"SELECT last_seen_at = '2020-01-01 UTC' FROM session_get('$id')"),
	't',
	'the standby does not see a use that the primary has not written yet');
is( on_standby("SELECT id = '$id', status, user_id, tenant_id, data, last_seen_at = '2020-01-01 UTC' "
		. "FROM session_validate('$token')"),
	't|active|alice|acme|{"cart": [1]}|t',
	'session_validate works on a standby, and shows the use that the primary has written');
is( on_standby(
		"SELECT session_status('$token'), session_is_valid('$token'), "
		  . "session_is_expired('$token'), session_data('$token'), "
		  . "session_data_get('$token', 'cart')"),
	'active|t|f|{"cart": [1]}|[1]',
	'the other functions that only read a session work on a standby');
is( on_standby(
		"SELECT (SELECT status FROM session_get('$id')), count(*) FROM session_list('alice')"
	),
	'active|2',
	'session_get and session_list work on a standby');
is( on_standby(
		"SELECT status, user_id, tenant_id, data, last_seen_at = '2020-01-01 UTC' "
		  . "FROM session.directory WHERE id = '$id'"),
	'active|alice|acme|{"cart": [1]}|t',
	'session.directory can be read on a standby');
is( on_standby(
		"SELECT jsonb_array_length(e -> 'sessions'), e -> 'sessions' -> 0 -> 'data' FROM session_export('alice') AS e"
	),
	'2|{"cart": [1]}',
	'session_export works on a standby');
is( on_standby(
		"SET session.bind_ip = exact; SET session.on_mismatch = revoke; "
		  . "SELECT count(*) FROM session_validate('$token', '192.0.2.2'); "
		  . "SELECT status FROM session_validate('$token', '192.0.2.1')"),
	"0\nactive",
	'a standby refuses a binding mismatch and does not end the session');

my $foreign = 'the-id-of-another-system-0123456789';
$primary->safe_psql('postgres',
	"SET session.foreign_tokens = on; SELECT FROM session_create('zoe', token => '$foreign')");
is( on_standby(
		"SET session.foreign_tokens = on; SELECT user_id FROM session_validate('$foreign'); "
		  . "BEGIN; SELECT session_authenticate('$foreign'), session_user_id(); COMMIT; "
		  . "SET session.foreign_tokens = off; SELECT session_status('$foreign')"),
	"zoe\nt|zoe\nmalformed",
	'a foreign token is accepted on a standby where the setting is on');
$primary->safe_psql('postgres', "DELETE FROM session.sessions WHERE user_id = 'zoe'");

# An identity can be bound and read on a standby.
my $bound = "BEGIN; SELECT FROM session_authenticate('$token');";
is( on_standby(
		"$bound SELECT session_id() = '$id', session_user_id(), session_tenant_id(), "
		  . 'session_role() IS NULL, session_auth_level(), session_authenticated_at() <= now(), '
		  . "session_claim('tid'), session_claims() ->> 'sub', session_require(1)"
	),
	't|alice|acme|t|1|t|acme|alice|',
	'session_authenticate and the readers of the identity work on a standby');
is( on_standby(
		"$bound SELECT id = '$id', status, user_id, current FROM session_mine()"),
	't|active|alice|t',
	'session_mine works on a standby');
is(on_standby("SELECT session_authenticate('junk'), session_user_id() IS NULL"),
	'f|t', 'an invalid token binds no identity on a standby');

# Returns the SQL of a request, which prints the user of the request and
# whether the response contains a snapshot.
sub asked
{
	my ($strategy, $cookie, $cache, $begin) = @_;
	my $both = "jsonb_strip_nulls(jsonb_build_object('__Host-session', '$cookie', '__Host-session-cache', nullif('"
	  . ($cache // '') . "', '')))::text";
	return "SET session.strategy = '$strategy'; BEGIN READ ONLY; "
	  . "SELECT FROM set_config('request.cookies', $both, true); "
	  . 'SELECT FROM session_pre_request(); '
	  . q{SELECT coalesce(session_user_id(), 'nobody'), coalesce(current_setting('response.headers', true), '') <> ''; COMMIT};
}
for my $strategy (qw(database cookie_cache))
{
	is(on_standby(asked($strategy, $token)),
		'alice|f',
		"session_pre_request binds the session, strategy $strategy");
	is(on_standby(asked($strategy, 'junk')),
		'nobody|f',
		"session_pre_request binds no identity for an invalid token, strategy $strategy");
}

# Every function that writes fails with 25006, read_only_sql_transaction.
my @writes = (
	"session_create('bob')", "session_touch('$token')",
	"session_refresh('$token')", "session_regenerate('$token')",
	"session_revoke('$token')", "session_data_pop('$token', 'cart')",
	"session_data_set('$token', 'a', '1')",
	"session_data_delete('$token', 'cart')",
	"session_data_clear('$token')", "session_data_save('$token', '{}')",
	"session_data_merge('$token', '{}')",
	"session_data_append('$token', 'list', '1')",
	"session_data_replace('$token', 'a', NULL, NULL)",
	"session_revoke_id('$id')", "session_revoke_user('alice')",
	"session_revoke_ids(ARRAY['$id']::uuid[])", "session_erase('alice')",
	"session_revoke_tenant('acme')", 'session_cleanup()',
	"session_bind_users('users', 'id')",
	"session_unbind_users('users')", "session_storage('cache')",
	"session_storage('database')", "session_grant('pg_monitor', 'app')");

# Returns the SQLSTATE with which a query on the standby fails.
sub sqlstate
{
	my $err;

	$standby->psql(
		'postgres', shift,
		stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $err =~ /ERROR: +(\w+)/ ? $1 : $err;
}
for my $call (@writes)
{
	is(sqlstate("SELECT FROM $call"),
		'25006', $call =~ s/\(.*//r . ' fails with 25006 on a standby');
}
for my $call ("session_revoke_mine('$id')", 'session_revoke_others()')
{
	is(sqlstate("$bound SELECT FROM $call"),
		'25006', $call =~ s/\(.*//r . ' fails with 25006 on a standby');
}
is(sqlstate("$bound SELECT session_require(2)"),
	'42501', 'session_require fails with 42501 on a standby, as anywhere');
is(on_standby("SELECT session_data('$token')"),
	'{"cart": [1]}', 'the failed calls leave the session unchanged');

# session.stats and session.events can be read on a standby.
is( on_standby(
		q{SET ROLE pg_monitor; SELECT preloaded, live, revoked, checks_active > 0, rounds, round_errors, }
		  . 'round_started_at IS NULL FROM session.stats'),
	't|2|0|t|0|0|t',
	'session.stats shows the counters of the standby and the state of the tables');
is( on_standby(
		q{SELECT string_agg(concat_ws(' ', kind, user_id, tenant_id, ip), ', ' ORDER BY id) FROM session.events}
	),
	'created alice acme 192.0.2.1, created alice, created zoe',
	'the rows of session.events are replicated');

# The settings of a request's role are applied on a standby too.
my $member = $primary->safe_psql('postgres', q{
	CREATE ROLE visitor;
	CREATE ROLE member;
	ALTER ROLE visitor SET work_mem = '1MB';
	ALTER ROLE member SET lock_timeout = '7s';
	SELECT token FROM session_create('carol', role => 'member')});
is( on_standby(
		q{BEGIN READ ONLY; SET LOCAL work_mem = '1MB'; SET LOCAL ROLE visitor; }
		  . "SELECT FROM set_config('request.cookies', json_build_object('__Host-session', '$member')::text, true); "
		  . 'SELECT FROM session_pre_request(); '
		  . q{SELECT current_user, current_setting('lock_timeout'), current_setting('work_mem'); COMMIT}),
	'member|7s|4MB',
	'session_pre_request applies the settings of a role on a standby');

# Runs a request that is refused. Returns the SQLSTATE and the cookie that the
# response removes. The client keeps the cookie of a session whose row has not
# arrived yet, and loses that of a session that has ended.
sub refused
{
	my ($cookie) = @_;
	my ($out, $err) = ('', '');

	$standby->psql(
		'postgres', q{SET session.on_invalid = reject; BEGIN READ ONLY; }
		  . "SELECT FROM set_config('request.cookies', json_build_object('__Host-session', '$cookie')::text, true); "
		  . 'SELECT FROM session_pre_request(); COMMIT',
		stderr => \$err,
		on_error_stop => 0,
		extra_params => ['--set=VERBOSITY=verbose']);
	return join ' ', $err =~ /ERROR:  (\w+)/, $err =~ /"Set-Cookie": "([\w-]+=;)/;
}
$primary->wait_for_catchup($standby, 'replay');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'})
  or BAIL_OUT('replay was not paused');
my $ahead = $primary->safe_psql('postgres', q{SELECT token FROM session_create('dora')});
is(refused($ahead), 'PT401',
	'a request whose session has not arrived yet is refused and keeps its cookie');
is(refused('junk'), 'PGRST __Host-session=;',
	'a request with a malformed token loses its cookie');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$primary->wait_for_catchup($standby, 'replay');
is(refused($ahead), '', 'a request is accepted once its session has arrived');
$primary->safe_psql('postgres', "SELECT session_revoke('$ahead')");
$primary->wait_for_catchup($standby, 'replay');
is(refused($ahead), 'PGRST __Host-session=;',
	'a request whose session was revoked loses its cookie');

# The primary made its master key after the backup was taken.
my ($cookie, $snapshot, $refresh) = split /\|/, $primary->safe_psql(
	'postgres', qq{
	SELECT FROM session_key_rotate();
	SELECT FROM session_key_rotate('jwt');
	SELECT FROM session_key_rotate('api', 'ES256');
	SELECT FROM session_key_import_jwk(session_jwks('api'), 'app', 'api', 'shop');
	SELECT session_cookie_encode('{"cart": 1}'), session_cookie_issue('$token'),
		   (session_create('bob', refreshable => true)).refresh_token
});
my $file = $primary->data_dir . '/session_master.key';
my $copy = $standby->data_dir . '/session_master.key';
ok(-e $file && !-e $copy, 'the standby has no master key');

# What needs no secret needs no master key: publishing public keys, and
# verifying what an issuer signed.
my $issued = $primary->safe_psql('postgres',
	q{SELECT session_cookie_encode('{"sub": "ada", "iss": "api", "aud": "shop"}', 'jwt', purpose => 'api')});
$primary->wait_for_catchup($standby, 'replay');
is( $standby->safe_psql('postgres', q{SELECT session_jwks('api')}),
	$primary->safe_psql('postgres', q{SELECT session_jwks('api')}),
	'the standby publishes the public keys without a master key');
like($primary->safe_psql('postgres', q{SELECT session_jwks('api')}),
	qr/"alg": "ES256"/, 'there are public keys');
is($standby->safe_psql('postgres', "SELECT session_cookie_decode('$issued', 'app') ->> 'sub'"),
	'ada', 'the standby accepts the token of an issuer without a master key');

# Returns the messages of a query on the standby.
sub told_by_standby
{
	my ($sql) = @_;
	my $err;

	$standby->psql(
		'postgres', $sql,
		stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err;
}

my %reads = (
	"session_cookie_decode('$cookie') -> 'cart'" => '1',
	"(SELECT user_id || source FROM session_cookie_validate('$snapshot', token => '$token'))" =>
	  'alicedatabase',
	"(SELECT user_id || source FROM session_cookie_validate('$snapshot', true, '$token'))" =>
	  'alicedatabase',
	"length(session_jwt('$token')) > 100" => 't',
	"session_cookie_decode('$issued', 'api') ->> 'sub'" => 'ada',
	"(SELECT user_id FROM session_cookie_validate(session_cookie_issue('$token'), token => '$token'))"
	  => 'alice',
	q{session_cookie_decode(session_cookie_encode('{"cart": 2}')) -> 'cart'} =>
	  '2');
$primary->wait_for_catchup($standby, 'replay');
for my $call (sort keys %reads)
{
	like(
		told_by_standby("SELECT $call"),
		qr/ERROR:  55000: master key file "session_master.key" does not exist\nHINT:  Copy it from the server/,
		($call =~ /(session_\w+)/)[0] . ' names the missing master key file and tells what to do');
}
for my $cache ('', $snapshot)
{
	like(
		told_by_standby(asked('cookie_cache', $token, $cache)),
		qr/ERROR:  55000: master key file/,
		'session_pre_request with cookie_cache names the missing master key file');
}
is(on_standby(asked('database', $token, $snapshot)),
	'alice|f',
	'session_pre_request with strategy database needs no master key');
ok(!-e $copy, 'the standby makes no master key');

copy($file, $copy) or die "could not copy $file: $!";
chmod 0600, $copy;
for my $call (sort keys %reads)
{
	is(on_standby("SELECT $call"),
		$reads{$call},
		($call =~ /(session_\w+)/)[0] . ' works with a copy of the master key');
}

# A backend of the standby that has opened the keys reads them again when they
# change on the primary.
my $watching = $standby->background_psql('postgres');
is($watching->query_safe("SELECT session_cookie_decode('$cookie') -> 'cart'"),
	'1', 'a backend of the standby accepts a cookie of the primary');
my $newer = $primary->safe_psql(
	'postgres', q{
	SELECT FROM session_key_rotate();
	SELECT session_cookie_encode('{"cart": 3}')});
$primary->wait_for_catchup($standby, 'replay');
is($watching->query_safe("SELECT session_cookie_decode('$newer') -> 'cart'"),
	'3', 'the same backend accepts a cookie of a key that is newer');
$primary->safe_psql('postgres',
	"SELECT session_cookie_revoke('$newer'), "
	  . 'session_key_retire(kid) FROM session.key_ring '
	  . q{WHERE purpose = 'session' AND NOT signs});
$primary->wait_for_catchup($standby, 'replay');
is( $watching->query_safe("SELECT session_cookie_decode('$cookie') IS NULL"),
	't', 'the same backend refuses a cookie whose key was retired');
is($watching->query_safe("SELECT session_cookie_decode('$newer') IS NULL"),
	't', 'the same backend refuses a cookie that was revoked');
$watching->quit;

my @key_writes = (
	"session_cookie_revoke('$newer')",
	'session_key_rotate()',
	"session_key_import('a secret of another system, and long')",
	"session_key_retire('x')");
for my $call ("session_refresh('$refresh')", @key_writes)
{
	is(sqlstate("SELECT FROM $call"),
		'25006', $call =~ s/\(.*//r . ' fails with 25006 on a standby');
}

# Changes on the primary are seen on the standby, also by a transaction that is
# already open.
my $open = $standby->background_psql('postgres');
$open->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($open->query_safe("SELECT session_status('$token')"),
	'active', 'a transaction on the standby sees the session as active');
$primary->safe_psql('postgres',
	"SELECT session_revoke('$token'), session_data_set('$other', 'n', '1')");
is(on_standby("SELECT session_status('$token'), count(*) FROM session_validate('$token')"),
	'revoked|0', 'a revocation on the primary is seen on the standby');
is($open->query_safe("SELECT session_status('$token')"),
	'revoked',
	'an open REPEATABLE READ transaction on the standby sees the revocation');
$open->query_safe('COMMIT');
$open->quit;
is(on_standby("SELECT session_data('$other')"),
	'{"n": 1}', 'a change of data on the primary is seen on the standby');

# A snapshot is accepted without its row only on the primary, and only if the
# primary made it: a standby may not know yet that the session has ended.
my $made = on_standby("SELECT session_cookie_issue('$other')");
my $belief = "(SELECT user_id || source FROM session_cookie_validate('%s', token => '$other'))";
$snapshot =
  $primary->safe_psql('postgres', "SELECT session_cookie_issue('$other')");
is( $primary->safe_psql('postgres', 'SELECT ' . sprintf($belief, $snapshot)),
	'alicecookie',
	'a snapshot of the primary is accepted there without its row');
is( $primary->safe_psql('postgres', 'SELECT ' . sprintf($belief, $made)),
	'alicedatabase',
	'the primary reads the row for a snapshot of the standby');
is( on_standby('SELECT '
		. join(', ', map { sprintf($belief, $_) } $snapshot, $made)),
	'alicedatabase|alicedatabase',
	'the standby reads the row for every snapshot');

# Snapshots of the primary and of the standby, with their token and alone, end
# with their session as soon as that change has arrived.
my %end = (
	revoked => 'session_revoke(t.token)',
	regenerated => 'session_regenerate(t.token)',
	refreshed => 'session_refresh(t.refresh_token)',
	evicted => 'session_create(t.user_id, max_sessions => 1)',
	kept => 'session_touch(t.token)');
$primary->safe_psql(
	'postgres', qq{
	CREATE TABLE t AS
	SELECT what AS user_id, s.token, s.refresh_token, session_cookie_issue(s.token) AS cookie
	FROM unnest(ARRAY['${\ join("', '", sort keys %end)}']) AS what,
		session_create(what, refreshable => what = 'refreshed') AS s});

sub snapshots
{
	my $user = shift;
	my ($its_token, $theirs) = split /\|/,
	  on_standby("SELECT token, cookie FROM t WHERE user_id = '$user'");
	my $ours =
	  $standby->safe_psql('postgres', "SELECT session_cookie_issue('$its_token')");
	return { token => $its_token, theirs => $theirs, ours => $ours };
}

# Returns the results for both snapshots of a user on the standby: the source
# of session_cookie_validate, then the user of a request; first for the
# snapshot of the primary, then for that of the standby.
sub verdicts
{
	my $of = shift;
	return join ' ', map { s/\|.*//r } map { $standby->safe_psql('postgres', $_) } (
		map {
			(   "SELECT coalesce((SELECT source FROM session_cookie_validate('$_', token => '$of->{token}')), 'nobody')",
				asked('cookie_cache', $of->{token}, $_))
		} $of->{theirs},
		$of->{ours});
}
my %kept = map { $_ => snapshots($_) } sort keys %end;
for my $user (sort keys %end)
{
	is( verdicts($kept{$user}),
		"database $user database $user",
		"snapshots of a session that is going to be $user are accepted on the standby");
}
is(on_standby(asked('cookie_cache', $kept{kept}{token})),
	'kept|t', 'session_pre_request makes snapshots on the standby');
my $gone = $standby->background_psql('postgres');
$gone->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
$primary->safe_psql('postgres',
	join ';', map { "SELECT FROM t, $end{$_} WHERE user_id = '$_'" } sort keys %end);
$primary->wait_for_catchup($standby, 'replay');
for my $user (sort keys %end)
{
	is( verdicts($kept{$user}),
		$user eq 'kept' ? 'database kept database kept' : 'nobody nobody nobody nobody',
		"snapshots have the right result on the standby after the session was $user");
}
is( $standby->safe_psql('postgres',
		"SELECT session_authenticate('$kept{revoked}{token}'), "
		  . "session_authenticate('$kept{kept}{token}')"),
	'f|t',
	'the token of a revoked session is refused on the standby');
is( $gone->query_safe(
		'SELECT ' . join ', ',
		map { "(SELECT count(*) FROM session_cookie_validate('$kept{$_}{ours}', token => '$kept{$_}{token}'))" }
		  sort keys %end),
	'0|1|0|0|0',
	'a transaction that began earlier refuses the snapshots of ended sessions too');
$gone->query_safe('COMMIT');
$gone->quit;
is( $primary->safe_psql(
		'postgres',
		'SELECT ' . join ', ',
		map { "(SELECT count(*) FROM session_cookie_validate('$kept{$_}{ours}', token => '$kept{$_}{token}'))" }
		  sort keys %end),
	'0|1|0|0|0',
	'the primary refuses snapshots of the standby whose session has ended');

# Tokens against requests of other origins: a standby cannot generate the key.
my $page = $primary->safe_psql('postgres', q{SELECT token FROM session_create('gina')});
my $opened = "BEGIN; SELECT FROM session_authenticate('$page');";
$primary->wait_for_catchup($standby, 'replay');
is(sqlstate("$opened SELECT session_csrf_token()"),
	'55000', 'session_csrf_token fails with 55000 on a standby before there is a key');
my $csrf = $primary->safe_psql('postgres', "$opened SELECT session_csrf_token(); COMMIT");
is( on_standby(
		"$opened SELECT session_csrf_check('$csrf'), session_csrf_check(session_csrf_token()), session_csrf_check('x')"),
	't|t|f',
	'tokens of primary and standby are good on a standby');
my $unsafe = "SET session.csrf = 'token'; BEGIN; "
  . "SELECT FROM set_config('request.method', 'POST', true) AS a, set_config('request.headers', '{\"x-csrf-token\": \"%s\"}', true) AS b, "
  . "set_config('request.cookies', '{\"__Host-session\": \"$page\"}', true) AS c; "
  . 'SELECT FROM session_pre_request(); SELECT session_user_id(); COMMIT';
is(on_standby(sprintf $unsafe, $csrf), 'gina', 'a request with a token is accepted on a standby');
is(sqlstate(sprintf $unsafe, 'x'), 'PT403', 'a request with another text is refused on a standby');
$primary->safe_psql('postgres', "DELETE FROM session.sessions WHERE user_id = 'gina'");

# A use that the standby remembers until it can write it.
my $used = $primary->safe_psql(
	'postgres', q{
	SELECT id, token FROM session_create('frank') \gset
	UPDATE session.sessions SET last_seen_at = '2020-01-01 UTC' WHERE id = :'id';
	SELECT :'token'});
is(on_standby("SELECT count(*) FROM session_validate('$used')"),
	'1', 'a session is used on the standby');
is( $standby->safe_psql(
		'postgres',
		q{SELECT backend_type FROM pg_stat_activity WHERE backend_type LIKE 'session%'}),
	'session launcher',
	'only the launcher runs on the standby');
is( on_standby(
		q{SELECT rounds, pg_is_in_recovery() FROM session.stats WHERE database = 'postgres'}),
	'0|t',
	'no round of upkeep runs on the standby');

# Rotations that never reach the standby, because it is disconnected first.
my $lost = $primary->safe_psql('postgres',
	q{SELECT refresh_token FROM session_create('gina', refreshable => true)});
my $replaced = $primary->safe_psql(
	'postgres', q{
	SELECT refresh_token FROM session_create('hana', refreshable => true) \gset
	SELECT :'refresh_token' FROM session_refresh(:'refresh_token')});
$primary->wait_for_catchup($standby, 'replay');
$standby->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = ''});
$standby->reload;
$standby->poll_query_until('postgres',
	'SELECT count(*) = 0 FROM pg_stat_wal_receiver')
  or die 'the standby was not disconnected';
my $newest = $primary->safe_psql(
	'postgres', qq{
	SELECT refresh_token AS second FROM session_refresh('$lost') \\gset
	SELECT refresh_token FROM session_refresh(:'second')});

# The standby becomes the primary.
$primary->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
  or die 'the standby was not promoted';

sub query { return $standby->safe_psql('postgres', shift); }

is( query("SELECT session_status('$token'), session_status('$other')"),
	'revoked|active',
	'promotion changes no session');
ok( $standby->poll_query_until(
		'postgres',
		"SELECT last_seen_at > '2020-01-01 UTC' FROM session.sessions WHERE user_id = 'frank'"
	),
	'a worker writes the uses that the standby remembered');
ok( $standby->poll_query_until(
		'postgres',
		'SELECT rounds > 0 AND round_errors = 0 AND round_duration IS NOT NULL FROM session.stats'
	),
	'rounds of upkeep run after promotion');
ok( $standby->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM session.events WHERE kind = 'binding_mismatch' AND session_id = '$id'"
	),
	'a worker writes the evidence that the standby had collected');
is(query('SELECT ' . sprintf($belief, $snapshot)),
	'alicedatabase',
	'the row is read for a snapshot that the old primary made');
is(query('SELECT ' . sprintf($belief, $made)),
	'alicedatabase',
	'the row is read for a snapshot that the standby made before promotion');
for my $user (sort keys %end)
{
	is( verdicts($kept{$user}),
		$user eq 'kept' ? 'database kept database kept' : 'nobody nobody nobody nobody',
		"older snapshots have the right result after promotion for a session that was $user");
}
is(query('SELECT '
		. sprintf($belief, query("SELECT session_cookie_issue('$other')"))),
	'alicecookie',
	'a snapshot made after promotion is accepted without its row');
$kept{kept}{ours} =
  query("SELECT session_cookie_issue('$kept{kept}{token}')");
is(verdicts($kept{kept}),
	'database kept cookie kept',
	'a request accepts a snapshot made after promotion without its row');
query("SELECT session_revoke('$kept{kept}{token}')");
is( verdicts($kept{kept}),
	'nobody nobody nobody nobody',
	'snapshots of all ages are refused after their session was revoked');
is( query("SELECT last_seen_at > now() - interval '1 hour' FROM session_validate('$other')"),
	't',
	'uses are recorded after promotion');
is( query("SELECT session_data_set('$other', 'n', '2'), session_touch('$other'), session_data('$other')"),
	't|t|{"n": 2}',
	'data is written after promotion');
my $fresh = query(
	"SELECT token FROM session_regenerate('$other', role => 'editor')");
is( query("SELECT session_status('$other'), session_status('$fresh'), "
		. "(SELECT role FROM session_validate('$fresh'))"),
	'unknown|active|editor',
	'a token is regenerated after promotion');
is(query("SELECT session_revoke('$fresh'), session_status('$fresh')"),
	't|revoked', 'a session is revoked after promotion');
is(query(q{SELECT session_status((session_create('carol')).token)}),
	'active', 'sessions are created after promotion');
is( query("SELECT session_status((session_refresh('$refresh')).token)"),
	'active', 'a refresh token of the old primary works after promotion');
is( query('SELECT FROM session_key_rotate(); '
		. q{SELECT session_cookie_decode(session_cookie_encode('{"a": 1}')) -> 'a'}),
	'1', 'keys are rotated and used after promotion');
for my $call (@key_writes, @writes)
{
	is(sqlstate("SELECT FROM $call"),
		'', $call =~ s/\(.*//r . ' works after promotion');
}
my $own = query(q{SELECT token FROM session_create('dan')});
query(q{SELECT FROM session_create('dan')});
is( query("BEGIN; SELECT FROM session_authenticate('$own'); "
		. 'SELECT session_revoke_others(), session_revoke_mine(session_id()); COMMIT'),
	'1|t',
	'a user revokes sessions of their own after promotion');

is( query("SELECT refresh_generation FROM session.sessions WHERE user_id = 'gina'"),
	'1', 'the rotations that never reached the standby are lost');
is( query("SELECT session_status((session_refresh('$newest')).token)"),
	'active', 'the newest refresh token works although its rotation was lost');
is( query("SELECT count(*) FROM session_refresh('$lost'); "
		. q{SELECT refresh_generation, revoked_reason FROM session.sessions WHERE user_id = 'gina'}),
	"0\n4|refresh_reuse",
	'an older refresh token of the lost rotations counts as reuse');

# The new primary does not know whether the pair was used on the old one.
is( query(q{UPDATE session.sessions SET rotated_at = rotated_at - interval '1 minute',
			last_seen_at = rotated_at - interval '1 minute' WHERE user_id = 'hana';}
		. "SELECT count(*) FROM session_refresh('$replaced'); "
		. q{SELECT revoked_reason FROM session.sessions WHERE user_id = 'hana'}),
	"0\nrefresh_reuse",
	'a pair of the old primary is not given again after the grace');

done_testing();
