# The disk fills up under clients: first for the tables, then for the WAL.
#
# The limit on the size of files (RLIMIT_FSIZE) takes the place of a full disk,
# because any user may set it, and at any moment. A write beyond it fails, or
# writes less than was asked for; the server treats both as it treats a full
# disk, and names the latter so.
#
# What holds:
# 1. A call that is refused for want of room has changed nothing: a session that
#    could not be ended is as it was, a rotation that could not be written has
#    not happened, and a session that could not be created is not there.
# 2. What was acknowledged before and meanwhile holds: ends, rotations and
#    creations. So it does after the server stopped, because it could not write
#    WAL, and was started again when there was room.
# 3. Shared memory and the rows agree: a snapshot is accepted exactly if the row
#    says that its session is active.
# 4. The worker survives, and writes what waited when there is room again.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Clients;
use Fault;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

seed();
plan skip_all => 'needs prlimit' if system('prlimit --version >/dev/null 2>&1') != 0;

my $full = qr/could not (extend|write)|No space left|File too large/;

# Segments of WAL have 1 MB, and so much fits in a file. Only what is longer is
# refused.
my $node = make_server(
	'full',
	init => { extra => ['--wal-segsize=1'] },
	conf => q{
session.refresh_grace = '1h'
session.update_age = '1s'
session.failure_threshold = 1
autovacuum = off
min_wal_size = 2MB
max_wal_size = 1GB
checkpoint_timeout = 1h
});
$node->stop;
start_again($node, piped => 1);
my $folder = $node->basedir . '/clients';
mkdir $folder or die "could not create $folder: $!";

# Sets the limit for the processes of the server that are there. Those that the
# postmaster starts later inherit its own.
sub limit
{
	my ($bytes) = @_;
	my $pid = $node->{_fault_pid};

	for ($pid, child_pids($pid))
	{
		system("prlimit --pid $_ --fsize=$bytes: 2>/dev/null") == 0
		  or $_ != $pid
		  or die 'could not set the limit';
	}
	return;
}

sub size { return $_[0]->value(q{SELECT pg_relation_size('session.sessions')}); }

# Tests that the notes of clients agree with the server.
sub check
{
	my ($name, @paths) = @_;
	my $conn = connection($node);
	my $before = @Clients::failed;
	my @sessions = map { replay($_) } @paths;

	check_sessions($conn, 'on', @sessions);
	is(join("\n", @Clients::failed[ $before .. $#Clients::failed ]), '', $name);
	$conn->close;
	return @sessions;
}

#
# No room in the tables
#

my $conn = connection($node);
$conn->run('SELECT session_key_rotate()');
$conn->run(q{SELECT session_create('fill', jsonb_build_object('x', repeat('x', 100))) FROM generate_series(1, 1800)});
$conn->run('CHECKPOINT');
my $room = 1024 * 1024;
cmp_ok(size($conn), '<', $room, 'the table is smaller than the limit');

# A session whose use waits to be written, and a revoked one, before.
my $waiting = $conn->run(q{SELECT id, token FROM session_create('waiting', idle_timeout => '2 hours')})->{rows}[0];
limit($room);
my @children = start_clients($node, 8, "$folder/tables", refused => $full, seconds => 4);
is(wait_clients(@children), 0, 'clients go on while there is no room in the tables');
cmp_ok(size($conn), '<=', $room, 'the table has not outgrown the limit');
my $errors = $conn->value('SELECT round_errors FROM session.stats WHERE database = current_database()');

# Make room to write rows only after the check.
my @sessions = check('without room for rows, a refused call changes nothing, and an acknowledged one holds',
	map { "$folder/tables.$_" } 1 .. 8);
my @refused = grep { $_->{refused} } @sessions;
note scalar(@refused), ' sessions had a call refused';
my %kinds = map { $_->{refused} => 1 } @refused;
is(join(' ', grep { $kinds{$_} } qw(create refreshable visitor)), 'create refreshable visitor',
	'creations of every kind were refused');
ok((grep { $kinds{$_} } qw(regenerate refresh login revoke switch)), 'changes of sessions were refused, too');
cmp_ok($Clients::count{'snapshots of live sessions'} // 0, '>', 0, 'there were snapshots of live sessions');
cmp_ok($Clients::count{'snapshots of ended sessions'} // 0, '>', 0, 'there were snapshots of sessions that have ended');

# Use the session, so that the worker has to write it. It may not be possible.
$conn->run("SELECT FROM session_validate('$waiting->[1]')");
sleep 1.5;
$conn->run("SELECT FROM session_validate('$waiting->[1]')");
limit('unlimited');
until_true($node,
	"SELECT last_seen_at > created_at + interval '1 second' FROM session.sessions WHERE id = '$waiting->[0]'",
	'the worker writes what waited when there is room');
is(scalar(processes($node, 'session launcher')), 1, 'the launcher has survived');
no_crash($node, 'no process crashed for want of room in the tables');
$conn->run(q{SELECT session_create('room', jsonb_build_object('x', repeat('y', 3000))) FROM generate_series(1, 50)});
cmp_ok(size($conn), '>', $room, 'sessions are created again');

# Restart from the WAL: what was acknowledged meanwhile is in it.
$conn->close;
kill_child($node);
start_again($node, piped => 1);
check('after kill -9, what was acknowledged without room holds', map { "$folder/tables.$_" } 1 .. 8);

#
# No room for WAL
#

# The server cannot continue without WAL: it stops, and starts when there is
# room. Each round ends at another place of a segment.
my @paths;
for my $round (1 .. 3)
{
	my $since = -s $node->logfile;

	@children = start_clients($node, 8, "$folder/wal$round", refused => $full, seconds => 60);
	push @paths, map { "$folder/wal$round.$_" } 1 .. 8;
	sleep 0.5;
	limit(8192 * (1 + int rand 127));
	is(wait_clients(@children), 0, "clients worked until there was no room for WAL, round $round");
	ok(wait_child($node), 'the server stops, because it cannot recover without room');
	like(slurp_file($node->logfile, $since), qr/PANIC:  could not write to (log )?file|PANIC:.*WAL/,
		'the log says why the server stopped');
	start_again($node, piped => 1);
	check("with room again, all that was acknowledged is there, round $round", map { "$folder/wal$round.$_" } 1 .. 8);
}
@sessions = check('what was acknowledged in all rounds is there', @paths);
is(scalar(grep { $_->{ended} } @sessions) > 0, 1, 'some sessions had ended');
$conn = connection($node);
$waiting = $conn->run(q{SELECT id, token FROM session_create('waiting', idle_timeout => '2 hours')})->{rows}[0];
sleep 1.5;
$conn->run("SELECT FROM session_validate('$waiting->[1]')");
until_true($node,
	"SELECT last_seen_at > created_at + interval '1 second' FROM session.sessions WHERE id = '$waiting->[0]'",
	'the worker writes activity after that');
note "$_: $Clients::count{$_}" for sort keys %Clients::count;
$conn->close;
stop_child($node);
done_testing();
