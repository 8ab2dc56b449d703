# Privileges of the levels, over real connections. A role without grants may
# call the public functions. An application may call the functions that take a
# token. An administrator may call the rest. None of them may use the tables.

use strict;
use warnings;
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The functions of each level, from test/privileges.txt, which
# 380_privilege_matrix.pl compares with the catalog.
my (@public, @app, @admin);
for (split /\n/, slurp_file(dirname(__FILE__) . '/../privileges.txt'))
{
	my ($admin, $app, $public, $name) = /^\S+ +(\S+) +(\S+) +(\S+) .* function (?:session\.)?(\w+)$/
	  or next;
	push @{ $public eq 'X' ? \@public : $app eq 'X' ? \@app : \@admin }, $name
	  if $admin eq 'X';
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE stranger LOGIN;
	CREATE ROLE app LOGIN;
	CREATE ROLE boss LOGIN;
	CREATE ROLE later LOGIN;
	CREATE ROLE maker LOGIN;
	CREATE DATABASE empty;
	GRANT CREATE ON DATABASE empty TO maker;
});

# Runs SQL as a role. Returns its output and the SQLSTATE of each error.
sub as
{
	my ($role, $sql, $database) = @_;
	my ($out, $err) = ('', '');

	$node->psql(
		$database // 'postgres', $sql,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=sqlstate' ]);
	return join ' ', grep { $_ ne '' } $out, $err =~ /ERROR: +(\w+)/g;
}

# Only a superuser installs the extension, because it loads C code.
is(as('maker', 'CREATE EXTENSION session', 'empty'),
	'42501', 'a role that may create schemas cannot create the extension');
is( as('maker', 'CREATE SCHEMA session; SELECT count(*) FROM pg_extension '
		. "WHERE extname = 'session'; DROP SCHEMA session", 'empty'),
	'0',
	'the failed installation leaves no extension');
is( as( 'maker', q{
		CREATE FUNCTION public.f(text) RETURNS text LANGUAGE c
		AS '$libdir/session', 'session_status'},
		'empty'),
	'42501',
	'that role cannot create a function of the library');
is(as('maker', q{LOAD 'session'}, 'empty'), '42501',
	'that role cannot load the library');

$node->safe_psql('postgres', 'CREATE EXTENSION session');

# A call of every function of the extension, with NULL for each argument.
my %call = map { split /\|/ } split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT p.proname, format('SELECT FROM %s(%s)', p.oid::regproc,
		(SELECT string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY n)
		 FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)))
	FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	WHERE d.refclassid = 'pg_extension'::regclass
	  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'session')
	  AND d.classid = 'pg_proc'::regclass});
# Returns the functions that a role may call. Those fail with an error about
# their arguments, or not at all; the others fail with 42501. A session is
# bound, because session_require fails without one. A trigger function cannot
# be called (42804).
my $token =
  $node->safe_psql('postgres', q{SELECT token FROM session_create('eve')});
my $bind = "DO \$\$ BEGIN PERFORM session_authenticate('$token'); END \$\$;";

# Runs statements as a role, each in a transaction of its own that is rolled
# back and begins with the same statements. Returns the SQLSTATE of each. One
# connection runs them all, because starting psql takes far longer than a
# statement.
sub states
{
	my ($role, $begin, @statements) = @_;
	my $script = join '', map {
		"BEGIN;\n$begin\n$_;\n\\echo state :SQLSTATE\nROLLBACK;\n"
	} @statements;
	my $out = '';

	$node->psql(
		'postgres', $script,
		stdout => \$out,
		stderr => \my $err,
		on_error_stop => 0,
		extra_params => [ '-U', $role ]);
	return $out =~ /^state (\w+)$/mg;
}

sub callable
{
	my $role = shift;
	my @names = sort keys %call;
	my %state;

	@state{@names} = states($role, $bind, @call{@names});
	return [ grep { $state{$_} !~ /^(42501|42804)$/ } @names ];
}

