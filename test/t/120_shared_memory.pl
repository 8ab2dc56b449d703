# Shared memory about sessions: what survives a restart, a crash and a prepared
# transaction, and what happens when there is no room. Two databases with the
# same sessions do not affect each other.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.activity_size = 16
session.cleanup_batch = 3
session.naptime = '1d'
session.cookie_cache_ttl = '1min'
max_prepared_transactions = 4
# The launcher takes the only slot, so that no worker writes uses early.
max_worker_processes = 1
max_logical_replication_workers = 0
restart_after_crash = on
});
# Without a worker, the extension does not create the master key.
my $key = $node->data_dir . '/session_master.key';
append_to_file($key, 'ab' x 32 . "\n");
chmod 0600, $key or die "chmod $key: $!";
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session');

sub query { return $node->safe_psql('postgres', shift); }

# Restarts the server, and waits until the launcher has had its only round of
# upkeep run.
sub restart
{
	$node->restart;
	$node->poll_query_until('postgres',
		q{SELECT state = 'idle' FROM pg_stat_activity WHERE backend_type = 'session launcher' AND query <> ''}
	) or die 'the launcher does not sleep';
	return;
}

sub create
{
	my $user = shift;
	return query(
		"SELECT token FROM session_create('$user', idle_timeout => '10 minutes')");
}

# The token that a snapshot was made for.
my %token_of;

sub issue
{
	my $token = shift;
	my $snapshot = query("SELECT session_cookie_issue('$token')");
	$token_of{$snapshot} = $token;
	return $snapshot;
}

# Returns the source of a snapshot that is shown with its token: 'cookie' if
# the snapshot was enough, 'database' if the row was read, 'nobody' if it was
# refused.
sub source
{
	my ($snapshot, $database) = @_;
	return $node->safe_psql($database // 'postgres',
		"SELECT coalesce((SELECT source FROM session_cookie_validate('$snapshot', token => '$token_of{$snapshot}')), 'nobody')");
}

# Restart: a revoked session stays revoked, and for a snapshot of before the
# restart the row is read.
query('SELECT session_key_rotate()');
my %token = map { $_ => create($_) } qw(alice bob carol dave eve);
my %snapshot = map { $_ => issue($token{$_}) } keys %token;
is(source($snapshot{$_}), 'cookie',
	"a snapshot of $_ is accepted without its row")
  for qw(alice bob);
query("SELECT session_revoke('$token{alice}')");
is(source($snapshot{alice}), 'nobody',
	'a snapshot of a revoked session is refused');
restart();
is(source($snapshot{alice}), 'nobody',
	'a snapshot of a revoked session is refused after a restart');
is(source($snapshot{bob}), 'database',
	'the row is read for a snapshot of before the restart');
$snapshot{$_} = issue($token{$_}) for qw(bob dave eve);
is(source($snapshot{bob}), 'cookie',
	'a snapshot of after the restart is accepted without its row');

# Crash: activity that was not written is lost, and extends no session.
query("UPDATE session.sessions SET last_seen_at = now() - interval '9 minutes' WHERE user_id IN ('bob', 'carol')");
query("SELECT FROM session_validate('$token{bob}')");
my $seen = q{SELECT last_seen_at > now() - interval '1 minute' FROM session_list('bob')};
is(query($seen), 't', 'session_list shows a use that is not written yet');
is(query(q{SELECT last_seen_at > now() - interval '1 minute' FROM session.sessions WHERE user_id = 'bob'}),
	'f', 'the row does not contain that use');
query("UPDATE session.sessions SET last_seen_at = now() - interval '11 minutes' WHERE user_id = 'carol'");
query("SELECT FROM session_validate('$token{dave}')");
query("UPDATE session.sessions SET last_seen_at = now() - interval '11 minutes' WHERE user_id = 'dave'");
is(query("SELECT session_status('$token{carol}'), session_status('$token{dave}')"),
	'idle|active', 'a use that is not written yet keeps a session active');
query("SELECT session_revoke('$token{eve}')");

my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
my $started = query('SELECT pg_postmaster_start_time()');
my $incarnation = query('SELECT pid FROM pg_stat_activity WHERE backend_type = $$checkpointer$$');
kill 'KILL', $pid;
ok( $node->poll_query_until('postgres',
		qq{SELECT pid <> $incarnation FROM pg_stat_activity WHERE backend_type = 'checkpointer'}),
	'kill -9 of a backend restarts the server');
