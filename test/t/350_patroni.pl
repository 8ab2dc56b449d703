# The runbook for Patroni of docs/scaling.md: two servers that Patroni of Debian
# starts, a switchover, and a failover that loses commits, after which the old
# primary comes back with pg_rewind.  Skipped where Patroni is not installed
# (packages patroni and python3-pysyncobj).

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $python = '/usr/bin/python3';
plan skip_all => 'Patroni with raft is not installed'
  if system("patroni --version >/dev/null 2>&1 && $python -c 'import patroni.dcs.raft' 2>/dev/null") != 0;

my $work = PostgreSQL::Test::Utils::tempdir;
my $sockets = PostgreSQL::Test::Utils::tempdir_short;
my ($bin) = split /\n/, `pg_config --bindir`;
my @names = qw(one two);
my (%port, %process);
my @raft = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 3;

# The settings with which a server finds the extension.
my $found = '';
if (my $file = $ENV{TEMP_CONFIG})
{
	$found = join '', map { "        $1: $2\n" if /^(\w+)\s*=\s*(.*)$/ } split /\n/, slurp_file($file);
}

sub raft
{
	my ($i, $name) = @_;
	my $partners = join ', ', map { "'127.0.0.1:$_'" } @raft[ grep { $_ != $i } 0 .. 2 ];
	return "raft:\n  data_dir: $work/raft-$name\n  self_addr: 127.0.0.1:$raft[$i]\n  partner_addrs: [$partners]\n";
}

for my $i (0 .. 1)
{
	my $name = $names[$i];
	my $rest = PostgreSQL::Test::Cluster::get_free_port();
	$port{$name} = PostgreSQL::Test::Cluster::get_free_port();
	append_to_file("$work/$name.key", ('0123456789abcdef' x 4) . "\n");
	chmod 0600, "$work/$name.key";
	append_to_file("$work/$name.yml", <<"YML" . raft($i, $name));
scope: shop
name: $name
restapi:
  listen: 127.0.0.1:$rest
  connect_address: 127.0.0.1:$rest
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    master_start_timeout: 0
    primary_start_timeout: 0
    postgresql:
      use_pg_rewind: true
      parameters:
        shared_preload_libraries: session
        wal_log_hints: 'on'
        wal_keep_size: 320MB
$found
  initdb: [{encoding: UTF8}, {locale: C}]
  pg_hba:
  - local all all trust
  - host all all 127.0.0.1/32 trust
  - host replication all 127.0.0.1/32 trust
postgresql:
  listen: 127.0.0.1:$port{$name}
  connect_address: 127.0.0.1:$port{$name}
  data_dir: $work/$name
  bin_dir: $bin
  authentication:
    superuser: {username: admin, password: x}
    replication: {username: replicator, password: x}
    rewind: {username: rewinder, password: x}
  parameters:
    unix_socket_directories: '$sockets'
    session.master_key_file: '$work/$name.key'
    fsync: 'off'
YML
}
append_to_file("$work/third.yml", "scope: shop\nname: third\n" . raft(2, 'third'));

# Starts a program that runs until the test ends, or is killed.
sub launch
{
	my ($name, @command) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>>', "$PostgreSQL::Test::Utils::log_path/350_patroni_$name.log";
		open STDERR, '>&', \*STDOUT;
		exec @command or exit 1;
	}
	$process{$name} = $pid;
	return;
}
sub launch_node { my ($name) = @_; return launch($name, 'patroni', "$work/$name.yml"); }

END
{
	my $status = $?;
	kill 'TERM', values %process;
	waitpid $_, 0 for values %process;
	for my $name (@names)
	{
		system("$bin/pg_ctl", '-D', "$work/$name", '-s', '-m', 'immediate', 'stop')
		  if defined $work && -e "$work/$name/postmaster.pid";
	}
	$? = $status;
}

# Returns the result of a query on a server, or an empty string if it fails.
sub on
{
	my ($name, $sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ "$bin/psql", '-XAtq', '-h', $sockets, '-p', $port{$name}, '-U', 'admin', '-d', 'postgres', '-c', $sql ],
		'>', \$out, '2>', \$err);
	chomp $out;
	return $out;
}

# Waits until a query has a result on a server.
sub wait_for
{
	my ($name, $sql, $expected) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if on($name, $sql) eq $expected;
		usleep(100_000);
	}
	diag("$name: $sql is " . on($name, $sql));
	return 0;
}

