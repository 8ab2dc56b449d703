# Policies and session_revoke_all where a server's life matters: on a standby,
# prepared, without preloading, and with many sessions.  010_durability.pl shows
# that their commits are flushed.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\nmax_prepared_transactions = 5\n");
$primary->start;
$primary->safe_psql('postgres',
	'CREATE EXTENSION session; SELECT session_key_rotate()');
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
chmod(0600, $standby->data_dir . '/session_master.key')
  or die "could not protect the master key: $!";
$standby->start;

sub query { return $primary->safe_psql('postgres', shift); }

sub create { return query("SELECT token FROM session_create($_[0])"); }

# A connection to each server that has read the policies before they change.
my %reader = (
	primary => $primary->background_psql('postgres'),
	standby => $standby->background_psql('postgres'));

# Returns the status of a token on both servers, which have seen every commit.
sub statuses
{
	my $token = shift;
	$primary->wait_for_catchup($standby, 'replay');
	return join ' ',
	  map { $reader{$_}->query_safe("SELECT session_status('$token')") }
	  sort keys %reader;
}

my $token = create("'ada', tenant_id => 'acme'");
is(statuses($token), 'active active', 'a session is active on both servers');
for my $change (
	[ q{SELECT session_policy_set('acme', lifetime => '1 us')} => 'expired' ],
	[ q{SELECT session_policy_set('acme', lifetime => '1 hour')} => 'active' ],
	[ q{BEGIN; SELECT session_policy_set('acme', lifetime => '1 us'); ROLLBACK} => 'active' ],
	[ q{BEGIN; SAVEPOINT s; SELECT session_revoke_all(); ROLLBACK TO s; COMMIT} => 'active' ],
	[ q{BEGIN; SELECT session_revoke_all(); PREPARE TRANSACTION 'p'} => 'active' ],
	[ q{ROLLBACK PREPARED 'p'} => 'active' ],
	[ q{BEGIN; SELECT session_revoke_all(); PREPARE TRANSACTION 'q'} => 'active' ],
	[ q{COMMIT PREPARED 'q'} => 'revoked' ])
{
	query($change->[0]);
	is(statuses($token), "$change->[1] $change->[1]",
		"on both servers: $change->[0]");
}

# The connection that prepared the change sees it only after it is committed.
$token = create("'ada'");
is( query(
		qq{BEGIN; SELECT FROM session_revoke_all(); SELECT session_status('$token'); PREPARE TRANSACTION 'r';
	SELECT session_status('$token'); ROLLBACK PREPARED 'r'; SELECT session_status('$token')}),
	"revoked\nactive\nactive",
	'a prepared end of all sessions does not hold before its commit');

# What a standby does with snapshots and cookies, in a transaction that began
# before the end.
my $cookie = query(q{SELECT session_cookie_encode('{"sub": "carol"}', 'jwe')});
my $snapshot = query("SELECT session_cookie_issue('$token')");
$primary->wait_for_catchup($standby, 'replay');
is( $primary->safe_psql('postgres',
		"SELECT source FROM session_cookie_validate('$snapshot')"),
	'cookie',
	'a snapshot is accepted without its row');
$reader{standby}->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is( $reader{standby}->query_safe(
		"SELECT session_authenticate('$token'), session_status('$token')"),
	't|active',
	'a transaction on the standby authenticates the session');
query('SELECT session_revoke_all()');
$primary->wait_for_catchup($standby, 'replay');
is( $reader{standby}->query_safe("SELECT session_status('$token')"),
	'revoked',
	'it sees the end of all sessions when that is replayed');
$reader{standby}->query_safe('COMMIT');
is( $primary->safe_psql('postgres',
		"SELECT count(*) FROM session_cookie_validate('$snapshot')"),
	'0',
	'the snapshot is refused');
for my $node ($primary, $standby)
{
	is( $node->safe_psql('postgres',
			"SELECT count(*) FROM session_cookie_validate('$snapshot', token => '$token')"
		),
		'0',
		'it is refused beside its token, on the ' . $node->name);
}
$_->quit for values %reader;

# One row is written, whatever the number of sessions is.
query(
	q{INSERT INTO session.sessions (id, token_hash, user_id, auth_level, data, created_at, authenticated_at, last_seen_at, expires_at, purge_at)
	SELECT gen_random_uuid(), sha256(n::text::bytea), 'user ' || n, 1, '{}', now(), now(), now(), now() + interval '1 day', now() + interval '1 day'
	  FROM generate_series(1, 20000) AS n; CHECKPOINT});
query('SELECT session_revoke_all()');
# The records of this statement alone: autovacuum writes at any time.
my ($bytes) = query(
	'EXPLAIN (ANALYZE, WAL, FORMAT json) SELECT session_revoke_all()') =~
  /"WAL Bytes": (\d+)/;
cmp_ok($bytes, '<', 20000, 'ending 20000 sessions writes little to the log');
is( query(
		q{SELECT count(*), count(*) FILTER (WHERE s.xmax <> 0), bool_and(g.status = 'revoked')
	  FROM session.sessions AS s, session_get(s.id) AS g WHERE s.user_id LIKE 'user %'}
	),
	'20000|0|t',
	'all of them are revoked, and no row was written');
is(query('SELECT count(*) FROM session.policies'),
	2, 'one row is written for everybody');

$standby->stop;
query('DELETE FROM session.sessions');

# Without preloading, the same holds.
$primary->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$primary->restart;
$token = create("'ada'");
$snapshot = query("SELECT session_cookie_issue('$token')");
my $reader = $primary->background_psql('postgres');
is( $reader->query_safe(
		"SELECT session_status('$token'), (SELECT source FROM session_cookie_validate('$snapshot'))"
	),
	'active|cookie',
	'without preloading a snapshot is accepted');
query('SELECT session_revoke_all()');
is( $reader->query_safe(
		"SELECT session_status('$token'), (SELECT count(*) FROM session_cookie_validate('$snapshot'))"
	),
	'revoked|0',
	'and refused after the end of all sessions');
$reader->quit;
is( query(
		"SELECT status FROM session_create('ada') AS c, session_validate(c.token)"
	),
	'active',
	'later sessions live');
$primary->stop;

done_testing();
