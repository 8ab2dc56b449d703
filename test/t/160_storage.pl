# Each kind of storage for sessions, through a clean restart and a crash, and
# on a standby. Other connections do not notice a change of the storage.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;
my $directory = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', 'CREATE EXTENSION session');
$node->safe_psql('postgres',
	"CREATE TABLESPACE files LOCATION '$directory'");
$node->safe_psql('postgres', q{SELECT FROM session_key_rotate()});
my $cookie = $node->safe_psql('postgres',
	q{SELECT session_cookie_encode('{"a": 1}')});
my $denied = $node->safe_psql(
	'postgres', q{SELECT session_cookie_encode('{"a": 2}') AS c \gset
	SELECT FROM session_cookie_revoke(:'c');
	SELECT :'c'});

sub query { return $node->safe_psql('postgres', shift); }

sub login
{
	return query(q{SELECT token FROM session_create('ada', '{"k": 1}', refreshable => true)});
}

# A connection that stays open, with the table and the plans cached.
my $other = $node->background_psql('postgres');
my $token = login();
my $look = q{SELECT s.status, d.data, session_touch('TOKEN'), session_data_set('TOKEN', 'n', '1'), }
  . q{(SELECT count(*) FROM session_create('bob')) FROM session_status('TOKEN') AS s(status), session_data('TOKEN') AS d(data)};

sub other { return $other->query_safe($look =~ s/TOKEN/$token/gr); }

is(other(), 'active|{"k": 1}|t|t|1', 'another connection uses a session');
for my $move (
	q{'cache'}, q{'filesystem', 'files'}, q{'database'}, q{'filesystem', 'files'},
	q{'cache'}, q{'database'})
{
	query("SELECT session_storage($move)");
	is(other(), 'active|{"k": 1, "n": 1}|t|t|1',
		"another connection uses a session after session_storage($move)");
}
$other->quit;

# The status of earlier sessions after a restart and after a crash.
for my $kind (
	[ q{'database'}, 'active', 'active' ],
	[ q{'filesystem', 'files'}, 'active', 'active' ],
	[ q{'cache'}, 'active', 'unknown' ])
{
	my ($move, $restarted, $crashed) = @$kind;

	$token = login();
	query("SELECT session_storage($move)");
	my $later = login();
	$node->restart;
	is(query("SELECT session_status('$token'), session_status('$later')"),
		"$restarted|$restarted",
		"sessions are $restarted after a restart with session_storage($move)");
	query('CHECKPOINT');
	my $last = login();
	$node->stop('immediate');
	$node->start;
	is( query("SELECT session_status('$token'), session_status('$later'), session_status('$last')"),
		"$crashed|$crashed|$crashed",
		"sessions are $crashed after a crash with session_storage($move)");
	is( query("SELECT session_cookie_decode('$cookie') -> 'a', session_cookie_decode('$denied') IS NULL"),
		'1|t', "keys and the denylist survive a crash with session_storage($move)");
	$token = login();
	is(query("SELECT session_status('$token'), session_data_set('$token', 'a', '1'), session_touch('$token')"),
		'active|t|t',
		"a login works after a crash with session_storage($move)");
	is(query(q{SELECT count(*) > 0 FROM session_list('ada')}), 't',
		"the indexes work after a crash with session_storage($move)");
}

# A restored dump keeps sessions in an ordinary table in the default
# tablespace.
query('CREATE DATABASE copy');
$node->command_ok(
	[ 'pg_dump', '--file', "$directory.sql", 'postgres' ],
	'a database whose sessions are a cache can be dumped');
$node->command_ok(
	[ 'psql', '-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$directory.sql", 'copy' ],
	'the dump restores without an error');
is( $node->safe_psql('copy',
		q{SELECT relpersistence, reltablespace FROM pg_class WHERE oid = 'session.sessions'::regclass}),
	'p|0', 'the restored table is logged and in the default tablespace');
unlink "$directory.sql";

# A standby has no contents of an unlogged table. Functions that need a session
# fail with a clear error; the others work.
query(q{SELECT session_storage('database')});
query('DROP TABLESPACE files');
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
chmod 0600, $standby->data_dir . '/session_master.key';	# the copy has another mode
$standby->start;
$token = login();

sub on_standby
{
	my ($sql) = @_;
	my ($out, $err);

	$node->wait_for_catchup($standby, 'replay');
	$standby->psql('postgres', $sql, stdout => \$out, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $out . $err;
}

is(on_standby("SELECT session_status('$token')"),
	'active', 'a standby has sessions that are kept in the database');
query(q{SELECT session_storage('cache')});
for my $call (
	"session_status('$token')", "session_validate('$token')",
	"session_is_valid('$token')", "session_data('$token')",
	q{session_list('ada')})
{
	like(on_standby("SELECT * FROM $call"),
		qr/ERROR:  55000: cannot access unlogged table "session.sessions" during recovery\nHINT:  Use the primary, or run session_storage\('database'\) on it\./,
		$call =~ s/\(.*//r . ' fails with a clear error on a standby when sessions are a cache');
}
is(on_standby("SELECT session_status('junk'), session_cookie_decode('$cookie') -> 'a'"),
	'malformed|1', 'functions that need no session work on a standby');
query(q{SELECT session_storage('database')});
is(on_standby("SELECT session_status('$token')"),
	'active',
	'a standby has the sessions once they are kept in the database again');

query(q{SELECT session_storage('cache')});
$node->wait_for_catchup($standby, 'replay');
$node->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
  or die 'the standby was not promoted';
is($standby->safe_psql('postgres', "SELECT session_status('$token'), session_status((session_create('ada')).token)"),
	'unknown|active', 'after promotion a cache is empty, and logins work');

done_testing();