eval { $victim->quit };
is(query('SELECT pg_postmaster_start_time()'), $started,
	'the postmaster survives');
is(query($seen), 'f', 'a use that was not written is lost in a crash');
is(query("SELECT session_status('$token{bob}'), session_status('$token{carol}'), session_status('$token{dave}')"),
	'active|idle|idle', 'a use that was lost extends no session');
is(source($snapshot{eve}), 'nobody',
	'a snapshot of a revoked session is refused after a crash');
is(source($snapshot{bob}), 'database',
	'the row is read for a snapshot of before the crash');
$snapshot{bob} = issue($token{bob});
is(source($snapshot{bob}), 'cookie',
	'a snapshot of after the crash is accepted without its row');

# A prepared transaction: the row is read until the transaction is committed or
# rolled back.
my $worn = create('worn');
my $kept = issue($worn);
query("BEGIN; SELECT session_revoke('$token{bob}'); PREPARE TRANSACTION 'p'");
is(source($snapshot{bob}), 'database',
	'the row is read while the revocation of a session is prepared');
is(source($kept), 'cookie',
	'a prepared revocation does not affect other sessions');
query("COMMIT PREPARED 'p'");
is(source($snapshot{bob}), 'nobody',
	'a snapshot is refused once the prepared revocation is committed');
query("BEGIN; SELECT session_revoke('$worn'); PREPARE TRANSACTION 'q'; ROLLBACK PREPARED 'q'");
is(source($kept), 'database',
	'the row is read after a prepared revocation was rolled back');

# No room for all uses: a use that finds no room is written to the row.
query('DELETE FROM session.sessions');
restart();
query(q{CREATE TABLE tok AS SELECT (session_create('user' || n, idle_timeout => '1 hour')).token FROM generate_series(1, 40) AS n});
query(q{UPDATE session.sessions SET last_seen_at = now() - interval '50 minutes'});
query(q{SELECT count(v.id) FROM tok, session_validate(token) AS v});
is( query(q{SELECT count(*) FILTER (WHERE s.last_seen_at > now() - interval '1 minute'),
				   count(*) FILTER (WHERE g.last_seen_at > now() - interval '1 minute'), count(*)
			FROM session.sessions AS s, session_get(s.id) AS g}),
	'24|40|40',
	'uses that find no room in shared memory are written to the rows');
is(query(q{BEGIN READ ONLY; SELECT count(v.id) FROM tok, session_validate(token) AS v; COMMIT}),
	'40', 'a READ ONLY transaction validates sessions whose use finds no room');
is( query(q{SELECT activity_used, activity_size, activity_dropped FROM session.stats WHERE database = current_database()}),
	'16|16|24', 'session.stats counts the uses that found no room');
my $fresh = q{SELECT count(*) FROM session.sessions WHERE last_seen_at > now() - interval '1 minute'};
query(q{BEGIN; SELECT session_cleanup(); ROLLBACK});
is(query($fresh), '24',
	'uses are not written by a session_cleanup that is rolled back');
query(q{BEGIN; SAVEPOINT s; SELECT session_cleanup(); ROLLBACK TO s; COMMIT});
is(query($fresh), '24',
	'uses are not written by a session_cleanup whose savepoint is rolled back');
query(q{BEGIN; SELECT session_cleanup(); PREPARE TRANSACTION 'flush'});
is(query($fresh), '24',
	'uses are not written by a session_cleanup that is only prepared');
query(q{ROLLBACK PREPARED 'flush'});
query('SELECT session_cleanup()');
is(query($fresh), '24',
	'uses of a rolled back prepared transaction are not written at once');
ok( $node->poll_query_until('postgres',
		q{SELECT session_cleanup() \g /dev/null
		SELECT count(*) = 40 FROM session.sessions WHERE last_seen_at > now() - interval '1 minute'}),
	'session_cleanup writes those uses after a while');

# A pair of tokens is given again, after the grace of a second, if every use
# since its rotation is known. Returns a refresh token that was rotated.
sub rotated
{
	my $old = query(
		q{SELECT refresh_token FROM session_create('late', refreshable => true)});
	query("SELECT FROM session_refresh('$old')");
	return $old;
}

# Moves the rotation of sessions to the past. Returns the number of pairs that
# a refresh token gets.
sub late
{
	my ($old) = @_;
	return query(qq{SET session.refresh_grace = 1;
		UPDATE session.sessions SET rotated_at = rotated_at - interval '1 second',
			last_seen_at = last_seen_at - interval '1 second' WHERE user_id = 'late';
		SELECT count(*) FROM session_refresh('$old')});
}

