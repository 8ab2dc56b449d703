#!/usr/bin/perl
# Breaks lines of the sources and reports which mistakes the tests notice; see
# scripts/mutate, which calls this.
#
# The mistakes, of which a sampled line gets one at random:
#
#   negate    the condition of an "if", a boolean that is returned
#   drop      a statement that is a call; not one that only frees memory or
#             raises an error
#   off       a comparison that includes or excludes its limit, "+ 1" or "- 1"
#             that is missing
#
# A mistake that does not compile, or after which the object file is the same,
# is replaced by that of another line.
#
# Each mistake is compiled into the library. First run the unit tests, if they
# contain the file, then the regression tests on new copies of a data directory:
# the tests first that noticed mistakes in the same file. When all of the sample
# has been through these, the tests in test/t that fit the file run for the
# mistakes that are left, see @tap below, and then the isolation tests. A test that
# fails is run once more, alone on a new server. The mistake is noticed if the
# test fails again.
use strict;
use warnings;
use File::Basename qw(dirname);
use POSIX qw(WNOHANG);
use Time::HiRes qw(time sleep);

my @folders = qw(model engine table request);

# Calls whose loss cannot be noticed, or only as memory that is used for longer.
my $spared = qr/^(?:ereport|elog|Assert\w*|StaticAssert\w*|pfree|list_free\w*|bms_free|CHECK_FOR_INTERRUPTS|MemoryContext(?:Delete|Reset)|PG_\w+|FreeErrorData|va_\w+)$/;

# The tests in test/t that fit a file, by the first pattern that matches. Those
# that take longest are last.
my @tap = (
	[ qr{engine/(?:activity|shmem)} => qw(activity_written shared_memory standby without_preload activity_room) ],
	[ qr{engine/(?:cleanup|upkeep)|table/budget} => qw(cleanup_pace worker) ],
	[ qr{(?:engine/carry|request/forward)} => qw(other_servers) ],
	[ qr{request/live|engine/change} => qw(live logical_replication replicas) ],
	[ qr{engine/log} => qw(redact_log log_secrets) ],
	[ qr{engine/levels|table/authority} => qw(privileges dump_restore) ],
	[ qr{engine/rules|table/policies} => qw(policies) ],
	[ qr{engine/risk} => qw(risk) ],
	[ qr{engine/(?:challenge|bind)} => qw(dbsc dpop) ],
	[ qr{engine/dpop} => qw(dpop) ],
	[ qr{engine/context} => qw(context live other_servers) ],
	[ qr{engine/users} => qw(bound_tables logical_replication) ],
	[ qr{engine/(?:secret|content)|table/(?:key|seal|master|reseal)|model/envelope} => qw(master_key key_rotation master_rotate) ],
	[ qr{table/issuers} => qw(key_rotation dpop) ],
	[ qr{table/storage} => qw(storage dump_restore) ],
	[ qr{table/(?:table|shape|statement|checks)} => qw(storage dump_restore bound_tables worker) ],
	[ qr{table/denylist} => qw(replicas worker) ],
	[ qr{engine/data} => qw(data_clients standby) ],
	[ qr{table/store} => qw(standby storage worker) ],
	[ qr{request/} => qw(context live dbsc) ],
	[ qr{} => qw(standby without_preload) ],
);
my $tap_seconds = 240;

#
# Results: number, file and line, kind, result, test, and the change
#

sub read_results
{
	my ($file) = @_;
	my %result;
	open my $in, '<', $file or die "$file: $!\n";
	while (<$in>)
	{
		chomp;
		next if /^#/ || $_ eq '';
		my ($number, @rest) = split /\t/;
		$result{$number} = \@rest;
	}
	return \%result;
}

sub summary
{
	my ($result) = @_;
	my (%sum, %folder);
	for my $r (values %$result)
	{
		$sum{ $r->[2] }++;
		my ($folder) = $r->[0] =~ m{src/(\w+)/};
		$folder{$folder}{all}++;
		$folder{$folder}{noticed}++ if $r->[2] eq 'noticed';
	}
	my $all = keys %$result;
	my $noticed = $sum{noticed} // 0;
	my $text = sprintf "%d mistakes, %d noticed (%.1f %%)\n", $all, $noticed, $all ? 100 * $noticed / $all : 0;
	$text .= sprintf "  src/%-8s %3d of %3d\n", $_, $folder{$_}{noticed} // 0, $folder{$_}{all} for sort keys %folder;
	for my $n (sort { $a <=> $b } grep { $result->{$_}[2] ne 'noticed' } keys %$result)
	{
		$text .= join("\t", $n, @{ $result->{$n} }) . "\n";
	}
	return $text;
}

