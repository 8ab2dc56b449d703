# The identity of a transaction on another server, as Citus forwards it: the
# coordinator sends it with SET LOCAL session.context, and here this test takes
# the statement to the other server by hand.  The value is valid for one
# transaction, for seconds, for one role and database, and only with the key.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256 sha256);
use MIME::Base64 qw(decode_base64url encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# In the place of Citus: records each statement that sets the identity, with
# the setting for which Citus forwards it.
my $module = <<'C';
#include "postgres.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/guc.h"
PG_MODULE_MAGIC;
void _PG_init(void);
static ProcessUtility_hook_type earlier;
static char *forwarded;
static void
record(PlannedStmt *pstmt, const char *source, bool read_only,
	ProcessUtilityContext context, ParamListInfo params,
	QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *qc)
{
	VariableSetStmt *set = (VariableSetStmt *) pstmt->utilityStmt;
	if (earlier)
		earlier(pstmt, source, read_only, context, params, environment, dest, qc);
	else
		standard_ProcessUtility(pstmt, source, read_only, context, params, environment, dest, qc);
	if (strcmp(forwarded, "local") == 0 && IsA(set, VariableSetStmt) && set->is_local && strcmp(set->name, "session.context") == 0)
	{
		FILE *file = fopen("forwarded", "a");
		fprintf(file, "%s\n", source);
		fclose(file);
	}
}
void
_PG_init(void)
{
	DefineCustomStringVariable("citus.propagate_set_commands", "", "", &forwarded, "none", PGC_USERSET, 0, NULL, NULL, NULL);
	earlier = ProcessUtility_hook;
	ProcessUtility_hook = record;
}
C
my $directory = PostgreSQL::Test::Utils::tempdir();
append_to_file("$directory/forwarder.c", $module);
my ($includes) = split /\n/, `pg_config --includedir-server`;
BAIL_OUT('could not build a hook')
  if system('cc', '-shared', '-fPIC', '-I', $includes, '-o', "$directory/forwarder.so", "$directory/forwarder.c") != 0;

# The clock of the worker, which is ahead by the seconds in a file.
append_to_file("$directory/clock.c", qq[
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int (*real) (struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
	FILE *file = fopen("$directory/ahead", "r");
	int ahead = 0;
	if (file && fscanf(file, "%d", &ahead) != 1)
		ahead = 0;
	if (file)
		fclose(file);
	real(now, zone);
	now->tv_sec += ahead;
	return 0;
}
/* pg_ctl compares this with what the server says about its start. */
time_t
time(time_t *seconds)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	if (seconds)
		*seconds = now.tv_sec;
	return now.tv_sec;
}
]);
BAIL_OUT('could not build a clock')
  if system('cc', '-shared', '-fPIC', '-o', "$directory/clock.so", "$directory/clock.c", '-ldl') != 0;

# Sets how many seconds the clock of the worker is ahead.
sub set_clock_ahead
{
	my ($seconds) = @_;

	open my $file, '>', "$directory/ahead.new" or die $!;
	print $file $seconds;
	close $file;
	rename "$directory/ahead.new", "$directory/ahead" or die $!;
}

# initdb names the superuser after the user of the operating system.
my $superuser = getpwuid($>);

my %preload = (
	coordinator => "$directory/forwarder, pg_stat_statements, session",
	worker => "$directory/forwarder, pg_stat_statements, session",
	bare => "$directory/forwarder");
my %node;

# Starts a server.
sub start
{
	my ($node) = @_;

	local $ENV{LD_PRELOAD} = $node->name eq 'worker' ? "$directory/clock.so" : '';
	$node->start;
}

# A worker that has just started accepts no value that was made before.
set_clock_ahead(-6);
for my $name (sort keys %preload)
{
	my $node = $node{$name} = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf(
		'postgresql.conf', qq{
shared_preload_libraries = '$preload{$name}'
max_prepared_transactions = 2
max_worker_processes = 8
max_parallel_workers = 8
log_statement = all
log_min_duration_statement = 0
session.naptime = '1d'
autovacuum = off
citus.propagate_set_commands = 'local'
track_activities = off
});
	start($node);
	$node->safe_psql(
		'postgres', q{
		CREATE EXTENSION session;
		CREATE ROLE web LOGIN;
		CREATE ROLE other LOGIN;
		CREATE ROLE member LOGIN;
		GRANT member TO web;
		CREATE TABLE todo AS
			SELECT CASE n % 2 WHEN 0 THEN 'alice' ELSE 'bob' END AS owner, n
			FROM generate_series(1, 20000) AS n;
		GRANT SELECT, INSERT, UPDATE ON todo TO web, other, member;
		CREATE TABLE scratch (owner text);
		GRANT INSERT ON scratch TO web;
		CREATE FUNCTION wait() RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_sleep(3.1);
			PERFORM 1;
			RETURN 'alice';
		END $$;
		ALTER TABLE scratch ALTER owner SET DEFAULT wait();
		ALTER TABLE scratch ADD n int;
		ALTER TABLE todo ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON todo USING (owner = session_user_id());
		ANALYZE todo;
	});
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements') unless $name eq 'bare';
	$node->safe_psql('postgres', 'CREATE TABLE pg_dist_local_group AS SELECT 1 AS groupid') unless $name eq 'coordinator';
}
my ($coordinator, $worker, $bare) = @node{qw(coordinator worker bare)};
set_clock_ahead(0);

