# What shared memory says about uses after a round of upkeep has written them
# into rows: with the commit, a rollback, a rollback to a savepoint, PREPARE
# TRANSACTION, a use meanwhile, and a row that something else has written. Then
# the room for uses on a standby, where no use is ever written.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# No worker writes, so session_cleanup is what writes.
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.activity_size = 16
session.naptime = '1d'
session.cleanup_interval = '1d'
max_prepared_transactions = 2
autovacuum = off
});
$node->start;

sub query { return $node->safe_psql('postgres', @_); }

query(q{
	CREATE EXTENSION session;
	CREATE TABLE tok (user_id text, id uuid, token text);
	CREATE VIEW waiting AS SELECT activity_used AS n FROM session.stats WHERE database = 'postgres';
	CREATE FUNCTION use(asked text) RETURNS bigint LANGUAGE sql AS
		$$SELECT count(v.id) FROM tok, session_validate(token) AS v WHERE tok.user_id = asked$$;
	-- Returns whether a row has a use of the last minute.
	CREATE FUNCTION in_row(asked text) RETURNS boolean LANGUAGE sql AS
		$$SELECT bool_and(last_seen_at > clock_timestamp() - interval '1 minute') FROM session.sessions WHERE user_id = asked$$;
	CREATE FUNCTION was(asked text, span interval) RETURNS void LANGUAGE sql AS
		$$UPDATE session.sessions SET last_seen_at = clock_timestamp() - span WHERE user_id = asked$$;
	-- Makes sessions that were last used a span ago.
	CREATE FUNCTION make(asked text, many int, span interval) RETURNS void LANGUAGE sql AS $$
		INSERT INTO tok SELECT asked, (c).id, (c).token FROM (SELECT session_create(asked, idle_timeout => '0') AS c FROM generate_series(1, many) OFFSET 0) AS made;
		UPDATE session.sessions SET created_at = created_at - interval '1 day' WHERE user_id = asked;
		SELECT was(asked, span)$$;
});

# With the commit, the uses wait no longer.
query(q{SELECT make('commit', 3, '1 hour')});
is(query(q{SELECT use('commit'); TABLE waiting}), "3\n3", 'uses wait until they are written');
is( query(q{BEGIN; SELECT FROM session_cleanup(); TABLE waiting; SELECT in_row('commit'); COMMIT; TABLE waiting}),
	"3\nt\n0",
	'they wait until the transaction commits that has written them, and then no longer');
is(query(q{SELECT ctid FROM session.sessions ORDER BY id}),
	query(q{SELECT FROM session_cleanup(); SELECT ctid FROM session.sessions ORDER BY id}) =~ s/\A\n//r,
	'the next round does not write them again');
is(query(q{SELECT use('commit'); TABLE waiting}), "3\n3", 'another use waits');
query(q{DELETE FROM session.sessions; DELETE FROM tok});

# A session is used after the round has written its use and before the commit.
$node->restart;
query(q{SELECT make('meanwhile', 1, '1 hour'); SELECT use('meanwhile')});
is( query(q{BEGIN; SELECT FROM session_cleanup(); SELECT use('meanwhile'); COMMIT; TABLE waiting}) =~ s/\A\n//r,
	"1\n1", 'a use during the transaction that writes an earlier one still waits');
is( query(q{SELECT g.last_seen_at > s.last_seen_at FROM session.sessions AS s, session_get(s.id) AS g}),
	't', 'the row has the earlier use');

# Every kind of rollback makes the uses due at once, not after a while.
$node->restart;
query(q{DELETE FROM session.sessions; DELETE FROM tok; SELECT make('abort', 2, '1 hour'); SELECT use('abort')});
is(query(q{BEGIN; SELECT FROM session_cleanup(); SELECT in_row('abort'); ROLLBACK; TABLE waiting; SELECT in_row('abort')}) =~ s/\A\n//r,
	"t\n2\nf", 'uses that were written by a transaction that rolled back wait again');
is(query(q{SELECT FROM session_cleanup(); TABLE waiting; SELECT in_row('abort')}) =~ s/\A\n//r,
	"0\nt", 'the next round writes them');

$node->restart;
query(q{SELECT was('abort', '1 hour'); SELECT use('abort')});
is( query(q{BEGIN; SAVEPOINT s; SELECT FROM session_cleanup(); SELECT in_row('abort'); ROLLBACK TO s; SELECT in_row('abort');
		SELECT FROM session_cleanup(); SELECT in_row('abort'); COMMIT; TABLE waiting; SELECT in_row('abort')}) =~ s/^\n//mgr,
	"t\nf\nt\n0\nt",
	'after a rollback to a savepoint, the same transaction writes them again');

$node->restart;
query(q{SELECT was('abort', '1 hour'); SELECT use('abort')});
is( query(q{BEGIN; SELECT FROM session_cleanup(); PREPARE TRANSACTION 'flush'; TABLE waiting}) =~ s/\A\n//r,
	'2', 'uses that a prepared transaction has written wait');
is(query(q{SELECT FROM session_cleanup(); TABLE waiting}) =~ s/\A\n//r,
	'2', 'a round skips their rows, which are locked');
