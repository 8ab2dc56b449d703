# Committed changes survive a restart and kill -9: no session, data change or
# revocation is lost, and nothing uncommitted appears. With synchronous_commit
# = off this still holds for every change that ends a session, replaces a
# token, denies a cookie or changes a key.

use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session');

# Starts the server as a child of this test instead of pg_ctl. After kill -9
# this test reaps the process; a zombie would look alive to the next
# postmaster.
sub start_child
{
	$node->stop;
	my $server = IPC::Run::start(
		[ $node->installed_command('postgres'), '-D', $node->data_dir ],
		'<', '/dev/null', '>>', $node->logfile, '2>&1');

	# Wait with pg_isready, not with a query: psql that cannot connect exits
	# without reading its input, and writing to it fails.
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my @ready = (
		$node->installed_command('pg_isready'),
		'-q', '-h', $node->host, '-p', $node->port);
	until (IPC::Run::run(\@ready))
	{
		BAIL_OUT('the server does not start') if time > $deadline;
	}
	return $server;
}

# Kills every process of the server with SIGKILL, so that none can write
# anything.
sub kill_child
{
	my $server = shift;
	my @children = split /\n/,
	  $node->safe_psql('postgres',
		'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
	my ($postmaster) =
	  split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

	kill 'KILL', $postmaster, @children;
	$server->finish;
}

# Starts the server again, as soon as the last of the killed processes is gone.
sub start_again
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($node->start(fail_ok => 1))
	{
		BAIL_OUT('the server did not start again') if time > $deadline;
	}
}

sub query { return $node->safe_psql('postgres', shift); }

sub create { return query("SELECT token FROM session_create($_[0])"); }

my %token;

# Returns the status and the data of each session in one line.
sub states
{
	return join ', ', map {
		my $state = query(
			"SELECT session_status('$token{$_}') || ' '"
			  . " || coalesce(session_data('$token{$_}')::text, 'none')");
		"$_ $state"
	} sort keys %token;
}

$token{kept} = create(q{'alice', '{"cart": 1}'});
$token{revoked} = create(q{'alice'});
$token{ended} = create(q{'bob'});
$token{old} = create(q{NULL, '{"cart": 2}'});
query("SELECT session_revoke('$token{revoked}')");
query("SELECT session_revoke_user('bob')");
query("SELECT session_data_set('$token{kept}', 'color', '\"red\"')");
$token{new} =
  query("SELECT token FROM session_regenerate('$token{old}', 'carol')");
$token{undone} =
  query(q{BEGIN; SELECT token FROM session_create('alice'); ROLLBACK});

my $expected =
	'ended revoked none, kept active {"cart": 1, "color": "red"}, '
  . 'new active {"cart": 2}, old unknown none, revoked revoked none, '
  . 'undone unknown none';
is(states(), $expected,
	'each session has the status and data of its last change');

$node->restart;
is(states(), $expected, 'a restart changes no session');

# Kill the server with changes since the last checkpoint, and with a
# transaction under way.
my $server = start_child();
query("SELECT session_data_pop('$token{kept}', 'cart')");
query("SELECT session_revoke('$token{new}')");
$token{late} = create(q{'dave', '{"n": 1}'});

my $open = $node->background_psql('postgres');
$open->query_safe('BEGIN');
$token{open} = $open->query_safe(q{SELECT token FROM session_create('eve')});
$open->query_safe("SELECT session_revoke('$token{kept}')");
$open->query_safe("SELECT session_data_set('$token{late}', 'n', '2')");
is($open->query_safe("SELECT session_status('$token{open}')"),
	'active', 'an uncommitted session is active in its own transaction');

$expected =
	'ended revoked none, kept active {"color": "red"}, '
  . 'late active {"n": 1}, new revoked none, old unknown none, '
  . 'open unknown none, revoked revoked none, undone unknown none';
is(states(), $expected,
	'other connections see no change of an uncommitted transaction');

kill_child($server);
eval { $open->{run}->finish };
start_again();
like(slurp_file($node->logfile), qr/database system was not properly shut down/,
	'the log shows that the server was killed');
is(states(), $expected,
	'after kill -9 committed changes are there and uncommitted ones are not');
is(query("SELECT count(*) FROM session_validate('$token{kept}')"),
	'1', 'a live session validates after kill -9');
is(query("SELECT count(*) FROM session_validate('$token{new}')"),
	'0', 'a revoked session does not validate after kill -9');
