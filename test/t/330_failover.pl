# A failover that loses commits: the primary crashes before its last changes
# have been sent, a standby is promoted, and the old primary comes back as a
# standby with pg_rewind.  What is lost, what comes back, and the one command
# that ends it.  These are the steps of docs/scaling.md.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $old = PostgreSQL::Test::Cluster->new('old');
$old->init(allows_streaming => 1);
$old->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'session'
session.naptime = '1d'
session.log_events = 'administration'
max_prepared_transactions = 5
wal_keep_size = '320MB'
CONF
$old->start;
$old->safe_psql('postgres', 'CREATE EXTENSION session; SELECT FROM session_key_rotate()');
$old->backup('base');
my ($new, $other) = map { PostgreSQL::Test::Cluster->new($_) } qw(new other);
for my $standby ($new, $other)
{
	$standby->init_from_backup($old, 'base', has_streaming => 1);
	# pg_basebackup keeps the mode of the file, copying its backup does not.
	chmod 0600, $standby->data_dir . '/session_master.key';
	$standby->start;
}
my $primary = $old;

sub query { return $primary->safe_psql('postgres', shift); }
sub on { my ($node, $sql) = @_; return $node->safe_psql('postgres', $sql); }

# Waits until a process is gone.
sub wait_for_end
{
	my ($pid) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	while (-e "/proc/$pid")
	{
		BAIL_OUT("process $pid of the old primary does not end") if time > $deadline;
		usleep(10_000);
	}
	return;
}

# Returns the status of sessions on a server, by their tokens.
sub statuses
{
	my ($node, @tokens) = @_;
	return on($node, 'SELECT ' . join ', ', map { "session_status('$_')" } @tokens);
}

# Runs a request with a cookie on a server.  Returns the user, or the SQLSTATE
# and the cookie that the response removes.
sub request
{
	my ($node, $cookie) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', 'SET session.on_invalid = reject; BEGIN; '
		  . "SELECT FROM set_config('request.cookies', json_build_object('__Host-session', '$cookie')::text, true); "
		  . 'SELECT FROM session_pre_request(); SELECT session_user_id(); COMMIT',
		stdout => \$out, stderr => \$err, on_error_stop => 0,
		extra_params => ['--set=VERBOSITY=verbose']);
	return join ' ', $out, $err =~ /ERROR:  (\w+)/, $err =~ /"Set-Cookie": "([\w-]+=;)/;
}

#
# What every server has.
#

my %t;
$t{$_} = query("SELECT token FROM session_create('$_', tenant_id => 'acme')") for qw(kept revoked rotated erased);
$t{shut} = query(q{SELECT token FROM session_create('shut', tenant_id => 'shut')});
my ($access, $refresh) = split /\|/,
  query(q{SELECT token, refresh_token FROM session_create('mobile', refreshable => true)});
$t{child} = query("SELECT token FROM session_derive('$t{revoked}', '{todo:read}')");
my ($stateless, $denied) = split /\|/,
  query(q{SELECT session_cookie_encode('{"sub": "s"}', 'jwe'), session_cookie_encode('{"sub": "d"}', 'jwe')});
my $prepared = query(q{SELECT token FROM session_create('prepared')});
my $agent = query("SELECT token FROM session_derive('$prepared', '{}')");
query("BEGIN; SELECT FROM session_revoke('$prepared'); PREPARE TRANSACTION 'end'");
$old->wait_for_catchup($_) for $new, $other;

#
# What is lost: the standbys are disconnected, and the primary goes on.
#

for my $standby ($new, $other)
{
	on($standby, q{ALTER SYSTEM SET primary_conninfo = ''});
	$standby->reload;
	$standby->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_wal_receiver')
	  or BAIL_OUT('the standby was not disconnected');
}
query("SELECT session_revoke('$t{revoked}'); SELECT session_erase('erased'); SELECT FROM session_revoke_all(tenant_id => 'shut'); SELECT session_cookie_revoke('$denied')");
$t{issued} = query(q{SELECT token FROM session_create('issued')});
$t{next} = query("SELECT token FROM session_regenerate('$t{rotated}')");
my $unknown_refresh = query(q{SELECT refresh_token FROM session_create('issued', refreshable => true)});
my ($middle, $middle_refresh) = split /\|/, query("SELECT token, refresh_token FROM session_refresh('$refresh')");
my ($newest, $newest_refresh) = split /\|/, query("SELECT token, refresh_token FROM session_refresh('$middle_refresh')");
is(statuses($old, @t{qw(revoked child erased shut issued next)}) . ' ' . statuses($old, $newest),
	'revoked|revoked|unknown|revoked|active|active active', 'the old primary has acknowledged all of it');
my ($pid) = slurp_file($old->data_dir . '/postmaster.pid') =~ /^(\d+)/;
my @processes = ($pid, split /\n/, query('SELECT pid FROM pg_stat_activity'));
$old->kill9;
$new->promote;
$primary = $new;

is(statuses($new, @t{qw(kept rotated)}), 'active|active', 'what was sent is there');
is(statuses($new, @t{qw(revoked child erased shut)}), 'active|active|active|active',
	'ends that were not sent have come back');
is(query("SELECT session_cookie_decode('$denied') IS NOT NULL"), 't', 'so has a cookie that was denied');
is(statuses($new, @t{qw(issued next)}) . ' ' . statuses($new, $newest), 'unknown|unknown unknown',
	'tokens that were not sent are unknown');
