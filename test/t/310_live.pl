# The identity of a transaction ends when its session ends, over real
# connections: with parallel plans, portals that are run in pieces, statements
# that are sent together, prepared transactions and a standby.  Without preload
# it stays until the transaction ends.

use strict;
use warnings;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

#
# A client that speaks the protocol, to send what psql cannot.  A result is the
# rows, each as its columns joined by "|", and errors as "ERROR <SQLSTATE>".
#

package Client;

sub new
{
	my ($class, $node) = @_;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!";
	my $self = bless { socket => $socket }, $class;
	my $start = pack('N', 196608) . "user\0" . getpwuid($>) . "\0database\0postgres\0\0";

	print $socket pack('N', 4 + length $start) . $start;
	$socket->flush;
	$self->answer;
	return $self;
}

sub put
{
	my ($self, $type, $body) = @_;
	print { $self->{socket} } $type . pack('N', 4 + length $body) . $body;
	return $self;
}

sub take
{
	my ($self, $size) = @_;
	my $bytes = '';
	while (length $bytes < $size)
	{
		read($self->{socket}, $bytes, $size - length $bytes, length $bytes)
		  or die "the connection was closed";
	}
	return $bytes;
}

# Reads until the server is ready for the next command.
sub answer
{
	my $self = shift;
	my @rows;
	$self->{socket}->flush;
	while (1)
	{
		my $type = $self->take(1);
		my $body = $self->take(unpack('N', $self->take(4)) - 4);
		return join ' ', @rows if $type eq 'Z';
		push @rows, 'ERROR ' . ($body =~ /\0C(\w{5})\0/ ? $1 : '?') if $type eq 'E';
		next if $type ne 'D';
		my ($columns, @values) = unpack 'n', $body;
		my $at = 2;
		for (1 .. $columns)
		{
			my $length = unpack 'N!', substr $body, $at, 4;
			$length = -1 if $length >= 2**31;
			push @values, $length < 0 ? 'none' : substr $body, $at + 4, $length;
			$at += 4 + ($length < 0 ? 0 : $length);
		}
		push @rows, join '|', @values;
	}
}

sub send_query { my ($self, $sql) = @_; $self->put('Q', "$sql\0"); $self->{socket}->flush; return; }
sub query { my ($self, $sql) = @_; $self->put('Q', "$sql\0"); return $self->answer; }

# Begins a statement in a portal, and runs it for a number of rows; 0 = all.
sub bind
{
	my ($self, $sql, $portal) = @_;
	$portal //= '';
	$self->put('P', "\0$sql\0" . pack('n', 0));
	return $self->put('B', "$portal\0\0" . pack('nnn', 0, 0, 0));
}
sub execute { my ($self, $portal, $rows) = @_; return $self->put('E', ($portal // '') . "\0" . pack('N', $rows // 0)); }
sub sync { my $self = shift; return $self->put('S', '')->answer; }

package main;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
max_prepared_transactions = 4
max_worker_processes = 16
max_parallel_workers = 8
autovacuum = off
});
$primary->start;
$primary->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE TABLE todo AS SELECT CASE n % 2 WHEN 0 THEN 'alice' ELSE 'bob' END AS owner, n FROM generate_series(1, 20000) AS n;
	ALTER TABLE todo ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON todo USING (owner = session_user_id());
	CREATE ROLE web;
	GRANT SELECT ON todo TO web;
	ANALYZE todo;
	CREATE FUNCTION count_later() RETURNS bigint LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(1);
		RETURN (SELECT count(*) FROM todo);
	END $$;
});

# Returns the token of a new session of alice.
sub token
{
	my $node = shift // $primary;
	return $node->safe_psql('postgres', q{SELECT token FROM session_create('alice')});
}

