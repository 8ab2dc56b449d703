# A logical dump of a database with the extension restores without an error.
# Sessions are not part of it. The grants of session_grant, the denylist, the
# events and the sealed keys are. The keys open with the same master key and
# with no other.

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

# Roles belong to the cluster. The functions are in a schema of their own, and
# the application has objects that depend on them.
$node->safe_psql(
	'postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE boss LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE ROLE keeper LOGIN;
	CREATE ROLE backup LOGIN;
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
	CREATE TABLE public.users (gone int, id int, "On" boolean);
	ALTER TABLE public.users DROP COLUMN gone;
	INSERT INTO public.users VALUES (1, true), (2, true), (3, true);
	SELECT web.session_bind_users('public.users', 'id', 'On');
	CREATE FUNCTION public.login(name text) RETURNS text LANGUAGE sql
	BEGIN ATOMIC SELECT token FROM web.session_create(name); END;
});
my $token = $node->safe_psql('shop',
	q{SELECT token FROM web.session_create('alice', '{"cart": "precious"}')});
my $hash = $node->safe_psql('shop',
	q{SELECT encode(token_hash, 'hex') FROM session.sessions});

# Events: those of the administration above, and a login from an address, which
# is known afterwards.
my $events = 'SELECT * FROM session.events ORDER BY id LIMIT 5';
$node->safe_psql(
	'shop', q{SET session.log_events = 'created, new_ip';
	SELECT FROM web.session_create('carol', ip => '192.0.2.1')});
my $history = $node->safe_psql('shop', $events);
is(scalar(split /\n/, $history), 5, 'five events were logged');

# Policies, and the end of earlier sessions of a tenant.
$node->safe_psql(
	'shop', q{SELECT FROM web.session_policy_set('acme', 'clerk', '8 hours', '30 min', 5, 'subnet', true);
	SELECT FROM web.session_revoke_all('an incident', 'acme')});
my $policies = 'SELECT * FROM session.policies ORDER BY tenant_id, role NULLS FIRST';
my $rules = $node->safe_psql('shop', $policies);

# Keys: a retired one, one in use, one imported from another system, public
# ones that sign now and later, and that of an issuer.
my $ring = q{SELECT kid, purpose, algorithm, token_kid, issuer, audience, imported,
	created_at, activated_at, retired_at, signs FROM session.key_ring ORDER BY kid};
my $secret = 'of another system, thirty-two b.';
my $cookie = $node->safe_psql(
	'shop', qq{
	SELECT FROM web.session_key_retire(web.session_key_rotate());
	SELECT FROM web.session_key_rotate();
	SELECT FROM web.session_key_import('$secret', 'theirs', 'legacy');
	SELECT FROM web.session_key_rotate('api', 'ES256');
	SELECT FROM web.session_key_rotate('api', 'EdDSA');
	SELECT FROM web.session_key_import_jwk(web.session_jwks('api'), 'app', 'https://id.example.com', 'shop');
	SELECT web.session_cookie_encode('{"cart": 1}')});
my $foreign = $node->safe_psql('shop',
	q{SELECT web.session_cookie_encode('{"cart": 2}', 'jwt', NULL, 'legacy')});
my $issued = $node->safe_psql('shop',
	q{SELECT web.session_cookie_encode('{"cart": 4, "iss": "https://id.example.com", "aud": "shop"}', 'jwt', '1 day', 'api')});
my $jwks = $node->safe_psql('shop', q{SELECT web.session_jwks('api')});
my $revoked = $node->safe_psql(
	'shop', q{SELECT web.session_cookie_encode('{"cart": 3}') AS c \gset
	SELECT FROM web.session_cookie_revoke(:'c');
	SELECT :'c'});
my $keys = $node->safe_psql('shop', $ring);
is(scalar(split /\n/, $keys), 7, 'the key ring has seven keys');

# Runs SQL as a role. Returns its output and the SQLSTATE of each error.
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