# Runs SQL as a role. Returns the output, and leaves the messages in $err.
my $err;

sub as
{
	my ($node, $role, $sql, %params) = @_;
	my $out = '';

	local $ENV{PGOPTIONS} = $params{options} // '';
	$err = '';
	$node->psql($params{database} // 'postgres', $sql,
		stdout => \$out, stderr => \$err, on_error_stop => 0,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return $out;
}

my $forwarded = $coordinator->data_dir . '/forwarded';
my @values;

# Returns the bytes of a value, without the MAC.
sub bytes_of { return substr decode_base64url(substr $_[0], 3), 0, -32; }

# Returns what a statement sends: "none" for a value without an identity.
sub kind
{
	return 'cleared' if $_[0] eq q{SET LOCAL session.context TO '';};
	my ($value) = $_[0] =~ /^SET LOCAL session.context TO '(sx_[\w-]+)'$/ or return "? $_[0]";
	my $bytes = bytes_of($value);

	return length $bytes == 30 + unpack('x29 C', $bytes) ? 'none' : 'value';
}

# Runs SQL on the coordinator. Returns what it has sent: each value as "value",
# "none" that there is no identity, or "cleared". Leaves the statements in @sent.
my @sent;

sub sends
{
	my ($sql, $role) = @_;

	unlink $forwarded;
	as($coordinator, $role // 'web', $sql);
	@sent = -e $forwarded ? split /\n/, slurp_file($forwarded) : ();
	push @values, map { /'(sx_[\w-]+)'/ ? $1 : () } @sent;
	return join ' ', map { kind($_) } @sent;
}

my ($alice, $bob, $member) = map { $coordinator->safe_psql('postgres', $_) }
  q{SELECT token FROM session_create('alice', auth_level => 2, tenant_id => 'acme')},
  q{SELECT token FROM session_create('bob')},
  q{SELECT token FROM session_create('alice', role => 'member')};
my $bind = "SELECT session_authenticate('$alice')";
my $request = qq[BEGIN; SELECT set_config('request.cookies', '{"__Host-session": "$member"}', true); SELECT session_pre_request(); TABLE todo; COMMIT];

# Without a key, nothing is sent.
is(sends("BEGIN; $bind; SELECT 1; COMMIT"), '', 'nothing is sent without a key');
my $import = q{SELECT session_key_import(sha256('shared'), 'k1', 'context')};
$_->safe_psql('postgres', $import) for $coordinator, $worker, $bare;

# What is sent, and when.
for my $case (
	[ 'SELECT 1' => '', 'without an identity' ],
	[ $bind => '', 'when nothing follows' ],
	[ "SET citus.propagate_set_commands = 'none'; BEGIN; $bind; SELECT 1; COMMIT" => 'value', 'when the client has Citus forward nothing' ],
	[ "BEGIN; $bind; TABLE todo; SET LOCAL citus.propagate_set_commands = 'none'; SELECT session_authenticate('junk'); TABLE todo; COMMIT" => 'value none',
		'that there is none, when the client has Citus forward nothing' ],
	[ "BEGIN; $bind; SELECT 1; SELECT 2; COMMIT; SELECT 3" => 'value', 'once a transaction' ],
	[ "BEGIN READ ONLY; $bind; SELECT 1; COMMIT" => 'value', 'when it is READ ONLY' ],
	[ "BEGIN ISOLATION LEVEL SERIALIZABLE; $bind; SELECT 1; COMMIT" => 'value', 'when it is SERIALIZABLE' ],
	[ "BEGIN; $bind; TABLE todo; SELECT session_authenticate('junk'); TABLE todo; COMMIT" => 'value none', 'when the identity is removed' ],
	[ "BEGIN; $bind; TABLE todo; SELECT session_authenticate('$bob'); TABLE todo; COMMIT" => 'value value', 'when another is bound' ],
	[ "BEGIN; $bind; TABLE todo; SET LOCAL session.context TO ''; TABLE todo; COMMIT" => 'value cleared none', 'when it is cleared' ],
	[ "BEGIN; $bind; TABLE todo; SET LOCAL ROLE member; TABLE todo; TABLE todo; COMMIT" => 'value value', 'when the role changes' ],
	[ "BEGIN; SAVEPOINT s; $bind; TABLE todo; RELEASE s; TABLE todo; COMMIT" => 'value value', 'when a savepoint is released' ],
	[ "BEGIN; SAVEPOINT s; $bind; TABLE todo; ROLLBACK TO s; TABLE todo; COMMIT" => 'value none', 'when a savepoint is rolled back' ],
	[ "BEGIN; $bind; TABLE todo; SAVEPOINT s; TABLE todo; RELEASE s; TABLE todo; COMMIT" => 'value', 'when nothing was sent in a savepoint' ],
	[ "BEGIN; $bind; TABLE todo; SELECT session_revoke('$bob'); COMMIT" => 'value', 'when another session ends' ],
	[ "BEGIN; $bind; TABLE todo; SELECT pg_sleep(3.1); TABLE todo; COMMIT" => 'value value', 'when the last value is seconds old' ],
	[ "BEGIN; $bind; TABLE todo; DECLARE c CURSOR FOR TABLE todo; SELECT session_authenticate('$bob'); FETCH 1 FROM c; COMMIT" => 'value value', 'before rows are fetched' ],
	[ "BEGIN; DECLARE c CURSOR WITH HOLD FOR TABLE todo; $bind; COMMIT" => 'value', 'before the rows of a cursor are kept at the commit' ],
	[ "DO \$\$BEGIN PERFORM session_authenticate('$alice'); PERFORM FROM todo; END\$\$" => '', 'not outside of a transaction block' ],
	[ "BEGIN; $bind; SELECT wait(); COMMIT" => 'value value', 'when the last value is seconds old, within a statement' ],
	[ "BEGIN; $bind; INSERT INTO scratch SELECT wait(); COMMIT" => 'value', 'once while rows are inserted' ],
	[ "BEGIN; $bind; WITH i AS (INSERT INTO scratch SELECT wait() RETURNING n) SELECT FROM i; COMMIT" => 'value', 'once while a part of a query inserts rows' ],
	[ "BEGIN; $bind; COPY scratch (n) FROM stdin;\n1\n\\.\nCOMMIT" => 'value', 'once while rows are copied' ],
	[ "BEGIN; $bind; COPY (SELECT wait()) TO STDOUT; COMMIT" => 'value', 'once while rows are copied out, as Citus does with those of a subquery' ],
	[ "BEGIN; $bind; INSERT INTO scratch SELECT FROM set_config('role', 'member', true), wait(); COMMIT" => 'value value', 'while rows are inserted if the role changes' ],
	[ $request => 'value', 'after session_pre_request' ])
{
	is(sends($case->[0]), $case->[1], "it is sent $case->[2]");
}
$bob = $coordinator->safe_psql('postgres', q{SELECT token FROM session_create('bob')});
my $ends = $coordinator->safe_psql('postgres', q{SELECT token FROM session_create('ends')});
is(sends("BEGIN; SELECT session_authenticate('$ends'); TABLE todo; SELECT session_revoke('$ends'); TABLE todo; COMMIT", $superuser),
	'value none', 'it is sent that an identity has ended');
$ends = $coordinator->safe_psql('postgres', q{SELECT token FROM session_create('ends')});
is(sends("BEGIN; SELECT session_authenticate('$ends'); DECLARE c CURSOR FOR TABLE todo; SELECT session_revoke('$ends'); SELECT 1; FETCH 1 FROM c; SELECT 1; COMMIT", $superuser),
	'value none value none', 'rows are fetched with the identity that the cursor was opened with');
is(sends("BEGIN; $bind; TABLE todo; SELECT session_policy_set(lifetime => '1 hour'); TABLE todo; TABLE todo; ROLLBACK", $superuser),
	'value value', 'it is sent again when the end of its session changes');
is($coordinator->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_statements WHERE query ~ 'session.context TO .sx'}),
	'0', 'pg_stat_statements of the coordinator has no value');

