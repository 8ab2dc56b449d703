# The clock of the server is set forth and back by an hour; clock.c says how.
#
# What holds:
# 1. What has ended does not live again at any time of the clock: a session that
#    was ended, a token and a refresh token that were replaced, a cookie that was
#    denied, a key that was retired, a snapshot of a session that has ended, a
#    proof that was used.
# 2. No session lives past its deadlines when the clock is right again: a use at a
#    wrong time gives it no more time than a use at the right one.
# 3. Sessions that live at both times go on.
# 4. The worker goes on at every time, and writes activity afterwards.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = make_server('clock', stopped => 1, conf => q{
session.update_age = '1s'
session.refresh_grace = '10s'
session.cookie_cache_ttl = '40min'
session.log_events = 'all'
});
my $file = $node->basedir . '/clock';

# Sets the clock of the server, in seconds beside the right one, for all its
# processes at once.
sub set_clock
{
	my ($seconds) = @_;

	open my $out, '+<', $file or die "could not open $file: $!";
	syswrite($out, pack 'q', $seconds) == 8 or die "could not write $file: $!";
	close $out;
	return;
}

my $folder = dirname(__FILE__) . '/../..';
my $pg_config = $node->config_data('--bindir') . '/pg_config';
my $built = system("make -C $folder -s test/faults/built/clock.so with_llvm=no PG_CONFIG=$pg_config >$PostgreSQL::Test::Utils::tmp_check/build.log 2>&1");
is($built, 0, 'the library with the clock is built') or BAIL_OUT(slurp_file("$PostgreSQL::Test::Utils::tmp_check/build.log"));
append_to_file($file, pack 'q', 0);
start_again($node, env => { LD_PRELOAD => abs_path("$folder/test/faults/built/clock.so"), FAULT_CLOCK => $file });
my $conn = connection($node);
$conn->run('CREATE EXTENSION session');
setup_calls($conn);

my $hour = 3600;
my $now = q{SELECT extract(epoch FROM clock_timestamp())};
set_clock($hour);
my $off = $conn->value($now) - time;
cmp_ok(abs($off - $hour), '<', 60, 'the clock of the server can be set');
set_clock(0);
cmp_ok(abs($conn->value($now) - time), '<', 60, 'and set back');

# Waits until upkeep has run twice, so that one round has begun and ended at this
# time.
sub wait_rounds
{
	my $rounds = q{SELECT rounds FROM session.stats WHERE database = current_database()};
	my $before = $conn->value($rounds);
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	# A use gives the worker something to do.
	until ($conn->value($rounds) >= $before + 2 || time > $deadline) { sleep 0.05; }
	return $conn->value($rounds) >= $before + 2;
}

sub status { return $conn->value("SELECT session_status('$_[0]')"); }

sub accepted { return $conn->value("SELECT count(*) FROM session_cookie_validate('$_[0]', token => '$_[1]')"); }

sub create { return $conn->value('SELECT token FROM session_create(' . $_[0] . ')'); }

my @ended;

# Makes what ends, each in its way, at the present time. Returns tests that say
# that it has not come back.
sub make_ended
{
	my ($when) = @_;
	my @checks;

	# An end, with a snapshot from before.
	my $revoked = create(q{'u'});
	my $snapshot = $conn->value("SELECT session_cookie_issue('$revoked')");
	die 'the snapshot is not accepted' if !accepted($snapshot, $revoked);
	$conn->run("SELECT session_revoke('$revoked')");
	push @checks, [ "a session that ended $when", sub { status($revoked) ne 'active' } ];
	push @checks, [ "a snapshot of a session that ended $when", sub { !accepted($snapshot, $revoked) } ];
	push @checks, [ "a snapshot of a session that ended $when, without its token", sub { !$conn->value("SELECT count(*) FROM session_cookie_validate('$snapshot')") } ];

	# A token that was replaced.
	my $old = create(q{'u'});
	my $old_snapshot = $conn->value("SELECT session_cookie_issue('$old')");
	my $new = $conn->value("SELECT token FROM session_regenerate('$old')");
	push @checks, [ "a token that was replaced $when", sub { status($old) ne 'active' } ];
	push @checks, [ "a snapshot of a token that was replaced $when", sub { !accepted($old_snapshot, $old) } ];

	# A refresh token that was replaced twice ends its session.
	my $first = $conn->value(q{SELECT refresh_token FROM session_create('u', refreshable => true)});
	my $second = $conn->value("SELECT refresh_token FROM session_refresh('$first')");
	my $third = $conn->value("SELECT refresh_token FROM session_refresh('$second')");
	push @checks, [ "a refresh token that was replaced twice $when", sub { !$conn->value("SELECT count(*) FROM session_refresh('$first')") } ];

	# A cookie that was denied, and one whose key was retired.
	my $cookie = $conn->value(q{SELECT session_cookie_encode('{"sub": "u"}', ttl => '30 minutes')});
	$conn->run("SELECT session_cookie_revoke('$cookie')");
	push @checks, [ "a cookie that was denied $when", sub { $conn->value("SELECT session_cookie_decode('$cookie') IS NULL") eq 't' } ];
	my $purpose = 'retired' . @ended;
	my $kid = $conn->value("SELECT session_key_rotate('$purpose')");
	my $signed = $conn->value(qq{SELECT session_cookie_encode('{"sub": "u"}', purpose => '$purpose')});
	$conn->run(qq{SELECT session_key_rotate('$purpose'), session_key_retire('$kid')});
	push @checks, [ "a cookie whose key was retired $when", sub { $conn->value("SELECT session_cookie_decode('$signed', '$purpose') IS NULL") eq 't' } ];

	# A proof of a key that was used.
	my $bound = create(q{'u', jkt => faults.jkt()});
	my $proof = $conn->value("SELECT faults.proof('$bound')");
	my $prove = "SELECT count(*) FROM session_validate('$bound', proof => '$proof', method => 'GET', url => 'https://api.example.com/x')";

	# Proofs from before the start of the server are never accepted.
	die 'the proof is not accepted' if !$conn->value($prove) && $when !~ /behind/;
	push @checks, [ "a proof that was used $when", sub { !$conn->value($prove) } ];
	return @checks;
}

