# Logical replication of sessions, keys and denied cookies to another server:
# whatever ends a session on the publisher ends the snapshots that the
# subscriber has made, because triggers fire for replicated changes, too.

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

# A query on the subscriber, once it has what the publisher has.
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

# Who answers on the subscriber for a snapshot that is shown with its token.
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

# The recipe of README: the same master key, then the tables.
publish('SELECT session_key_rotate(), session_key_rotate($$mfa$$)');
my $old = create('old', '');
my $key = '/session_master.key';
copy($publisher->data_dir . $key, $subscriber->data_dir . $key)
  or die 'cannot copy the master key';
chmod(0600, $subscriber->data_dir . $key);
publish('CREATE PUBLICATION sessions FOR TABLE session.sessions, session.keys, session.denylist');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION sessions CONNECTION '" . $publisher->connstr
	  . " dbname=postgres' PUBLICATION sessions WITH (two_phase = true)");
$subscriber->wait_for_subscription_sync($publisher, 'sessions');

is(subscribed("SELECT user_id FROM session_validate('$old')"),
	'old', 'a session of before is on the subscriber');

# Whatever ends a session or changes what a snapshot says of it.
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
		"a snapshot of the subscriber is believed: $end");
}
for my $end (sort keys %ends)
{
	$ends{$end}->($token{$end}, $end);
	is(source($snapshot{$end}), 'nobody', "but not when the session was $end");
}
publish("SELECT FROM session_regenerate('$token{promoted}', role => 'editor')");
publish("UPDATE session.sessions SET role = 'editor' WHERE user_id = 'old'");
is(source($snapshot{promoted}), 'nobody', 'the old token is dead');

# A role that is taken away, by hand.
my $demoted = create('demoted', '');
my $cookie = issue($demoted);
publish("UPDATE session.sessions SET role = 'guest' WHERE user_id = 'demoted'");
is(source($cookie), 'database demoted guest', 'the row decides on the role');

# A transaction that is prepared and not decided, and one that is rolled back.
my $pending = create('pending', '');
$cookie = issue($pending);
publish("BEGIN; SELECT session_revoke('$pending'); PREPARE TRANSACTION 'q'");
is(source($cookie), 'database pending reader', 'a prepared revocation has the row asked');
publish("ROLLBACK PREPARED 'q'");
is(source($cookie), 'database pending reader', 'and changes nothing when it is rolled back');
publish("BEGIN; SELECT session_revoke('$token{untouched}'); ROLLBACK");

# Activity and data make no snapshot ask the row.
publish("SELECT session_touch('$token{untouched}'), session_data_set('$token{untouched}', 'k', '1')");
is(subscribed("SELECT session_data_get('$token{untouched}', 'k')"), '1', 'data arrive');
is(source($snapshot{untouched}), 'cookie untouched reader', 'and snapshots of the session are believed');

# Keys and denied cookies.
my $mfa = publish(q{SELECT session_cookie_encode('{"sub": "ada"}', 'jwt', '5 min', 'mfa')});
my $decode = "SELECT session_cookie_decode('$mfa', 'mfa') ->> 'sub'";
my $reader = $subscriber->background_psql('postgres');
is($reader->query_safe($decode), 'ada', 'a cookie of the publisher is good on the subscriber');
publish("SELECT session_cookie_revoke('$mfa', 'mfa')");
is(subscribed($decode), '', 'until it is denied');
my $other = publish(q{SELECT session_cookie_encode('{"sub": "ada"}', 'jwt', '5 min', 'mfa')});
$decode = "SELECT session_cookie_decode('$other', 'mfa') ->> 'sub'";
is($reader->query_safe($decode), 'ada', 'another is good');
publish(q{SELECT session_key_retire(kid) FROM session.key_ring WHERE purpose = 'mfa'});
$publisher->wait_for_catchup('sessions');
is($reader->query_safe($decode), '', 'until its key is retired, for a connection that had it open, too');
$reader->quit;

# TRUNCATE ends all, and what is made later is believed.
publish('TRUNCATE session.sessions');
is(source($snapshot{untouched}), 'nobody', 'TRUNCATE is replicated');
my $later = create('later', '');
$cookie = issue($later);
is(source($cookie), 'cookie later reader', 'a session of after it has a snapshot that is believed');

is( subscribed('SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats'),
	'0', 'the subscription had no errors');

done_testing();