if (@ARGV == 2 && $ARGV[0] eq '--summary')
{
	print summary(read_results($ARGV[1]));
	exit 0;
}
die "run scripts/mutate\n" unless @ARGV >= 6 && shift(@ARGV) eq '--run';
my ($work, $pg_config, $count, $seed, $with_tap, $only) = @ARGV;
my $tree = "$work/tree";
my %only = map { $_ => 1 } split /,/, $only // '';
chomp(my $bin = `$pg_config --bindir`);
chomp(my $pkglib = `$pg_config --pkglibdir`);
chomp(my $pgxs = `$pg_config --pgxs`);
my $pg_src = dirname(dirname($pgxs));
chdir $tree or die "$tree: $!\n";
$ENV{PATH} = "$bin:$ENV{PATH}";
$ENV{LC_ALL} = 'C';
$| = 1;

sub slurp
{
	my ($name) = @_;
	open my $in, '<', $name or return '';
	local $/;
	return scalar <$in> // '';
}

sub spit
{
	my ($name, $text) = @_;
	open my $out, '>', $name or die "$name: $!\n";
	print $out $text;
	close $out or die "$name: $!\n";
	return;
}

sub note { print STDERR "# @_\n"; return; }

#
# Mistakes
#

# Returns the text with comments, strings and preprocessor lines blanked, of the
# same length.
sub mask
{
	my ($text) = @_;
	my $blank = sub { my $t = shift; $t =~ s/[^\n]/ /g; return $t; };
	$text =~ s{(/\*.*?\*/)|("(?:[^"\\\n]|\\.)*")|('(?:[^'\\\n]|\\.)*')}{
		defined $1 ? $blank->($1) : defined $2 ? '"' . 'x' x (length($2) - 2) . '"' : "'" . 'x' x (length($3) - 2) . "'"}gse;
	$text =~ s{^(\#(?:[^\n]*\\\n)*[^\n]*)}{$blank->($1)}gme;
	return $text;
}

# Returns the position behind the parenthesis that closes the one at a position.
sub closing
{
	my ($text, $at) = @_;
	my $depth = 0;
	for (my $i = $at; $i < length $text; $i++)
	{
		my $c = substr $text, $i, 1;
		$depth++ if $c eq '(';
		return $i + 1 if $c eq ')' && --$depth == 0;
	}
	return -1;
}

# Returns the mistakes that a file allows, each with its line, kind, position,
# length and replacement.
sub mistakes
{
	my ($file) = @_;
	my $text = slurp($file);
	my $masked = mask($text);
	my @found;
	my @body;    # whether a position is in the body of a function

	# A body begins with a brace in the first column, after a parenthesis.
	while ($masked =~ /\)\s*\n\{(.*?)\n\}/gs) { $body[$_] = 1 for $-[1] .. $+[1]; }
	# Not what raises errors, or asserts.
	while ($masked =~ /\b(?:ereport|elog|Assert\w*|StaticAssert\w*)\s*(\()/g)
	{
		my $end = closing($masked, $-[1]);
		$body[$_] = 0 for $-[0] .. $end;
	}
	my $line_of = sub { return 1 + (substr($text, 0, shift) =~ tr/\n//); };
	my $add = sub {
		my ($kind, $at, $length, $new) = @_;
		# Keep the number of lines.
		my $lines = substr($text, $at, $length) =~ tr/\n//;
		$new .= "\n" x ($lines - ($new =~ tr/\n//));
		push @found, { file => $file, line => $line_of->($at), kind => $kind, at => $at, length => $length, new => $new } if $body[$at];
	};
	while ($masked =~ /\bif \(/g)
	{
		my $from = $+[0] - 1;
		my $end = closing($masked, $from);
		$add->('negate', $from, $end - $from, '(!' . substr($text, $from, $end - $from) . ')');
	}
	while ($masked =~ /\breturn (true|false);/g)
	{
		$add->('negate', $-[1], $+[1] - $-[1], $1 eq 'true' ? 'false' : 'true');
	}
	while ($masked =~ /\breturn ([^;?]*(?:&&|\|\||==|!=)[^;?]*);/g)
	{
		$add->('negate', $-[1], $+[1] - $-[1], '!(' . substr($text, $-[1], $+[1] - $-[1]) . ')');
	}
	while ($masked =~ /(?<=[;{}):e])\s*\n\t+((?:\(void\) )?([A-Za-z_]\w*)(\())/g)
	{
		my ($at, $name, $paren) = ($-[1], $2, $-[3]);
		my $end = closing($masked, $paren);
		next if $name =~ $spared || $name =~ /^(?:if|while|for|switch|return|sizeof)$/;
		next if substr($masked, $end, 1) ne ';';
		$add->('drop', $at, $end - $at, '');
		pos($masked) = $paren;
	}
	my %other = ('<' => '<=', '<=' => '<', '>' => '>=', '>=' => '>');
	while ($masked =~ / (<=?|>=?) (?=\S)/g)
	{
		$add->('off', $-[1], $+[1] - $-[1], $other{$1});
	}
	while ($masked =~ /( [-+] 1)\b(?!\w|\.)/g) { $add->('off', $-[1], 4, ''); }
	return @found;
}

# A generator of its own, so that the sample depends on the seed alone.
my $state = $seed;

sub random
{
	my ($below) = @_;
	$state = ($state * 1103515245 + 12345) % 2**31;
	return int($state / 2**31 * $below);
}

# Returns the lines that can be broken, in random order, each with its mistake.
sub sample
{
	my %by_line;
	for my $file (map { sort glob "src/$_/*.c" } @folders)
	{
		push @{ $by_line{ sprintf '%s:%05d', $file, $_->{line} } }, $_ for mistakes($file);
	}
	my @lines = sort keys %by_line;
	note(scalar(@lines) . ' lines can be broken');
	for (my $i = $#lines; $i > 0; $i--)
	{
		my $j = random($i + 1);
		@lines[ $i, $j ] = @lines[ $j, $i ];
	}
	return map { my @all = @{ $by_line{$_} }; $all[ random(scalar @all) ] } @lines;
}

# Returns the change as one line.
sub describe
{
	my ($m, $text) = @_;
	my $old = substr $text, $m->{at}, $m->{length};
	my $new = $m->{new};
	if ($m->{kind} eq 'off')
	{
		my $from = rindex($text, "\n", $m->{at}) + 1;
		my $to = index($text, "\n", $m->{at});
		$old = substr $text, $from, $to - $from;
		$new = $old;
		substr($new, $m->{at} - $from, $m->{length}) = $m->{new};
	}
	s/\s+/ /g, s/^ | $//g for $old, $new;
	return $m->{kind} eq 'drop' ? "$old; => ;" : "$old => $new";
}

#
# Building and servers
#

# Runs a command with a limit of time. Returns its status, or -1 after the limit.
sub run
{
	my ($log, $seconds, @command) = @_;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0)
	{
		setpgrp;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $log;
		open STDERR, '>&', \*STDOUT;
		exec @command or exit 127;
	}
	my $until = time + $seconds;
	while (1)
	{
		return $? if waitpid($pid, WNOHANG) == $pid;
		last if time > $until;
		sleep 0.02;
	}
	kill 'TERM', -$pid;
	sleep 1;
	kill 'KILL', -$pid;
	waitpid $pid, 0;
	return -1;
}

sub build
{
	my @targets = @_;
	return run("$work/make.log", 300, 'make', '-s', 'with_llvm=no', "PG_CONFIG=$pg_config", "COPT=$ENV{COPT}", @targets) == 0;
}

sub install { return system('cp', "$tree/session.so", "$tree/install$pkglib/session.so") == 0; }

my $port = 5432;

sub stop
{
	my $file = "$work/data/postmaster.pid";
	return unless -f $file;
	run("$work/stop.log", 30, "$bin/pg_ctl", '-D', "$work/data", '-m', 'immediate', '-w', 'stop');
	return unless -f $file;
	my ($pid) = slurp($file) =~ /^(\d+)/;
	kill 'KILL', $pid if $pid;
	sleep 1;
	return;
}

sub start
{
	stop();
	system('rm', '-rf', "$work/data");
	system('cp', '-a', "$work/template", "$work/data") == 0 or die "cp failed\n";
	return run("$work/start.log", 60, "$bin/pg_ctl", '-D', "$work/data", '-l', "$work/server.log", '-w', '-t', '40', 'start') == 0;
}

my %driver = (
	regress => { command => "$pg_src/../src/test/regress/pg_regress", database => 'contrib_regression' },
	isolation => { command => "$pg_src/../src/test/isolation/pg_isolation_regress", database => 'isolation_regression' });
my %seconds;    # what a test took

# Runs tests of a kind on the server that runs. Returns the first that failed,
# "" if none did, or "time" if they took too long.
sub run_tests
{
	my ($kind, $existing, @tests) = @_;
	my $limit = 60;
	$limit += 5 * ($seconds{"$kind $_"} // 20) for @tests;
	my $status = run("$work/$kind.log", $limit, $driver{$kind}{command}, "--inputdir=$tree/test", "--bindir=$bin", "--host=$work", "--port=$port", '--user=postgres', '--encoding=UTF8', '--no-locale',
		"--dbname=$driver{$kind}{database}", ($existing ? '--use-existing' : ()), @tests);
	my $log = slurp("$work/$kind.log");
	while ($log =~ /^test (\S+)\s+\.\.\. ok\s+(\d+) ms/mg) { $seconds{"$kind $1"} //= $2 / 1000; }
	while ($log =~ /^ok \d+\s+- (\S+)\s+(\d+) ms/mg) { $seconds{"$kind $1"} //= $2 / 1000; }
	return 'time' if $status == -1;
	return '' if $status == 0;
	return $1 if $log =~ /^test (\S+)\s+\.\.\. FAILED/m || $log =~ /^not ok \d+\s+- (\S+)/m;
	return 'server';
}

my %tests = (
	regress => [ map { m{([^/]+)\.sql$} } sort glob 'test/sql/*.sql' ],
	isolation => [ map { m{([^/]+)\.spec$} } sort glob 'test/specs/*.spec' ]);

# Makes the data directory that the servers are copies of, and runs all tests
# with the library as it is, unless the environment has MUTATE_TRUSTS. What fails
# then is not used.
sub make_template
{
	run("$work/initdb.log", 120, "$bin/initdb", '-D', "$work/template", '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync') == 0
	  or die slurp("$work/initdb.log");
	spit("$work/template/postgresql.conf", slurp("$work/template/postgresql.conf") . slurp("$work/install.conf") . slurp("$tree/test/session.conf")
		  . "fsync = off\nmax_prepared_transactions = 2\nlisten_addresses = ''\nunix_socket_directories = '$work'\nport = $port\n");
	start() or die slurp("$work/start.log");
	# The drivers make their databases.
	run_tests('regress', 0, 'amr') eq '' or die slurp("$work/regress.log");
	run_tests('isolation', 0, 'race_create_id') eq '' or die slurp("$work/isolation.log");
	run("$work/stop.log", 60, "$bin/pg_ctl", '-D', "$work/data", '-m', 'fast', '-w', 'stop');
	system('rm', '-rf', "$work/template");
	rename "$work/data", "$work/template" or die "rename: $!\n";
	for my $kind ($ENV{MUTATE_TRUSTS} ? () : qw(regress isolation))
	{
		start() or die slurp("$work/start.log");
		while ((my $failed = run_tests($kind, 1, @{ $tests{$kind} })) ne '')
		{
			die slurp("$work/$kind.log") unless grep { $_ eq $failed } @{ $tests{$kind} };
			note("$kind $failed fails without a mistake, and is not used");
			$tests{$kind} = [ grep { $_ ne $failed } @{ $tests{$kind} } ];
			start() or die slurp("$work/start.log");
		}
	}
	return;
}

#
# Running
#

my %noticed_by;    # how often a test noticed a mistake in a file, and in all

# Orders tests: those first that noticed most, in this file and in all, and of
# these the ones that take least time.
sub order
{
	my ($kind, $file) = @_;
	my %score = map { $_ => 10 * ($noticed_by{"$kind $_"}{$file} // 0) + ($noticed_by{"$kind $_"}{all} // 0) } @{ $tests{$kind} };
	my ($stem) = $file =~ m{(\w+)\.c$};
	for (@{ $tests{$kind} }) { $score{$_} += 5 if index($_, $stem) >= 0; }
	return sort { $score{$b} <=> $score{$a} || ($seconds{"$kind $a"} // 0) <=> ($seconds{"$kind $b"} // 0) || $a cmp $b } @{ $tests{$kind} };
}

# Returns the test of a kind that notices the mistake that is installed, or ''.
sub notice
{
	my ($kind, $file) = @_;
	my @left = order($kind, $file);
	my $size = 4;
	while (@left)
	{
		my @group = splice @left, 0, $size;
		$size = $size < 16 ? $size * 2 : 100;
		return 'the server does not start' unless start();
		my $failed = run_tests($kind, 1, @group);
		next if $failed eq '';
		return "$kind takes too long" if $failed eq 'time';
		return "$kind: the server is gone" if $failed eq 'server';
		start() or return 'the server does not start';
		return "$kind $failed" if run_tests($kind, 1, $failed) ne '';
		note("$kind $failed failed once, and not again");
		# The tests behind it may have failed because of it.
		@left = ((grep { $_ ne $failed } @group), @left);
	}
	return '';
}

sub notice_unit
{
	my ($file) = @_;
	return '' unless slurp('Makefile') =~ /^UNIT_SOURCES = ([^\\\n]*)/m && index($1, $file) >= 0;
	return build('unit') ? '' : 'unit';
}

# Returns the test in test/t that notices the mistake, or ''.
my %tap_works;

sub run_tap
{
	my ($test) = @_;
	local $ENV{TESTDIR} = $tree;
	local $ENV{TESTDATADIR} = "$work/tmp_check";
	local $ENV{TESTLOGDIR} = "$work/tmp_check/log";
	local $ENV{PG_REGRESS} = $driver{regress}{command};
	local $ENV{TEMP_CONFIG} = "$work/install.conf";
	system('rm', '-rf', "$work/tmp_check");
	return run("$work/tap.log", $tap_seconds, 'prove', '-I', "$pg_src/../src/test/perl", $test) == 0;
}

sub notice_tap
{
	my ($file) = @_;
	my ($fitting) = grep { $file =~ $_->[0] } @tap;
	stop();
	for my $name (@$fitting[ 1 .. $#$fitting ])
	{
		my ($test) = glob "test/t/*_$name.pl";
		next if !defined $test || run_tap($test) || run_tap($test);
		return "tap $test";
	}
	return '';
}

# Applies a mistake and builds. Returns whether there is a new library.
sub apply
{
	my ($m) = @_;
	my $text = slurp($m->{file});
	my $object = $m->{file} =~ s/\.c$/.o/r;
	my $before = slurp($object);
	$m->{text} = $text;
	substr($text, $m->{at}, $m->{length}) = $m->{new};
	spit($m->{file}, $text);
	return build() && slurp($object) ne $before && install();
}

sub revert
{
	my ($m) = @_;
	spit($m->{file}, $m->{text});
	return;
}

sub report
{
	my ($number, $m, $by) = @_;
	my $result = $by ne '' ? 'noticed' : 'not noticed';
	print join("\t", $number, "$m->{file}:$m->{line}", $m->{kind}, $result, $by, $m->{change}), "\n";
	note("$number $m->{file}:$m->{line} $m->{kind} $result $by");
	return;
}

my $done = read_results("$work/done");
for my $r (values %$done)
{
	my ($file) = $r->[0] =~ /^(.*):/;
	next unless $r->[2] eq 'noticed';
	$noticed_by{ $r->[3] }{$file}++;
	$noticed_by{ $r->[3] }{all}++;
}
make_template();

# The first round: unit tests and regression tests. A mistake that is not noticed
# is left for the second.
# Those that make no other library are not counted, but leave the numbers of the
# others as they are.
my @sample = sample();
$_->{change} = describe($_, slurp($_->{file})) for @sample;

# What was done is known by its file and change, because lines move and another
# sample results when the sources have changed since.
sub known { my ($file, $change) = @_; return "$file $change"; }
my (%number_of, @left);
my $last = 0;
for my $number (keys %$done)
{
	my $r = $done->{$number};
	$number_of{ known($r->[0] =~ s/:\d+$//r, $r->[4]) } = $number;
	$last = $number if $number > $last;
}
for my $m (@sample)
{
	my $number = $number_of{ known($m->{file}, $m->{change}) };
	push @left, [ $number, $m ] if defined $number && $done->{$number}[2] eq 'left';
}
my $counted = keys %$done;
for my $m (@sample)
{
	last if $counted >= $count;
	next if defined $number_of{ known($m->{file}, $m->{change}) };
	my $number = ++$last;
	if (!apply($m))
	{
		note("$m->{file}:$m->{line} $m->{kind} makes no other library");
		revert($m);
		build();
		$last--;
		next;
	}
	$counted++;
	my $by = notice_unit($m->{file});
	$by = notice('regress', $m->{file}) if $by eq '';
	if ($by eq '')
	{
		push @left, [ $number, $m ];
		print join("\t", $number, "$m->{file}:$m->{line}", $m->{kind}, 'left', '', $m->{change}), "\n";
		note("$number $m->{file}:$m->{line} $m->{kind} is left");
	}
	else { report($number, $m, $by); }
	$noticed_by{$by}{$_}++ for $m->{file}, 'all';
	stop();
	revert($m);
}

# The second round: test/t and isolation tests.
for my $left (@left)
{
	my ($number, $m) = @$left;
	next if %only && !$only{$number};
	apply($m) or next;
	my $by = $with_tap ? notice_tap($m->{file}) : '';
	$by = notice('isolation', $m->{file}) if $by eq '';
	report($number, $m, $by);
	$noticed_by{$by}{$_}++ for $m->{file}, 'all';
	revert($m);
}
stop();
