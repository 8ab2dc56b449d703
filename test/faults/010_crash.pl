# The server is killed with SIGKILL, again and again, under 16 clients that
# create sessions, log in, refresh, regenerate, take snapshots and revoke.
#
# What holds after each crash:
# 1. With synchronous_commit = on, every creation that the server acknowledged
#    is there, and its token is accepted. With off, a creation may be lost.
# 2. With both, every acknowledged end holds: no token and no refresh token of
#    the session is accepted, and no snapshot that was made before.
# 3. With both, every acknowledged rotation holds: the new token is accepted,
#    and the old one is not.
# 4. No rotation is half done, acknowledged or not: exactly one of the old and
#    the new token is accepted, and the row has what belongs to that token.
# 5. A client that did not get the answer to a refresh sends the same refresh
#    token again, and gets tokens that work. One that got the answer gets the
#    same answer again.
#
# FAULT_CRASHES is the number of crashes, FAULT_SEED the seed.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $crashes = $ENV{FAULT_CRASHES} // 6;
my $clients = 16;
my $seed = seed();
my $node = make_server(
	'crash', conf => q{
session.refresh_grace = '1h'
wal_writer_delay = '2s'
checkpoint_timeout = '30s'
});
$node->stop;
start_again($node);
connection($node)->run('SELECT session_key_rotate()');

my $folder = $node->basedir . '/clients';
mkdir $folder or die "could not create $folder: $!";

