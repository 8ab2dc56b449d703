# Logical replication to another server, with the SQL of docs/scaling.md.
# Every change that ends a session on the publisher also ends the snapshots and
# the bound identities of the subscriber, because the triggers fire for
# replicated changes too.

use strict;
use warnings;
use File::Basename qw(dirname);
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
session.log_events = 'all'
});
	$node->start;
}
$publisher->safe_psql('postgres', 'CREATE EXTENSION session');

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

# The SQL that docs/scaling.md shows, in its order.
my $page = slurp_file(dirname(__FILE__) . '/../../docs/scaling.md');
my ($section) = $page =~ /^## Logical replication\n(.*?)(?=^## |\z)/ms;
my ($publishing, $subscribing, $copying, $leaving, $taking_over) =
  $section =~ /^ *```sql\n(.*?)^ *```$/gms;

# Runs a block of the page on a server, with the connection of this test.
sub run_block
{
	my ($node, $block) = @_;
	my $here = $publisher->connstr . ' dbname=postgres user=replicator';

	$block =~ s/host=here dbname=shop user=replicator/$here/;
	# So that the subscriber knows of transactions that are prepared.
	$block =~ s/PUBLICATION sessions;/PUBLICATION sessions WITH (two_phase = true);/;
	return $node->safe_psql('postgres', $block);
}

# The steps of the page: keys and a publication here, the master key and a
# subscription there.
$_->safe_psql('postgres', 'CREATE ROLE shop LOGIN') for $publisher, $subscriber;
publish(q{SELECT session_key_rotate('mfa')});
my $old = create('old', q{, ip => '192.0.2.1'});
run_block($publisher, $publishing);
my $key = '/session_master.key';
copy($publisher->data_dir . $key, $subscriber->data_dir . $key)
  or die "could not copy the master key: $!";
chmod(0600, $subscriber->data_dir . $key);
run_block($subscriber, $subscribing);
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

# Identities that are bound on the subscriber end, too. After a prepared
# transaction each would be proven again at every statement, so the server is
# started anew.
$subscriber->restart;
my $bound = $subscriber->background_psql('postgres');
my $who = q{SELECT coalesce(session_user_id(), 'nobody')};
for my $end ('revoked', 'rotated', 'deleted')
{
	my $token = create($end, '');

	is(subscribed("SELECT session_status('$token')"), 'active', "a session that will be $end");
	is($bound->query_safe("BEGIN; SELECT session_authenticate('$token'); $who"),
		"t\n$end", 'it is bound on the subscriber');
	$ends{$end}->($token, $end);
	$publisher->wait_for_catchup('sessions');
	is($bound->query_safe($who), 'nobody',
		"an identity of the subscriber ends when its session was $end");
	$bound->query_safe('COMMIT');
}
my $stays = create('stays', '');
subscribed('SELECT 1');
$bound->query_safe("BEGIN; SELECT session_authenticate('$stays')");
publish("SELECT session_data_set('$stays', 'k', '2')");
$publisher->wait_for_catchup('sessions');
is($bound->query_safe($who), 'stays', 'it does not end when data of its session changes');
publish('SELECT session_revoke_all()');
$publisher->wait_for_catchup('sessions');
is($bound->query_safe($who), 'nobody', 'it ends with all sessions');
$bound->query_safe('COMMIT');
publish('TRUNCATE session.policies');

# A cookie that is a session by itself.
my $stateless = publish(q{SELECT session_cookie_encode('{"sub": "ada", "sid": "8f4a7c1e-5b1d-4a52-9f0e-2f6a9d2c3b41"}', 'jwt', '5 min')});
my $request = qq{SET session.strategy = stateless; SET session.cookie_encoding = jwt; BEGIN;
	SELECT set_config('request.cookies', json_build_object('__Host-session', '$stateless')::text, true) \\g /dev/null
	SELECT session_pre_request() \\g /dev/null
	$who};
is($bound->query_safe($request), 'ada', 'a cookie that is a session is bound on the subscriber');
publish(q{INSERT INTO session.denylist SELECT sha256('another'), now() + interval '1 hour'});
$publisher->wait_for_catchup('sessions');
is($bound->query_safe($who), 'ada', 'the identity stays when another cookie is denied');
publish("SELECT session_cookie_revoke('$stateless', 'session')");
$publisher->wait_for_catchup('sessions');
is($bound->query_safe($who), 'nobody', 'it ends when its cookie is denied on the publisher');
$bound->query_safe('COMMIT');
$bound->quit;

# Events and where users logged in from.
is(subscribed(q{SELECT count(*) > 0 FROM session.events WHERE kind = 'created'}), 't',
	'there are events on the subscriber');
