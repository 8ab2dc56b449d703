# What is committed outlives the server: a restart and kill -9 lose no session,
# no change and no revocation, and bring nothing uncommitted to life.

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

# Starts the server as a child of ours instead of pg_ctl's: when it is killed
# it must be reaped, or the next one takes it for alive.
sub start_child
{
	$node->stop;
	my $server = IPC::Run::start(
		[ $node->installed_command('postgres'), '-D', $node->data_dir ],
		'<', '/dev/null', '>>', $node->logfile, '2>&1');

	# Not by a query: psql that cannot connect leaves without reading it.
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

# Kills every process of the server without a chance to write anything down.
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

# Starts it again, as soon as the last of those processes is gone.
sub start_again
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($node->start(fail_ok => 1))
	{
		BAIL_OUT('the server does not start again') if time > $deadline;
	}
}

sub query { return $node->safe_psql('postgres', shift); }

sub create { return query("SELECT token FROM session_create($_[0])"); }

my %token;

# What is good for what, and the data, in one line.
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
is(states(), $expected, 'sessions are what was made of them');

$node->restart;
is(states(), $expected, 'a restart changes nothing');

# Now with changes since the last checkpoint, and a transaction under way.
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
	'active', 'an uncommitted session lives in its own transaction');

$expected =
	'ended revoked none, kept active {"color": "red"}, '
  . 'late active {"n": 1}, new revoked none, old unknown none, '
  . 'open unknown none, revoked revoked none, undone unknown none';
is(states(), $expected, 'and nothing of that transaction shows outside');

kill_child($server);
eval { $open->{run}->finish };
start_again();
like(slurp_file($node->logfile), qr/database system was not properly shut down/,
	'the server was really killed');
is(states(), $expected,
	'kill -9 loses nothing committed and keeps nothing that was not');
is(query("SELECT count(*) FROM session_validate('$token{kept}')"),
	'1', 'a session that was live validates after kill -9');
is(query("SELECT count(*) FROM session_validate('$token{new}')"),
	'0', 'a revoked one does not');
is( query("SELECT session_data_set('$token{kept}', 'n', '3'), "
		. "session_data_set('$token{new}', 'n', '3')"),
	't|f',
	'writing goes on where it may');

done_testing();