query(q{ROLLBACK PREPARED 'flush'});
is(query(q{SELECT in_row('abort')}), 'f', 'the rows do not have the uses after ROLLBACK PREPARED');
is( query(q{SELECT bool_and(g.last_seen_at > clock_timestamp() - interval '1 minute') FROM session.sessions AS s, session_get(s.id) AS g}),
	't', 'shared memory still has them');

# A row that something else has written. Without an entry that says so, it would
# be written again, or never.
$node->restart;
query(q{DELETE FROM session.sessions; DELETE FROM tok; SELECT make('newer', 1, '1 hour'); SELECT use('newer'); SELECT make('lags', 1, '1 hour'); SELECT use('lags')});
query(q{UPDATE session.sessions SET last_seen_at = clock_timestamp() WHERE user_id = 'newer'});
query(q{SELECT was('lags', '5 minutes')});
my $ctids = q{SELECT ctid FROM session.sessions ORDER BY user_id};
my $before = query($ctids);
query('SELECT FROM session_cleanup()');
is(query($ctids), $before,
	'neither a row with a later use is written, nor one that lags behind by less than session.update_age');
is(query('TABLE waiting'), '1', 'only the use waits that its row lacks');
query(q{SELECT was('lags', '1 hour'); SELECT FROM session_cleanup()});
is(query(q{SELECT in_row('lags')}), 'f', 'the use of the second is not due before its row had lagged behind for session.update_age');

# Such a use is due when the row has lagged behind for that long, and not after
# the ten seconds after which a use is tried again that could not be written.
$node->restart;
query(q{DELETE FROM session.sessions; DELETE FROM tok; ALTER DATABASE postgres SET session.update_age = '12s'});
query(q{SELECT make('soon', 1, '30 seconds'); SELECT use('soon')});
query(q{SELECT was('soon', '10 seconds'); SELECT FROM session_cleanup(); CREATE TABLE tried AS SELECT clock_timestamp() AS at});
is(query(q{SELECT last_seen_at < at - interval '9 seconds' FROM session.sessions, tried}), 't', 'a use is not written while its row lags behind too little');
$node->poll_query_until('postgres', q{SELECT FROM session_cleanup(); SELECT in_row('soon') AND last_seen_at > tried.at - interval '9 seconds' FROM session.sessions, tried});
is(query(q{SELECT clock_timestamp() < at + interval '9 seconds' FROM tried}), 't', 'it is written when it is due');
query(q{DROP TABLE tried; ALTER DATABASE postgres RESET session.update_age});

# A session whose row is gone or ended leaves no entry.
$node->restart;
query(q{DELETE FROM session.sessions; DELETE FROM tok; SELECT make('gone', 1, '1 hour'); SELECT make('ended', 1, '1 hour'); SELECT make('again', 1, '1 hour'); SELECT use('gone'), use('ended'), use('again')});
query(q{DELETE FROM session.sessions WHERE user_id = 'gone';
	UPDATE session.sessions SET revoked_at = clock_timestamp(), revoked_reason = 'test' WHERE user_id = 'ended';
	UPDATE session.sessions SET created_at = created_at - interval '1 second' WHERE user_id = 'again'});
is(query('TABLE waiting; SELECT FROM session_cleanup(); TABLE waiting') =~ s/^\n//mgr,
	"3\n0", 'uses of sessions that were deleted, ended or replaced by another of their id are removed');
is(query(q{SELECT user_id, in_row(user_id) FROM session.sessions ORDER BY user_id}),
	"again|f\nended|f", 'none is written');

# On a standby, each use of a session finds room: that of a session that was
# used long ago gives it up. The rows there are made idle by the primary, so only
# sessions whose use is recorded on the standby are active.
query(q{DELETE FROM session.sessions; DELETE FROM tok;
	SELECT make('early', 16, '1 hour'); SELECT make('late', 8, '1 hour');
	UPDATE session.sessions SET idle_timeout = '90 minutes'});
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay');

# Runs a query on the standby.
sub asked { return $standby->safe_psql('postgres', @_); }

# Returns how many sessions of a user are active on the standby.
sub active
{
	my ($user) = @_;
	return asked("SELECT count(*) FROM tok WHERE user_id = '$user' AND session_status(token) = 'active'");
}

is(asked(q{SELECT use('early')}), '16', 'sessions are used on a standby');
is(asked(q{SELECT activity_used FROM session.stats WHERE database = 'postgres'}), '16', 'their uses take all the room');
is(asked(q{SELECT use('late')}), '8', 'more sessions are used than there is room for');
query(q{SELECT was('early', '2 hours'), was('late', '2 hours')});
$node->wait_for_catchup($standby, 'replay');
is(active('late'), '8', 'every one of these uses is recorded');
is(active('early'), '8', 'as many earlier uses gave up their room');
is(asked(q{SELECT use('late')}), '8', 'these sessions are used again') for 1 .. 2;
is(active('early'), '8', 'which takes no more room');
is(asked(q{SELECT activity_used, activity_dropped FROM session.stats WHERE database = 'postgres'}),
	'16|0', 'a use that gave up its room to another of its database is not counted as dropped');

done_testing();
