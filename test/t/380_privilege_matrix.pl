# The privileges of every object of the extension, for every kind of role, as
# test/privileges.txt has them: functions by name, of which each has one. The
# catalog must agree with that file, and so
# must what happens when each role really calls each function and reads each
# table. An object that is not in the file fails the test.
#
# To write the file anew: SESSION_PRIVILEGES=/path/to/new.txt prove ...

use strict;
use warnings;
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @roles = qw(owner admin app public monitor dbowner);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE admin LOGIN;
	CREATE ROLE app LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE ROLE monitor LOGIN;
	CREATE ROLE dbowner LOGIN;
	GRANT pg_monitor TO monitor;
	CREATE DATABASE d OWNER dbowner;
});
$node->safe_psql('d', q{CREATE EXTENSION session; SELECT session_grant('app', 'app'), session_grant('admin', 'admin')});

# The names that the roles have in the database.
my $superuser = $node->safe_psql('d', 'SELECT current_user');
my %name = (map { $_ => $_ } @roles);
$name{owner} = $superuser;
$name{public} = 'stranger';

# What the catalog says: for each object a letter for each privilege, as in an
# ACL, or "-" for none.
my $list = join ', ', map { "('$_', '$name{$_}')" } @roles;
my $catalog = $node->safe_psql(
	'd', qq{
	WITH role (col, role) AS (VALUES $list),
	member AS (
		SELECT d.classid, d.objid FROM pg_depend AS d
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'session')),
	object AS (
		SELECT 'function' AS kind, p.oid::regproc::text AS name, p.oid,
			ARRAY['X', 'EXECUTE'] AS privileges
		FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid
		UNION ALL
		SELECT CASE relkind WHEN 'v' THEN 'view' ELSE 'table' END, c.oid::regclass::text, c.oid,
			ARRAY['r', 'SELECT', 'a', 'INSERT', 'w', 'UPDATE', 'd', 'DELETE', 'D', 'TRUNCATE', 'x', 'REFERENCES', 't', 'TRIGGER']
		FROM member JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid WHERE relkind NOT IN ('c', 'S', 'i')
		UNION ALL
		SELECT 'sequence', c.oid::regclass::text, c.oid, ARRAY['r', 'SELECT', 'w', 'UPDATE', 'U', 'USAGE']
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind = 'S' AND nspname = 'session'
		UNION ALL
		SELECT 'type', t.oid::regtype::text, t.oid, ARRAY['U', 'USAGE']
		FROM member JOIN pg_type t ON classid = 'pg_type'::regclass AND t.oid = objid
		WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND relkind <> 'c')
		  AND t.typelem = 0
		UNION ALL
		SELECT 'schema', n.nspname, n.oid, ARRAY['U', 'USAGE', 'C', 'CREATE']
		FROM member JOIN pg_namespace n ON classid = 'pg_namespace'::regclass AND n.oid = objid
		UNION ALL
		SELECT 'other', pg_describe_object(classid, objid, 0), objid, '{}'
		FROM member WHERE classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass, 'pg_namespace'::regclass, 'pg_trigger'::regclass)),
	answer AS (
		SELECT kind, name, oid, col,
			(SELECT string_agg(privileges[2 * n - 1], '' ORDER BY n)
			 FROM generate_series(1, cardinality(privileges) / 2) AS n
			 WHERE CASE kind WHEN 'function' THEN has_function_privilege(role, oid, privileges[2 * n])
				WHEN 'sequence' THEN has_sequence_privilege(role, oid, privileges[2 * n])
				WHEN 'type' THEN has_type_privilege(role, oid, privileges[2 * n])
				WHEN 'schema' THEN has_schema_privilege(role, oid, privileges[2 * n])
				ELSE has_table_privilege(role, oid, privileges[2 * n])
					OR (privileges[2 * n] IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND has_any_column_privilege(role, oid, privileges[2 * n])) END) AS has
		FROM object, role)
	SELECT kind || ' ' || name, jsonb_object_agg(col, coalesce(has, '-')) FROM answer GROUP BY kind, name, oid
	ORDER BY kind COLLATE "C", name COLLATE "C"});

my (%is, @objects);
for (split /\n/, $catalog)
{
	my ($object, $json) = /^(.*)\|(\{.*\})$/ or die $_;
	push @objects, $object;
	for my $role (@roles)
	{
		($is{$object}{$role}) = $json =~ /"$role": "([^"]*)"/;
	}
}

# The file: a line for each object, with the roles in the order of its heading.
sub line_of
{
	my ($object) = @_;
	return sprintf('%-8s' x @roles, map { $is{$object}{$_} } @roles) . $object;
}

