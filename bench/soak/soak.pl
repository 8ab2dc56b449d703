# Runs the clients of bench/soak and what goes on beside them, and checks what
# must hold.  Prints one line for each check and figure: KEY UNIT VALUE OPERATOR
# TARGET LABEL; an operator "-" stands for no target.
#
#   soak.pl HOST PORT STANDBY DIRECTORY SECONDS CLIENTS TRIES WRONG
#
# Processes tell each other what is acknowledged through files to which one
# process appends, a line at a time:
#
#   ended.N      tokens that are over: the server has acknowledged their end
#   deadline.N   tokens, and when they are over, in seconds since 1970
#   data.N       what client N has written: session, key, value
#   log.N        how often a thing has happened: name, number
#
# With WRONG, each check is given something that is not true, and must notice.

use strict;
use warnings;
use DBI;
use Fcntl qw(O_WRONLY O_APPEND O_CREAT);
use POSIX ();
use Time::HiRes qw(time sleep);

die "usage: see the header\n" unless @ARGV == 8;
my ($host, $port, $standby_port, $dir, $seconds, $clients, $tries, $wrong) = @ARGV;

use constant {
	SHARED_USERS => 6,       # whose sessions all clients make and end
	SHARED_SESSIONS => 4,    # whose data all clients write
	LIMIT => 5,              # session.max_sessions
	BATCH => 500,
};

my $until = time + $seconds;
my @pids;