# Returns a new value for a session of alice.
sub value
{
	my ($token, $role) = @_;
	sends("BEGIN; SELECT session_authenticate('" . ($token // $alice) . "'); TABLE todo; COMMIT", $role);
	return $values[-1];
}

sub set_to { return "SET LOCAL session.context TO '$_[0]'"; }

# Returns a value that is as if it was made some microseconds later, perhaps by
# another backend of the coordinator, or with another format: one who knows the
# secret can do that.
sub forge
{
	my ($value, $later, $backend, $format) = @_;
	my $key = hmac_sha256("session carried-context:postgres\x01", hmac_sha256(sha256('shared'), ''));
	my $bytes = bytes_of($value);
	my ($form, $time, $server, $sender) = unpack 'CQ>Q>Q>', $bytes;

	substr $bytes, 0, 25, pack 'CQ>Q>Q>', $format // $form, $time + $later, $server, $sender ^ (($backend // 0) << 10);
	return 'sx_' . encode_base64url($bytes . hmac_sha256($bytes, $key));
}

my $who = q{SELECT concat_ws(' ', coalesce(session_user_id(), 'none'), (SELECT count(*) FROM todo))};
my $late = forge(value(), -10_000_000);

# Another server has the identity for the transaction.
my $tells = q{SELECT concat_ws('/', session_id() IS NOT NULL, session_user_id(), session_tenant_id(), session_auth_level(), session_claim('sub'),
	session_claims() ->> 'tid', session_authenticated_at() IS NOT NULL)};
my $told = as($coordinator, 'web', "BEGIN; $bind; $tells");
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $tells; COMMIT; $tells"), (split /\n/, $told)[1] . "\nf/f",
	'the identity is on another server what it is here, until the transaction ends');
is(as($worker, 'web', "BEGIN; $who; " . set_to(value()) . "; $who; COMMIT; $who"),
	"none 0\nalice 10000\nnone 0", 'policies see the user, and the next transaction has none');
is(as($worker, 'web', 'BEGIN READ ONLY; ' . set_to(value()) . "; $who; COMMIT"),
	'alice 10000', 'it works in a READ ONLY transaction');
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . q{; INSERT INTO todo VALUES ('alice'), ('alice') RETURNING owner; INSERT INTO todo VALUES ('bob'); ROLLBACK}),
	"alice\nalice", 'a policy checks what is inserted');
