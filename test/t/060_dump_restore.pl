# A logical dump of a database with the extension restores without an error.
# Sessions are not part of it; what session_grant handed out is.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;

# Roles are the cluster's.  The functions live in a schema of their own, and
# the application has objects that depend on them.
$node->safe_psql(
	'postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE boss LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE DATABASE shop;
});
$node->safe_psql(
	'shop', q{
	CREATE SCHEMA web;
	CREATE EXTENSION session SCHEMA web;
	GRANT USAGE ON SCHEMA web TO PUBLIC;
	SELECT web.session_grant('app', 'app'), web.session_grant('boss', 'admin');
	CREATE VIEW public.of_alice AS SELECT * FROM web.session_list('alice');
	CREATE TABLE public.seen (info web.session_info);
	CREATE FUNCTION public.login(name text) RETURNS text LANGUAGE sql
	BEGIN ATOMIC SELECT token FROM web.session_create(name); END;
});
my $token = $node->safe_psql('shop',
	q{SELECT token FROM web.session_create('alice', '{"cart": "precious"}')});
my $hash = $node->safe_psql('shop',
	q{SELECT encode(token_hash, 'hex') FROM session.sessions});

# Runs SQL as a role; returns its output and, for each error, the SQLSTATE.
sub as
{
	my ($role, $database, $sql) = @_;
	my ($out, $err) = ('', '');

	$node->psql(
		$database, $sql,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=sqlstate' ]);
	return join ' ', grep { $_ ne '' } $out, $err =~ /ERROR: +(\w+)/g;
}

# What a database must be able to do, and not be able to do.
sub check
{
	my ($database, $how) = @_;

	is( $node->safe_psql(
			$database, q{SELECT count(*) FROM session.sessions}),
		'0',
		"no session is in a database restored from $how");
	is( $node->safe_psql(
			$database, "SELECT web.session_status('$token')"),
		'unknown',
		'a token of the old one is unknown');
	is( $node->safe_psql($database,
			q{SELECT web.session_status(login('alice')); SELECT count(*) FROM of_alice}
		),
		"active\n1",
		'what depends on the extension is there and works');
	is( as( 'app', $database, q{
		SELECT token AS t FROM web.session_create('bob') \gset
		SELECT web.session_data_set(:'t', 'a', '1'), web.session_data(:'t');
		SELECT FROM web.session_list('bob');
	}),
		't|{"a": 1} 42501',
		'what an application was granted survives, and no more');
	is( as( 'boss', $database,
			q{SELECT web.session_revoke_user('bob'), web.session_cleanup()}),
		'1|0',
		'so does what an administrator was granted');
	is( as( 'stranger', $database,
			q{SELECT web.session_create('eve'); SELECT FROM session.sessions}),
		'42501 42501',
		'others still may nothing');
}

my $directory = PostgreSQL::Test::Utils::tempdir();

$node->command_ok([ 'pg_dump', '--file', "$directory/shop.sql", 'shop' ],
	'a database is dumped as a script');
my $script = slurp_file("$directory/shop.sql");
like($script, qr/^CREATE EXTENSION IF NOT EXISTS session /m,
	'the script makes the extension');
unlike($script, qr/\Q$hash\E|precious|COPY session\./,
	'and holds nothing of a session');
$node->safe_psql('postgres', 'CREATE DATABASE from_script');
$node->command_ok(
	[
		'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1',
		'--output=/dev/null', "--file=$directory/shop.sql", 'from_script'
	],
	'the script restores without an error');
check('from_script', 'a script');

$node->command_ok(
	[ 'pg_dump', '--format=custom', '--file', "$directory/shop.dump", 'shop' ],
	'a database is dumped as an archive');
$node->safe_psql('postgres', 'CREATE DATABASE from_archive');
$node->command_ok(
	[
		'pg_restore', '--exit-on-error', '--dbname=from_archive',
		"$directory/shop.dump"
	],
	'the archive restores without an error');
check('from_archive', 'an archive');

done_testing();
