# On a hot standby sessions are checked and not changed; a revocation arrives
# with replication, and after promotion everything works.  Cookies are checked
# and made beside a copy of the master key, which does not arrive by itself.

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

# A query on the standby, once it is where the primary is.
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

# Without shared memory, recording activity would be due.
$primary->safe_psql('postgres',
	"UPDATE session.sessions SET last_seen_at = '2020-01-01 UTC'");

is(on_standby('SELECT pg_is_in_recovery()'), 't', 'the standby is one');
is( on_standby(
		"SELECT last_seen_at = '2020-01-01 UTC' FROM session_get('$id')"),
	't',
	'the standby does not know of a use on the primary that is not written');
is( on_standby("SELECT id = '$id', status, user_id, tenant_id, data, last_seen_at > now() - interval '1 hour' "
		. "FROM session_validate('$token')"),
	't|active|alice|acme|{"cart": [1]}|t',
	'session_validate works on a standby');
is( on_standby(
		"SELECT s.last_seen_at = '2020-01-01 UTC', g.last_seen_at > now() - interval '1 hour' "
		  . "FROM session.sessions AS s, session_get(s.id) AS g WHERE s.id = '$id'"),
	't|t',
	'and remembers the use, for itself');
is( on_standby(
		"SELECT session_status('$token'), session_is_valid('$token'), "
		  . "session_is_expired('$token'), session_data('$token'), "
		  . "session_data_get('$token', 'cart')"),
	'active|t|f|{"cart": [1]}|[1]',
	'so do the others that only look');
is( on_standby(
		"SELECT (SELECT status FROM session_get('$id')), count(*) FROM session_list('alice')"
	),
	'active|2',
	'so does listing');
is( on_standby(
		"SET session.bind_ip = exact; SET session.on_mismatch = revoke; "
		  . "SELECT count(*) FROM session_validate('$token', '192.0.2.2'); "
		  . "SELECT status FROM session_validate('$token', '192.0.2.1')"),
	"0\nactive",
	'a mismatch that should end the session is turned away');

# An identity is bound as anywhere, and read, and asked for more.
my $bound = "BEGIN; SELECT FROM session_authenticate('$token');";
is( on_standby(
		"$bound SELECT session_id() = '$id', session_user_id(), session_tenant_id(), "
		  . 'session_role() IS NULL, session_auth_level(), session_authenticated_at() <= now(), '
		  . "session_claim('tid'), session_claims() ->> 'sub', session_require(1)"
	),
	't|alice|acme|t|1|t|acme|alice|',
	'session_authenticate works, with all that reads what it bound');
is( on_standby(
		"$bound SELECT id = '$id', status, user_id, current FROM session_mine()"),
	't|active|alice|t',
	'session_mine lists');
is(on_standby("SELECT session_authenticate('junk'), session_user_id() IS NULL"),
	'f|t', 'a bad token binds nobody');

# Who is behind a request on the standby, and whether it is given a snapshot.
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
		'alice|f', "session_pre_request works, strategy $strategy");
	is(on_standby(asked($strategy, 'junk')),
		'nobody|f', 'and a bad token is nobody');
}

# Everything that writes says why it cannot.
my @writes = (
	"session_create('bob')", "session_touch('$token')",
	"session_refresh('$token')", "session_regenerate('$token')",
	"session_revoke('$token')", "session_data_pop('$token', 'cart')",
	"session_data_set('$token', 'a', '1')",
	"session_data_delete('$token', 'cart')",
	"session_data_clear('$token')", "session_data_save('$token', '{}')",
	"session_revoke_id('$id')", "session_revoke_user('alice')",
	"session_revoke_tenant('acme')", 'session_cleanup()',
	"session_bind_users('users', 'id')",
	"session_unbind_users('users')", "session_storage('cache')",
	"session_storage('database')", "session_grant('pg_monitor', 'app')");

