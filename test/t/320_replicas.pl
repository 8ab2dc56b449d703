# A primary and two standbys: validation, authentication and row-level security
# on both while the primary writes, what lags behind when replay is paused, how
# to wait for it, and how the primary hears of uses.  330_failover.pl has what
# happens when a standby is promoted.

use strict;
use warnings;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'session'
session.naptime = '1d'
max_prepared_transactions = 5
CONF
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION session;
	SELECT FROM session_key_rotate();
	CREATE ROLE web;
	CREATE TABLE todo (owner text, what text);
	ALTER TABLE todo ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON todo USING (owner = session_user_id());
	GRANT SELECT ON todo TO web;
	INSERT INTO todo SELECT 'user' || n % 100, 'what' FROM generate_series(1, 1000) AS n;
	CREATE TABLE client (n int PRIMARY KEY, user_id text, token text);
	GRANT SELECT ON client TO web;
	INSERT INTO client SELECT n, 'user' || n, token
	  FROM generate_series(0, 99) AS n, session_create('user' || n, role => 'web', tenant_id => 'acme');
});
$primary->backup('base');
my @standbys = map { PostgreSQL::Test::Cluster->new($_) } qw(one two);
for my $standby (@standbys)
{
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	# pg_basebackup keeps the mode of the file, copying its backup does not.
	chmod 0600, $standby->data_dir . '/session_master.key';
	$standby->start;
}
my ($one, $two) = @standbys;

sub query { return $primary->safe_psql('postgres', shift); }

# Waits until the standbys have replayed what the primary has written.
sub catch_up { $primary->wait_for_catchup($_) for @_ ? @_ : @standbys; return; }

# Returns the results of a query on the standbys, as they are now.
sub now_on { my $sql = pop; return join ' ', map { $_->safe_psql('postgres', $sql) } @_; }

# Tests a query on both standbys after they have caught up.
sub on_both
{
	my ($sql, $expected, $title) = @_;

	catch_up();
	is($_->safe_psql('postgres', $sql), $expected, "$title, on standby " . $_->name) for @standbys;
	return;
}

sub pause
{
	my ($standby) = @_;

	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'})
	  or BAIL_OUT('replay was not paused');
	return;
}
sub resume { $_[0]->safe_psql('postgres', 'SELECT pg_wal_replay_resume()'); return; }

