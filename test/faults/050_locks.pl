# Rows and tables are locked by others, and lock_timeout ends the wait.
#
# What holds:
# 1. A function that must wait gives up with the error 55P03, has changed
#    nothing, and keeps no lock and no identity. It works once the lock is gone.
# 2. A function that only reads needs no lock on a row: it answers at once, while
#    another transaction has locked the row or is ending the session.
# 3. Nothing waits for a row before it has to: what is locked is the session that
#    is changed, and no other.
# 4. The worker goes around rows that are locked, does the others meanwhile, and
#    does these when they are free.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = make_server('locks', conf => "session.update_age = '1s'\n");
my $maker = connection($node);
my $other = connection($node);
my $holder = connection($node);
my $conn = connection($node);
setup_calls($maker);
$conn->run(q{SET lock_timeout = '30ms'});
my %calls = calls();

# The functions that wait while the rows of all tables are locked, as by an
# UPDATE that is not committed. A snapshot and a JWT are about a session that
# cannot end meanwhile, so making one waits, too.
my %waits = map { $_ => 1 } qw(
  session_act_as session_bind_key session_cookie_issue session_data_append session_data_clear session_data_delete session_data_merge
  session_data_pop session_data_replace session_data_save session_data_set session_dbsc_refresh session_dbsc_register
  session_derive session_erase session_jwt session_key_retire session_login session_refresh session_regenerate session_revoke
  session_revoke_all session_revoke_id session_revoke_ids session_revoke_mine session_revoke_others session_revoke_tenant
  session_revoke_user session_touch session_policy_drop);

my $rows = q{SELECT md5(string_agg(t, ',')) FROM (SELECT s::text FROM session.sessions s UNION ALL SELECT k::text FROM session.keys k UNION ALL SELECT p::text FROM session.policies p ORDER BY 1) AS all_rows (t)};

# Calls a function in a transaction. Returns the SQLSTATE.
sub call
{
	my ($name, @statements) = @_;
	my $last = pop @statements;

	$conn->run('BEGIN');
	$conn->run($_) for @statements;
	my $result = $conn->query($last);
	$conn->run($result->{sqlstate} ? 'ROLLBACK' : 'COMMIT');
	return $result->{sqlstate};
}

my (@unexpected, @left, @broken, @changed);
for my $name (grep { !$calls{$_}{alone} } sort keys %calls)
{
	my @statements = prepare_call($maker, $name);

	$holder->run('BEGIN; SELECT FROM session.sessions FOR UPDATE; SELECT FROM session.keys FOR UPDATE; SELECT FROM session.policies FOR UPDATE; SELECT FROM session.denylist FOR UPDATE');
	my $before = $other->value($rows);
	my $state = call($name, @statements);
	push @unexpected, "$name: '$state'" if $state ne ($waits{$name} ? '55P03' : '');
	push @changed, $name if $state && $other->value($rows) ne $before;
	my $left = leftovers($conn, $other);
	push @left, "$name: $left" if $left ne '';
	$holder->run('ROLLBACK');
	$state = call($name, $state ? @statements : prepare_call($maker, $name));
	push @broken, "$name: $state" if $state;
}
is(join("\n", @unexpected), '', 'with locked rows, functions that change them give up with 55P03, and the others answer');
is(join("\n", @changed), '', 'a function that gave up has changed nothing');
is(join("\n", @left), '', 'a function that gave up keeps nothing');
is(join("\n", @broken), '', 'every function works once the rows are free');

# The tables themselves, as by VACUUM FULL or ALTER TABLE.
my %free = map { $_ => 1 } qw(session_id session_user_id session_tenant_id session_role session_auth_level session_amr
  session_authenticated_at session_actor_id session_scopes session_has_scope session_claims session_claim
  session_require session_cookie_header session_cookie_clear session_cookie_read session_ip);