is( query("SELECT session_data_set('$token{kept}', 'n', '3'), "
		. "session_data_set('$token{new}', 'n', '3')"),
	't|f',
	'after kill -9 data is written to a live session and not to a revoked one');

# Without synchronous_commit. Only a commit that flushes brings WAL to disk
# here: the WAL writer is stopped by a signal, and the settings leave every
# other process that could flush without work.
$node->stop;
$node = PostgreSQL::Test::Cluster->new('asynchronous');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'session'
session.naptime = '1d'
session.on_mismatch = 'revoke'
session.refresh_grace = 0
synchronous_commit = off
wal_writer_delay = 10s
checkpoint_timeout = 1h
bgwriter_lru_maxpages = 0
autovacuum = off
});
$node->start;

# Connections of made() wait for the disk, so that what they create is there
# after a crash.
my $flush = 'SET synchronous_commit = on; ';
sub made { return $node->safe_psql('postgres', $flush . shift); }

sub made_token { return made("SELECT token FROM session_create($_[0])"); }

sub made_refresh
{
	return made("SELECT refresh_token FROM "
		  . "session_create('u', refreshable => true, ip => '192.0.2.1')");
}

made(q{CREATE EXTENSION session;
	SELECT FROM session_key_rotate();
	CREATE TABLE users (id text PRIMARY KEY);
	INSERT INTO users VALUES ('bound');
	SELECT session_bind_users('users', 'id')});

