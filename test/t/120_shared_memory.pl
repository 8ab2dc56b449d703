# What shared memory knows of sessions: what outlives a restart, a crash and a
# transaction that was prepared, what happens when there is no room, and that
# two databases with the same sessions do not see each other.

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
restart_after_crash = on
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session');

sub query { return $node->safe_psql('postgres', shift); }

# Restarts the server, and waits for the only round that the launcher has done.
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

# Who answers for a snapshot.
sub source
{
	my ($snapshot, $database) = @_;
	return $node->safe_psql($database // 'postgres',
		"SELECT coalesce((SELECT source FROM session_cookie_validate('$snapshot', token => '$token_of{$snapshot}')), 'nobody')");
}

# Restart: what was revoked before stays so, and others' snapshots ask once.
query('SELECT session_key_rotate()');
my %token = map { $_ => create($_) } qw(alice bob carol dave eve);
my %snapshot = map { $_ => issue($token{$_}) } keys %token;
is(source($snapshot{$_}), 'cookie', "a snapshot of $_ is believed")
  for qw(alice bob);
query("SELECT session_revoke('$token{alice}')");
is(source($snapshot{alice}), 'nobody', 'not when the session was revoked');
restart();
is(source($snapshot{alice}), 'nobody', 'nor after a restart');
is(source($snapshot{bob}), 'database',
	'one of before the restart asks the row');
$snapshot{$_} = issue($token{$_}) for qw(bob dave eve);
is(source($snapshot{bob}), 'cookie', 'a new one is believed');

# Crash: activity that was not written is lost, and keeps no session alive.
query("UPDATE session.sessions SET last_seen_at = now() - interval '9 minutes' WHERE user_id IN ('bob', 'carol')");
query("SELECT FROM session_validate('$token{bob}')");
my $seen = q{SELECT last_seen_at > now() - interval '1 minute' FROM session_list('bob')};
is(query($seen), 't', 'a use is known');
is(query(q{SELECT last_seen_at > now() - interval '1 minute' FROM session.sessions WHERE user_id = 'bob'}),
	'f', 'though it is not written');
query("UPDATE session.sessions SET last_seen_at = now() - interval '11 minutes' WHERE user_id = 'carol'");
query("SELECT FROM session_validate('$token{dave}')");
query("UPDATE session.sessions SET last_seen_at = now() - interval '11 minutes' WHERE user_id = 'dave'");
is(query("SELECT session_status('$token{carol}'), session_status('$token{dave}')"),
	'idle|active', 'it is what keeps a session alive');
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
is(query('SELECT pg_postmaster_start_time()'), $started, 'within the same postmaster');
is(query($seen), 'f', 'what was not written is lost');
is(query("SELECT session_status('$token{bob}'), session_status('$token{carol}'), session_status('$token{dave}')"),
	'active|idle|idle', 'and extends no session');
is(source($snapshot{eve}), 'nobody', 'what was revoked is');
is(source($snapshot{bob}), 'database', 'and others ask the row');
$snapshot{bob} = issue($token{bob});
is(source($snapshot{bob}), 'cookie', 'until they have a new snapshot');

# A prepared transaction: the row is asked as long as it is not decided.
my $worn = create('worn');
my $kept = issue($worn);
query("BEGIN; SELECT session_revoke('$token{bob}'); PREPARE TRANSACTION 'p'");
is(source($snapshot{bob}), 'database', 'a prepared revocation has the row asked');
is(source($kept), 'cookie', 'not that of others');
query("COMMIT PREPARED 'p'");
is(source($snapshot{bob}), 'nobody', 'and counts when it is committed');
query("BEGIN; SELECT session_revoke('$worn'); PREPARE TRANSACTION 'q'; ROLLBACK PREPARED 'q'");
is(source($kept), 'database', 'one that was rolled back has the row asked as well');

# No room for all uses: those that find none are written into the row.
query('DELETE FROM session.sessions');
restart();
query(q{CREATE TABLE tok AS SELECT (session_create('user' || n, idle_timeout => '1 hour')).token FROM generate_series(1, 40) AS n});
query(q{UPDATE session.sessions SET last_seen_at = now() - interval '50 minutes'});
query(q{SELECT count(v.id) FROM tok, session_validate(token) AS v});
is( query(q{SELECT count(*) FILTER (WHERE s.last_seen_at > now() - interval '1 minute'),
				   count(*) FILTER (WHERE g.last_seen_at > now() - interval '1 minute'), count(*)
			FROM session.sessions AS s, session_get(s.id) AS g}),
	'24|40|40',
	'uses for which there is no room in shared memory are written');