# pg_dump prints no warning.
{
	my ($out, $err);
	IPC::Run::run [ 'pg_dump', '-d', $node->connstr('shop') ], '>', \$out, '2>', \$err;
	like($out, qr/CREATE EXTENSION IF NOT EXISTS session/,
		'a dump contains the extension');
	is($err, '', 'pg_dump prints no warning');
}

# Checks what a restored database contains and what each role can do in it.
sub check
{
	my ($database, $how) = @_;

	is( $node->safe_psql(
			$database, q{SELECT count(*) FROM session.sessions}),
		'0',
		"a database restored from $how has no session");
	is( $node->safe_psql(
			$database, "SELECT web.session_status('$token')"),
		'unknown',
		'a token of the dumped database is unknown');
	is( $node->safe_psql($database,
			q{SELECT web.session_status(login('alice')); SELECT count(*) FROM of_alice}
		),
		"active\n1",
		'objects that depend on the extension are restored and work');
	is( as( 'app', $database, q{
		SELECT token AS t FROM web.session_create('bob') \gset
		SELECT web.session_data_set(:'t', 'a', '1'), web.session_data(:'t');
		SELECT FROM web.session_list('bob');
	}),
		't|{"a": 1} 42501',
		'an application has the functions of its level and no others');
	is( as( 'boss', $database,
			q{SELECT web.session_revoke_user('bob'), (web.session_cleanup()).deleted}),
		'1|0',
		'an administrator has the functions of its level');
	is($node->safe_psql($database, $policies), $rules, 'the policies are restored');
	is($node->safe_psql($database, $ring), $keys, 'the key ring is restored');
	is( $node->safe_psql(
			$database,
			"SELECT web.session_cookie_decode('$cookie') -> 'cart', "
			  . "web.session_cookie_decode('$foreign', 'legacy') -> 'cart', "
			  . "web.session_cookie_decode('$issued', 'api') -> 'cart', "
			  . "web.session_cookie_decode('$issued', 'app') -> 'cart'"),
		'1|2|4|4',
		'cookies of the dumped database are accepted');
	is($node->safe_psql($database, q{SELECT web.session_jwks('api')}),
		$jwks, 'the public keys are published as before');
	is( $node->safe_psql(
			$database, "SELECT web.session_cookie_decode('$revoked') IS NULL"),
		't',
		'a cookie that was revoked is refused');
	is( $node->safe_psql(
			$database, q{
			SELECT web.session_key_rotate() IS NOT NULL;
			SELECT web.session_cookie_decode(web.session_cookie_encode('{"a": 1}')) -> 'a'}
		),
		"t\n1",
		'cookies are made with old and new keys');
	is( $node->safe_psql(
			$database, q{
			SELECT FROM generate_series(1, 4) AS n, web.session_create(n::text);
			UPDATE users SET "On" = false WHERE id = 1;
			DELETE FROM users WHERE id = 2;
			SELECT user_id FROM session.sessions WHERE revoked_at IS NULL AND user_id < '9' ORDER BY 1;
			SELECT count(*) FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND deptype = 'x';
			SELECT tgenabled, count(*) FROM pg_trigger
			WHERE tgrelid = 'users'::regclass GROUP BY tgenabled;
			TRUNCATE users;
			SELECT user_id FROM session.sessions WHERE revoked_at IS NULL AND user_id < '9' ORDER BY 1}
		),
		"3\n4\n3\nA|3\n4",
		'the table of users is still bound, with its triggers as they were');
	is($node->safe_psql($database, $events), $history,
		'the events are restored');
	is( $node->safe_psql(
			$database, q{SET session.log_events = 'created, new_ip';
			SELECT FROM web.session_create('carol', ip => '192.0.2.1');
			SELECT kind, id > 5 FROM session.events WHERE kind <> 'administration' ORDER BY id OFFSET 2}),
		'created|t',
		'new events follow the old ones, and a known address is still known');
	is(as('boss', $database, q{SELECT count(*) FROM session.events WHERE kind <> 'administration'}),
		'3', 'an administrator can read the events');
	is( as('app', $database, 'SELECT FROM session.events'),
		'42501', 'an application cannot read the events');
	is( as( 'stranger', $database,
			q{SELECT web.session_create('eve'); SELECT FROM session.sessions}),
		'42501 42501',
		'a role without grants cannot create or read sessions');
	privileges_are_right($database);
}

