# Clients that create sessions, log in, refresh, regenerate, take snapshots and
# revoke, and the check that what the server acknowledged to them holds.
package Clients;

use strict;
use warnings;
use Exporter qw(import);
use Fault;
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time);

our @EXPORT = qw(start_clients wait_clients replay each_of check_sessions);

our %count;
our (@ended, @failed);

# One client, until its connection is lost. It notes each statement before it
# is sent ("try") and after it was acknowledged ("ack") or refused. The level of
# a session counts its rotations.
sub client
{
	my ($node, $path, $number, $setting, $refused, $seconds) = @_;
	my $note = client_log($path);
	my $conn = connection($node, options => "-c synchronous_commit=$setting");
	my $until = time + ($seconds // 1e6);
	my @sessions;

	# Returns the first row, or undef if the server refused. Dies if the
	# connection is lost.
	my $ask = sub {
		my ($op, $id, $sql) = @_;
		$note->('try', $op, $id);
		my $result = $conn->query($sql);
		die "lost\n" if $result->{lost} || $result->{sqlstate} =~ /^57P/;
		if ($result->{sqlstate})
		{
			my $expected = $refused && $result->{message} =~ $refused;
			$note->($expected ? 'refused' : 'error', $op, $id, "$result->{sqlstate} $result->{message}");
			return undef;
		}
		my $row = $result->{rows}[0];
		$note->('ack', $op, $id, map { $_ // '' } @{ $row // [] });
		return $row // [];
	};

	while (time < $until)
	{
		my $op = (qw(create create refreshable visitor regenerate regenerate refresh refresh refresh login snapshot revoke switch))[ int rand 13 ];
		my $id = sprintf '%08x-%04x-4%03x-8%03x-%012x', rand 2**32, rand 2**16, rand 2**12, rand 2**12, rand 2**48;
		my $user = "user $number";

		if ($op eq 'create' || $op eq 'refreshable' || $op eq 'visitor' || !@sessions)
		{
			$op = 'create' if !@sessions;
			my $arguments = $op eq 'visitor' ? 'NULL' : "'$user'";
			$arguments .= ', refreshable => true' if $op eq 'refreshable';
			my $row = $ask->($op, $id, "SELECT token, refresh_token FROM session_create($arguments, id => '$id')") or next;
			push @sessions, { id => $id, kind => $op, token => $row->[0], refresh => $row->[1], level => $op eq 'visitor' ? 0 : 1 };
			next;
		}

		my $at = int rand @sessions;
		my $s = $sessions[$at];
		my $row = [];

		# Some sessions stay, so that there are live ones when nothing can be made.
		$op = 'snapshot' if $at < 3;
		if ($op eq 'regenerate' && $s->{kind} eq 'create')
		{
			$row = $ask->($op, $s->{id}, "SELECT token FROM session_regenerate('$s->{token}', auth_level => $s->{level} + 1)") or next;
		}
		elsif ($op eq 'login' && $s->{kind} ne 'refreshable')
		{
			$row = $ask->($op, $s->{id}, "SELECT token FROM session_login('$s->{token}', '$user', auth_level => $s->{level} + 1)") or next;
			$s->{kind} = 'create';
		}
		elsif ($op eq 'refresh' && $s->{kind} eq 'refreshable')
		{
			$row = $ask->($op, $s->{id}, "SELECT token, refresh_token FROM session_refresh('$s->{refresh}')") or next;
			$s->{refresh} = $row->[1];
		}
		elsif ($op eq 'snapshot')
		{
			$ask->($op, $s->{id}, "SELECT session_cookie_issue('$s->{token}')") or next;
		}
		elsif ($op eq 'revoke')
		{
			$ask->($op, $s->{id}, "SELECT session_revoke('$s->{token}')") or next;
			splice @sessions, $at, 1;
		}
		elsif ($op eq 'switch' && $s->{kind} eq 'create')
		{
			# The session of another user ends, and a new one is made.
			$ask->($op, $s->{id}, "SELECT token FROM session_login('$s->{token}', 'another $number')") or next;
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

# Starts clients, which write to files of the folder. Options: setting, of
# synchronous_commit; refused, which matches the errors that are expected;
# seconds, after which they end. Returns their processes.
sub start_clients
{
	my ($node, $count, $path, %opt) = @_;
	my @children;

	for my $number (1 .. $count)
	{
		my $seed = int rand 2**31;
		my $pid = fork // die "could not fork: $!";
		if ($pid == 0)
		{
			srand $seed;
			eval { client($node, "$path.$number", $number, $opt{setting} // 'on', $opt{refused}, $opt{seconds}); };
			my $failed = $@ && $@ !~ /^(lost|57P|could not connect)/;
			print STDERR "client $number: $@" if $failed;
			POSIX::_exit($failed ? 1 : 0);
		}
		push @children, $pid;
	}
	return @children;
}

# Waits for clients to end. Returns how many failed.
sub wait_clients { return scalar grep { waitpid $_, 0; $? != 0 } @_; }

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
		if ($word eq 'refused')
		{
			$s->{refused} = $op;
			$count{"refused: $values[0]"}++;
			next;
		}
		if ($op eq 'snapshot') { push @{ $s->{$_} }, $values[0] for qw(snapshots fresh); next; }
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
		$s->{fresh} = [];
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

# Checks the sessions of a round.
sub check_sessions
{
	my ($conn, $setting, @sessions) = @_;
	my $status = each_of($conn, 'session_status(t)', map { grep { $_ } $_->{token}, @{ $_->{old} } } @sessions);
	my %row = map { ($_->[0] => $_) } @{ $conn->run('SELECT id, auth_level, coalesce(refresh_generation, 0), revoked_at IS NOT NULL FROM session.sessions')->{rows} };
	my $wrong = sub { push @failed, "$_[0]->{id} ($_[0]->{kind}, $setting): $_[1]"; };

	for my $s (@sessions)
	{
		my $pending = $s->{pending} // '';

		$wrong->($s, "error $s->{error}") if $s->{error};
		my $row = $row{ $s->{id} };

		$count{"$pending unanswered"}++ if $pending;
		if (!$s->{token})
		{
			$wrong->($s, 'its creation was refused, and it is there')
			  if $s->{refused} && $row;
			next;
		}

		my $now = $status->{ $s->{token} };

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

	# A snapshot is accepted beside its token until its session has ended. One
	# that is older than a rotation is left out.
	my @certain = grep { $_->{token} && ($_->{ended} || $row{ $_->{id} } && !$_->{pending}) } @sessions;
	my $accepted = each_of($conn, q{(SELECT count(*) FROM session_cookie_validate(split_part(t, ' ', 1), token => split_part(t, ' ', 2)))},
		map { my $s = $_; map { "$_ $s->{token}" } @{ $s->{ $s->{ended} ? 'snapshots' : 'fresh' } } } @certain);
	for my $s (@certain)
	{
		for (map { $accepted->{"$_ $s->{token}"} } @{ $s->{ $s->{ended} ? 'snapshots' : 'fresh' } })
		{
			$wrong->($s, 'a snapshot is accepted after the end') if $s->{ended} && $_;
			$wrong->($s, 'a snapshot of a live session is refused') if !$s->{ended} && !$_;
			$count{ $s->{ended} ? 'snapshots of ended sessions' : 'snapshots of live sessions' }++;
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

1;
