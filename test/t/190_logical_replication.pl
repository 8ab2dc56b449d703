# Logical replication of sessions, keys, the denylist and policies to another
# server.
# Every change that ends a session on the publisher also ends the snapshots of
# the subscriber, because the triggers fire for replicated changes too.

use strict;
use warnings;
use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
for my $node ($publisher, $subscriber)
{
	$node->init(allows_streaming => 'logical');
	$node->append_conf(
		'postgresql.conf', q{
shared_preload_libraries = 'session'
session.naptime = '1d'
max_prepared_transactions = 4
});
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION session');
}

sub publish { return $publisher->safe_psql('postgres', shift); }

# Runs a query on the subscriber after it has applied all changes of the
# publisher.
sub subscribed
{
	$publisher->wait_for_catchup('sessions');
	return $subscriber->safe_psql('postgres', shift);
}

# The token that a snapshot was made for.
my %token_of;

# Makes a snapshot on the subscriber.
sub issue
{
	my $token = shift;
	my $snapshot = subscribed("SELECT session_cookie_issue('$token')");
	$token_of{$snapshot} = $token;
	return $snapshot;
}

# Returns the source, the user and the role of a snapshot that is shown with
# its token on the subscriber: 'cookie' if the snapshot was enough, 'database'
# if the row was read, 'nobody' if it was refused.
sub source
{
	my $snapshot = shift;
	return subscribed(
		"SELECT coalesce((SELECT concat_ws(' ', source, user_id, role) FROM session_cookie_validate('$snapshot', token => '$token_of{$snapshot}')), 'nobody')"
	);
}

sub create
{
	my ($user, $arguments) = @_;
	return publish("SELECT token FROM session_create('$user', role => 'reader'$arguments)");
}

# As README describes: copy the master key first, then replicate the tables.
publish('SELECT session_key_rotate(), session_key_rotate($$mfa$$)');
my $old = create('old', '');
my $key = '/session_master.key';
copy($publisher->data_dir . $key, $subscriber->data_dir . $key)
  or die "could not copy the master key: $!";
chmod(0600, $subscriber->data_dir . $key);
publish('CREATE PUBLICATION sessions FOR TABLE session.sessions, session.keys, session.denylist, session.policies');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION sessions CONNECTION '" . $publisher->connstr
	  . " dbname=postgres' PUBLICATION sessions WITH (two_phase = true)");
$subscriber->wait_for_subscription_sync($publisher, 'sessions');

is(subscribed("SELECT user_id FROM session_validate('$old')"),
	'old', 'a session from before the subscription is on the subscriber');

# Every kind of change that ends a session or makes its snapshot wrong.
my %ends = (
	revoked => sub { publish("SELECT session_revoke('$_[0]')") },
	'revoked by user' => sub { publish("SELECT session_revoke_user('$_[1]')") },
	rotated => sub { publish("SELECT FROM session_regenerate('$_[0]')") },
	deleted => sub { publish("DELETE FROM session.sessions WHERE user_id = '$_[1]'") },
	expired => sub { publish("UPDATE session.sessions SET expires_at = clock_timestamp() WHERE user_id = '$_[1]'") },
	prepared => sub {
		publish("BEGIN; SELECT session_revoke('$_[0]'); PREPARE TRANSACTION 'p'");
		publish("COMMIT PREPARED 'p'");
	});
my (%token, %snapshot);
for my $end ('untouched', 'promoted', sort keys %ends)
{
	$token{$end} = create($end, '');
	$snapshot{$end} = issue($token{$end});
	is(source($snapshot{$end}), "cookie $end reader",
		"a snapshot of the subscriber is accepted without its row: $end");
}
for my $end (sort keys %ends)
{
	$ends{$end}->($token{$end}, $end);
	is(source($snapshot{$end}), 'nobody',
		"a snapshot is refused on the subscriber when its session was $end");
}
publish("SELECT FROM session_regenerate('$token{promoted}', role => 'editor')");
publish("UPDATE session.sessions SET role = 'editor' WHERE user_id = 'old'");
is(source($snapshot{promoted}), 'nobody',
	'a snapshot with a token that was replaced is refused');

# The role of a session is changed by hand.
my $demoted = create('demoted', '');
my $cookie = issue($demoted);
publish("UPDATE session.sessions SET role = 'guest' WHERE user_id = 'demoted'");
is(source($cookie), 'database demoted guest',
	'the row is read when the role of the session has changed');