my @forbidden = (
	'SELECT FROM session.sessions',
	'SELECT id FROM session.sessions',
	'COPY session.sessions TO STDOUT',
	q{INSERT INTO session.sessions (id) VALUES (gen_random_uuid())},
	'UPDATE session.sessions SET revoked_at = NULL',
	'DELETE FROM session.sessions',
	'TRUNCATE session.sessions',
	'LOCK TABLE session.sessions',
	'SELECT FROM session.sessions FOR UPDATE',
	'CREATE INDEX ON session.sessions (id)',
	'ALTER TABLE session.sessions DISABLE TRIGGER ALL',
	'CREATE TRIGGER t BEFORE UPDATE ON session.sessions EXECUTE FUNCTION '
	  . 'suppress_redundant_updates_trigger()',
	'GRANT SELECT ON session.sessions TO PUBLIC',
	'SELECT FROM session.keys',
	'COPY session.keys TO STDOUT',
	'UPDATE session.keys SET retired_at = NULL',
	'DELETE FROM session.denylist',
	'DELETE FROM session.events',
	q{INSERT INTO session.events (at, kind) VALUES (now(), 'created')},
	'SELECT FROM session.origins',
	q{SET session.log_events = ''},
	'ALTER TABLE session.keys DISABLE TRIGGER keys_changed',
	'CREATE TRIGGER t AFTER INSERT ON session.keys EXECUTE FUNCTION '
	  . 'session.session_keys_changed()',
	'SHOW session.master_key_file',
	q{SELECT current_setting('session.master_key_command')},
	'CREATE TABLE session.mine ()',
	'DROP SCHEMA session CASCADE',
	'DROP EXTENSION session',
	'ALTER EXTENSION session UPDATE',
	'DROP FUNCTION session_is_valid(text, text)',
	'CREATE OR REPLACE FUNCTION public.session_is_valid(token text, '
	  . 'bound_cookie text DEFAULT NULL) RETURNS '
	  . q{boolean LANGUAGE sql AS 'SELECT true'},
	'SET session.lifetime = 1',
	'SET session.encrypt_data = off',
	q{SET session.claims_function = 'public.f'},
	q{SET session.risk_function = ''},
	q{SET session.act_as_function = 'public.f'},
	'SET session.cookie_cache_ttl = 60',
	'SET session.bound_cookie_ttl = 86400',
	'SET session.dbsc_grace = 60',
	q{SET session.strategy = 'stateless'},
	q{SET session.sensitive_paths = ''},
	q{SET session.token_header = 'accept'},
	q{SET session.client_ip_header = 'x-real-ip'},
	q{SET session.authenticated_role = 'boss'},
	q{SET session.on_invalid = 'anonymous'},
	q{SET session.context = 'eve'},
);

# Checks that a role cannot run any of these statements.
sub cannot
{
	my $role = shift;
	my @states = states($role, '', @forbidden);
	is_deeply(
		[ map { "$states[$_] $forbidden[$_]" } 0 .. $#forbidden ],
		[ map { "42501 $_" } @forbidden ],
		"$role cannot reach the tables or change the extension");
}

is_deeply(callable('stranger'), [ sort @public ],
	'a role without grants can call only the public functions');
cannot('stranger');

$node->safe_psql('postgres',
	q{SELECT session_grant('app', 'app'), session_grant('boss', 'admin')});
is_deeply(callable('app'), [ sort @public, @app ],
	'an application can call the public functions and those of its level');
cannot('app');
is_deeply(
	callable('boss'),
	[ sort @public, @app, @admin ],
	'an administrator can call every function of a level');
cannot('boss');
is_deeply(callable('stranger'), [ sort @public ],
	'grants to other roles do not change a role without grants');

# The functions work for a role without privileges on the tables.
is( as( 'app', q{
	SELECT token AS t FROM session_create('alice') \gset
	SELECT session_data_set(:'t', 'a', '1'), session_data(:'t'), session_touch(:'t');
	SELECT token AS t FROM session_regenerate(:'t', role => 'editor') \gset
	SELECT user_id, role FROM session_validate(:'t');
	SELECT session_revoke(:'t'), session_status(:'t');
	SELECT FROM session_list('alice');
}),
	"t|{\"a\": 1}|t\nalice|editor\nt|revoked 42501",
	'an application manages a session and cannot list sessions');
is( as( 'boss', q{
	SELECT count(session_create('bob', tenant_id => 'acme')) FROM generate_series(1, 4);
	SELECT session_revoke_id(id) FROM session_list('bob') LIMIT 1;
	SELECT session_revoke_user('bob', 'acme', (SELECT id FROM session_list('bob') LIMIT 1));
	SELECT session_revoke_tenant('acme'), (session_cleanup()).deleted;
}),
	"4\nt\n2\n1|0",
	'an administrator revokes sessions');

# A role that presents a token acts for its session, and has no access to
# sessions of other users.
is( as( 'stranger', qq{
	BEGIN;
	SELECT session_user_id() IS NULL, session_authenticate('$token');
	SELECT session_user_id(), session_auth_level(), session_claim('sub');
	SELECT user_id, data IS NULL, current FROM session_mine();
	SELECT session_revoke_mine(gen_random_uuid()), session_revoke_others();
	COMMIT;
	SELECT session_user_id() IS NULL, count(*) FROM session_mine();
	SELECT session_require();
}),
	"t|t\neve|1|eve\neve|t|t\nf|0\nt|0 42501",
	'a role without grants acts only for the session of its token');

# The functions for cookies work for a role without privileges on the keys.
is( as( 'boss', q{
	SELECT session_key_rotate() <> session_key_rotate('jwt');
	SELECT session_key_import(decode(repeat('2a', 32), 'hex'), 'ours', 'legacy');
	SELECT session_key_retire('ours');
}),
	"t\nours\nt",
	'an administrator rotates, imports and retires keys');
is( as( 'app', q{
	SELECT token AS t, refresh_token AS r FROM session_create('alice', refreshable => true) \gset
	SELECT token AS t FROM session_refresh(:'r') \gset
	SELECT session_cookie_issue(:'t') AS c \gset
	SELECT user_id, source FROM session_cookie_validate(:'c');
	SELECT user_id, source FROM session_cookie_validate(:'c', true, :'t');
	SELECT length(session_jwt(:'t')) > 100;
	SELECT session_cookie_encode('{"a": 1}') AS c \gset
	SELECT session_cookie_decode(:'c') -> 'a';
	SELECT session_cookie_revoke(:'c'), session_cookie_decode(:'c');
	SELECT session_key_rotate();
}),
	"alice|cookie\nalice|database\nt\n1\nt| 42501",
	'an application makes cookies and cannot rotate keys');
is(as('app', 'SELECT FROM session.key_ring'),
	'42501', 'an application cannot read the key ring');

# An administrator may read the events.
is(as('app', 'SELECT FROM session.events'),
	'42501', 'an application cannot read the events');
is( as( 'boss', q{SELECT bool_and(kind = 'administration'), bool_and(actor_kind = 'role'),
		array_agg(DISTINCT actor) @> ARRAY['boss', owner] AND count(DISTINCT actor) = 2
		FROM session.events, (SELECT rolname::text AS owner FROM pg_roles WHERE oid = 10) AS o
		GROUP BY owner}),
	't|t|t', 'an administrator reads the events, by default those of administration');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET session.log_events = 'created'});