# Waits until one of the servers is the primary, and returns its name and that
# of the other.
sub primary
{
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		for my $name (@names)
		{
			next if on($name, 'SELECT pg_is_in_recovery()') ne 'f';
			return ($name, grep { $_ ne $name } @names);
		}
		usleep(100_000);
	}
	BAIL_OUT('there is no primary');
}
sub catch_up
{
	my ($from, $to) = @_;
	my $lsn = on($from, 'SELECT pg_current_wal_lsn()');
	return wait_for($to, "SELECT pg_last_wal_replay_lsn() >= '$lsn'", 't');
}

launch('third', 'patroni_raft_controller', "$work/third.yml");
launch_node($_) for @names;
my ($primary, $standby) = primary();
ok(wait_for($primary, 'SELECT count(*) FROM pg_stat_replication', '1'), 'Patroni makes a primary and a standby');
on($primary, 'CREATE EXTENSION session');
on($primary, 'SELECT session_key_rotate()');
my %t = map { $_ => on($primary, "SELECT token FROM session_create('$_')") } qw(kept revoked);
my $cookie = on($primary, q{SELECT session_cookie_encode('{"sub": "c"}', 'jwe')});
catch_up($primary, $standby);
my $state = "SELECT session_status('$t{kept}'), session_status('$t{revoked}'), session_cookie_decode('$cookie') ->> 'sub'";
is(on($standby, $state), 'active|active|c', 'the standby knows sessions, and has the master key');

# A switchover loses nothing.
ok(system("LC_ALL=C.UTF-8 LANG=C.UTF-8 patronictl -c $work/one.yml switchover --master $primary --candidate $standby --force >$work/switchover 2>&1 ||"
		  . "LC_ALL=C.UTF-8 LANG=C.UTF-8 patronictl -c $work/one.yml switchover --primary $primary --candidate $standby --force >$work/switchover 2>&1") == 0,
	'patronictl switches over') or diag(slurp_file("$work/switchover"));
($primary, $standby) = ($standby, $primary);
ok(wait_for($primary, 'SELECT pg_is_in_recovery()', 'f'), 'the standby is the primary');
ok(wait_for($primary, 'SELECT count(*) FROM pg_stat_replication', '1'), 'the old primary follows it');
is(on($primary, $state), 'active|active|c', 'all sessions are there');
is(on($primary, 'SELECT master_key FROM session.stats WHERE database = current_database()'), 'ok', 'the master key is ok');

# A failover: the standby gets nothing any more, and the server is killed.
catch_up($primary, $standby);
my @senders = split /\n/, on($primary, 'SELECT pid FROM pg_stat_replication');
kill 'STOP', @senders;
is(on($primary, "SELECT session_revoke('$t{revoked}')"), 't', 'an end that will be lost');
$t{issued} = on($primary, q{SELECT token FROM session_create('issued')});
my ($postmaster) = split /\n/, slurp_file("$work/$primary/postmaster.pid");
kill 'KILL', $postmaster, @senders;
my ($old, $new) = ($primary, $standby);
ok(wait_for($new, 'SELECT pg_is_in_recovery()', 'f'), 'Patroni promotes the standby');
is(on($new, $state), 'active|active|c', 'the session that was revoked is back');
is(on($new, "SELECT session_status('$t{issued}')"), 'unknown', 'the last token is unknown');

# The new primary was restarted in the switchover and may have replayed nothing
# since, so the time comes from the promotion.  It is a whole second.
my $promoted = q{FROM pg_stat_file('pg_wal/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '.history')};
wait_for($new, "SELECT clock_timestamp() > modification + interval '1 second' $promoted", 't');
$t{late} = on($new, q{SELECT token FROM session_create('late')});
is(on($new, "SELECT session_revoke_all('failover', valid_after => modification + interval '1 second') = modification + interval '1 second' $promoted"),
	't', 'the one command');
is(on($new, "SELECT session_status('$t{kept}'), session_status('$t{revoked}'), session_status('$t{late}')"),
	'revoked|revoked|active', 'sessions of the old primary are over, and later ones live');
ok(wait_for($old, "SELECT pg_is_in_recovery(), session_status('$t{late}')", 't|active'),
	'Patroni brings the old primary back');
is(on($old, "SELECT session_status('$t{revoked}'), session_status('$t{issued}'), session_cookie_decode(session_cookie_encode('{\"a\": 1}')) ->> 'a'"),
	'revoked|unknown|1', 'it has what the new primary has, and its master key');
like(slurp_file("$PostgreSQL::Test::Utils::log_path/350_patroni_$old.log"), qr/running pg_rewind from/, 'it was rewound');

done_testing();