# Checks that the privileges are those of the installation and of
# session_grant, and that a level can be taken away.
sub privileges_are_right
{
	my ($database) = @_;

	is( $node->safe_psql(
			$database, q{SELECT * FROM session.grants ORDER BY role;
			SELECT * FROM session.privileges;
			BEGIN;
			SELECT FROM web.session_grant('boss', 'none');
			SELECT count(*) FROM pg_shdepend
			WHERE refobjid = 'boss'::regrole AND deptype = 'a'
			  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database());
			ROLLBACK}),
		"app|app\nboss|admin\n0",
		'the privileges are right, and a level can be taken away');
}

my $directory = PostgreSQL::Test::Utils::tempdir();

$node->command_ok([ 'pg_dump', '--file', "$directory/shop.sql", 'shop' ],
	'a database is dumped as a script');
my $script = slurp_file("$directory/shop.sql");
like($script, qr/^CREATE EXTENSION IF NOT EXISTS session /m,
	'the script creates the extension');
unlike($script, qr/\Q$hash\E|precious/,
	'the script holds no hash and no data of a session');
is(join(' ', sort $script =~ /^COPY (session\.\S+)/mg),
	'session.denylist session.events session.keys session.origins session.policies',
	'the script holds the denylist, the events, the keys, the origins and the policies');
my $master = slurp_file($node->data_dir . '/session_master.key');
chomp $master;
my @opener = map { ($_, unpack('H*', $_)) } $secret, pack('H*', $master);
is(scalar(grep { index($script, $_) >= 0 } @opener),
	0, 'the script holds no secret of a key and no master key');
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

# Default privileges do not matter, neither those of the database that was
# dumped nor those of the database that is restored into.
$node->safe_psql('postgres', 'CREATE DATABASE hostile');
$node->safe_psql(
	'hostile', q{
	ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO stranger;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO stranger, PUBLIC;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO stranger;
	ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO stranger;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO stranger;
	ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC});
$node->command_ok(
	[
		'pg_restore', '--exit-on-error', '--dbname=hostile',
		"$directory/shop.dump"
	],
	'the archive restores under hostile default privileges');
check('hostile', 'an archive, under hostile default privileges');
$node->command_ok(
	[ 'pg_dump', '--file', "$directory/hostile.sql", 'hostile' ],
	'a database with hostile default privileges is dumped');
unlike(
	slurp_file("$directory/hostile.sql"),
	qr/(GRANT|REVOKE) .* ON (TABLE session|FUNCTION (web|session))\..* (TO|FROM) (stranger|PUBLIC|postgres)/,
	'the dump does not repeat the grants of the installation');
$node->safe_psql('postgres', 'CREATE DATABASE from_hostile');
$node->command_ok(
	[
		'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1',
		'--output=/dev/null', "--file=$directory/hostile.sql", 'from_hostile'
	],
	'the dump of that database restores without an error');
privileges_are_right('from_hostile');

# The owner of the database has no privileges on the tables, so its dump must
# leave out their contents. A role that may read all data dumps everything.
$node->safe_psql('postgres', 'CREATE DATABASE kept OWNER keeper');
$node->safe_psql(
	'kept', q{
	CREATE SCHEMA web;
	CREATE EXTENSION session SCHEMA web;
	SELECT web.session_grant('app', 'app'), web.session_grant('boss', 'admin');
	SELECT FROM web.session_key_rotate();
	SET ROLE keeper;
	CREATE TABLE public.own AS SELECT 1 AS n});