sub signal_wal_writer
{
	my ($signal) = @_;
	my $pid = query(
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'});
	kill $signal, $pid or die "could not send $signal to the WAL writer: $!";
}

# Returns 't' if the commit of some statements flushes WAL. The position is
# taken before the commit, whose own record follows it.
sub flushes
{
	my ($statements) = @_;
	my ($out, $err);
	my $code = $node->psql(
		'postgres', qq{\\set ON_ERROR_STOP
			BEGIN;
			$statements;
			SELECT pg_current_wal_insert_lsn() AS before \\gset
			COMMIT;
			\\echo
			SELECT pg_current_wal_flush_lsn() > :'before'},
		stdout => \$out,
		stderr => \$err);
	die "$statements: $err" if $code != 0;
	return (split /\n/, $out)[-1];
}

my %made = map { $_ => made_token(q{'u', ip => '192.0.2.1'}) }
  qw(revoked savepoint by_id touched changed extended regenerated mismatched
  mine);
$made{$_} = made_refresh() for qw(logged_out rotated reused);
made("SELECT session_refresh('$made{reused}')");
made_token(q{'one', tenant_id => 'acme'});
made_token(q{'two'});
made_token(q{'limited'}) for 1 .. 2;
made_token(q{'bound'});
made_token("'$_'") for qw(deleted moved cascaded);
made(q{CREATE TABLE owners (id text PRIMARY KEY);
	INSERT INTO owners SELECT DISTINCT user_id FROM session.sessions;
	ALTER TABLE session.sessions ADD CONSTRAINT owner FOREIGN KEY (user_id) REFERENCES owners ON DELETE CASCADE NOT VALID});
my $cookie = made(q{SELECT session_cookie_encode('{"sub": "ada"}')});
my $kid = made('SELECT session_key_rotate()');

signal_wal_writer('STOP');
for my $call (
	[ 'session_revoke', "SELECT session_revoke('$made{revoked}')" ],
	[
		'session_revoke of a refresh token',
		"SELECT session_revoke('$made{logged_out}')"
	],
	[
		'session_revoke in a savepoint',
		"SAVEPOINT s; SELECT session_revoke('$made{savepoint}'); "
		  . 'RELEASE SAVEPOINT s'
	],
	[
		'session_revoke_id',
		"SELECT session_revoke_id(id) FROM session_validate('$made{by_id}')"
	],
	[ 'session_revoke_tenant', q{SELECT session_revoke_tenant('acme')} ],
	[ 'session_revoke_user', q{SELECT session_revoke_user('two')} ],
	[
		'an eviction',
		q{SELECT FROM session_create('limited', max_sessions => 2)}
	],
	[ 'deleting a user of a bound table', 'DELETE FROM users' ],
	[
		'session_revoke_mine',
		"SELECT session_authenticate('$made{mine}'); "
		  . 'SELECT session_revoke_mine(session_id())'
	],
	[
		'a mismatch that ends the session',
		"SET session.bind_ip = exact; SELECT FROM session_validate("
		  . "'$made{mismatched}', '192.0.2.2')"
	],
	[
		'the reuse of a refresh token',
		"SELECT FROM session_refresh('$made{reused}')"
	],
	[
		'session_regenerate',
		"SELECT FROM session_regenerate('$made{regenerated}')"
	],
	[
		'a rotation', "SELECT FROM session_refresh('$made{rotated}')"
	],
	[ 'session_cookie_revoke', "SELECT session_cookie_revoke('$cookie')" ],
	[ 'session_key_retire', "SELECT session_key_retire('$kid')" ],
	[ 'session_key_rotate', 'SELECT session_key_rotate()' ],
	[
		'session_key_import',
		q{SELECT session_key_import(convert_to(repeat('k', 32), 'UTF8'))}
	],
	[
		'session_key_import_jwk',
		q{SELECT session_key_import_jwk('{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}', 'jwk')}
	],
	[
		'session_revoke_all',
		q{SELECT session_revoke_all(tenant_id => 'none')}
	],
	[
		'session_policy_set',
		q{SELECT session_policy_set('none', lifetime => '1 hour')}
	],
	[ 'session_policy_drop', q{SELECT session_policy_drop('none')} ],
	[
		'a key deleted by hand',
		"DELETE FROM session.keys WHERE kid = '$kid'"
	],
	[
		'a session deleted by hand',
		q{DELETE FROM session.sessions WHERE user_id = 'deleted'}
	],
	[
		'a deadline moved by hand',
		q{UPDATE session.sessions SET expires_at = now() WHERE user_id = 'moved'}
	],
	[
		'a foreign key that deletes a session',
		q{DELETE FROM owners WHERE id = 'cascaded'}
	])
{
	is(flushes($call->[1]), 't', "the commit of $call->[0] is flushed");
}

# Losing one of these commits costs another login, or an idle time that is
# counted again.
for my $call (
	[ 'session_create', q{SELECT FROM session_create('u')} ],
	[ 'session_touch', "SELECT session_touch('$made{touched}')" ],
	[
		'session_data_set',
		"SELECT session_data_set('$made{changed}', 'k', '1')"
	],
	[
		'session_refresh of a session token',
		"SELECT FROM session_refresh('$made{extended}')"
	])
{
	is(flushes($call->[1]), 'f', "the commit of $call->[0] is not flushed");
}

# A real crash after one change of each kind.
signal_wal_writer('CONT');
$server = start_child();
for my $kind (
	[
		'a revocation',
		sub { made_token(q{'u'}) },
		sub { "SELECT session_revoke('$_[0]')" },
		sub { "SELECT session_status('$_[0]')" },
		'revoked'
	],
	[
		'a rotation',
		sub { made_refresh() },
		sub { "SELECT FROM session_refresh('$_[0]')" },
		sub {
			"SELECT count(*) FROM session_refresh('$_[0]'); "
			  . 'SELECT revoked_reason FROM session.sessions '
			  . "WHERE id = encode(substr(decode(translate(substr('$_[0]', 4), "
			  . "'-_', '+/'), 'base64'), 1, 16), 'hex')::uuid"
		},
		"0\nrefresh_reuse"
	],
	[
		'a denied cookie',
		sub { made(q{SELECT session_cookie_encode('{"sub": "ada"}')}) },
		sub { "SELECT session_cookie_revoke('$_[0]')" },
		sub { "SELECT session_cookie_decode('$_[0]') IS NULL" },
		't'
	],
	[
		'a retired key',
		sub { made('SELECT session_key_rotate()') },
		sub { "SELECT session_key_retire('$_[0]')" },
		sub {
			"SELECT retired_at IS NOT NULL FROM session.key_ring "
			  . "WHERE kid = '$_[0]'"
		},
		't'
	])
{
	my ($name, $make, $call, $look, $result) = @$kind;
	my $it = $make->();

	signal_wal_writer('STOP');
	query($call->($it));
	kill_child($server);
	start_again();
	is(query($look->($it)), $result,
		"$name survives kill -9 without synchronous_commit");
	$server = start_child();
}
kill_child($server);
start_again();

# A crash empties an unlogged table, so there is no need to wait for the disk.
made(q{SELECT session_storage('cache')});
$made{cached} = made_token(q{'u'});
signal_wal_writer('STOP');
is(flushes("SELECT session_revoke('$made{cached}')"),
	'f', 'revoking a session in an unlogged table is not flushed');
signal_wal_writer('CONT');
$node->stop;

done_testing();