my $all = q{SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM session.%s AS r};
for my $table (qw(sessions keys policies denylist events origins))
{
	is(subscribed(sprintf $all, $table), publish(sprintf $all, $table),
		"both servers have the same rows of session.$table");
}

# The role of the application reads on the subscriber, and a write is an error.
$stays = create('stays', '');
$_->safe_psql('postgres', q{SELECT session_grant('shop', 'app')}) for $publisher, $subscriber;
is(subscribed("SET ROLE shop; SET default_transaction_read_only = on; SELECT user_id FROM session_validate('$stays')"),
	'stays', 'a READ ONLY transaction of the subscriber validates');
my ($result, $out, $err) = $subscriber->psql('postgres', "SELECT session_revoke('$stays')",
	extra_params => [ '-U', 'shop' ]);
like($err, qr/read-only transaction/, 'the role of the application cannot write there');
is(subscribed("SELECT session_status('$stays')"), 'active', 'and nothing has ended');

# What ends on the subscriber only lives again with the next change here.
is(subscribed("SELECT session_revoke('$stays'), session_status('$stays')"), 't|revoked',
	'a session is revoked on the subscriber only');
publish("SELECT session_touch('$stays')");
is(subscribed("SELECT session_status('$stays')"), 'active', 'a use on the publisher undoes that');

is( subscribed('SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats'),
	'0', 'the subscription had no errors');

# A row that has been deleted on the subscriber. Then it is changed, which is
# skipped, and deleted, too.
my $missing = create('missing', '');
subscribed(q{DELETE FROM session.sessions WHERE user_id = 'missing'});
publish("SELECT session_data_set('$missing', 'k', '1')");
is(subscribed("SELECT session_status('$missing')"), 'unknown', 'a change of a row that is missing is skipped');
publish(q{DELETE FROM session.sessions WHERE user_id = 'missing'});
is(subscribed("SELECT session_status('$stays')"), 'active', 'and so is its end');

# A policy of the same tenant stops the subscription until it is dropped.
subscribed(q{SELECT session_policy_set('acme', lifetime => '1 hour')});
publish(q{SELECT session_policy_set('acme', lifetime => '2 hours')});
ok($subscriber->poll_query_until('postgres', 'SELECT apply_error_count > 0 FROM pg_stat_subscription_stats'),
	'a policy of the subscriber stops the subscription');
like(slurp_file($subscriber->logfile), qr/policies_scope_is_unique/, 'the log says why');
$subscriber->safe_psql('postgres', q{SELECT session_policy_drop('acme')});
is(subscribed('SELECT lifetime FROM session.policies'), '02:00:00', 'it goes on after the policy was dropped');
publish(q{SELECT session_policy_drop('acme')});

# A trigger that does not fire for changes that arrive is named in a warning.
$subscriber->safe_psql('postgres', 'ALTER TABLE session.denylist ENABLE TRIGGER denylist_changed');
($result, $out, $err) = $subscriber->psql('postgres', 'SELECT session_cleanup()');
like($err, qr/trigger "denylist_changed" of table "session.denylist" does not fire for every change/,
	'a warning names a trigger that does not fire for changes that arrive');
$subscriber->safe_psql('postgres', 'ALTER TABLE session.denylist ENABLE ALWAYS TRIGGER denylist_changed');

# The tables are copied again.
run_block($subscriber, $copying);
$subscriber->wait_for_subscription_sync($publisher, 'sessions');
is(subscribed("SELECT session_status('$stays')"), 'active', 'the tables were copied again');

# The subscriber takes over.
my $refreshable = publish(q{SELECT token || ' ' || refresh_token FROM session_create('moves', refreshable => true)});
my ($token, $refresh) = split / /, $refreshable;
like(run_block($publisher, $leaving), qr/^\(0,/m, 'the publisher writes what is left');
$publisher->wait_for_catchup('sessions');
run_block($subscriber, $taking_over);
$publisher->stop;
is($subscriber->safe_psql('postgres', "SELECT user_id FROM session_validate('$token')"), 'moves',
	'a session moves to the subscriber');
is($subscriber->safe_psql('postgres', "SELECT count(token) FROM session_refresh('$refresh')"), '1',
	'its refresh token is accepted there');
is($subscriber->safe_psql('postgres', q{SELECT FROM session_create('new'); SELECT max(id) = (SELECT id FROM session.events WHERE kind = 'created' AND user_id = 'new') FROM session.events}),
	't', 'events are numbered on');
is( $subscriber->safe_psql('postgres', "SELECT session_revoke('$token')", extra_params => [ '-U', 'shop' ]),
	'f', 'the role of the application writes there');

done_testing();