like($err, qr/42501/, 'and refuses the row of another user');
is(as($worker, 'web', 'BEGIN; SAVEPOINT s; ' . set_to(value()) . "; $who; ROLLBACK TO s; $who; COMMIT"),
	"alice 10000\nnone 0", 'a rollback to a savepoint removes it');
is(as($worker, 'web', 'BEGIN; SAVEPOINT s; ' . set_to(value()) . "; $who; RELEASE s; $who; COMMIT"),
	"alice 10000\nalice 10000", 'it stays when a savepoint is released');
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . '; ' . set_to('') . "; $who; COMMIT"),
	'none 0', 'it can be removed');
sends("BEGIN; $bind; TABLE todo; SELECT session_authenticate('$bob'); TABLE todo; COMMIT");
is(as($worker, 'web', 'BEGIN; ' . set_to($values[-2]) . '; ' . set_to($values[-1]) . "; $who; COMMIT"),
	'bob 10000', 'it can be replaced by one of the same transaction');
for my $newer ("SELECT session_authenticate('$bob')", "SELECT session_authenticate('junk')")
{
	sends("BEGIN; $bind; TABLE todo; $newer; TABLE todo; COMMIT");
	is(as($worker, 'web', 'BEGIN; ' . set_to($values[-1]) . '; ' . set_to($values[-2]) . "; $who; COMMIT"), '', "an older value does not follow a newer one: $newer");
	like($err, qr/42501.*This transaction has a newer value/s, 'with an error that says why');
}
is(as($worker, 'web', 'BEGIN; ' . set_to(forge(value(), 0, 0, 200)) . "; $who; COMMIT"), '', 'another version of the extension is refused');
like($err, qr/42501.*A version of the extension with another format has made it/s, 'with an error that says why');
$worker->safe_psql('postgres', 'ALTER ROLE web SET track_activities = on');
my $seen = set_to(value());
is(as($worker, 'web', "BEGIN; $seen; $who; COMMIT"), '', 'a connection that pg_stat_activity shows is refused');
like($err, qr/42501.*The setting track_activities is on/s, 'with an error that says why');
$worker->safe_psql('postgres', 'ALTER ROLE web RESET track_activities');
is(as($worker, 'web', "BEGIN; $seen; $who; COMMIT"), '', 'another connection does not accept the value afterwards');
like($err, qr/42501.*The transaction that sent it has ended/s, 'with an error that says why');
$worker->safe_psql('postgres', "ALTER ROLE $superuser SET track_activities = on");
is(as($worker, $superuser, 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), 'none 20000', 'what only superusers see is no error');
$worker->safe_psql('postgres', "ALTER ROLE $superuser RESET track_activities");

# A transaction has the identity of one other transaction.
my ($first, $second) = (value(), value($bob));
is(as($worker, 'web', 'BEGIN; ' . set_to($first) . '; SAVEPOINT s; ' . set_to($second) . '; ROLLBACK TO s; COMMIT; BEGIN; ' . set_to($first) . "; $who; COMMIT"),
	'', 'what was noted of a value is not lost to that of another transaction');
like($err, qr/This transaction has an identity that another one has sent/, 'which is refused');
for my $reset ('RESET session.context', 'RESET ALL')
{
	is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $reset; $who; COMMIT"), 'none 0', "$reset removes it");
}
like(as($worker, 'web', 'BEGIN; ' . set_to(value()) . '; SHOW session.context; COMMIT'),
	qr/^[0-9a-f-]{36}$/, 'SHOW shows the id of the session alone');
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = off;};
is(as($worker, 'web', "$parallel BEGIN; " . set_to(value()) . '; SELECT count(*) FROM todo; COMMIT; SELECT count(*) FROM todo'),
	"10000\n0", 'workers of a parallel query have it');