my @dump = ('pg_dump', '--dbname', $node->connstr('kept'), '--username');
$node->command_fails_like(
	[ @dump, 'keeper' ],
	qr/permission denied for schema session|user may lack SELECT privilege on the sequence/,
	'the owner of the database cannot dump the data in the schema session');
$node->command_ok(
	[ @dump, 'keeper', '--exclude-table-data=session.*', '--file', "$directory/keeper.sql" ],
	'the owner of the database can dump everything else');
$script = slurp_file("$directory/keeper.sql");
unlike($script, qr/^COPY session\.|setval\('session/m,
	'the dump of the owner holds no data of the extension');
$node->safe_psql('postgres', 'CREATE DATABASE from_keeper');
$node->command_ok(
	[
		'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1',
		'--output=/dev/null', "--file=$directory/keeper.sql", 'from_keeper'
	],
	'the dump of the owner restores without an error');
privileges_are_right('from_keeper');
is( $node->safe_psql(
		'from_keeper', q{SELECT count(*) FROM session.keys;
		SELECT n FROM own;
		SELECT web.session_key_rotate() IS NOT NULL}),
	"0\n1\nt",
	'the restored database has no key, and makes its first one');
$node->safe_psql('postgres', 'GRANT pg_read_all_data TO backup');
$node->command_ok(
	[ @dump, 'backup', '--file', "$directory/backup.sql" ],
	'a member of pg_read_all_data can dump everything');
$script = slurp_file("$directory/backup.sql");
is(join(' ', sort $script =~ /^COPY (session\.\S+)/mg),
	'session.denylist session.events session.keys session.origins session.policies',
	'that dump holds the denylist, the events, the keys, the origins and the policies');

# Another server has another master key.
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$other->start;
$other->safe_psql(
	'postgres', q{
	CREATE ROLE app LOGIN;
	CREATE ROLE boss LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE DATABASE shop;
	CREATE EXTENSION session;
	SELECT FROM session_key_rotate()});
$other->command_ok(
	[
		'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1',
		'--output=/dev/null', "--file=$directory/shop.sql", 'shop'
	],
	'the script restores without an error on a server with another master key');

sub told_by_other
{
	my $err;

	$other->psql('shop', shift,
		stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err;
}

my $mismatch =
  qr/ERROR:  55000: master key file "session_master.key" is not the master key that sealed the keys of this database\nHINT:  Put back the master key file/;
like(told_by_other("SELECT web.session_cookie_decode('$cookie')"),
	$mismatch,
	'a restored key fails with the right error under another master key');
like(told_by_other(q{SELECT web.session_cookie_encode('{}')}),
	$mismatch, 'no cookie is made with a key that does not open');
is( $other->safe_psql(
		'shop', q{SELECT web.session_status((web.session_create('bob')).token)}),
	'active',
	'sessions work without the keys');

# There are two ways out: put the master key of the first server back, or give
# up the restored keys.
my $path = $other->data_dir . '/session_master.key';
my $others = slurp_file($path);
unlink $path;
append_to_file($path, "$master\n");
chmod 0600, $path;
is( $other->safe_psql('shop',
		"SELECT web.session_cookie_decode('$cookie') -> 'cart'"),
	'1',
	'the keys open with the master key of the first server');
unlink $path;
append_to_file($path, $others);
chmod 0600, $path;
like(told_by_other('SELECT web.session_key_rotate()'),
	$mismatch, 'no key is made while the master key does not open the others');
is( $other->safe_psql(
		'shop', qq{
		TRUNCATE session.keys;
		SELECT FROM web.session_key_rotate();
		SELECT web.session_cookie_decode('$cookie') IS NULL,
			   web.session_cookie_decode(web.session_cookie_encode('{"a": 1}')) -> 'a'}
	),
	't|1',
	'after the restored keys are deleted, new ones can be made');

done_testing();