(@unexpected, @left, @broken) = ();
for my $name (grep { !$calls{$_}{alone} && !$free{$_} } sort keys %calls)
{
	my @statements = prepare_call($maker, $name);

	$holder->run('BEGIN; LOCK TABLE session.sessions, session.keys, session.policies, session.denylist, session.events');
	$conn->run('BEGIN');
	my $state = '';
	for (@statements) { $state = $conn->query($_)->{sqlstate} if !$state; }
	$conn->run('ROLLBACK');
	push @unexpected, "$name: $state" if $state !~ /^(55P03)?$/;
	my $left = leftovers($conn, $other);
	push @left, "$name: $left" if $left ne '';
	$holder->run('ROLLBACK');
	$state = call($name, prepare_call($maker, $name));
	push @broken, "$name: $state" if $state;
}
is(join("\n", @unexpected), '', 'with locked tables, functions give up with 55P03');
is(join("\n", @left), '', 'they keep nothing');
is(join("\n", @broken), '', 'they work once the tables are free');

# Only the session that is changed waits.
my ($one, $two) = map { $maker->value(q{SELECT token FROM session_create('pair')}) } 1 .. 2;
$holder->run("BEGIN; SELECT session_data_set('$one', 'k', '1')");
is(call('', "SELECT session_revoke('$two')"), '', 'another session of the user can be ended');
is(call('', "SELECT session_data_set('$one', 'k', '2')"), '55P03', 'the session that is locked waits');
is(call('', q{SELECT session_revoke_user('pair')}), '55P03', 'ending all sessions of the user waits, too');
is($conn->value("SELECT session_status('$one')"), 'active', 'a validation does not wait');
$holder->run("SELECT session_revoke('$one')");
is($conn->value("SELECT session_status('$one')"), 'active', 'nor does it see an end that is not committed');
$holder->run('COMMIT');
is($conn->value("SELECT session_status('$one')"), 'revoked', 'it sees the end once that is committed');

# The worker. Half of the dead rows, and of those whose use is to be written, are
# locked.
$maker->run('DELETE FROM session.sessions');
my @live = map { $maker->run(q{SELECT id, token FROM session_create('live', idle_timeout => '2 hours')})->{rows}[0] } 1 .. 10;
my $lock = join ',', map { "'$_->[0]'" } @live[ 0 .. 4 ];
$holder->run("BEGIN; SELECT FROM session.sessions WHERE id IN ($lock) FOR UPDATE");
my $dead = connection($node);
$dead->run(q{BEGIN; INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
	SELECT gen_random_uuid(), sha256(n::text::bytea), 0, '{}', '2020-01-01 UTC', '2020-01-01 UTC', '2020-01-02 UTC', '2020-01-02 UTC' FROM generate_series(1, 200) AS n});
$dead->run(q{COMMIT; BEGIN});
my $held = $dead->run(q{SELECT id FROM session.sessions WHERE purge_at < '2020-02-01 UTC' LIMIT 100 FOR UPDATE SKIP LOCKED})->{rows};
my $count = @$held;
$maker->run("SELECT pg_sleep(1.1); SELECT FROM session_validate('$_->[1]')") for @live;
until_true($node,
	q{SELECT count(*) FILTER (WHERE last_seen_at > created_at + interval '1 second') = 5 FROM session.sessions WHERE user_id = 'live'},
	'the worker writes the uses of sessions that are not locked');
until_true($node, "SELECT count(*) = $count FROM session.sessions WHERE purge_at < '2020-02-01 UTC'",
	'the worker deletes the dead sessions that are not locked');
is(scalar(grep { $other->value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'session worker' AND wait_event_type = 'Lock'") } 1 .. 20),
	0, 'the worker waits for no lock');
$holder->run('ROLLBACK');
$dead->run('ROLLBACK');
until_true($node,
	q{SELECT count(*) FILTER (WHERE last_seen_at > created_at + interval '1 second') = 10 FROM session.sessions WHERE user_id = 'live'},
	'the worker writes the others once they are free');
until_true($node, q{SELECT count(*) = 0 FROM session.sessions WHERE purge_at < '2020-02-01 UTC'},
	'the worker deletes the other dead sessions once they are free');
no_crash($node, 'no process crashed');
$_->close for $maker, $other, $holder, $conn, $dead;
$node->stop;
done_testing();