sub connect_to
{
	my ($user, $at) = @_;
	return DBI->connect("dbi:Pg:host=$host;port=" . ($at // $port) . ';dbname=postgres', $user, '',
		{ RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1, pg_server_prepare => 1, pg_placeholder_dollaronly => 1 });
}

# Returns a function that appends a line to a file at once.
sub appender
{
	my $name = shift;
	sysopen my $file, "$dir/$name", O_WRONLY | O_APPEND | O_CREAT or die "$name: $!\n";
	return sub {
		my $line = join(' ', @_) . "\n";
		syswrite($file, $line) == length $line or die "$name: $!\n";
	};
}

# Returns a function that returns the lines that were added to some files.
sub follower
{
	my $pattern = shift;
	my %at;
	return sub {
		my @lines;
		for my $name (glob "$dir/$pattern")
		{
			open my $file, '<', $name or next;
			seek $file, $at{$name} // 0, 0;
			while (defined(my $line = <$file>))
			{
				last unless $line =~ s/\n\z//;
				$at{$name} = tell $file;
				push @lines, [ split / /, $line ];
			}
		}
		return @lines;
	};
}

# Runs a part in a process of its own.
sub begin
{
	my ($name, $part) = @_;
	my $pid = fork // die "fork: $!\n";
	if ($pid) { push @pids, $pid; return; }
	my $log = appender("log.$name");
	srand($$ ^ time);
	eval { $part->($log); 1 } or $log->('failure', $name, $@ =~ s/\s+/ /gr);
	POSIX::_exit(0);
}

#
# Clients
#

package Client;

use Time::HiRes qw(time);

sub new
{
	my ($class, $n, $log, $shared) = @_;
	return bless {
		n => $n, log => $log, shared => $shared, held => [], counter => 0, count => {}, wrong => [],
		dbh => main::connect_to('soak_client'), map { $_ => main::appender("$_.$n") } qw(ended deadline data),
	}, $class;
}

sub row { my ($c, $sql, @values) = @_; return $c->{dbh}->selectrow_array($sql, {}, @values); }

sub done { my ($c, $what, $by) = @_; $c->{count}{$what} += $by // 1; return; }

sub complain { my ($c, $what) = @_; push @{ $c->{wrong} }, $what; return; }

sub take
{
	my ($c, $s) = @_;
	push @{ $c->{held} }, $s;
	return $s;
}

# Returns a session that the client holds, or undef.
sub some { my $c = shift; return $c->{held}[ rand @{ $c->{held} } ]; }

sub drop
{
	my ($c, $s) = @_;
	$c->{held} = [ grep { $_ != $s } @{ $c->{held} } ];
	return;
}

# The end of a session is acknowledged: from now on no token of it is accepted.
sub is_over
{
	my ($c, $s) = @_;
	$c->{ended}->($s->{token});
	$c->drop($s);
	return;
}

# The users of this client, whose sessions no other client ends.
sub own_user { my $c = shift; return "own-$c->{n}-" . int rand 4; }

sub shared_user { return 'all-' . int rand main::SHARED_USERS; }

# Returns whether a session must be live: it is of a user of this client.
sub must_live
{
	my ($c, $s) = @_;
	return $s->{own} && !($s->{deadline} && $s->{deadline} < time + 2);
}

# Adds a session, and tells of those of its user that this has evicted.
sub added
{
	my ($c, $s) = @_;
	my @of = $s->{own} ? grep { $_->{user} eq $s->{user} } @{ $c->{held} } : ();
	$c->is_over(shift @of) while @of >= main::LIMIT;
	return $c->take($s);
}

sub create
{
	my ($c, $user, %o) = @_;
	my ($id, $token, $refresh, $deadline) = $c->row(
		'SELECT id, token, refresh_token, extract(epoch FROM expires_at) FROM session_create($1, refreshable => $2, lifetime => $3)',
		$user, $o{refreshable} ? 't' : 'f', $o{lifetime});
	$c->done('created');
	$c->{deadline}->($token, $deadline) if $o{lifetime};
	return $c->added({ id => $id, token => $token, refresh => $refresh, user => $user, own => $user =~ /^own/ ? 1 : 0,
		deadline => $o{lifetime} ? $deadline : 0 });
}

sub validate
{
	my $c = shift;
	my $s = $c->some or return;
	my ($id) = $c->row('SELECT id FROM session_validate($1)', $s->{token});
	$c->done('validated');
	return if defined $id;
	$c->complain("session $s->{id} was lost") if $c->must_live($s);
	$c->drop($s);
	return;
}

sub regenerate
{
	my $c = shift;
	my $s = $c->some or return;
	my ($token, $refresh) = $c->row('SELECT token, refresh_token FROM session_regenerate($1)', $s->{token});
	if (!defined $token)
	{
		$c->complain("session $s->{id} was not regenerated") if $c->must_live($s);
		return $c->drop($s);
	}
	$c->done('regenerated');
	$c->{ended}->($s->{token});
	@$s{qw(token refresh)} = ($token, $refresh);
	$c->{deadline}->($token, $s->{deadline}) if $s->{deadline};
	return;
}

sub refresh
{
	my $c = shift;
	my ($s) = grep { $_->{refresh} } $c->some // return, @{ $c->{held} };
	return unless $s;
	my ($token, $refresh) = $c->row('SELECT token, refresh_token FROM session_refresh($1)', $s->{refresh});
	if (!defined $token)
	{
		$c->complain("session $s->{id} was not refreshed") if $c->must_live($s);
		return $c->drop($s);
	}
	$c->done('refreshed');
	if (rand() < 0.1)
	{
		# The same token once more, as after a response that was lost.
		my ($again, $same) = $c->row('SELECT token, refresh_token FROM session_refresh($1)', $s->{refresh});
		$c->complain("session $s->{id} got other tokens for the same refresh token")
		  if $c->must_live($s) && ($again // '') . ($same // '') ne $token . $refresh;
	}
	$c->{ended}->($s->{token});
	@$s{qw(token refresh)} = ($token, $refresh);
	return;
}

sub revoke
{
	my $c = shift;
	my $s = $c->some or return;
	my ($done) = $c->row('SELECT session_revoke($1)', $s->{refresh} && rand() < 0.5 ? $s->{refresh} : $s->{token});
	$c->done('revoked') if $done;
	$c->complain("session $s->{id} could not be revoked") if !$done && $c->must_live($s);
	return $c->is_over($s);
}

# What is rolled back has not happened: neither an end nor a new token.
sub roll_back
{
	my $c = shift;
	my $s = $c->some or return;
	my $dbh = $c->{dbh};
	$dbh->begin_work;
	my ($token) = rand() < 0.5 ? $c->row('SELECT token FROM session_regenerate($1)', $s->{token}) : ();
	$c->row('SELECT session_revoke($1)', $token // $s->{token});
	$dbh->rollback;
	$c->done('rolled_back');
	$c->{ended}->($token) if defined $token;
	my ($status) = $c->row('SELECT session_status($1)', $s->{token});
	return if $status eq 'active';
	$c->complain("session $s->{id} is $status after a rollback") if $c->must_live($s);
	$c->drop($s);
	return;
}

sub revoke_user
{
	my $c = shift;
	my $user = rand() < 0.5 ? $c->own_user : shared_user();
	my @of = grep { $_->{user} eq $user } @{ $c->{held} };
	$c->done('revoked', ($c->row('SELECT session_revoke_user($1)', $user))[0]);
	$c->is_over($_) for @of;
	return;
}

sub login
{
	my $c = shift;
	my ($id, $token) = $c->row('SELECT id, token FROM session_create()');
	$c->done('created');
	my $user = rand() < 0.5 ? $c->own_user : shared_user();
	my ($same, $new) = $c->row('SELECT id, token FROM session_login($1, $2)', $token, $user);
	$c->done('regenerated');
	$c->complain("the login of $id is session $same") if $same ne $id;
	$c->{ended}->($token);
	# An evicted session is the oldest by its creation, which was just now.
	$c->added({ id => $id, token => $new, user => $user, own => $user =~ /^own/ ? 1 : 0, deadline => 0 });
	return;
}

# A derived session ends with the one that it was made of.
sub derive
{
	my $c = shift;
	my $s = $c->some or return;
	my ($id, $token) = $c->row(q{SELECT id, token FROM session_derive($1, '{todo:read}')}, $s->{token});
	return unless defined $id;
	$c->done('created');
	my ($done) = $c->row('SELECT session_revoke($1)', $s->{token});
	$c->{ended}->($token);
	$c->done('revoked') if $done;
	$c->complain("session $s->{id} could not be revoked") if !$done && $c->must_live($s);
	return $c->is_over($s);
}

# Writes the next number under a key of this client, in a session of all.
sub data_set
{
	my $c = shift;
	my $i = int rand @{ $c->{shared} };
	my $value = ++$c->{counter};
	my $dbh = $c->{dbh};
	my $takes_back = rand() < 0.2;
	$dbh->begin_work if $takes_back;
	my ($done) = rand() < 0.5 ? $c->row('SELECT session_data_set($1, $2, to_jsonb($3::int))', $c->{shared}[$i]{token}, "c$c->{n}", $value) :
	  $c->row('SELECT session_data_merge($1, jsonb_build_object($2::text, $3::int))', $c->{shared}[$i]{token}, "c$c->{n}", $value);
	$dbh->rollback if $takes_back;
	$c->complain("a write of session $c->{shared}[$i]{id} was refused") unless $done;
	return if $takes_back;
	$c->done('written');
	$c->{data}->($c->{shared}[$i]{id}, "c$c->{n}", $value);
	return;
}

# Counts one up under a key of all clients.
sub data_replace
{
	my $c = shift;
	my $s = $c->{shared}[ rand @{ $c->{shared} } ];
	my ($now) = $c->row(q{SELECT session_data_get($1, 'sum')}, $s->{token});
	my ($done) = $c->row(q{SELECT session_data_replace($1, 'sum', to_jsonb($2::int), to_jsonb($3::int))}, $s->{token}, $now, ($now // 0) + 1);
	$c->{data}->($s->{id}, 'sum', '+1') if $done;
	$c->done('written') if $done;
	return;
}

my %weights = (
	validate => 35, regenerate => 6, refresh => 9, revoke => 5, roll_back => 5, revoke_user => 1, login => 4, derive => 2,
	data_set => 14, data_replace => 5, create_own => 5, create_shared => 8, create_short => 3, create_refreshable => 5,
);
my @bag = map { ($_) x $weights{$_} } sort keys %weights;

sub create_own { my $c = shift; return $c->create($c->own_user); }

sub create_shared { my $c = shift; return $c->create(shared_user()); }

sub create_refreshable { my $c = shift; return $c->create(rand() < 0.5 ? $c->own_user : shared_user(), refreshable => 1); }

# These end by themselves, so it is not known which of them others evict.
sub create_short { my $c = shift; return $c->create("brief-$c->{n}", lifetime => 1 + int(rand 15) . ' s'); }

sub run
{
	my $c = shift;
	while (time < $until)
	{
		my $op = $bag[ rand @bag ];
		my $before = @{ $c->{held} };
		if (!eval { $c->$op; 1 })
		{
			my $state = $c->{dbh}->state;
			my $error = $@ =~ s/\s+/ /gr;
			$c->complain("$op: $state $error");
			$c->{dbh}->rollback unless $c->{dbh}{AutoCommit};
			last if @{ $c->{wrong} } > 100;
		}
		$c->done('calls');
	}
	$c->{log}->($_, $c->{count}{$_}) for sort keys %{ $c->{count} };
	$c->{log}->('complaint', $_) for @{ $c->{wrong} };
	return;
}

package main;

#
# What goes on beside them
#

# Tries tokens that are over, from another connection, and those that are past
# their deadline by the clock of the server.
sub verify
{
	my ($log, $at, $each_second) = @_;
	my $dbh = connect_to('soak_client', $at);
	my $primary = $at == $port ? undef : connect_to('soak_client');
	my ($ended, $deadlines) = (follower('ended.*'), follower('deadline.*'));
	my (@over, @late, $tried, $tried_late);
	my $new = 0;             # the first token of @over that was not tried
	my $begun = time;

	while (time < $until + 3)
	{
		push @over, map { $_->[0] } $ended->();
		push @late, $deadlines->() unless $primary;
		wait_for_replay($dbh, $primary) if $primary;
		my @batch = @over[ $new .. ($new + BATCH - 100 < @over ? $new + BATCH - 101 : $#over) ];
		$new += @batch;
		push @batch, map { $over[ rand @over ] } @batch .. BATCH - 1 if @over;
		if (@batch)
		{
			my $call = $primary || rand() < 0.5 ? q{session_status(t) = 'active'} : 'EXISTS (SELECT FROM session_validate(t))';
			my $found = $dbh->selectcol_arrayref("SELECT t FROM unnest(\$1::text[]) AS t WHERE $call", {}, \@batch);
			$tried += @batch;
			$log->($primary ? 'accepted_standby' : 'accepted', $_) for @$found;
		}
		@batch = map { $late[ rand @late ] } 1 .. (@late ? 50 : 0);
		if (@batch)
		{
			# The clock is read before the session is.
			my $found = $dbh->selectcol_arrayref(
				q{SELECT t FROM unnest($1::text[], $2::float8[]) AS x (t, d)
				  WHERE CASE WHEN to_timestamp(d) <= clock_timestamp() THEN session_status(t) = 'active' END},
				{}, [ map { $_->[0] } @batch ], [ map { $_->[1] } @batch ]);
			$tried_late += @batch;
			$log->('late', $_) for @$found;
		}
		my $ahead = ($tried // 0) / $each_second - (time - $begun);
		sleep($ahead > 0.01 ? $ahead : 0.01) unless $new + BATCH < @over;
		if ($new > 200_000)
		{
			splice @over, 0, $new - 100_000;
			$new = 100_000;
		}
		splice @late, 0, @late - 50_000 if @late > 50_000;
	}
	$log->($primary ? 'tried_standby' : 'tried', $tried // 0);
	$log->('tried_late', $tried_late // 0) unless $primary;
	return;
}

# Waits until the standby has replayed what the primary has written by now.
sub wait_for_replay
{
	my ($standby, $primary) = @_;
	my ($lsn) = $primary->selectrow_array('SELECT pg_current_wal_insert_lsn()');
	for (1 .. 6000)
	{
		return if $standby->selectrow_array('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn', {}, $lsn);
		sleep(0.01);
	}
	die "the standby does not catch up\n";
}

# No user has more sessions than allowed, in any snapshot.
sub watch_limits
{
	my $log = shift;
	my $dbh = connect_to('soak_client');
	my $looks = 0;
	while (time < $until + 1)
	{
		my $found = $dbh->selectcol_arrayref(
			q{SELECT format('%s:%s', user_id, count(*)) FROM session.directory
			  WHERE status = 'active' AND parent_id IS NULL AND user_id ~ '^(own|all|brief)-'
			  GROUP BY user_id HAVING count(*) > $1}, {}, LIMIT);
		$log->('too_many', $_) for @$found;
		$looks++;
		sleep(0.2);
	}
	$log->('looks', $looks);
	return;
}

# An administrator at work.
sub maintain
{
	my $log = shift;
	my $dbh = connect_to('postgres');
	my @work = (
		'VACUUM session.sessions', 'ANALYZE session.sessions', 'REINDEX TABLE CONCURRENTLY session.sessions',
		q{SELECT session_key_rotate('session')}, q{SELECT session_key_rotate('seal')},
		'REINDEX INDEX session.sessions_purge_at_idx', 'VACUUM FULL session.denylist', 'VACUUM session.events',
		'CREATE INDEX CONCURRENTLY soak_idx ON session.sessions (created_at)', 'DROP INDEX session.soak_idx',
		'ALTER TABLE session.sessions ALTER COLUMN user_id SET STATISTICS 200', 'CREATE TABLE soak_other AS SELECT 1 AS x', 'DROP TABLE soak_other',
		q{SELECT session_policy_set('nobody', lifetime => '1 day')}, q{SELECT session_policy_drop('nobody')},
		'CHECKPOINT',
	);
	my $done = 0;
	while (time < $until)
	{
		my $sql = $work[ $done++ % @work ];
		eval { $dbh->do($sql); 1 } or $log->('complaint', "$sql:", $@ =~ s/\s+/ /gr);
		sleep(0.7);
	}
	$log->('maintained', $done);
	return;
}

# Sizes of tables, and memory of processes in kB, from time to time.
sub measure
{
	my $log = shift;
	my $dbh = connect_to('postgres');
	while (time < $until)
	{
		my ($table, $rows) = $dbh->selectrow_array(
			q{SELECT pg_total_relation_size('session.sessions'), (SELECT count(*) FROM session.sessions)});
		my %memory;
		for (@{ $dbh->selectall_arrayref(q{SELECT pid, backend_type = 'client backend' FROM pg_stat_activity
				WHERE usename = 'soak_client' OR backend_type LIKE 'session %'}) })
		{
			my ($pid, $is_client) = @$_;
			open my $file, '<', "/proc/$pid/status" or next;
			my ($kb) = join('', <$file>) =~ /^RssAnon:\s+(\d+)/m;
			my $kind = $is_client ? 'clients' : 'workers';
			$memory{$kind} = $kb if defined $kb && $kb > ($memory{$kind} // 0);
		}
		$log->('sample', int time, $table, $rows, $memory{clients} // 0, $memory{workers} // 0);
		sleep(2);
	}
	return;
}

#
# Afterwards
#

my $admin = connect_to('postgres');
my @shared;
for my $i (1 .. SHARED_SESSIONS)
{
	my ($id, $token) = $admin->selectrow_array("SELECT id, token FROM session_create('data-$i', lifetime => '30 days')");
	push @shared, { id => $id, token => $token };
}
$admin->disconnect;

for my $n (1 .. $clients)
{
	begin("client.$n", sub { Client->new($n, shift, \@shared)->run; });
}
begin("verifier.$_", sub { verify(shift, $port, $tries / 2); }) for 1, 2;
begin('standby', sub { verify(shift, $standby_port, $tries / 5); });
begin('limits', sub { watch_limits(shift); });
begin('administrator', sub { maintain(shift); });
begin('sampler', sub { measure(shift); });
if ($wrong) { sleep($seconds / 2); give_wrong(); }
waitpid $_, 0 for @pids;

# Tells each check something that is not true.
sub give_wrong
{
	my $dbh = connect_to('postgres');
	my ($live) = $dbh->selectrow_array(q{SELECT token FROM session_create('wrong')});
	my $ended = appender('ended.wrong');
	$ended->($live);
	appender('deadline.wrong')->($live, time - 10);
	$dbh->do(q{SELECT session_create('own-wrong', max_sessions => 0) FROM generate_series(1, 7)});
	appender('data.wrong')->($shared[0]{id}, 'c1', 1e9);
	$dbh->do(q{WITH gone AS (SELECT at, id FROM session.events WHERE kind = 'created' AND user_id LIKE 'own-%' LIMIT 1)
		DELETE FROM session.events e USING gone WHERE (e.at, e.id) = (gone.at, gone.id)});
	appender('log.wrong')->('complaint', 'this is wrong');
	appender('log.wrong')->('wrong_growth', 1);
	begin('wrong', sub { die "as it was told to\n" });
	return;
}

my (%sum, %lists, @samples);
for (follower('log.*')->())
{
	my ($name, @rest) = @$_;
	if ($name eq 'sample') { push @samples, \@rest; }
	elsif ($name =~ /^(complaint|failure|accepted|accepted_standby|late|too_many)$/) { push @{ $lists{$name} }, "@rest"; }
	else { $sum{$name} += $rest[0]; }
}

# Each key has the last value that a client has written, and the sum all steps.
my (%expected, $lost);
for (follower('data.*')->())
{
	my ($id, $key, $value) = @$_;
	if ($value eq '+1') { $expected{$id}{$key}++; }
	else { $expected{$id}{$key} = $value; }
}
my $dbh = connect_to('postgres');
my @lost;
for my $id (sort keys %expected)
{
	for my $key (sort keys %{ $expected{$id} })
	{
		my ($value) = $dbh->selectrow_array('SELECT data ->> $2 FROM session_get($1)', {}, $id, $key);
		push @lost, "$key of $id is " . ($value // 'missing') . " and not $expected{$id}{$key}" if ($value // '') ne $expected{$id}{$key};
	}
}

# Events: one for each change that was acknowledged, and none after the end.
my $events = sub { my $sql = shift; return $dbh->selectcol_arrayref($sql)->[0]; };
my @events;
my $made = $events->(q{SELECT count(*) FROM session.events WHERE kind = 'created' AND actor = 'soak_client'});
push @events, "$made events tell of a creation, and $sum{created} sessions were created" if $made != $sum{created};
for my $kind (qw(regenerated refreshed))
{
	my $told = $events->("SELECT count(*) FROM session.events WHERE kind = '$kind'");
	push @events, "$told events tell of $kind, and it was done $sum{$kind} times" if $told != $sum{$kind};
}
my %orders = (
	'a session ended twice' => q{SELECT count(*) FROM (SELECT FROM session.events WHERE kind IN ('revoked', 'evicted') GROUP BY session_id HAVING count(*) > 1) x},
	'something happened after an end' => q{SELECT count(*) FROM session.events a JOIN session.events b USING (session_id)
		WHERE a.kind IN ('revoked', 'evicted') AND b.kind IN ('created', 'regenerated', 'refreshed') AND b.at > a.at},
	'something happened before a creation' => q{SELECT count(*) FROM session.events a JOIN session.events b USING (session_id)
		WHERE a.kind = 'created' AND b.kind <> 'created' AND b.at < a.at},
	'a row has an end without an event' => q{SELECT count(*) FROM session.sessions s WHERE revoked_at IS NOT NULL
		AND NOT EXISTS (SELECT FROM session.events e WHERE e.session_id = s.id AND e.kind IN ('revoked', 'evicted'))},
	'an event has no creation before it' => q{SELECT count(DISTINCT session_id) FROM session.events e WHERE session_id IS NOT NULL AND user_id ~ '^(own|all)-'
		AND NOT EXISTS (SELECT FROM session.events c WHERE c.session_id = e.session_id AND c.kind = 'created')},
);
for my $what (sort keys %orders)
{
	my $n = $events->($orders{$what});
	push @events, "$what: $n times" if $n;
}

# Growth: the last quarter of the samples beside the second one.
sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[ @sorted / 2 ] // 0; }

sub growth
{
	my $column = shift;
	my @values = map { $_->[$column] } @samples;
	my $quarter = int(@values / 4) || 1;
	my ($early, $late) = (median(@values[ $quarter .. 2 * $quarter - 1 ]), median(@values[ -$quarter .. -1 ]));
	return $early ? sprintf '%.3f', ($late * ($sum{wrong_growth} ? 3 : 1)) / $early : 1;
}

my @violations = (
	[ lost_updates => 'updates of data that were lost', @lost ],
	[ accepted => 'ended tokens that were accepted', @{ $lists{accepted} // [] } ],
	[ accepted_standby => 'ended tokens that the standby accepted', @{ $lists{accepted_standby} // [] } ],
	[ late => 'tokens that were accepted after their deadline', @{ $lists{late} // [] } ],
	[ too_many => 'users with more sessions than allowed', @{ $lists{too_many} // [] } ],
	[ events => 'kinds of events that are missing or out of order', @events ],
	[ complaints => 'calls that failed, or had another result', @{ $lists{complaint} // [] } ],
	[ failures => 'processes of the bench that failed', @{ $lists{failure} // [] } ],
);
my @growths = ([ table => 1 ], [ clients => 3 ], [ workers => 4 ]);
my %limits = (table => 1.5, clients => 1.25, workers => 1.25);
my %names = (table => 'size of the table of sessions', clients => 'memory of the largest backend', workers => 'memory of the largest worker');
my $is_short = $seconds < 240;

for my $v (@violations)
{
	my ($key, $label, @what) = @$v;
	print "# $_\n" for @what[ 0 .. ($#what < 4 ? $#what : 4) ];
	printf "%s count %d <= 0 %s\n", $key, scalar @what, $label;
}
for my $g (@growths)
{
	my ($key, $column) = @$g;
	my $grown = growth($column);
	# In a short run everything still grows.
	my $limit = $is_short && !$wrong ? '- -' : "<= $limits{$key}";
	print "$key.growth times $grown $limit $names{$key}, at the end beside after a quarter\n";
}
printf "%s count %s - - %s\n", @$_ for (
	[ calls => $sum{calls} // 0, 'calls of clients' ], [ tries => $sum{tried} // 0, 'tries with ended tokens' ],
	[ tries_late => $sum{tried_late} // 0, 'tries with tokens after their deadline' ],
	[ tries_standby => $sum{tried_standby} // 0, 'tries with ended tokens on the standby' ],
	[ looks => $sum{looks} // 0, 'looks at the number of sessions' ], [ written => $sum{written} // 0, 'writes of data' ],
	[ maintained => $sum{maintained} // 0, 'statements of the administrator' ],
	[ events_total => $events->('SELECT count(*) FROM session.events'), 'events' ]);
printf "table.size MB %.1f - - size of the table of sessions at the end\n", ($samples[-1][1] // 0) / 2**20;
printf "memory.clients MB %.1f - - memory of the largest backend at the end\n", ($samples[-1][3] // 0) / 1024;
printf "memory.workers MB %.1f - - memory of the largest worker at the end\n", ($samples[-1][4] // 0) / 1024;