# Begins a transaction that is bound to the session of a token.
sub bound
{
	my ($client, $token, $begin) = @_;
	return $client->query(($begin // 'BEGIN') . "; SELECT session_authenticate('$token')");
}

my $who = 'SELECT session_user_id()';
my $revoke = q{SELECT session_revoke_user('alice') > 0};
my ($one, $other) = (Client->new($primary), Client->new($primary));

# Parallel workers have the decision of their leader.
my $count = 'SELECT count(*) FROM todo';
$one->query($_) for 'SET parallel_setup_cost = 0', 'SET parallel_tuple_cost = 0',
  'SET min_parallel_table_scan_size = 0', 'SET max_parallel_workers_per_gather = 2',
  'SET parallel_leader_participation = off';
is(bound($one, token()), 't', 'a session is bound');
$one->query('SET LOCAL ROLE web');
like($one->query("EXPLAIN (COSTS OFF) $count"), qr/Gather/, 'the plan is parallel');
is($one->query($count), '10000', 'workers see the identity');
is($other->query($revoke), 't', 'the session is revoked elsewhere');
is($one->query($count), '0', 'workers see that the identity has ended');
is($one->query($who), 'none', 'the leader sees it too');
$one->query('ROLLBACK');

bound($one, token());
$one->query('SET LOCAL ROLE web');
$other->query('SELECT pg_advisory_lock(1)');
$one->send_query('SELECT count_later()');
$primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
$other->query($revoke);
$other->query('SELECT pg_advisory_unlock(1)');
is($one->answer, '10000', 'workers that a running statement starts see what it began with');
is($one->query($count), '0', 'the next statement does not');
$one->query('ROLLBACK');

# A portal that is run in pieces keeps what it began with.
my $rows = 'SELECT n, session_user_id() FROM generate_series(1, 9) AS n';
bound($one, token());
is($one->bind($rows, 'p')->execute('p', 2)->sync, '1|alice 2|alice', 'a portal begins');
$other->query($revoke);
is($one->execute('p', 2)->sync, '3|alice 4|alice', 'the portal goes on after the end of the session');
is($one->query($who), 'none', 'another statement has no identity');
is($one->execute('p', 2)->sync, '5|alice 6|alice', 'the portal goes on after that');
is($one->query($who), 'none', 'its identity is not left behind');
is($one->query('SAVEPOINT s; SELECT 1 / 0'), 'ERROR 22012', 'a statement fails');
$one->query('ROLLBACK TO s');
is($one->execute('p', 0)->sync, '7|alice 8|alice 9|alice', 'the portal goes on after an error');
is($one->query($who), 'none', 'its identity is not left behind either');
$one->query('ROLLBACK');
is($one->query($who), 'none', 'nothing is left after the transaction');

# The identity that a portal gets back is removed again when it fails.
bound($one, token());
$one->bind("SELECT session_user_id(), 1 / (3 - n) FROM generate_series(1, 9) AS n", 'p')->execute('p', 2)->sync;
$other->query($revoke);
is($one->query("$who; SAVEPOINT s"), 'none', 'the identity is removed');
is($one->execute('p', 2)->sync, 'ERROR 22012', 'the portal fails');
is($one->query("ROLLBACK TO s; $who"), 'none', 'after it failed there is no identity');
$one->query('ROLLBACK');

# A parallel plan in a portal that began before.
bound($one, token());
$one->query('SET LOCAL ROLE web');
$one->bind($count, 'p')->sync;
$other->query($revoke);
is($one->query($who), 'none', 'the identity is removed before the portal runs');
is($one->execute('p')->sync, '10000', 'workers of a portal see what it began with');
$one->query('ROLLBACK');

# Statements that are sent together.
my $token = token();
is($one->bind("SELECT session_authenticate('$token')")->execute->bind($who)->execute->sync,
	't alice', 'two statements before one Sync');
is($one->bind("SELECT session_authenticate('$token')")->execute->bind($revoke)->execute->bind($who)->execute->sync,
	't t none', 'the second statement before one Sync ends the session');
$token = token();
is($one->query("SELECT session_authenticate('$token'); $revoke; $who"),
	't t none', 'statements in one message');

# A cursor of psql.
$token = token();
is($primary->safe_psql('postgres', "\\set FETCH_COUNT 2\nBEGIN;\nSELECT session_authenticate('$token');\n$rows;\nCOMMIT;"),
	join("\n", 't', map { "$_|alice" } 1 .. 9), 'psql fetches in pieces');

# Prepared transactions.
for my $end ('COMMIT', 'ROLLBACK')
{
	$token = token();
	bound($one, $token);
	$other->query("BEGIN; SELECT session_revoke('$token'); PREPARE TRANSACTION 'end'");
	is($one->query($who), 'alice', 'a transaction that was prepared has no effect');
	$other->query("$end PREPARED 'end'");
	is($one->query($who), $end eq 'COMMIT' ? 'none' : 'alice', "$end PREPARED is seen");
	$one->query('ROLLBACK');
}
$token = token();
$other->query("BEGIN; SELECT session_revoke('$token'); PREPARE TRANSACTION 'end'");
$primary->restart;
($one, $other) = (Client->new($primary), Client->new($primary));
bound($one, $token);
is($one->query($who), 'alice', 'a transaction that was prepared before a restart has no effect');
$other->query("COMMIT PREPARED 'end'");
is($one->query($who), 'none', 'its commit is seen');
$one->query('ROLLBACK');

is($primary->safe_psql('postgres', 'CREATE DATABASE plain TEMPLATE template0') . $primary->safe_psql('plain', 'BEGIN; SELECT 1; COMMIT;'),
	'1', 'a database without the extension');

# A standby.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$token = token();
$primary->wait_for_catchup($standby);
my $reader = Client->new($standby);
is(bound($reader, $token), 't', 'a session is bound on a standby');
is($reader->query($who), 'alice', 'it stays');
$primary->safe_psql('postgres', 'CREATE TABLE other ()');
$primary->wait_for_catchup($standby);
is($reader->query($who), 'alice', 'it stays when something else happened');
$other->query($revoke);
$primary->wait_for_catchup($standby);
is($reader->query($who), 'none', 'it ends when the end of the session is replayed');
$reader->query('ROLLBACK');
$token = token();
$primary->wait_for_catchup($standby);
bound($reader, $token, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
$other->query('SELECT session_revoke_all()');
$primary->wait_for_catchup($standby);
is($reader->query($who), 'none', 'it ends with valid_after, at every isolation level');
$reader->query('ROLLBACK');

# After a promotion.
$primary->stop;
$standby->promote;
$token = token($standby);
$other = Client->new($standby);
bound($reader, $token);
is($reader->query($who), 'alice', 'a session is bound after the promotion');
$other->query($revoke);
is($reader->query($who), 'none', 'it ends there too');
$reader->query('ROLLBACK');

# The extension is dropped elsewhere.
bound($reader, token($standby));
like($reader->query('SHOW session.context'), qr/^[0-9a-f-]{36}$/, 'a session is bound');
$other->query('DROP EXTENSION session CASCADE');
is($reader->query('SHOW session.context'), '', 'nothing is bound without the extension');
$standby->stop;

# Without preload.
my $bare = PostgreSQL::Test::Cluster->new('bare');
$bare->init;
$bare->start;
$bare->safe_psql('postgres', 'CREATE EXTENSION session');
($one, $other) = (Client->new($bare), Client->new($bare));
$token = token($bare);
bound($one, $token);
$other->query($revoke);
is($one->query($who), 'alice', 'without preload the identity stays');
is($one->query('SELECT session_require()'), 'ERROR 42501', 'session_require knows better');
$one->query('ROLLBACK');
is($one->query("SELECT session_authenticate('$token')"), 'f', 'the next transaction too');

done_testing();
