# Fifty clients change the data of one session at once: no change is lost, and
# each call writes one version of the row.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($clients, $times) = (50, 10);
my $total = $clients * $times;

# Uses of the session are not written on their own, so that all versions of the
# row are those of the calls.
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'session'
max_connections = 70
session.update_age = '1d'
});
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE SEQUENCE n;

	-- Adds one to a counter by compare and set: tries again if another client
	-- has changed it since it was read.
	CREATE FUNCTION increment(token text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		n jsonb;
	BEGIN
		LOOP
			n := session_data_get(token, 'n');
			EXIT WHEN session_data_replace(token, 'n', n, to_jsonb(coalesce(n::int, 0) + 1));
		END LOOP;
	END $$;
});

sub query { return $node->safe_psql('postgres', shift); }

# Runs a statement in all clients at once. Returns the number of versions of
# rows of session.sessions that they have written. A backend reports this before
# it disappears from pg_stat_activity.
sub versions
{
	my ($name, $script) = @_;
	my $file = $node->basedir . "/$name.sql";
	my $versions = q{SELECT pg_stat_get_tuples_updated('session.sessions'::regclass)};
	my $before = query($versions);

	append_to_file($file, "$script\n");
	$node->command_ok(
		[
			'pgbench', '--no-vacuum', "--client=$clients", '--jobs=2',
			"--transactions=$times", "--file=$file", $node->connstr('postgres')
		],
		"$name: $clients clients, $times calls each");
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'})
	  or die 'the clients do not end';
	return query($versions) - $before;
}

for my $sealed ('off', 'on')
{
	query("ALTER SYSTEM SET session.encrypt_data = $sealed");
	query('SELECT pg_reload_conf()');
	$node->poll_query_until('postgres', "SHOW session.encrypt_data", $sealed)
	  or die 'the setting does not change';
	my $how = "encrypt_data $sealed";
	my $token = query(q{SELECT token FROM session_create('alice')});

	is(versions("merge $sealed", "SELECT session_data_merge('$token', jsonb_build_object('m', jsonb_build_object('k' || nextval('n'), 1)));"),
		$total, "$how: each merge writes one version");
	is( query("SELECT count(*) FROM jsonb_object_keys(session_data_get('$token', 'm'))"),
		$total, "$how: no merge is lost");

	is(versions("append $sealed", "SELECT session_data_append('$token', 'list', to_jsonb(nextval('n')));"),
		$total, "$how: each append writes one version");
	is( query("SELECT jsonb_array_length(list), count(DISTINCT element) FROM session_data_get('$token', 'list') AS list, "
			  . 'jsonb_array_elements(list) AS element GROUP BY 1'),
		"$total|$total", "$how: no append is lost");

	is(versions("replace $sealed", "SELECT increment('$token');"),
		$total, "$how: each replace that returns true writes one version");
	is(query("SELECT session_data_get('$token', 'n')"),
		$total, "$how: no increment is lost");
}

done_testing();