like(as($worker, 'web', "$parallel BEGIN; " . set_to(value()) . '; EXPLAIN (COSTS OFF) SELECT count(*) FROM todo'),
	qr/Gather/, 'the query is parallel');

# Nothing but a client's statement SET LOCAL sets it.
for my $set (q{SET session.context TO '%s'}, q{SELECT set_config('session.context', '%s', false)}, q{SELECT set_config('session.context', '%s', true)},
	q{DO $$BEGIN SET LOCAL session.context TO '%s'; END$$}, q{UPDATE pg_settings SET setting = '%s' WHERE name = 'session.context'; TABLE nothing})
{
	is(as($worker, 'web', 'BEGIN; ' . sprintf($set, value()) . "; $who; COMMIT"), '', "refused: $set");
	like($err, $set =~ /pg_settings/ ? qr/42P01/ : qr/42501.*Another server sets it with SET LOCAL, as a statement of its own/s, 'with an error that says why');
}
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; SELECT set_config('session.context', '" . value() . "', false); ROLLBACK; $who"), 'none 0',
	'also beside one that was accepted');

# It ends with the transaction, also when something hides it by then.
for my $hide ('SELECT', q{SET LOCAL session.context TO ''},
	q{SAVEPOINT s; SET LOCAL session.context TO ''; RELEASE s},
	q{DO $$ BEGIN PERFORM session_authenticate('junk'); END $$},
	q{SELECT FROM set_config('session.context', '', false)})
{
	for my $end ('COMMIT', 'ROLLBACK', q{PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'}, 'COMMIT AND CHAIN')
	{
		my $out = as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $who; $hide; $end; $who; COMMIT; BEGIN; $who; ROLLBACK; $who");
		is(join(' ', grep { /./ } split /\n/, $out), join(' ', 'alice 10000', ('none 0') x 3), "no identity is left after $end: $hide");
	}
}
is(as($worker, 'web', set_to(value()) . "; $who"), 'none 0', 'a statement outside of a transaction block sets it for itself alone');

# A value is over when a transaction that had it is.
for my $end ('COMMIT', 'ROLLBACK', q{PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'})
{
	my $set = set_to(value());

	is(as($worker, 'web', "BEGIN; $set; $who; $end; BEGIN; $set; COMMIT; $who"), "alice 10000\nnone 0",
		"the same value does nothing after $end");
	like($err, qr/42501.*DETAIL:  The transaction that sent it has ended/s, 'and is an error');
	is(as($worker, 'web', "BEGIN; $set; COMMIT"), '', 'also in another connection');
	like($err, qr/42501.*DETAIL:  The transaction that sent it has ended/s, 'with the same error');
}
my ($one, $other) = map { $worker->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'web' ]) } 1, 2;
my $set = set_to(value());
is($_->query("BEGIN; $set; $who"), 'alice 10000', 'several connections have the identity of a transaction') for $one, $other;
is($one->query("COMMIT; $who"), 'none 0', 'the transaction of one ends');
$other->{stderr} = '';
is($other->query($who), '', 'statements of the others fail then');
like($other->{stderr}, qr/the transaction that sent the identity of this one has ended/, 'with an error that says why');
$other->{stderr} = '';
$other->query('ROLLBACK');
is($other->query($who), 'none 0', 'and the next transaction has no identity');

# Transactions of one connection of the coordinator.
sends("BEGIN; $bind; TABLE todo; COMMIT; " x 3);
my @three = @values[ -3 .. -1 ];
is(as($worker, 'web', 'BEGIN; ' . set_to($three[1]) . "; $who; COMMIT"), 'alice 10000', 'the second of three transactions');
is(as($worker, 'web', 'BEGIN; ' . set_to($three[0]) . "; $who; COMMIT"), '', 'the first is over then');
is(as($worker, 'web', 'BEGIN; ' . set_to($three[2]) . "; $who; COMMIT"), 'alice 10000', 'the third is not');

# For another role it binds no identity, and a value for this role counts.
is(as($worker, 'other', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), 'none 0', 'a value for another role binds no identity');
is($err, '', 'and is no error');
is(as($worker, 'other', 'BEGIN; SET ROLE NONE; ' . set_to(value($alice, 'other')) . '; ' . "$who; COMMIT"), 'alice 10000', 'one for this role does');
sends("BEGIN; SET LOCAL ROLE member; $bind; TABLE todo; RESET ROLE; TABLE todo; SET LOCAL ROLE member; TABLE todo; COMMIT");
is(as($worker, 'web', 'BEGIN; ' . set_to($values[-3]) . '; ' . set_to($values[-2]) . "; $who; COMMIT"), 'alice 10000', 'also after one for another role');
sends("BEGIN; $bind; TABLE todo; SET LOCAL ROLE member; TABLE todo; COMMIT");
is(as($worker, 'web', 'BEGIN; ' . set_to($values[-1]) . '; ' . set_to($values[-2]) . "; $who; COMMIT"), '', 'an older one does not follow');
like($err, qr/42501.*This transaction has a newer value/s, 'with an error that says why');
is(as($worker, 'web', 'BEGIN; SET ROLE member; ' . set_to(value()) . "; $who; COMMIT"), 'alice 10000', 'the role that has logged in counts');
is(as($worker, 'web', 'BEGIN; SET ROLE member; ' . set_to(value($alice, 'member')) . "; $who; COMMIT"), 'none 0', 'not the one that was switched to');
sends($request);
is(as($worker, 'member', 'BEGIN; ' . set_to($values[-1]) . "; $who; COMMIT"), 'alice 10000', 'session_pre_request sends it for the role of the request');

# It is for a database of the same name.
$worker->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$worker->safe_psql('elsewhere', "CREATE EXTENSION session; CREATE TABLE pg_dist_local_group AS SELECT 1 AS groupid; $import");
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . '; SELECT session_user_id(); COMMIT', database => 'elsewhere'), '', 'another database refuses it');
like($err, qr/42501.*No key of the purpose "context" has made it for this database/s, 'with an error that says why');
is(as($coordinator, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), '', 'the coordinator refuses it');
like($err, qr/42501.*This server is not a worker of Citus/s, 'with an error that says why');
$coordinator->safe_psql('postgres', 'CREATE TABLE pg_dist_local_group AS SELECT 1 AS groupid');
is(as($coordinator, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), '', 'the server that sent it refuses it');
$coordinator->safe_psql('postgres', 'DROP TABLE pg_dist_local_group');
like($err, qr/42501.*This server has sent it itself/s, 'with an error that says why');