# Tests everything that has ended.
sub test_ended
{
	my ($when) = @_;
	is(join(', ', map { $_->[0] } grep { !$_->[1]->() } @ended), '', "nothing that has ended lives again $when");
	return;
}

#
# Forth and back: the clock was right, is an hour ahead for a while, and is
# right again.
#
# Proofs of the second in which the server started count as used.
sleep 1.1;
my $long = create(q{'long', lifetime => '3 hours'});
my $short = create(q{'short', lifetime => '30 minutes'});
my $idle = create(q{'idle', idle_timeout => '90 minutes'});
my $slides = create(q{'slides', sliding => true, lifetime => '90 minutes'});

# The end of all sessions of a tenant. It changes a policy, and so has every
# snapshot from before checked.
my $of_all = create(q{'u', tenant_id => 'acme'});
$conn->run(q{SELECT session_revoke_all(tenant_id => 'acme')});
@ended = (make_ended('before'), [ 'a session of a tenant whose sessions all ended', sub { status($of_all) ne 'active' } ]);
test_ended('at first');
set_clock($hour);
ok(wait_rounds(), 'the worker goes on when the clock is an hour ahead');
test_ended('an hour ahead');
isnt(status($short), 'active', 'a session is expired an hour ahead');
is(status($long), 'active', 'one that lives longer is not');
$conn->run("SELECT FROM session_validate('$_')") for $idle, $slides, $long;
push @ended, make_ended('an hour ahead');
test_ended('an hour ahead, with what ended then');
ok(wait_rounds(), 'the worker writes uses an hour ahead');
my $once = $conn->value(q{SELECT refresh_token FROM session_create('once', refreshable => true)});
my $repeat = "SELECT count(*) FROM session_refresh('$once')";
is($conn->value("$repeat") . $conn->value($repeat), '11', 'a refresh token returns the same answer for some seconds');
set_clock(0);
is($conn->value($repeat), 0, 'these seconds do not become an hour when the clock is set back');
test_ended('when the clock is right again');
ok(wait_rounds(), 'the worker goes on when the clock was set back');
test_ended('after another round');
is(join(' ', map { status($_) } $long, $idle, $slides), 'active active active', 'the sessions that live are there');

# A use an hour ahead counts as one at most at that time. The deadlines follow
# from it, and no later use moves them beyond what is configured.
my $row = $conn->run(q{SELECT user_id, last_seen_at <= clock_timestamp() + interval '1 hour' FROM session.sessions WHERE user_id IN ('idle', 'slides', 'long')})->{rows};
is($_->[1], 't', "$_->[0]: the last use is not later than it was") for @$row;
is($conn->value(q{SELECT expires_at - created_at <= interval '3 hours 1 second' FROM session.sessions WHERE user_id = 'long'}),
	't', 'the deadline has not moved');

#
# Back and forth: the clock was right, is an hour behind for a while, and is
# right again. What is made and used meanwhile must not live longer for that.
#
set_clock(-$hour);
ok(wait_rounds(), 'the worker goes on when the clock is an hour behind');
test_ended('an hour behind');
push @ended, make_ended('an hour behind');
test_ended('an hour behind, with what ended then');

# A snapshot from the right time, whose session ends an hour behind.
set_clock(0);
my $token = create(q{'u'});
my $snapshot = $conn->value("SELECT session_cookie_issue('$token')");
set_clock(-$hour);
$conn->run("SELECT session_revoke('$token')");
push @ended, [ 'a snapshot of the right time whose session ended an hour behind', sub { !accepted($snapshot, $token) && !$conn->value("SELECT count(*) FROM session_cookie_validate('$snapshot')") } ];
my $behind = create(q{'behind', lifetime => '30 minutes'});
my $behind_idle = create(q{'behind', idle_timeout => '30 minutes'});
is(status($behind), 'active', 'a session is made an hour behind');
$conn->run("SELECT FROM session_validate('$_')") for $long, $idle, $slides, $behind_idle;
ok(wait_rounds(), 'the worker writes uses an hour behind');
set_clock(0);
test_ended('when the clock is right again after it was behind');
ok(wait_rounds(), 'the worker goes on when the clock was set forth');
test_ended('after another round then');
isnt(status($behind), 'active', 'a session made an hour behind does not live past its deadline');
isnt(status($behind_idle), 'active', 'nor past its idle timeout');
is(status($long), 'active', 'a session that lives is there');

# The later clock is the true one: two hours later all deadlines have passed.
set_clock(2 * $hour);
is(scalar(grep { status($_) eq 'active' } $idle, $slides, $short), 0, 'two hours later the deadlines that have passed are observed');
set_clock(4 * $hour);
isnt(status($long), 'active', 'so are the others');
test_ended('four hours later');
set_clock(0);
test_ended('after that');

# The worker still writes.
my $used = $conn->run(q{SELECT id, token FROM session_create('used', idle_timeout => '2 hours')})->{rows}[0];
$conn->run("SELECT pg_sleep(1.2); SELECT FROM session_validate('$used->[1]')");
until_true($node, "SELECT last_seen_at > created_at + interval '1 second' FROM session.sessions WHERE id = '$used->[0]'",
	'the worker writes uses after all that');
no_crash($node, 'no process crashed');
$conn->close;
stop_child($node);
done_testing();