# What a query fails with, as a number.
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
		'25006', $call =~ s/\(.*//r . ' raises 25006');
}
for my $call ("session_revoke_mine('$id')", 'session_revoke_others()')
{
	is(sqlstate("$bound SELECT FROM $call"),
		'25006', $call =~ s/\(.*//r . ' raises 25006');
}
is(sqlstate("$bound SELECT session_require(2)"),
	'42501', 'session_require raises what it always does');
is(on_standby("SELECT session_data('$token')"),
	'{"cart": [1]}', 'and the session is as it was');

# What is known about it all can be read.
is( on_standby(
		q{SET ROLE pg_monitor; SELECT preloaded, live, revoked, (calls ->> 'active')::int > 0, rounds, round_errors, }
		  . 'round_started_at IS NULL FROM session.stats'),
	't|2|0|t|0|0|t',
	'session.stats tells of this server and of the tables');
is( on_standby(
		q{SELECT string_agg(concat_ws(' ', kind, user_id, tenant_id, ip), ', ' ORDER BY id) FROM session.events}
	),
	'created alice acme 192.0.2.1, created alice',
	'session.events arrives');

# The settings of a request's role are found and set there, too.
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
	'session_pre_request applies the settings of a role');

# A request that is refused keeps the cookie of a session whose row has not
# arrived yet, and loses that of one that is known to be over.
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
is(refused($ahead), 'PT401', 'a request that is ahead of its session keeps its cookie');
is(refused('junk'), 'PGRST __Host-session=;', 'one with junk loses it');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$primary->wait_for_catchup($standby, 'replay');
is(refused($ahead), '', 'the session arrives');
$primary->safe_psql('postgres', "SELECT session_revoke('$ahead')");
$primary->wait_for_catchup($standby, 'replay');
is(refused($ahead), 'PGRST __Host-session=;', 'once it is over, the cookie is removed');

# The master key of the primary was made after the copy was.
my ($cookie, $snapshot, $refresh) = split /\|/, $primary->safe_psql(
	'postgres', qq{
	SELECT FROM session_key_rotate();
	SELECT FROM session_key_rotate('jwt');
	SELECT session_cookie_encode('{"cart": 1}'), session_cookie_issue('$token'),
		   (session_create('bob', refreshable => true)).refresh_token
});
my $file = $primary->data_dir . '/session_master.key';
my $copy = $standby->data_dir . '/session_master.key';
ok(-e $file && !-e $copy, 'the standby has no master key');

# What a query on the standby fails with.
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
		($call =~ /(session_\w+)/)[0] . ' says what is missing');
}
for my $cache ('', $snapshot)
{
	like(
		told_by_standby(asked('cookie_cache', $token, $cache)),
		qr/ERROR:  55000: master key file/,
		'so does session_pre_request, strategy cookie_cache');
}
is(on_standby(asked('database', $token, $snapshot)),
	'alice|f', 'which needs none with strategy database');
ok(!-e $copy, 'the standby makes no master key');

copy($file, $copy) or die "could not copy $file: $!";
chmod 0600, $copy;
for my $call (sort keys %reads)
{
	is(on_standby("SELECT $call"),
		$reads{$call},
		($call =~ /(session_\w+)/)[0] . ' works beside a copy of the key');
}

# A backend that opened the keys drops them when they change on the primary.
my $watching = $standby->background_psql('postgres');
is($watching->query_safe("SELECT session_cookie_decode('$cookie') -> 'cart'"),
	'1', 'a backend of the standby opens the keys');
my $newer = $primary->safe_psql(
	'postgres', q{
	SELECT FROM session_key_rotate();
	SELECT session_cookie_encode('{"cart": 3}')});
$primary->wait_for_catchup($standby, 'replay');
is($watching->query_safe("SELECT session_cookie_decode('$newer') -> 'cart'"),
	'3', 'and a new one when there is');
$primary->safe_psql('postgres',
	"SELECT session_cookie_revoke('$newer'), "
	  . 'session_key_retire(kid) FROM session.key_ring '
	  . q{WHERE purpose = 'session' AND NOT signs});
$primary->wait_for_catchup($standby, 'replay');
is( $watching->query_safe("SELECT session_cookie_decode('$cookie') IS NULL"),
	't', 'and drops one that is retired');
is($watching->query_safe("SELECT session_cookie_decode('$newer') IS NULL"),
	't', 'a cookie that was revoked is denied');
$watching->quit;

my @key_writes = (
	"session_cookie_revoke('$newer')",
	'session_key_rotate()',
	"session_key_import('a secret of another system, and long')",
	"session_key_retire('x')");