is(query(q{BEGIN READ ONLY; SELECT count(v.id) FROM tok, session_validate(token) AS v; COMMIT}),
	'40', 'where that cannot be, nothing is lost but the use');
is( query(q{SELECT activity_used, activity_size, activity_dropped FROM session.stats WHERE database = current_database()}),
	'16|16|48', 'which is counted');
my $fresh = q{SELECT count(*) FROM session.sessions WHERE last_seen_at > now() - interval '1 minute'};
query(q{BEGIN; SELECT session_cleanup(); ROLLBACK});
is(query($fresh), '24', 'what is rolled back is not written');
query(q{BEGIN; SAVEPOINT s; SELECT session_cleanup(); ROLLBACK TO s; COMMIT});
is(query($fresh), '24', 'nor is what a savepoint undoes');
query(q{BEGIN; SELECT session_cleanup(); PREPARE TRANSACTION 'flush'});
is(query($fresh), '24', 'nor, yet, is what was prepared');
query(q{ROLLBACK PREPARED 'flush'});
query('SELECT session_cleanup()');
is(query($fresh), '24', 'and if it is rolled back it is tried again after a while');
ok( $node->poll_query_until('postgres',
		q{SELECT session_cleanup() \g /dev/null
		SELECT count(*) = 40 FROM session.sessions WHERE last_seen_at > now() - interval '1 minute'}),
	'the others are written by the next round, all at once');

# A pair of tokens is given again, after the grace of a second, as long as every
# use since its rotation is known.
sub rotated
{
	my $old = query(
		q{SELECT refresh_token FROM session_create('late', refreshable => true)});
	query("SELECT FROM session_refresh('$old')");
	return $old;
}

# Moves the rotation of sessions to the past, and says how many of a refresh
# token's pairs come back.
sub late
{
	my ($old) = @_;
	return query(qq{SET session.refresh_grace = 1;
		UPDATE session.sessions SET rotated_at = rotated_at - interval '1 second',
			last_seen_at = last_seen_at - interval '1 second' WHERE user_id = 'late';
		SELECT count(*) FROM session_refresh('$old')});
}

# Nothing of before this moment is moved to before the last use that was lost.
sub settle
{
	my $now = query('SELECT clock_timestamp()');
	$node->poll_query_until('postgres',
		"SELECT clock_timestamp() > '$now'::timestamptz + interval '1.1 seconds'")
	  or die 'time does not pass';
	return;
}

settle();
my $old = rotated();
is(late($old), '1', 'a pair that was not used is given again');
query(q{BEGIN READ ONLY; SELECT count(v.id) FROM tok, session_validate(token) AS v; COMMIT});
is(late($old), '0', 'unless a use of any session found no room since');
settle();
$old = rotated();
is(late($old), '1', 'a pair of after that is again');
my $before = rotated();
restart();
is(late($before), '0', 'a restart forgets what was used');
query(q{DELETE FROM session.sessions WHERE user_id = 'late'});

# No room for all revocations: every snapshot asks the row, for as long as one
# of before is believed.
my $other = create('other');
my $snapshot = issue($other);
is(source($snapshot), 'cookie', 'a snapshot is believed');
my $many = $node->background_psql('postgres');
$many->query_safe(
	q{BEGIN; SELECT count(session_revoke(token)) FROM tok});
is(source($snapshot), 'database', 'revocations for which there is no room have all rows asked');
$many->query_safe('ROLLBACK');
is(source($snapshot), 'cookie', 'until they are rolled back');
my $one = query(
	q{SELECT session_cookie_issue(token) FROM tok OFFSET 39});
$many->query_safe(
	q{BEGIN; SELECT count(session_revoke(token)) FROM tok; COMMIT});
is(source($one), 'nobody', 'when they are committed they count');
is(source($snapshot), 'database', 'and all rows are asked for a while');
is(source(issue($other)), 'database', 'whenever the snapshot was issued');
is(query('SELECT revocation_overflows FROM session.stats WHERE database = current_database()'),
	'2', 'and the administrator can tell');
# Also when it was prepared, from when it is committed.
query('SELECT count(session_create($$more$$)) FROM generate_series(1, 40)');
query(q{BEGIN; SELECT session_revoke_user('more'); PREPARE TRANSACTION 'many'; COMMIT PREPARED 'many'});
is(source(issue($other)), 'database', 'and that of a prepared transaction');
$many->quit;