# A transaction that is prepared, then rolled back, and one that is rolled back
# at once.
my $pending = create('pending', '');
$cookie = issue($pending);
publish("BEGIN; SELECT session_revoke('$pending'); PREPARE TRANSACTION 'q'");
is(source($cookie), 'database pending reader',
	'the row is read on the subscriber while a revocation is prepared');
publish("ROLLBACK PREPARED 'q'");
is(source($cookie), 'database pending reader',
	'the session is still valid after the prepared revocation was rolled back');
publish("BEGIN; SELECT session_revoke('$token{untouched}'); ROLLBACK");

# Activity and changes of data do not affect snapshots.
publish("SELECT session_touch('$token{untouched}'), session_data_set('$token{untouched}', 'k', '1')");
is(subscribed("SELECT session_data_get('$token{untouched}', 'k')"), '1',
	'changes of data are replicated');
is(source($snapshot{untouched}), 'cookie untouched reader',
	'a snapshot is accepted without its row after a change of data');

# Keys and denied cookies.
my $mfa = publish(q{SELECT session_cookie_encode('{"sub": "ada"}', 'jwt', '5 min', 'mfa')});
my $decode = "SELECT session_cookie_decode('$mfa', 'mfa') ->> 'sub'";
my $reader = $subscriber->background_psql('postgres');
is($reader->query_safe($decode), 'ada',
	'a cookie of the publisher is accepted on the subscriber');
publish("SELECT session_cookie_revoke('$mfa', 'mfa')");
is(subscribed($decode), '',
	'a cookie that was revoked on the publisher is refused on the subscriber');
my $other = publish(q{SELECT session_cookie_encode('{"sub": "ada"}', 'jwt', '5 min', 'mfa')});
$decode = "SELECT session_cookie_decode('$other', 'mfa') ->> 'sub'";
is($reader->query_safe($decode), 'ada',
	'another cookie of the publisher is accepted on the subscriber');
publish(q{SELECT session_key_retire(kid) FROM session.key_ring WHERE purpose = 'mfa'});
$publisher->wait_for_catchup('sessions');
is($reader->query_safe($decode), '',
	'a cookie whose key was retired is refused, also by a connection that had read the key');
$reader->quit;

# Policies, and the end of all sessions, also for a connection that has read the
# policies. The subscriber applies them by the key of the row.
my $clerk = create('clerk', q{, tenant_id => 'acme'});
my $status = "SELECT session_status('$clerk')";
$publisher->wait_for_catchup('sessions');
$reader = $subscriber->background_psql('postgres');
is($reader->query_safe($status), 'active', 'there is no policy on the subscriber');
for my $change (
	[ q{SELECT session_policy_set('acme', lifetime => '1 us')} => 'expired' ],
	[ q{SELECT session_policy_set('acme', lifetime => '1 day')} => 'active' ],
	[ q{UPDATE session.policies SET lifetime = '1 us'} => 'expired' ],
	[ q{SELECT session_policy_drop('acme')} => 'active' ],
	[ q{SELECT session_revoke_all(tenant_id => 'acme')} => 'revoked' ],
	[ q{TRUNCATE session.policies} => 'active' ])
{
	publish($change->[0]);
	$publisher->wait_for_catchup('sessions');
	is($reader->query_safe($status), $change->[1],
		"a change of policies is replicated: $change->[0]");
}
is(source($snapshot{untouched}), 'cookie untouched reader',
	'a snapshot is accepted when the policies are what they were');
publish('SELECT session_revoke_all()');
is(source($snapshot{untouched}), 'nobody',
	'the end of all sessions on the publisher ends the snapshots of the subscriber');
$reader->quit;
publish('TRUNCATE session.policies');

# TRUNCATE ends all sessions. Snapshots of later sessions are accepted.
publish('TRUNCATE session.sessions');
is(source($snapshot{untouched}), 'nobody',
	'TRUNCATE on the publisher ends the snapshots of the subscriber');
my $later = create('later', '');
$cookie = issue($later);
is(source($cookie), 'cookie later reader',
	'a snapshot of a session created after TRUNCATE is accepted without its row');

is( subscribed('SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats'),
	'0', 'the subscription had no errors');

done_testing();