for my $call ("session_refresh('$refresh')", @key_writes)
{
	is(sqlstate("SELECT FROM $call"),
		'25006', $call =~ s/\(.*//r . ' raises 25006');
}

# What happens on the primary arrives, in a transaction that is open as well.
my $open = $standby->background_psql('postgres');
$open->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($open->query_safe("SELECT session_status('$token')"),
	'active', 'a transaction on the standby sees the session alive');
$primary->safe_psql('postgres',
	"SELECT session_revoke('$token'), session_data_set('$other', 'n', '1')");
is(on_standby("SELECT session_status('$token'), count(*) FROM session_validate('$token')"),
	'revoked|0', 'a revocation on the primary is seen on the standby');
is($open->query_safe("SELECT session_status('$token')"),
	'revoked', 'in that transaction too');
$open->query_safe('COMMIT');
$open->quit;
is(on_standby("SELECT session_data('$other')"),
	'{"n": 1}', 'so is a data write');

# A snapshot is believed on the primary only, and only if it was made there: a
# standby may not know yet what happened to the session.
my $made = on_standby("SELECT session_cookie_issue('$other')");
my $belief = "(SELECT user_id || source FROM session_cookie_validate('%s', token => '$other'))";
$snapshot =
  $primary->safe_psql('postgres', "SELECT session_cookie_issue('$other')");
is( $primary->safe_psql('postgres', 'SELECT ' . sprintf($belief, $snapshot)),
	'alicecookie', 'a snapshot of the primary is believed there');
is( $primary->safe_psql('postgres', 'SELECT ' . sprintf($belief, $made)),
	'alicedatabase', 'one of the standby is not');
is( on_standby('SELECT '
		. join(', ', map { sprintf($belief, $_) } $snapshot, $made)),
	'alicedatabase|alicedatabase',
	'on the standby none is');

# Snapshots that were accepted here, and made here: beside their token and
# alone, they end with the session, as soon as that has arrived.
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

# What comes of them on the standby, from first to last as here.
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
		"snapshots of one to be $user count on the standby");
}
is(on_standby(asked('cookie_cache', $kept{kept}{token})),
	'kept|t', 'session_pre_request gives snapshots there');
my $gone = $standby->background_psql('postgres');
$gone->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
$primary->safe_psql('postgres',
	join ';', map { "SELECT FROM t, $end{$_} WHERE user_id = '$_'" } sort keys %end);
$primary->wait_for_catchup($standby, 'replay');
for my $user (sort keys %end)
{
	is( verdicts($kept{$user}),
		$user eq 'kept' ? 'database kept database kept' : 'nobody nobody nobody nobody',
		"what comes of them when it is $user");
}
is( $standby->safe_psql('postgres',
		"SELECT session_authenticate('$kept{revoked}{token}'), "
		  . "session_authenticate('$kept{kept}{token}')"),
	'f|t',
	'nor does the token count any more');
is( $gone->query_safe(
		'SELECT ' . join ', ',
		map { "(SELECT count(*) FROM session_cookie_validate('$kept{$_}{ours}', token => '$kept{$_}{token}'))" }
		  sort keys %end),
	'0|1|0|0|0',
	'nor in a transaction that began before');
$gone->query_safe('COMMIT');
$gone->quit;
is( $primary->safe_psql(
		'postgres',
		'SELECT ' . join ', ',
		map { "(SELECT count(*) FROM session_cookie_validate('$kept{$_}{ours}', token => '$kept{$_}{token}'))" }
		  sort keys %end),
	'0|1|0|0|0',
	'nor what was made on the standby, on the primary');

# A use that the standby remembers until it can be written.
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
	'the launcher waits on the standby');
is( on_standby(
		q{SELECT rounds, pg_is_in_recovery() FROM session.stats WHERE database = 'postgres'}),
	'0|t',
	'and has had nothing done');

# Rotations that the standby never hears of, because it is cut off before.
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
  or die 'the standby was not cut off';
my $newest = $primary->safe_psql(
	'postgres', qq{
	SELECT refresh_token AS second FROM session_refresh('$lost') \\gset
	SELECT refresh_token FROM session_refresh(:'second')});

# From now on the standby is the server.
$primary->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
  or die 'the standby was not promoted';

sub query { return $standby->safe_psql('postgres', shift); }

is( query("SELECT session_status('$token'), session_status('$other')"),
	'revoked|active',
	'after promotion sessions are what they were');