# Only where Citus says worker.
for my $change ('UPDATE pg_dist_local_group SET groupid = 0', 'DELETE FROM pg_dist_local_group', 'DROP TABLE pg_dist_local_group',
	'CREATE TABLE pg_dist_local_group AS SELECT 1 AS groupid; ALTER TABLE pg_dist_local_group OWNER TO web')
{
	$worker->safe_psql('postgres', $change);
	is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), '', "refused after $change");
	like($err, qr/42501.*This server is not a worker of Citus/s, 'with an error that says why');
}
$worker->safe_psql('postgres', "ALTER TABLE pg_dist_local_group OWNER TO $superuser");
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), 'alice 10000', 'a worker accepts it');

# A database without the extension.
$worker->safe_psql('postgres', 'CREATE DATABASE plain');
as($worker, 'web', set_to(value()), database => 'plain');
like($err, qr/42501: +parameter "session.context" cannot be set/, 'a database without the extension refuses it as any value');

# The end of the session, in a transaction that is kept open.
my $short = $coordinator->safe_psql('postgres', q{SELECT token FROM session_create('alice', lifetime => '1 minute')});
my $ends_here = qr/the identity of this transaction must be sent again/;
$one->query('BEGIN; ' . set_to(value($short)));
is($one->query($who), 'alice 10000', 'an identity has the end of its session');
set_clock_ahead(61);
$one->{stderr} = '';
is($one->query($who), '', 'statements fail after it');
like($one->{stderr}, qr/$ends_here.*Its session has reached its end/s, 'with an error that says why');
set_clock_ahead(0);
$one->query('ROLLBACK');
sends("BEGIN; SELECT session_authenticate('$short'); TABLE todo; $bind; TABLE todo; COMMIT");
$one->query('BEGIN; ' . set_to($values[-2]));
is($one->query($who), 'alice 10000', 'a session is about to end');
set_clock_ahead(61);
# The other server made the second value when its clock was ahead, too.
is($one->query(set_to(forge($values[-1], 61_000_000)) . "; $who"), 'alice 10000', 'a newer value replaces one whose session has ended');
set_clock_ahead(0);
$one->query('ROLLBACK');

# The age of the last value, in a transaction that is kept open.
my $long = value();
$one->query('BEGIN; ' . set_to($long));
set_clock_ahead(295);
is($one->query($who), 'alice 10000', 'an identity is good for almost 5 minutes after its last value');
set_clock_ahead(301);
$one->{stderr} = '';
is($one->query($who), '', 'and not for longer');
like($one->{stderr}, qr/$ends_here.*The last value was made more than 5 minutes ago/s, 'with an error that says why');
$one->query('ROLLBACK');
set_clock_ahead(280);
$one->query('BEGIN; ' . set_to(forge(my $last = value(), 280_000_000)));
set_clock_ahead(570);
is($one->query(set_to(forge($last, 570_000_000)) . "; $who"), 'alice 10000', 'the age of a newer value counts');
$one->query('COMMIT');
set_clock_ahead(0);