is( as( 'app', q{SELECT count(*) FROM session_create('alice', ip => '192.0.2.1')}),
	'1', 'an application creates a session while events are logged');
is( as( 'boss', q{SELECT kind, user_id, ip, actor_kind, actor FROM session.events WHERE kind <> 'administration'}),
	'created|alice|192.0.2.1|role|app',
	'an administrator sees the event of that session');

# Granting a level is a privilege of administrators.
is(as('app', q{SELECT session_grant('later', 'app')}),
	'42501', 'an application cannot grant a level');
is(as('boss', q{SELECT session_grant('later', 'app')}),
	'', 'an administrator grants a level');
is_deeply(callable('later'), [ sort @public, @app ],
	'a role has the level that was granted to it');
cannot('later');

# Administrators and pg_monitor may read who has which level.
my $views = 'SELECT count(*) FROM session.grants; SELECT count(*) FROM session.privileges; '
  . 'SELECT count(*) FROM session.bound_tables';
is(as('boss', $views), "3\n0\n0", 'an administrator can read the levels');
is(as('app', $views), '42501 42501 42501',
	'an application cannot read the levels');
$node->safe_psql('postgres', 'GRANT pg_monitor TO stranger');
is(as('stranger', $views), "3\n0\n0",
	'a member of pg_monitor can read the levels');
$node->safe_psql('postgres', 'REVOKE pg_monitor FROM stranger');

# session.privileges shows a grant that should not exist, and the statement
# that undoes it.
$node->safe_psql('postgres',
	'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO stranger');
is( as( 'boss', q{SELECT DISTINCT grantee FROM session.privileges WHERE finding = 'open'}),
	'stranger', 'session.privileges shows the role that can call too much');
$node->safe_psql('postgres', q{SELECT remedy FROM session.privileges \gexec});
is_deeply(callable('stranger'), [ sort @public ],
	'the remedies of session.privileges take the surplus away');

# A role can be dropped after its level was taken away.
$node->safe_psql('postgres', q{SELECT session_grant('later', 'admin')});
is_deeply(callable('later'), [ sort @public, @app, @admin ],
	'a role can be granted a higher level');
$node->safe_psql('postgres', q{SELECT session_grant('later', 'none')});
is_deeply(callable('later'), [ sort @public ],
	'a role loses every function of a level that is taken away');
$node->safe_psql('postgres', 'DROP ROLE later');

done_testing();