is_deeply([ grep { $objects[$_] eq $objects[ $_ - 1 ] } 1 .. $#objects ],
	[], 'no two functions have the same name');

my $file = dirname(__FILE__) . '/../privileges.txt';
if (defined $ENV{SESSION_PRIVILEGES})
{
	open my $out, '>', $ENV{SESSION_PRIVILEGES} or die $!;
	print $out map { "$_\n" } sprintf('# %-6s' . '%-8s' x (@roles - 1), @roles) . 'object', map { line_of($_) } @objects;
	close $out;
}
my %expected;
for (split /\n/, slurp_file($file))
{
	next if /^#/ || /^\s*$/;
	my @fields = split ' ', $_, @roles + 1;
	@{ $expected{ $fields[-1] } }{@roles} = @fields[ 0 .. $#roles ];
}
is_deeply([ grep { !$expected{$_} } @objects ],
	[], 'every object of the extension is in test/privileges.txt');
is_deeply([ grep { !$is{$_} } sort keys %expected ],
	[], 'every object in test/privileges.txt is one of the extension');
for my $role (@roles)
{
	my @known = grep { $expected{$_} } @objects;
	is_deeply(
		[ map { "$is{$_}{$role} $_" } @known ],
		[ map { "$expected{$_}{$role} $_" } @known ],
		"the catalog gives the role \"$role\" what test/privileges.txt says");
}

# Runs statements as a role, each in a transaction of its own that is rolled
# back. Returns the SQLSTATE of each.
sub states
{
	my ($role, $begin, @statements) = @_;
	my ($out, $err) = ('', '');

	$node->psql(
		'd', join('', map { "BEGIN;\n$begin\n$_;\n\\echo state :SQLSTATE\nROLLBACK;\n" } @statements),
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '-U', $name{$role} ]);
	return $out =~ /^state (\w+)$/mg;
}

# What happens. A role that may call a function gets another error than 42501
# for arguments that are NULL, or none. A trigger function cannot be called
# (0A000). session_require raises 42501 if no session is bound, so one is. The
# arguments are subqueries: a call of a STRICT function with a constant NULL is
# left out by the planner, before privileges are checked.
my $token =
  $node->safe_psql('d', q{SELECT token FROM session_create('eve')});
my $bind = "DO \$\$ BEGIN PERFORM session_authenticate('$token'); END \$\$;";
my %call = map { split /\t/ } split /\n/, $node->safe_psql(
	'd', q{
	SELECT 'function ' || p.oid::regproc || E'\t' || format('SELECT FROM %s(%s)', p.oid::regproc,
		(SELECT string_agg(format('(SELECT NULL::%s)', format_type(t, NULL)), ', ' ORDER BY n)
		 FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)))
	FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass
	  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'session')
	  AND p.prorettype <> 'trigger'::regtype});
my @functions = sort keys %call;
my %statement = (
	r => sub { "SELECT FROM $_[0] LIMIT 0" },
	a => sub { "INSERT INTO $_[0] DEFAULT VALUES" },
	d => sub { "DELETE FROM $_[0] WHERE false" },
	D => sub { "TRUNCATE $_[0] CASCADE" });

for my $role (@roles)
{
	my @states = states($role, $bind, @call{@functions});
	is_deeply(
		[ map { ($states[$_] eq '42501' ? '-' : 'X') . " $functions[$_]" } 0 .. $#functions ],
		[ map { "$expected{$_}{$role} $_" } @functions ],
		"the role \"$role\" can call the functions of test/privileges.txt and no others");

	# A role also needs USAGE on the schema. Views can only be read.
	my $in_schema = $expected{'schema session'}{$role} =~ /U/;
	for my $letter (sort keys %statement)
	{
		my @of = grep { $letter eq 'r' ? /^(?:table|view) / : /^table / } @objects;
		my @got = states($role, '', map { $statement{$letter}->(s/^\w+ //r) } @of);
		is_deeply(
			[ map { ($got[$_] eq '42501' ? '-' : $letter) . " $of[$_]" } 0 .. $#of ],
			[ map { ($in_schema && $expected{$_}{$role} =~ $letter ? $letter : '-') . " $_" } @of ],
			"the role \"$role\" can run \"" . $statement{$letter}->('...') . '" as test/privileges.txt says');
	}
}

# The owner of the database owns the schema "public" too, which has the
# functions, but gains nothing from that. It can drop that schema with all that is
# in it, as it can drop the database.
my @attempts = (
	'DROP EXTENSION session CASCADE',
	'ALTER EXTENSION session UPDATE',
	'ALTER EXTENSION session DROP FUNCTION public.session_revoke(text)',
	'DROP SCHEMA session CASCADE',
	'ALTER SCHEMA session OWNER TO dbowner',
	'DROP FUNCTION public.session_revoke(text) CASCADE',
	'ALTER FUNCTION public.session_revoke(text) OWNER TO dbowner',
	'ALTER FUNCTION public.session_revoke(text) SET SCHEMA session',
	q{CREATE OR REPLACE FUNCTION public.session_revoke(token text) RETURNS boolean LANGUAGE sql AS 'SELECT true'},
	'DROP OWNED BY ' . $node->safe_psql('d', 'SELECT quote_ident(current_user)'));
my @outcome = states('dbowner', '', @attempts);
is_deeply(
	[ map { ($outcome[$_] =~ /^(?:42501|2BP01|2BP03)$/ ? 'refused' : $outcome[$_]) . " $attempts[$_]" } 0 .. $#attempts ],
	[ map { "refused $_" } @attempts ],
	'the owner of the database cannot change or drop what belongs to the extension');
$node->psql('d', 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO stranger; GRANT ALL ON ALL TABLES IN SCHEMA session TO stranger',
	on_error_stop => 0, extra_params => [ '-U', 'dbowner' ]);
is( $node->safe_psql('d', q{SELECT has_function_privilege('stranger', oid, 'EXECUTE') FROM pg_proc WHERE proname = 'session_create'}),
	'f', 'the owner of the database cannot grant privileges on the functions');

done_testing();