# A cursor keeps its rows when a savepoint in which a value was sent ends.
my $cursors = $coordinator->safe_psql('postgres', q{SELECT token FROM session_create('alice')});
my $revoke = $coordinator->background_psql('postgres', on_error_stop => 0);
my $reader = $coordinator->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'web' ]);
$reader->query("BEGIN; SELECT session_authenticate('$cursors')");
$reader->query(q{DECLARE c CURSOR FOR SELECT 'row of ' || owner FROM todo; SAVEPOINT s; SELECT pg_sleep(3.1); SELECT 1; ROLLBACK TO s});
$revoke->query("SELECT session_revoke('$cursors')");
is($reader->query($who), 'none 0', 'the session has ended');
is($reader->query('FETCH 1 FROM c'), 'row of alice', 'the cursor that was opened before has its rows');
$_->quit for $revoke, $reader;

# Any other character anywhere, and any other length.
my $unchanged = value();
my @refused = map { my $one = $unchanged; substr($one, $_, 1) =~ tr/A-Za-z0-9_-/B-ZAb-za1-90\-_/; ($one, substr $unchanged, 0, $_) } 3 .. length($unchanged) - 1;
is(as($worker, 'web', 'BEGIN; SAVEPOINT s; ' . join('', map { set_to($_) . '; ROLLBACK TO s; ' } @refused) . set_to($unchanged) . "; $who; COMMIT"),
	'alice 10000', 'a value is accepted');
is(scalar(() = $err =~ /ERROR: +42501/g), scalar @refused, 'and refused if it was changed or cut anywhere');

# No other way to set it than a statement.
$set = value();
for my $statement (
	"ALTER ROLE web SET session.context = '$set'",
	"ALTER DATABASE postgres SET session.context = '$set'",
	"ALTER SYSTEM SET session.context = '$set'",
	"CREATE FUNCTION f() RETURNS text LANGUAGE sql SET session.context = '$set' RETURN session_user_id()")
{
	as($worker, $superuser, $statement);
	like($err, qr/ERROR: +(?:42501|55P02)/, 'refused: ' . $statement =~ s/sx_.{10}\K[\w-]+//r);
}
as($worker, 'web', $who, options => "-c session.context=$set");
like($err, qr/FATAL: .*cannot be set/, 'a connection with the value is refused');

# Without the key, with another, and after a rotation.
$worker->safe_psql('postgres', q{SELECT session_key_import(sha256('next'), 'k2', 'context'), session_key_retire('k1')});
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), '', 'refused with another key');
like($err, qr/No key of the purpose "context" has made it/, 'with an error that says why');
$coordinator->safe_psql('postgres', q{SELECT session_key_import(sha256('next'), 'k2', 'context')});
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), 'alice 10000', 'the newest key of the coordinator counts');
$worker->safe_psql('postgres', q{SELECT session_key_retire('k2')});
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), '', 'refused without a key');
$worker->safe_psql('postgres', q{SELECT session_key_import(sha256('next'), 'k3', 'context')});
($err) = ($coordinator->psql('postgres', q{SELECT session_key_rotate('context', 'ES256')}))[2];
like($err, qr/algorithm must be "HS256" for purpose "context"/, 'a key of this purpose is a secret');

# Without preload nothing is accepted.
is(as($bare, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), 'none 0', 'a server without preload drops the value');
is(as($bare, 'web', "BEGIN; $who; " . set_to(value()) . "; COMMIT"), 'none 0', 'or refuses it');
like($err, qr/42501.*This server does not preload the libraries/s, 'with an error that says why');

# What needs the session says where it is.
for my $call ('session_require()', 'session_mine()', 'session_revoke_others()', q{session_revoke_mine('00000000-0000-0000-0000-000000000000')})
{
	as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; SELECT $call; COMMIT");
	like($err, qr/55000.*the session of this transaction is on another server/, "$call says where the session is");
}

# A worker of Citus has no sessions.
my $asks = "SELECT session_status('$alice')";
$worker->safe_psql('postgres', 'DROP TABLE pg_dist_local_group');
is($worker->safe_psql('postgres', $asks), 'unknown', 'a server of its own does not know the session');
$worker->safe_psql('postgres', 'CREATE TABLE pg_dist_local_group AS SELECT 1 AS groupid');
for my $call ($asks, "SELECT session_validate('$alice')", "SELECT session_authenticate('$alice')", 'SELECT session_create()')
{
	as($worker, $superuser, $call);
	like($err, qr/55000: +this worker of Citus has no sessions/, 'a worker of Citus says so: ' . $call =~ s/st_\K[\w-]+//r);
}
is($worker->safe_psql('postgres', 'SELECT deleted, failed FROM session_cleanup(); SELECT live FROM session.stats WHERE database = current_database()'),
	"0|{}\n0", 'upkeep and statistics work there');
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), 'alice 10000', 'and identities come there');
$worker->safe_psql('postgres', 'UPDATE pg_dist_local_group SET groupid = 0');
is($worker->safe_psql('postgres', $asks), 'unknown', 'the coordinator is group 0');
$worker->safe_psql('postgres', 'UPDATE pg_dist_local_group SET groupid = 1');