# Waits, so that a rotation which late() moves to the past stays after the last
# use that was lost.
sub settle
{
	my $now = query('SELECT clock_timestamp()');
	$node->poll_query_until('postgres',
		"SELECT clock_timestamp() > '$now'::timestamptz + interval '1.1 seconds'")
	  or die 'the clock did not advance';
	return;
}

settle();
my $old = rotated();
is(late($old), '1', 'a pair that was not used is given again');
query(q{UPDATE session.sessions SET last_seen_at = now() - interval '50 minutes' WHERE user_id LIKE 'user%'});
query(q{BEGIN READ ONLY; SELECT count(v.id) FROM tok, session_validate(token) AS v; COMMIT});
is(late($old), '0',
	'a pair is not given again if a use of any session was lost since');
settle();
$old = rotated();
is(late($old), '1', 'a pair of after the lost use is given again');
my $before = rotated();
restart();
is(late($before), '0', 'a pair of before a restart is not given again');
query(q{DELETE FROM session.sessions WHERE user_id = 'late'});

# No room for all revocations: the row is read for every snapshot until all
# snapshots of before have expired.
my $other = create('other');
my $snapshot = issue($other);
is(source($snapshot), 'cookie',
	'a snapshot is accepted without its row before the overflow');
my $many = $node->background_psql('postgres');
$many->query_safe(
	q{BEGIN; SELECT count(session_revoke(token)) FROM tok});
is(source($snapshot), 'database',
	'the row is read for every snapshot when revocations find no room');
$many->query_safe('ROLLBACK');
is(source($snapshot), 'cookie',
	'a snapshot is accepted without its row after those revocations were rolled back');
my $one = query(
	q{SELECT session_cookie_issue(token) FROM tok OFFSET 39});
$many->query_safe(
	q{BEGIN; SELECT count(session_revoke(token)) FROM tok; COMMIT});
is(source($one), 'nobody',
	'revocations that found no room take effect when they are committed');
is(source($snapshot), 'database',
	'the row is read for other snapshots after revocations found no room');
is(source(issue($other)), 'database',
	'the row is read for a snapshot that was issued after the overflow');
is(query('SELECT revocation_overflows FROM session.stats WHERE database = current_database()'),
	'2', 'session.stats counts the overflows');
# The same holds for a prepared transaction, from its commit on.
query('SELECT count(session_create($$more$$)) FROM generate_series(1, 40)');
query(q{BEGIN; SELECT session_revoke_user('more'); PREPARE TRANSACTION 'many'; COMMIT PREPARED 'many'});
is(source(issue($other)), 'database',
	'the row is read after a prepared transaction found no room');
$many->quit;

# The same sessions in two databases.
restart();
my $shared = create('shared');
query("UPDATE session.sessions SET last_seen_at = now() - interval '9 minutes' WHERE user_id = 'shared'");
query('CREATE DATABASE two TEMPLATE postgres');
query("SELECT FROM session_validate('$shared')");
$seen = q{SELECT last_seen_at > now() - interval '1 minute' FROM session_list('shared')};
is(query($seen), 't', 'a session is used in one database');
is($node->safe_psql('two', $seen), 'f',
	'the session with the same id in another database is not used');
$snapshot = issue($shared);
my $there = $node->safe_psql('two', "SELECT session_cookie_issue('$shared')");
$token_of{$there} = $shared;
is(source($snapshot), 'cookie',
	'a snapshot is accepted without its row in its own database');
is(source($snapshot, 'two'), 'nobody',
	'a snapshot is refused in another database with the same keys');
is(source($there, 'two'), 'cookie',
	'a snapshot of the other database is accepted there');
is(source($there), 'nobody',
	'a snapshot of the other database is refused in the first');
query("SELECT session_revoke('$shared')");
is(source($snapshot), 'nobody',
	'a snapshot of the revoked session is refused');
is(source($there, 'two'), 'cookie',
	'the revocation does not affect the other database');

# The entries of a prepared transaction are freed after its end, once no older
# snapshot can exist. This also holds if there was no room for them.
query("ALTER SYSTEM SET session.cookie_cache_ttl = '1s'");
query("ALTER SYSTEM SET session.naptime = '1s'");
$node->restart;
$snapshot = issue($other);
my $live = query(q{SELECT session_status('} . $other . q{')});
is($live, 'active', 'a session is active');
query("BEGIN; SELECT session_revoke('$other'); PREPARE TRANSACTION 'r'; ROLLBACK PREPARED 'r'");
is(query("SELECT source FROM session_cookie_validate(session_cookie_issue('$other'), token => '$other')"),
	'database',
	'the row is read after the prepared revocation was rolled back');
