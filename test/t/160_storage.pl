# Each way to keep sessions, through a clean restart and a crash; other
# connections do not notice the change; and on a standby.

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

# Connections that are there all the time, with the table and plans cached.
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
	is(other(), 'active|{"k": 1, "n": 1}|t|t|1', "it does after a move to $move");
}
$other->quit;

# What is left of a session that was there before.
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
		"$restarted|$restarted", "of sessions kept by $move, a restart leaves them");
	query('CHECKPOINT');
	my $last = login();
	$node->stop('immediate');
	$node->start;
	is( query("SELECT session_status('$token'), session_status('$later'), session_status('$last')"),
		"$crashed|$crashed|$crashed",
		"a crash leaves them $crashed");
	is( query("SELECT session_cookie_decode('$cookie') -> 'a', session_cookie_decode('$denied') IS NULL"),
		'1|t', 'and keys and what is denied in any case');
	$token = login();
	is(query("SELECT session_status('$token'), session_data_set('$token', 'a', '1'), session_touch('$token')"),
		'active|t|t', 'the next login works');
	is(query(q{SELECT count(*) > 0 FROM session_list('ada')}), 't', 'so do the indexes');
}

# A dump is one of sessions in the database's own.
query('CREATE DATABASE copy');
$node->command_ok(
	[ 'pg_dump', '--file', "$directory.sql", 'postgres' ], 'it can be dumped');
$node->command_ok(
	[ 'psql', '-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', "$directory.sql", 'copy' ],
	'and restored');
is( $node->safe_psql('copy',
		q{SELECT relpersistence, reltablespace FROM pg_class WHERE oid = 'session.sessions'::regclass}),
	'p|0', 'the copy is kept as the database keeps tables');
unlink "$directory.sql";

# On a standby a cache is not there, and it says so; what needs no session works.
query(q{SELECT session_storage('database')});
query('DROP TABLESPACE files');
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
chmod 0600, $standby->data_dir . '/session_master.key';	# a copy has other rights
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
		qr/ERROR:  55000: sessions are kept as a cache, which a standby does not have\nHINT:  Ask the primary, or run session_storage\('database'\) on it\./,
		$call =~ s/\(.*//r . ' says that it has none that are a cache');
}
is(on_standby("SELECT session_status('junk'), session_cookie_decode('$cookie') -> 'a'"),
	'malformed|1', 'what needs no session works');
query(q{SELECT session_storage('database')});
is(on_standby("SELECT session_status('$token')"),
	'active', 'they are there once they are kept in the database');

query(q{SELECT session_storage('cache')});
$node->wait_for_catchup($standby, 'replay');
$node->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
  or die 'the standby was not promoted';
is($standby->safe_psql('postgres', "SELECT session_status('$token'), session_status((session_create('ada')).token)"),
	'unknown|active', 'after promotion a cache is empty, and logins work');

done_testing();
