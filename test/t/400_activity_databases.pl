# More databases than a part of the table of activity tells apart: the uses of
# all of them are written, each database has its share of the room, also after
# another one was dropped, and on a standby each use finds room.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# One part of 16 entries, which counts the entries of four databases.
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.activity_size = 16
session.naptime = '1s'
session.cleanup_interval = '1d'
autovacuum = off
});
$node->start;

my @databases = map { "d$_" } 1 .. 6;

sub query { return $node->safe_psql(@_); }

for my $database (@databases)
{
	query('postgres', "CREATE DATABASE $database");
	query($database, q{
		CREATE EXTENSION session;
		CREATE TABLE tok (n int, token text);
		INSERT INTO tok SELECT n, token FROM generate_series(1, 20) AS n, session_create('user-' || n, idle_timeout => '90 minutes');
		UPDATE session.sessions SET created_at = created_at - interval '1 day', last_seen_at = last_seen_at - interval '1 hour'});
}
query('postgres', 'CREATE EXTENSION session');

# Validates sessions in a READ ONLY transaction; returns how many are valid.
sub validate
{
	my ($server, $database, $first, $last) = @_;
	return $server->safe_psql($database,
		"BEGIN READ ONLY; SELECT count(v.id) FROM tok, session_validate(token) AS v WHERE n BETWEEN $first AND $last; COMMIT");
}

sub dropped
{
	my ($database) = @_;
	return query('postgres', "SELECT activity_dropped FROM session.stats WHERE database = '$database'");
}

# The launcher finds the databases that have something to be written, also those
# that are not counted.
$node->restart;
is(validate($node, $_, 1, 2), '2', "sessions of $_ are used") for @databases;
for my $database (@databases)
{
	ok( $node->poll_query_until($database,
			q{SELECT count(*) = 2 FROM session.sessions WHERE last_seen_at > clock_timestamp() - interval '10 minutes'}),
		"a worker writes the uses of $database");
}

# The rows of the last database are locked, so that its uses cannot be written.
# It was not counted until another one was dropped. It fills the table, and gives
# up room to a database that has less than its share.
$node->poll_query_until('postgres',
	q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname LIKE 'd_')})
  or die 'a worker goes on';
query('postgres', 'DROP DATABASE d1');
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM session.stats WHERE database = 'd1')})
  or die 'the database is still known';
my $holder = $node->background_psql('d6');
$holder->query_safe('BEGIN; LOCK TABLE session.sessions IN SHARE ROW EXCLUSIVE MODE');
is(validate($node, 'd6', 3, 20), '18', 'one database fills the table');
my $lost = dropped('d6');
cmp_ok($lost, '>=', 2, 'uses that find no room are counted');
is(validate($node, 'd2', 3, 4), '2', 'sessions of another database are used');
is(dropped('d2'), '0', 'their uses find room');
cmp_ok(dropped('d6'), '>=', $lost + 2, 'which the first database gives up');
$holder->query_safe('COMMIT');
$holder->quit;

# On a standby, a use finds room whatever is counted. The rows there are made
# idle by the primary, so only sessions whose use is recorded are active.
query($_, q{UPDATE session.sessions SET last_seen_at = clock_timestamp() - interval '1 hour'}) for @databases[ 1 .. 5 ];
$node->restart;
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay');
validate($standby, "d$_", 1, 4) for 2 .. 5;
is(validate($standby, 'd6', 1, 2), '2', 'sessions of a database that is not counted are used on a standby');
query($_, q{UPDATE session.sessions SET last_seen_at = clock_timestamp() - interval '2 hours'}) for @databases[ 1 .. 5 ];
$node->wait_for_catchup($standby, 'replay');
my %active = map { $_ => $standby->safe_psql($_, q{SELECT count(*) FROM tok WHERE session_status(token) = 'active'}) } @databases[ 1 .. 5 ];
is($active{d6}, '2', 'their uses find room');
is($active{d2} + $active{d3} + $active{d4} + $active{d5}, 14, 'which others give up');

done_testing();