ok( $node->poll_query_until('postgres',
		"SELECT source = 'cookie' FROM session_cookie_validate(session_cookie_issue('$other'), token => '$other')"),
	'a snapshot is accepted without its row again after a while');

query('SELECT count(session_create($$most$$)) FROM generate_series(1, 40)');
query(q{BEGIN; SELECT session_revoke_user('most'); PREPARE TRANSACTION 's'});
is(query("SELECT source FROM session_cookie_validate(session_cookie_issue('$other'), token => '$other')"),
	'database', 'the row is read while a prepared transaction found no room');
query(q{ROLLBACK PREPARED 's'});
ok( $node->poll_query_until('postgres',
		"SELECT source = 'cookie' FROM session_cookie_validate(session_cookie_issue('$other'), token => '$other')"),
	'a snapshot is accepted again after a while when there was no room');

# A transaction that was prepared before the server start is not in the set of
# revocations, and may still end a session.
my $still = create('still');
for my $how (qw(fast immediate))
{
	my $token = create("ended after a $how stop");

	query("BEGIN; SELECT session_revoke('$token'); PREPARE TRANSACTION 't'");
	$node->stop($how);
	$node->start;
	my $made = query("BEGIN READ ONLY; SELECT session_cookie_issue('$token'); COMMIT");
	$token_of{$made} = $token;
	is(source($made), 'database',
		"the row is read while a prepared transaction of before a $how stop exists");
	query("COMMIT PREPARED 't'");
	is(source($made), 'nobody',
		"a snapshot is refused once that transaction is committed after a $how stop");
	ok( $node->poll_query_until('postgres',
			"SELECT source = 'cookie' FROM session_cookie_validate(session_cookie_issue('$still'), token => '$still')"),
		"other snapshots are accepted without their row again after a $how stop");
	is(source($made), 'nobody',
		"the snapshot of the ended session stays refused after a $how stop");
}

# Deleting the rows of dead sessions takes no entry in the set of revocations,
# because there would be too many. Each live session that is deleted by hand
# takes one.
query('ALTER SYSTEM RESET ALL');
restart();
my $overflows =
  q{SELECT revocation_overflows FROM session.stats WHERE database = current_database()};
my $kept_token = create('kept');
my $kept_snapshot = issue($kept_token);
for my $kind (qw(expired idle revoked))
{
	query(qq{
		INSERT INTO session.sessions (id, token_hash, user_id, auth_level, data, created_at, last_seen_at,
			expires_at, idle_timeout, revoked_at, revoked_reason, purge_at)
		SELECT gen_random_uuid(), sha256(''), '$kind', 1, '{}', now() - interval '1 day', now() - interval '1 hour',
			CASE '$kind' WHEN 'expired' THEN now() ELSE 'infinity' END,
			CASE '$kind' WHEN 'idle' THEN interval '1 minute' END,
			CASE '$kind' WHEN 'revoked' THEN now() END, CASE '$kind' WHEN 'revoked' THEN 'test' END, now()
		FROM generate_series(1, 40)});
	is(query('SELECT deleted FROM session_cleanup()'), '40', "40 $kind sessions are deleted");
	is(source($kept_snapshot), 'cookie',
		"a snapshot of another session is accepted after 40 $kind sessions were deleted");
}
is(query($overflows), '0', 'deleting dead sessions causes no overflow');
query(q{
	INSERT INTO session.sessions (id, token_hash, user_id, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
	SELECT gen_random_uuid(), sha256(''), 'live', 1, '{}', now(), now(), 'infinity', now()
	FROM generate_series(1, 40);
	DELETE FROM session.sessions WHERE user_id = 'live'});
is(query($overflows), '1',
	'deleting many live sessions at once causes an overflow');
is(source($kept_snapshot), 'database',
	'the row is read for every snapshot after that overflow');
restart();
$kept_snapshot = issue($kept_token);
query('TRUNCATE session.sessions');
is(source($kept_snapshot), 'nobody', 'TRUNCATE ends all sessions');
is(source(issue(create('after'))), 'cookie',
	'a snapshot of after TRUNCATE is accepted without its row');
is(query($overflows), '0', 'TRUNCATE causes no overflow');

done_testing();