is(request($new, $t{issued}), ' PGRST __Host-session=;', 'their requests are refused, and the cookie is removed');
is(request($new, $t{kept}), 'kept', 'other requests go on');
is(query("SELECT count(*) FROM session_refresh('$unknown_refresh')"), 0,
	'a refresh token of a session that was not sent is refused');
my $again = query("SELECT token, refresh_token FROM session_refresh('$newest_refresh')");
like($again, qr/^st_[\w-]{64}\|rt_[\w-]{64}$/, 'the newest refresh token that the client has is accepted');
my ($resumed, $resumed_refresh) = split /\|/, $again;
is(statuses($new, $resumed), 'active', 'its session goes on');
is(query("SELECT token FROM session_refresh('$middle_refresh')") . statuses($new, $resumed), 'revoked',
	'an earlier one counts as reuse');
is(statuses($new, $agent), 'active', 'a transaction that was prepared before is there');
query(q{COMMIT PREPARED 'end'});
is(statuses($new, $agent), 'revoked', 'its commit ends the session, and that which was made of it');

#
# The other standby follows the new primary.
#

on($other, q{ALTER SYSTEM RESET primary_conninfo});
$other->enable_streaming($new);
$other->restart;
$new->wait_for_catchup($other);
is(statuses($other, @t{qw(kept revoked issued)}, $agent), 'active|active|unknown|revoked',
	'the other standby has what the new primary has');

#
# The one command, with the time of the last transaction that was replayed.
#

$t{late} = query(q{SELECT token FROM session_create('late')});
is(query(q{SELECT session_revoke_all('failover', valid_after => pg_last_xact_replay_timestamp()) = pg_last_xact_replay_timestamp()}),
	't', 'the time of the last replayed transaction is known');
$new->wait_for_catchup($other);
for my $node ($new, $other)
{
	is(statuses($node, @t{qw(kept revoked child erased shut rotated)}), join('|', ('revoked') x 6),
		'all sessions of the old primary are over on ' . $node->name);
	is(on($node, "SELECT session_cookie_decode('$stateless') IS NULL, session_cookie_decode('$denied') IS NULL"),
		't|t', 'its stateless cookies, too');
	is(statuses($node, $t{late}), 'active', 'sessions of the new primary live');
}
is(query("SELECT count(*) FROM session_refresh('$refresh')"), 0, 'refresh tokens of the old primary are refused');
is( query(q{SELECT detail ->> 'reason', (detail ->> 'valid_after')::timestamptz = pg_last_xact_replay_timestamp()
	  FROM session.events WHERE detail ->> 'action' = 'all_revoked'}),
	'failover|t', 'an event says so');
$new->restart;
is(query(q{SELECT pg_last_xact_replay_timestamp() IS NULL}), 't', 'after a restart the time is not known');
is(statuses($new, $t{late}), 'active', 'the session still lives');
query("BEGIN; SELECT session_revoke_all('failover', valid_after => pg_last_xact_replay_timestamp()); SELECT 1 / (session_status('$t{late}') = 'revoked')::int; ROLLBACK");
pass('without a time, all sessions end');
my $history = q{pg_stat_file('pg_wal/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.history')};
$new->poll_query_until('postgres', "SELECT now() > modification + interval '1 second' FROM $history")
  or die 'the time of the promotion is not over';
$t{later} = query(q{SELECT token FROM session_create('later')});
is(query("SELECT modification > now() - interval '1 hour' FROM $history"),
	't', 'the time of the promotion is that of the history file');
query(qq{BEGIN;
	SELECT session_revoke_all('failover', valid_after => modification + interval '1 second')
	  FROM $history;
	SELECT 1 / (session_status('$t{kept}') = 'revoked' AND session_status('$t{later}') = 'active')::int; ROLLBACK});
pass('with that time, later sessions live');

#
# The old primary comes back.
#

# Its lock files count as valid while one of its processes runs, or has ended and
# its parent has not taken note.
wait_for_end($_) for @processes;
my $config = slurp_file($old->data_dir . '/postgresql.conf');
my $key = slurp_file($old->data_dir . '/session_master.key');
append_to_file($old->data_dir . '/only.key', 'x');
command_ok(
	[ 'pg_rewind', '--no-sync', '--target-pgdata', $old->data_dir, '--source-server', $new->connstr('postgres') . ' application_name=old', '-R' ],
	'pg_rewind takes the old primary back, which crashed with the library preloaded');
BAIL_OUT('it was not rewound') unless Test::More->builder->is_passing;
is(slurp_file($old->data_dir . '/session_master.key'), $key, 'it has the master key');
ok(!-e $old->data_dir . '/only.key', 'a file of the data directory that the new primary does not have is gone');
unlink $old->data_dir . '/postgresql.conf';
append_to_file($old->data_dir . '/postgresql.conf', $config);
$old->start;
$new->wait_for_catchup($old);
is(statuses($old, @t{qw(kept revoked issued late later)}), 'revoked|revoked|unknown|active|active',
	'it has what the new primary has');
is(request($old, $t{later}), 'later', 'it answers requests as a standby');
is(on($old, q{SELECT pg_is_in_recovery(), session_cookie_decode(session_cookie_encode('{"a": 1}')) ->> 'a'}),
	't|1', 'it uses keys');

# And back again, in order.
$new->stop;
$old->promote;
$primary = $old;
is(statuses($old, @t{qw(revoked late later)}), 'revoked|active|active', 'a switch back loses nothing');
query("SELECT session_revoke('$t{late}')");
is(statuses($old, $t{late}), 'revoked', 'sessions end there again');

done_testing();