# Nothing keeps the value where others can see it.
$set = value();
is($one->query('BEGIN; ' . set_to($set)), '', 'a transaction has an identity');
like(as($worker, 'web', q{SELECT string_agg(concat_ws(' ', state, query), ' ') FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'web'}),
	qr/^disabled *( disabled *)*$/, 'pg_stat_activity shows no statement');
$one->query('COMMIT');
is($worker->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_statements WHERE query ~ 'SET.* session.context TO .sx'}),
	'0', 'pg_stat_statements of the other server does not have it');

# A value that is too old.
$worker->safe_psql('postgres', $import =~ s/k1/k4/r);
is(as($worker, 'web', 'BEGIN; ' . set_to($late) . q{; SELECT 'set'; } . "$who; ROLLBACK; $who"), "set\nnone 0",
	'a value that is too old can be set, but not be read');
like($err, qr/55000: +the identity of the transaction is too old to be used here/, 'reading it is an error');
is(as($worker, 'web', 'BEGIN; ' . set_to($late) . '; SHOW session.context; COMMIT'), '', 'and SHOW shows nothing');
is(as($worker, 'web', 'BEGIN; ' . set_to($late) . '; ' . set_to(value()) . "; $who; COMMIT"), 'alice 10000',
	'a newer value that follows counts');
for my $case ([ -10_000_000, "role $superuser" ], [ 0, 'user alice' ])
{
	is(as($worker, $superuser, 'BEGIN; ' . set_to(forge(value($alice, $superuser), $case->[0])) .
		q{; SELECT FROM session_key_rotate('other'); SELECT concat_ws(' ', actor_kind, actor) FROM session.events ORDER BY at DESC LIMIT 1; ROLLBACK}) =~ s/^\s+//r,
		$case->[1], 'who caused an event');
}
is(as($worker, 'web', "$parallel BEGIN; " . set_to($late) . '; SELECT count(*) FROM todo; COMMIT'), '',
	'workers of a parallel query do not read it');

# A backend has more transactions of others to remember than it has room for.
# The values of these backends have the same last 10 bits.
my $victim = value();
as($worker, 'web', 'BEGIN; ' . set_to(forge($victim, 0, 0)) . '; COMMIT');
is($err, '', 'a value ends');
as($worker, 'web', join '', map { 'BEGIN; ' . set_to(forge($victim, 2_000_000, $_)) . '; COMMIT; ' } 1 .. 16);
is($err, '', 'and so do those of as many others as a bucket has slots');
is(as($worker, 'web', 'BEGIN; ' . set_to(forge($victim, 1_000_000, 0)) . "; $who; COMMIT"), '', 'a newer value of the first is over, too');
like($err, qr/or before others whose end this server no longer knows/, 'with an error that says why');

$_->quit for $one, $other;

# A worker that has just started does not know what ended before.
$worker->stop;
start($worker);
is(as($worker, 'web', 'BEGIN; ' . set_to(value()) . "; $who; COMMIT"), '', 'a worker that has just started refuses a value');
like($err, qr/42501.*It was made before this server started/s, 'with an error that says why');
set_clock_ahead(6);
is(as($worker, 'web', 'BEGIN; ' . set_to(forge(value(), 6_000_000)) . "; $who; COMMIT"), 'alice 10000', 'and accepts one that was made 5 seconds later');

# A library whose hook comes first could keep the value.
$worker->append_conf('postgresql.conf', "shared_preload_libraries = '$directory/forwarder, session, pg_stat_statements'");
$worker->stop;
set_clock_ahead(0);
start($worker);
set_clock_ahead(6);
is(as($worker, 'web', 'BEGIN; ' . set_to(forge(value(), 6_000_000)) . "; $who; COMMIT"), '', 'a server on which another library comes last refuses it');
like($err, qr/42501.*The library "session" is not the last one in shared_preload_libraries/s, 'with an error that says why');

# Without Citus, its setting is a placeholder that any client can set.
my $memory = q{SELECT count(*) FROM pg_shmem_allocations WHERE name = 'session_distant'};
is($coordinator->safe_psql('postgres', $memory), '1', 'a server with Citus has memory for transactions of others');
$coordinator->append_conf('postgresql.conf', "shared_preload_libraries = 'session'");
$coordinator->restart;
is($coordinator->safe_psql('postgres', $memory), '0', 'a server without Citus has none');
is(as($coordinator, 'web', "SET citus.propagate_set_commands = 'local'; BEGIN; $bind; $who; COMMIT") =~ /^alice/m, 1, 'and sends no identity');
$_->stop for $coordinator, $worker;
for my $node ($coordinator, $worker)
{
	my $log = slurp_file($node->logfile);
	my @found = grep { index($log, substr $_, -20) >= 0 } @values;

	is(scalar @found, 0, 'no value is in the log of the ' . $node->name);
}
like(slurp_file($worker->logfile), qr/statement: BEGIN;.*\(redacted\)|statement: SET LOCAL session.context TO '\(redacted\)'/,
	'the log shows the place of a value');

done_testing();