# One client, until its connection is lost. It notes each statement before it
# is sent ("try") and after it was acknowledged ("ack"). The level of a session
# counts its rotations.
sub client
{
	my ($path, $number, $setting) = @_;
	my $note = client_log($path);
	my $conn = connection($node, options => "-c synchronous_commit=$setting");
	my @sessions;

	# Returns the first row, or leaves if the connection is lost.
	my $ask = sub {
		my ($op, $id, $sql) = @_;
		$note->('try', $op, $id);
		my $result = $conn->query($sql);
		return if $result->{lost} || $result->{sqlstate} =~ /^57P/;
		if ($result->{sqlstate})
		{
			$note->('error', $op, $id, "$result->{sqlstate} $result->{message}");
			return;
		}
		my $row = $result->{rows}[0];
		$note->('ack', $op, $id, map { $_ // '' } @{ $row // [] });
		return $row // [];
	};

	while (1)
	{
		my $op = (qw(create create refreshable visitor regenerate regenerate refresh refresh refresh login snapshot revoke switch))[ int rand 13 ];
		my $id = sprintf '%08x-%04x-4%03x-8%03x-%012x', rand 2**32, rand 2**16, rand 2**12, rand 2**12, rand 2**48;
		my $user = "user $number";

		if ($op eq 'create' || $op eq 'refreshable' || $op eq 'visitor' || !@sessions)
		{
			$op = 'create' if !@sessions;
			my $arguments = $op eq 'visitor' ? 'NULL' : "'$user'";
			$arguments .= ', refreshable => true' if $op eq 'refreshable';
			my $row = $ask->($op, $id, "SELECT token, refresh_token FROM session_create($arguments, id => '$id')") or last;
			push @sessions, { id => $id, kind => $op, token => $row->[0], refresh => $row->[1], level => $op eq 'visitor' ? 0 : 1 };
			next;
		}

		my $at = int rand @sessions;
		my $s = $sessions[$at];
		my $row = [];

		if ($op eq 'regenerate' && $s->{kind} eq 'create')
		{
			$row = $ask->($op, $s->{id}, "SELECT token FROM session_regenerate('$s->{token}', auth_level => $s->{level} + 1)") or last;
		}
		elsif ($op eq 'login' && $s->{kind} ne 'refreshable')
		{
			$row = $ask->($op, $s->{id}, "SELECT token FROM session_login('$s->{token}', '$user', auth_level => $s->{level} + 1)") or last;
			$s->{kind} = 'create';
		}
		elsif ($op eq 'refresh' && $s->{kind} eq 'refreshable')
		{
			$row = $ask->($op, $s->{id}, "SELECT token, refresh_token FROM session_refresh('$s->{refresh}')") or last;
			$s->{refresh} = $row->[1];
		}
		elsif ($op eq 'snapshot')
		{
			$ask->($op, $s->{id}, "SELECT session_cookie_issue('$s->{token}')") or last;
		}
		elsif ($op eq 'revoke')
		{
			$ask->($op, $s->{id}, "SELECT session_revoke('$s->{token}')") or last;
			splice @sessions, $at, 1;
		}
		elsif ($op eq 'switch' && $s->{kind} eq 'create')
		{
			# The session of another user ends, and a new one is made.
			$ask->($op, $s->{id}, "SELECT token FROM session_login('$s->{token}', 'another $number')") or last;
			splice @sessions, $at, 1;
		}
		if (@$row)
		{
			$s->{token} = $row->[0];
			$s->{level}++;
		}
	}
	return;
}

# Reads what a client has noted. Returns its sessions by id.
sub replay
{
	my ($path) = @_;
	my %sessions;

	for (split /\n/, slurp_file($path))
	{
		my ($word, $op, $id, @values) = split /\t/;
		my $s = $sessions{$id} //= { id => $id, level => 0, snapshots => [], old => [] };

		if ($word eq 'error') { $s->{error} = "$op: $values[0]"; next; }
		if ($word eq 'try') { $s->{pending} = $op; next; }
		delete $s->{pending};
		if ($op eq 'snapshot') { push @{ $s->{snapshots} }, $values[0]; next; }
		if ($op eq 'revoke' || $op eq 'switch')
		{
			$s->{ended} = $op;
			push @{ $sessions{"$id new"}{made} }, $values[0] if $op eq 'switch';
			next;
		}
		push @{ $s->{old} }, $s->{token} if $s->{token};
		$s->{refresh_before} = $s->{refresh};
		@$s{qw(token refresh)} = @values[ 0, 1 ];
		$s->{kind} //= $op;
		$s->{rotated} = 1 if $op =~ /regenerate|refresh$|login/;
		$s->{level}++ unless $op eq 'visitor';
	}
	return grep { $_->{id} } values %sessions;
}

# Returns what a query of one column says about each element of a list of
# texts.
sub each_of
{
	my ($conn, $expression, @list) = @_;
	my %answer;

	while (my @some = splice @list, 0, 2000)
	{
		my $array = join ',', map { qq{"$_"} } @some;
		my $rows = $conn->run("SELECT t, $expression FROM unnest('{$array}'::text[]) AS t")->{rows};
		$answer{ $_->[0] } = $_->[1] // '' for @$rows;
	}
	return \%answer;
}

my %count;
my (@ended, @failed);

# Checks the sessions of a round.
sub check
{
	my ($conn, $setting, @sessions) = @_;
	my $status = each_of($conn, 'session_status(t)', map { grep { $_ } $_->{token}, @{ $_->{old} } } @sessions);
	my %row = map { ($_->[0] => $_) } @{ $conn->run('SELECT id, auth_level, coalesce(refresh_generation, 0), revoked_at IS NOT NULL FROM session.sessions')->{rows} };
	my $wrong = sub { push @failed, "$_[0]->{id} ($_[0]->{kind}, $setting): $_[1]"; };

	for my $s (@sessions)
	{
		my $pending = $s->{pending} // '';

		$wrong->($s, "error $s->{error}") if $s->{error};
		next if !$s->{token};    # its creation was not acknowledged

		my $now = $status->{ $s->{token} };
		my $row = $row{ $s->{id} };

		$count{$pending}++ if $pending;
		for my $old (@{ $s->{old} })
		{
			$wrong->($s, "a token that was replaced is $status->{$old}")
			  if $status->{$old} eq 'active';
			$count{replaced}++;
		}
		if ($s->{ended})
		{
			$wrong->($s, "$s->{ended} was acknowledged, the token is $now")
			  if $now ne 'revoked';
			$count{ended}++;
			push @ended, $s;
			next;
		}
		if (!$row)
		{
			$wrong->($s, 'an acknowledged session is missing')
			  if $setting eq 'on' || $s->{rotated};
			$wrong->($s, "without a row it is $now") if $now ne 'unknown';
			$count{lost}++;
			next;
		}
		$count{kept}++;
		if ($pending eq 'revoke' || $pending eq 'switch')
		{
			$wrong->($s, "an end that was not acknowledged left it $now")
			  if $now ne ($row->[3] eq 't' ? 'revoked' : 'active');
			next;
		}

		# The level of the row says whether the rotation has happened.
		my $level = $s->{kind} eq 'refreshable' ? $row->[2] : $row->[1];
		my $known = $s->{kind} eq 'refreshable' ? $row->[2] - $s->{level} : $row->[1] - $s->{level};
		my $may = $pending =~ /^(regenerate|refresh|login)$/ ? 1 : 0;
		$s->{went} = $known;
		$count{"$pending was committed"}++ if $may && $known == 1;
		$wrong->($s, "it has level $level after $s->{level} acknowledged")
		  if $known != 0 && !($may && $known == 1);
		$wrong->($s, "its token is $now, and the row has level $level")
		  if $now ne ($known == 0 ? 'active' : 'unknown');
	}

	# No snapshot of a session that has ended is accepted.
	my @over = grep { $_->{ended} } @sessions;
	my $accepted = each_of($conn, '(SELECT count(*) FROM session_cookie_validate(t))', map { @{ $_->{snapshots} } } @over);
	for my $s (@over)
	{
		for (@{ $s->{snapshots} })
		{
			$wrong->($s, 'a snapshot is accepted after the end') if $accepted->{$_};
			$count{snapshots}++;
		}
	}

	# A refresh is sent again: the one that was not answered, or the one before.
	for my $s (grep { ($_->{kind} // '') eq 'refreshable' && !$_->{ended} && defined $_->{went} } @sessions)
	{
		my $unanswered = ($s->{pending} // '') eq 'refresh';
		my $sent = $unanswered ? $s->{refresh} : $s->{refresh_before} or next;
		my $row = $conn->run("SELECT token, refresh_token, session_status(token) FROM session_refresh('$sent')")->{rows}[0] // [ '', '', 'no row' ];

		$count{$unanswered ? 'refreshes sent again' : 'answers repeated'}++;
		$wrong->($s, "a refresh that is sent again returns $row->[2]") if $row->[2] ne 'active';
		if ($unanswered)
		{
			my $old = $conn->value("SELECT session_status('$s->{token}')");
			$wrong->($s, "the token before is $old") if $old ne 'unknown';
		}
		else
		{
			$wrong->($s, 'another answer than before')
			  if "$row->[0] $row->[1]" ne "$s->{token} $s->{refresh}";
		}
	}
	return;
}

my $start = time;
for my $round (1 .. $crashes)
{
	my $setting = $round % 2 ? 'on' : 'off';
	my @children;

	for my $number (1 .. $clients)
	{
		my $pid = fork // die "could not fork: $!";
		if ($pid == 0)
		{
			srand $seed + $round * $clients + $number;
			eval { client("$folder/$round.$number", $number, $setting); };
			print STDERR "client $number: $@" if $@;
			POSIX::_exit($@ ? 1 : 0);
		}
		push @children, $pid;
	}
	sleep 0.3 + rand 0.7;
	kill_child($node);
	my $dead = grep { waitpid $_, 0; $? != 0 } @children;
	is($dead, 0, "all clients worked until crash $round");
	start_again($node);

	my $conn = connection($node);
	my $before = @failed;
	check($conn, $setting, map { replay("$folder/$round.$_") } 1 .. $clients);
	is(join("\n", @failed[ $before .. $#failed ]), '',
		"after crash $round, with synchronous_commit = $setting, nothing acknowledged is lost and nothing is half done");
	$conn->close;
}
note sprintf '%d crashes in %d s', $crashes, time - $start;
note "$_: $count{$_}" for sort keys %count;
my @unseen = grep { !$count{$_} } qw(kept ended replaced snapshots);
is("@unseen", '', 'there were sessions of every kind to check');

# The ends of all rounds hold after all crashes.
my $conn = connection($node);
my $status = each_of($conn, 'session_status(t)', map { $_->{token}, @{ $_->{old} } } @ended);
is(scalar(grep { $_ eq 'active' } values %$status), 0,
	'every acknowledged end holds after all crashes');
my $refreshed = each_of($conn, '(SELECT count(*) FROM session_refresh(t))', grep { $_ } map { $_->{refresh} } @ended);
is(scalar(grep { $_ } values %$refreshed), 0,
	'no refresh token of a session that has ended is accepted');
$conn->run('CREATE EXTENSION amcheck');
is( $conn->value(q{
		SELECT count(bt_index_check(i.indexrelid, true)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
		WHERE a.amname = 'btree' AND c.relnamespace = 'session'::regnamespace}) > 0,
	1, 'the indexes have every row');
is( $conn->value('SELECT count(*) FROM session.sessions WHERE revoked_at IS NULL AND expires_at > now()') > 0,
	1, 'the live sessions are in the table');
$conn->close;
stop_child($node);
done_testing();