sub token { my $args = shift // q{'ada'}; return query("SELECT token FROM session_create($args)"); }

#
# Under load.  A wrong answer is a division by zero, which ends pgbench.
#

my $work = PostgreSQL::Test::Utils::tempdir;
sub bench
{
	my ($node, $name, $options, $script) = @_;
	my $run = { name => $name, out => '' };

	append_to_file("$work/$name.sql", $script);
	local %ENV = $node->_get_env();
	$run->{process} = start([ $node->installed_command('pgbench'), '-n', split(/ /, $options),
		'-f', "$work/$name.sql", 'postgres' ], '<', \undef, '>&', \$run->{out});
	return $run;
}

my $replayed = now_on($one, 'SELECT pg_last_wal_replay_lsn()');
my @runs = (
	bench($primary, 'write', '-c 2 -t 150', <<'SQL'),
\set n random(0, 99)
BEGIN;
SELECT token AS new FROM session_create('user:n', role => 'web', tenant_id => 'acme', refreshable => true) \gset
SELECT session_touch(token) FROM client WHERE n = :n;
SELECT session_data_set(token, 'n', ':n') FROM client WHERE n = :n;
COMMIT;
SELECT token AS newer FROM session_regenerate(':new', auth_level => 2) \gset
SELECT session_revoke(':newer');
INSERT INTO todo VALUES ('nobody', repeat('x', :n));
SQL
	bench($primary, 'rules', '-c 1 -t 40', <<'SQL'));
SELECT session_policy_set('acme', lifetime => '20 hours', idle_timeout => '1 hour');
SELECT session_revoke_all(tenant_id => 'other');
SELECT session_policy_drop('acme');
SELECT session_cookie_revoke(session_cookie_encode('{"sub": "x"}'));
SQL
for my $standby (@standbys)
{
	push @runs, bench($standby, 'read_' . $standby->name, '-c 2 -t 400', <<'SQL');
\set n random(0, 99)
SELECT token AS token FROM client WHERE n = :n \gset
SELECT 1 / (count(*) = 1)::int FROM session_validate(':token') WHERE user_id = 'user:n' AND status = 'active';
BEGIN;
SELECT 1 / session_authenticate(':token')::int;
SET LOCAL ROLE web;
SELECT 1 / (count(*) = 10 AND bool_and(owner = 'user:n') AND bool_and(owner = session_user_id()))::int FROM todo;
COMMIT;
SELECT 1 / (session_user_id() IS NULL)::int;
SQL
}
for my $run (@runs)
{
	ok(finish($run->{process}), "$run->{name}: every answer is right") or diag($run->{out});
}
catch_up();
is(now_on($one, "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '$replayed') > 100000"),
	't', 'the standby has replayed all the while');
is(query(q{SELECT count(*) FROM session.sessions WHERE revoked_at IS NOT NULL}),
	300, 'the primary has ended sessions all the while');

query(q{SELECT count(session_revoke(token)) FROM client WHERE n < 50});
on_both(
	q{SELECT count(*) FILTER (WHERE n < 50 AND NOT session_is_valid(token)), count(*) FILTER (WHERE n >= 50 AND session_is_valid(token)) FROM client},
	'50|50', 'half of the sessions have ended');
on_both(
	q{SELECT token AS ended FROM client WHERE n = 7 \gset
	SELECT token AS live FROM client WHERE n = 77 \gset
	BEGIN; SET LOCAL ROLE web; SELECT session_authenticate(:'ended'), (SELECT count(*) FROM todo); COMMIT;
	BEGIN; SET LOCAL ROLE web; SELECT session_authenticate(:'live'); SELECT count(*) FROM todo; COMMIT},
	"f|0\nt\n10", 'row-level security sees whose session lives');

#
# What lags behind while replay is paused, and what does not.
#

my %t;
$t{$_} = token(qq{'$_', tenant_id => 'acme'}) for qw(revoked rotated changed capped parent used);
$t{all} = token(q{'all', tenant_id => 'shut'});
$t{short} = token(q{'short', lifetime => '1 second'});
$t{idle} = token(q{'idle', idle_timeout => '2 seconds'});
$t{child} = query("SELECT token FROM session_derive('$t{parent}', '{todo:read}')");
my ($denied, $old_key) = split /\|/, query(q{SELECT session_cookie_encode('{"sub": "d"}'), session_cookie_encode('{"sub": "k"}')});
my $bound = $one->background_psql('postgres');
catch_up();
$bound->query_safe("BEGIN; SELECT session_authenticate('$t{revoked}')");
pause($one);

query("SELECT session_revoke('$t{revoked}'), session_revoke('$t{parent}'), session_data_set('$t{changed}', 'n', '1')");
$t{new} = token(q{'new'});
$t{next} = query("SELECT token FROM session_regenerate('$t{rotated}')");
query(q{SELECT session_policy_set('acme', lifetime => '1 hour'); SELECT FROM session_revoke_all(tenant_id => 'shut')});
query("SELECT session_cookie_revoke('$denied')");
my $new_key = query(q{SELECT FROM session_key_rotate(); SELECT session_cookie_encode('{"sub": "n"}')});
query(q{SELECT session_key_retire(kid) FROM session.key_ring WHERE purpose = 'session' AND NOT signs});
catch_up($two);

# Each line of the table: what it is, a query, the result on a standby that is
# behind, and on one that is not.
my @lags = (
	[ 'a new token', "session_status('$t{new}')", 'unknown', 'active' ],
	[ 'a rotated token', "session_status('$t{next}')", 'unknown', 'active' ],
	[ 'the token from before the rotation', "session_status('$t{rotated}')", 'active', 'unknown' ],
	[ 'a revoked session', "session_status('$t{revoked}')", 'active', 'revoked' ],
	[ 'a session derived from one that was revoked', "session_status('$t{child}')", 'active', 'revoked' ],
	[ 'the end of all sessions of a tenant', "session_status('$t{all}')", 'active', 'revoked' ],
	[ 'data', "session_data('$t{changed}') = '{}'", 't', 'f' ],
	[ 'a policy', "(SELECT expires_at > now() + interval '2 hours' FROM session_validate('$t{capped}'))", 't', 'f' ],
	[ 'a denied cookie', "session_cookie_decode('$denied') IS NULL", 'f', 't' ],
	[ 'a retired key', "session_cookie_decode('$old_key') IS NULL", 'f', 't' ],
	[ 'a cookie of a new key', "session_cookie_decode('$new_key') IS NULL", 't', 'f' ]);
my $lags = 'SELECT ' . join ', ', map { $_->[1] } @lags;
my @behind = split /\|/, now_on($one, $lags);
my @current = split /\|/, now_on($two, $lags);
for (0 .. $#lags)
{
	is("$behind[$_] $current[$_]", "$lags[$_][2] $lags[$_][3]", "$lags[$_][0] arrives with replay");
}
is($bound->query_safe('SELECT session_user_id()'), 'revoked', 'an identity stays while replay is paused');

# Time does not lag, and neither does a use on the standby itself.
$one->poll_query_until('postgres', "SELECT session_status('$t{short}') = 'expired'")
  or fail('a session expires while replay is paused');
is(now_on($one, "SELECT session_status('$t{short}')"), 'expired', 'deadlines pass while replay is paused');
ok($one->poll_query_until('postgres', "SELECT session_status('$t{idle}') = 'idle'"),
	'idle timeouts pass, too');

resume($one);
catch_up();
is(now_on($one, $lags), join('|', map { $_->[3] } @lags), 'all of it has arrived');
is($bound->query_safe('SELECT session_user_id()'), '', 'the identity ends with its session');
$bound->quit;

#
# Waiting for the standbys in the transaction.
#

query(q{ALTER SYSTEM SET synchronous_standby_names = '2 (one, two)'});
query(q{ALTER SYSTEM SET synchronous_commit = 'local'});
$primary->reload;
$primary->poll_query_until('postgres', q{SELECT count(*) = 2 FROM pg_stat_replication WHERE sync_state = 'sync'})
  or BAIL_OUT('the standbys are not synchronous');
my $everywhere = q{SET LOCAL synchronous_commit = 'remote_apply'};
my ($right, $rounds) = (0, 8);
for (1 .. $rounds)
{
	my $token = token(q{'eve'});
	catch_up();
	query("BEGIN; $everywhere; SELECT session_revoke('$token'); COMMIT");
	$right++ if now_on(@standbys, "SELECT session_status('$token')") eq 'revoked revoked';
}
is($right, $rounds, 'with remote_apply an end is on both standbys when the call returns');
my $child = query(q{SELECT token AS parent FROM session_create('eve') \gset
	SELECT token FROM session_derive(:'parent', '{}')});
query("BEGIN; $everywhere; SELECT session_revoke_user('eve'); COMMIT");
is(now_on(@standbys, "SELECT session_status('$child')"), 'revoked revoked', 'so is that of a derived session');
my $token = token(q{'eve', tenant_id => 'shut'});
query("BEGIN; $everywhere; SELECT session_revoke_all(); COMMIT");
is(now_on(@standbys, "SELECT session_status('$token')"), 'revoked revoked', 'so is the end of all sessions');
$token = query("BEGIN; $everywhere; SELECT token FROM session_create('eve'); COMMIT");
is(now_on(@standbys, "SELECT session_status('$token')"), 'active active', 'so is a login');

pause($one);
my $writer = $primary->background_psql('postgres');
$writer->query_until(qr/sent/, "BEGIN; $everywhere; SELECT FROM session_revoke('$token');\n\\echo sent\nCOMMIT;\n");
$primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'})
  or fail('the commit waits');
catch_up($two);
is(now_on(@standbys, "SELECT session_status('$token')"), 'active revoked', 'the commit waits for the last of them');
query('ALTER FUNCTION session_revoke(text) SET synchronous_commit = remote_apply');
my $other = token(q{'eve'});
is(query("SELECT session_revoke('$other')"), 't', 'a setting of the function does not make the call wait');
query('ALTER FUNCTION session_revoke(text) RESET synchronous_commit');
resume($one);
$writer->query_safe('SELECT 1');
is(now_on(@standbys, "SELECT session_status('$token')"), 'revoked revoked', 'then it returns');
$writer->quit;

#
# Reading one's own writes: with the position in the log.
#

pause($one);
my ($login, $lsn) = split /\n/, query(q{SELECT token FROM session_create('ada'); SELECT pg_current_wal_lsn()});
my $fresh = "SELECT pg_last_wal_replay_lsn() >= '$lsn'";
is(now_on($one, "$fresh, session_status('$login')"), 'f|unknown', 'a standby that is behind is known by its position');
resume($one);
for my $standby (@standbys)
{
	ok($standby->poll_query_until('postgres', $fresh), 'standby ' . $standby->name . ' reaches the position');
	is(now_on($standby, "SELECT session_status('$login')"), 'active', 'then it knows the login');
}

#
# A session that is used on standbys only.
#

# Moves the uses that rows have into the past.
sub age_by { query("UPDATE session.sessions SET last_seen_at = last_seen_at - interval '$_[0]' WHERE user_id = 'bob'"); catch_up(); return; }

$token = token(q{'bob', idle_timeout => '30 min'});
my $due = "SELECT user_id, last_seen_at < now() - current_setting('session.update_age')::interval FROM session_validate('$token')";
my $touches = 0;

# A request to each standby in turn, which tells the primary of a use if that
# is due.
sub requests
{
	my ($count) = @_;

	for my $n (1 .. $count)
	{
		my $answer = now_on($standbys[ $n % 2 ], $due);
		is($answer =~ s/\|.*//r, 'bob', 'the session lives') if $answer !~ /^bob\|/;
		next if $answer ne 'bob|t';
		query("SELECT session_touch('$token')");
		catch_up();
		$touches++;
	}
	return;
}
catch_up();
requests(2);
is($touches, 0, 'no touch is due after the login');
age_by('9 min');
requests(2);
is($touches, 0, 'none is due before session.update_age');
age_by('2 min');
requests(4);
is($touches, 1, 'one is due after it');
is(query("SELECT last_seen_at > now() - interval '1 minute' FROM session.sessions WHERE user_id = 'bob'"),
	't', 'the row has the use');
age_by('11 min');
is(now_on(@standbys, "$due"), 'bob|t bob|t', 'it stays due while the session is used, on both standbys');
requests(3);
is($touches, 2, 'one more is due after another session.update_age');
for (1 .. 2) { age_by('11 min'); requests(2); }
is(join(' ', $touches, query("SELECT session_status('$token')"), now_on(@standbys, "SELECT session_status('$token')")),
	'4 active active active', 'the session outlives its idle timeout');

# Without touches it becomes idle for the primary.
$token = token(q{'bob', idle_timeout => '30 min'});
catch_up();
is(now_on($one, "SELECT count(*) FROM session_validate('$token')"), 1, 'a use on one standby');
age_by('31 min');
is(join(' ', query("SELECT session_status('$token')"), now_on(@standbys, "SELECT session_status('$token')")),
	'idle active idle', 'a use counts on that standby only, until the primary hears of it');

#
# Transactions that were prepared.
#

my $parent = token(q{'cara'});
$child = query(
	"BEGIN; SELECT token FROM session_derive('$parent', '{todo:read}'); PREPARE TRANSACTION 'derive'");
on_both("SELECT session_status('$child')", 'unknown', 'a derived session that is prepared is not known');
query(q{COMMIT PREPARED 'derive'});
on_both("SELECT session_status('$child'), session_scopes() IS NULL, user_id FROM session_validate('$child')",
	'active|t|cara', 'it is known after the commit');
my $agent = $two->background_psql('postgres');
$agent->query_safe("BEGIN; SELECT session_authenticate('$child')");
query("BEGIN; SELECT session_revoke('$parent'); PREPARE TRANSACTION 'end'");
on_both("SELECT session_status('$child')", 'active', 'the end of its parent that is prepared does not count');
is($agent->query_safe(q{SELECT session_user_id(), session_has_scope('todo:read')}), 'cara|t', 'its identity stays');
query(q{COMMIT PREPARED 'end'});
on_both("SELECT session_status('$parent'), session_status('$child')", 'revoked|revoked',
	'it ends with its parent after the commit');
is($agent->query_safe('SELECT session_user_id() IS NULL'), 't', 'its identity ends');
$agent->query_safe('COMMIT');
$agent->quit;

done_testing();