ok( $standby->poll_query_until(
		'postgres',
		"SELECT last_seen_at > '2020-01-01 UTC' FROM session.sessions WHERE user_id = 'frank'"
	),
	'what was used before is written by a worker');
ok( $standby->poll_query_until(
		'postgres',
		'SELECT rounds > 0 AND round_errors = 0 AND round_duration IS NOT NULL FROM session.stats'
	),
	'which begins its rounds');
ok( $standby->poll_query_until(
		'postgres',
		"SELECT count(*) = 1 FROM session.events WHERE kind = 'binding_mismatch' AND session_id = '$id'"
	),
	'and writes what the standby had noticed');
is(query('SELECT ' . sprintf($belief, $snapshot)),
	'alicedatabase', 'a snapshot of before asks the row');
is(query('SELECT ' . sprintf($belief, $made)),
	'alicedatabase', 'whichever server made it');
for my $user (sort keys %end)
{
	is( verdicts($kept{$user}),
		$user eq 'kept' ? 'database kept database kept' : 'nobody nobody nobody nobody',
		"what comes of those of before when it was $user");
}
is(query('SELECT '
		. sprintf($belief, query("SELECT session_cookie_issue('$other')"))),
	'alicecookie', 'a new one is believed');
$kept{kept}{ours} =
  query("SELECT session_cookie_issue('$kept{kept}{token}')");
is(verdicts($kept{kept}),
	'database kept cookie kept', 'in a request as well');
query("SELECT session_revoke('$kept{kept}{token}')");
is( verdicts($kept{kept}),
	'nobody nobody nobody nobody',
	'until its session is revoked');
is( query("SELECT last_seen_at > now() - interval '1 hour' FROM session_validate('$other')"),
	't',
	'activity is recorded');
is( query("SELECT session_data_set('$other', 'n', '2'), session_touch('$other'), session_data('$other')"),
	't|t|{"n": 2}',
	'and data is written');
my $fresh = query(
	"SELECT token FROM session_regenerate('$other', role => 'editor')");
is( query("SELECT session_status('$other'), session_status('$fresh'), "
		. "(SELECT role FROM session_validate('$fresh'))"),
	'unknown|active|editor',
	'a session is given a new token');
is(query("SELECT session_revoke('$fresh'), session_status('$fresh')"),
	't|revoked', 'and revoked');
is(query(q{SELECT session_status((session_create('carol')).token)}),
	'active', 'new ones are made');
is( query("SELECT session_status((session_refresh('$refresh')).token)"),
	'active', 'a refresh token of the primary works');
is( query('SELECT FROM session_key_rotate(); '
		. q{SELECT session_cookie_decode(session_cookie_encode('{"a": 1}')) -> 'a'}),
	'1', 'and keys are made');
for my $call (@key_writes, @writes)
{
	is(sqlstate("SELECT FROM $call"), '', $call =~ s/\(.*//r . ' works');
}
my $own = query(q{SELECT token FROM session_create('dan')});
query(q{SELECT FROM session_create('dan')});
is( query("BEGIN; SELECT FROM session_authenticate('$own'); "
		. 'SELECT session_revoke_others(), session_revoke_mine(session_id()); COMMIT'),
	'1|t',
	'and one ends what is one\'s own');

is( query("SELECT refresh_generation FROM session.sessions WHERE user_id = 'gina'"),
	'1', 'rotations of the old primary were lost');
is( query("SELECT session_status((session_refresh('$newest')).token)"),
	'active', 'the refresh token of one that was lost goes on from there');
is( query("SELECT count(*) FROM session_refresh('$lost'); "
		. q{SELECT refresh_generation, revoked_reason FROM session.sessions WHERE user_id = 'gina'}),
	"0\n4|refresh_reuse", 'and makes the one that was replaced reuse');

# Whether the pair was used on the old primary is not known here.
is( query(q{UPDATE session.sessions SET rotated_at = rotated_at - interval '1 minute',
			last_seen_at = rotated_at - interval '1 minute' WHERE user_id = 'hana';}
		. "SELECT count(*) FROM session_refresh('$replaced'); "
		. q{SELECT revoked_reason FROM session.sessions WHERE user_id = 'hana'}),
	"0\nrefresh_reuse",
	'a pair of before is not given again after the grace');

done_testing();