# The same sessions in two databases.
restart();
my $shared = create('shared');
query("UPDATE session.sessions SET last_seen_at = now() - interval '9 minutes' WHERE user_id = 'shared'");
query('CREATE DATABASE two TEMPLATE postgres');
query("SELECT FROM session_validate('$shared')");
$seen = q{SELECT last_seen_at > now() - interval '1 minute' FROM session_list('shared')};
is(query($seen), 't', 'a session is used in one database');
is($node->safe_psql('two', $seen), 'f', 'the one of the same id in another is not');
$snapshot = issue($shared);
my $there = $node->safe_psql('two', "SELECT session_cookie_issue('$shared')");
$token_of{$there} = $shared;
is(source($snapshot), 'cookie', 'its snapshot is believed');
is(source($snapshot, 'two'), 'nobody', 'and not there, though the keys are the same');
is(source($there, 'two'), 'cookie', 'that of the other is');
is(source($there), 'nobody', 'and not here');
query("SELECT session_revoke('$shared')");
is(source($snapshot), 'nobody', 'it is revoked');
is(source($there, 'two'), 'cookie', 'but not there');

# What a prepared transaction left behind is let go once it ended, and what is
# over is forgotten; if there was no room for it, too.
query("ALTER SYSTEM SET session.cookie_cache_ttl = '1s'");
query("ALTER SYSTEM SET session.naptime = '1s'");
$node->restart;
$snapshot = issue($other);
my $live = query(q{SELECT session_status('} . $other . q{')});
is($live, 'active', 'a session is alive');
query("BEGIN; SELECT session_revoke('$other'); PREPARE TRANSACTION 'r'; ROLLBACK PREPARED 'r'");
is(query("SELECT source FROM session_cookie_validate(session_cookie_issue('$other'), token => '$other')"),
	'database', 'its revocation was prepared and rolled back');
ok( $node->poll_query_until('postgres',
		"SELECT source = 'cookie' FROM session_cookie_validate(session_cookie_issue('$other'), token => '$other')"),
	'and is forgotten after a while');

query('SELECT count(session_create($$most$$)) FROM generate_series(1, 40)');
query(q{BEGIN; SELECT session_revoke_user('most'); PREPARE TRANSACTION 's'});
is(query("SELECT source FROM session_cookie_validate(session_cookie_issue('$other'), token => '$other')"),
	'database', 'a prepared transaction found no room');
query(q{ROLLBACK PREPARED 's'});
ok( $node->poll_query_until('postgres',
		"SELECT source = 'cookie' FROM session_cookie_validate(session_cookie_issue('$other'), token => '$other')"),
	'which is forgotten as well');

# What was prepared before the server starts is not in the set, and may end a
# session all the same.
my $still = create('still');
for my $how (qw(fast immediate))
{
	my $token = create("ended after a $how stop");

	query("BEGIN; SELECT session_revoke('$token'); PREPARE TRANSACTION 't'");
	$node->stop($how);
	$node->start;
	my $made = query("BEGIN READ ONLY; SELECT session_cookie_issue('$token'); COMMIT");
	$token_of{$made} = $token;
	is(source($made), 'database', 'while a transaction of before is there, the row is asked');
	query("COMMIT PREPARED 't'");
	is(source($made), 'nobody', "a session that it ends is over, after a $how stop");
	ok( $node->poll_query_until('postgres',
			"SELECT source = 'cookie' FROM session_cookie_validate(session_cookie_issue('$still'), token => '$still')"),
		'then snapshots are believed again');
	is(source($made), 'nobody', 'but not that one');
}

# Rows of dead sessions are deleted without a note, of which there would be too
# many; those of live ones that are deleted by hand take one each.
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
	is(source($kept_snapshot), 'cookie', 'and snapshots of others are believed');
}
is(query($overflows), '0', 'there is room for all that is noted');
query(q{
	INSERT INTO session.sessions (id, token_hash, user_id, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
	SELECT gen_random_uuid(), sha256(''), 'live', 1, '{}', now(), now(), 'infinity', now()
	FROM generate_series(1, 40);
	DELETE FROM session.sessions WHERE user_id = 'live'});
is(query($overflows), '1', 'many live ones that are deleted at once find none');
is(source($kept_snapshot), 'database', 'and all snapshots ask the row');
restart();
$kept_snapshot = issue($kept_token);
query('TRUNCATE session.sessions');
is(source($kept_snapshot), 'nobody', 'TRUNCATE ends all sessions');
is(source(issue(create('after'))), 'cookie', 'without doubt about later ones');
is(query($overflows), '0', 'and takes no room');

done_testing();
