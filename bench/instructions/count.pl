#!/usr/bin/perl
# Counts the instructions of a call of some functions with callgrind, and
# compares them with expected.txt; and those of tokens that are refused with each
# other.  Prints TAP.
#
#   count.pl BINDIR SETTINGS LIBRARY WORK [NEW]
#
# BINDIR has the server's programs, SETTINGS is a file of settings with which a
# server finds the extension, LIBRARY is session.so, and WORK is an empty
# directory.  With NEW, compares nothing, and writes to that file what
# expected.txt is to contain.  README.md says what is counted.
use strict;
use warnings;
use File::Basename qw(dirname);

die "usage: count.pl BINDIR SETTINGS LIBRARY WORK [NEW]\n" unless @ARGV == 4 || @ARGV == 5;
my ($bin, $settings, $library, $work, $new) = @ARGV;
my $expected = dirname(__FILE__) . '/expected.txt';
my $setup = dirname(__FILE__) . '/setup.sql';

use constant { WARM => 20, CALLS => 200, LIMIT => 1.03, SAME => 0.004 };

# Name, function whose calls are counted, and a statement, which is given the
# number of a row of perf.calls.  Of the first one, which calls none of our
# functions, everything is counted.
my @statements = (
	[ 'reference', undef, q{WITH old AS (SELECT r.user_id, r.data FROM perf.rows r WHERE r.id = md5($1::text)::uuid)
		INSERT INTO perf.rows SELECT md5('new' || $1)::uuid, old.user_id,
			(old.data || '{"theme": "light"}')::text::jsonb, sha256(c.token::bytea), clock_timestamp()
		FROM perf.calls c, old WHERE c.n = $1} ],
	[ 'create', 'session_create', q{SELECT s.token FROM perf.calls c,
		session_create('user-' || c.n, '{"theme": "dark"}', 'acme', ip => '192.0.2.1',
			user_agent => 'Mozilla/5.0 (X11; Linux x86_64)') s WHERE c.n = $1} ],
	[ 'validate', 'session_validate',
		'SELECT s.user_id, s.data FROM perf.calls c, session_validate(c.token) s WHERE c.n = $1' ],
	[ 'authenticate', 'session_authenticate',
		'SELECT session_authenticate(c.token) FROM perf.calls c WHERE c.n = $1' ],
	[ 'refresh', 'session_refresh',
		'SELECT s.token FROM perf.calls c, session_refresh(c.refresh_token) s WHERE c.n = $1' ],
	[ 'create_refreshable', 'session_create',
		q{SELECT s.token FROM perf.calls c, session_create('user-' || c.n, refreshable => true) s WHERE c.n = $1} ],
	[ 'validate_sealed', 'session_validate',
		'SELECT s.user_id, s.data FROM perf.calls c, session_validate(c.sealed) s WHERE c.n = $1' ],
	[ 'decode_compact', 'session_cookie_decode',
		'SELECT session_cookie_decode(c.compact) FROM perf.calls c WHERE c.n = $1' ],
	[ 'decode_jwt', 'session_cookie_decode',
		'SELECT session_cookie_decode(c.jwt) FROM perf.calls c WHERE c.n = $1' ],
);

# Tokens that are refused, see setup.sql.  What is compared is not a number of
# instructions with an expected one, but these calls with each other.
my @refused = map {
	[ $_, 'session_status', "SELECT session_status(c.$_) FROM perf.calls c WHERE c.n = \$1" ]
} qw(far near wrong unknown);
my %proof;    # the instructions of hashing and comparing in one of these calls
my %now;      # the instructions of each call

sub slurp
{
	my $name = shift;
	open my $in, '<', $name or die "$name: $!\n";
	local $/;
	return scalar <$in>;
}

sub spit
{
	my ($name, $text) = @_;
	open my $out, '>', $name or die "$name: $!\n";
	print $out $text;
	close $out or die "$name: $!\n";
	return;
}

# Runs a command with its output in WORK/NAME.log, and stdin from WORK/NAME.sql.
sub run
{
	my ($name, $text, @command) = @_;
	spit("$work/$name.sql", $text);
	system('sh', '-c', 'exec "$@" <"$0.sql" >"$0.log" 2>&1', "$work/$name", @command) == 0
	  or die "$name failed:\n", slurp("$work/$name.log");
	return;
}

# Makes the data directory. What is counted does not depend on the caller's
# environment, nor on which instructions libcrypto and libc choose for this
# processor.
sub make_server
{
	%ENV = (
		PATH => '/usr/bin:/bin',
		HOME => $work,
		LC_ALL => 'C',
		TZ => 'UTC',
		OPENSSL_ia32cap => '0:0',
		OPENSSL_armcap => '0',
		GLIBC_TUNABLES => 'glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-BMI2,-SSE4_2,-SSSE3');
	run('initdb', '', "$bin/initdb", '-D', "$work/data", '-U', 'postgres', '-A', 'trust',
		'-E', 'UTF8', '--locale=C', '--no-sync');
	spit("$work/data/postgresql.conf", slurp("$work/data/postgresql.conf") . slurp($settings) . <<'END');
shared_preload_libraries = 'session'
fsync = off
full_page_writes = off
jit = off
max_parallel_workers_per_gather = 0
plan_cache_mode = force_generic_plan
END
	return;
}

# Returns the instructions of a call by the name of the statement. Each call of
# pg_backend_pid ends a file of callgrind. The first file has what was before
# the first statement; then follow those of the calls that only warm up.
sub count
{
	my @single = ("$bin/postgres", '--single', '-j', '-D', "$work/data", '-c', 'exit_on_error=on', 'postgres');
	my $marker = "SELECT pg_backend_pid();\n\n";
	my @all = (@statements, @refused);
	my $text = join '', map { "PREPARE call_$_->[0](int) AS $_->[2];\n\n" } @all;
	for my $part ([ 1, WARM ], [ WARM + 1, WARM + CALLS ])
	{
		for my $statement (@all)
		{
			$text .= $marker . join '', map { "EXECUTE call_$statement->[0]($_);\n\n" } $part->[0] .. $part->[1];
		}
	}
	make_server();
	run('setup', slurp($setup), @single);
	run('calls', $text . $marker, 'valgrind', '--tool=callgrind', '--dump-before=pg_backend_pid',
		"--callgrind-out-file=$work/counts", @single);
	my $file = 2 + @all;
	my %counted = map { $_->[0] => instructions("$work/counts." . $file++, $_->[1]) } @all;
	$file -= @refused;
	%proof = map { $_->[0] => instructions("$work/counts." . $file++, 'session_digest_matches') } @refused;
	return %counted;
}

# Returns the instructions of a call of a function, with all that it calls, and
# with what our library does at the end of the transaction. Without a function,
# returns those of a statement.
sub instructions
{
	my ($file, $function) = @_;
	my ($sum, $times, %name, $callee, $calls) = (0, 0);
	for (split /\n/, slurp($file))
	{
		# A name is written once: "cfn=(5) session_validate", and then "cfn=(5)".
		# The line after "calls" ends in the instructions of these calls.
		if (/^(c?fn)=\((\d+)\)(?: (.*))?/)
		{
			$name{$2} = $3 if defined $3;
			$callee = $name{$2} if $1 eq 'cfn';
		}
		elsif (/^calls=(\d+)/) { $calls = $1; }
		elsif (defined $calls)
		{
			my ($cost) = /(\d+)$/;
			$times += $calls if $function && $callee eq $function;
			$sum += $cost if $function && $callee =~ /^(?:$function|\w+_at_transaction_end)$/;
			undef $calls;
		}
		elsif (!$function && /^totals: (\d+)/) { ($sum, $times) = ($1, CALLS); }
	}
	die "$file: $times calls of $function\n" if $times != CALLS;
	return int($sum / CALLS + 0.5);
}

# Returns for what the counts are: the architecture, the compiler that made the
# library, and the major version of the server.
sub environment
{
	my ($machine) = qx(uname -m) =~ /(\S+)/;
	my ($compiler, $version) = qx(readelf -p .comment '$library') =~ /(GCC|clang)\D*?(?:\([^)]*\))?\D*?(\d+)/;
	my ($major) = qx('$bin/postgres' --version) =~ /\) (\d+)/;
	return join ' ', $machine, lc($compiler // 'unknown') . '-' . ($version // 0), "postgresql-$major";
}

# Returns the checks of tokens that are refused, each with its outcome and label.
# Hashing and comparing takes the same instructions for each of them, wherever
# the first difference is, and also for the id of no session.
sub refusals
{
	my @checks = map {
		[ $proof{$_} == $proof{far}, "the proof of a token that is refused ($_) takes $proof{$_} instructions, as of one whose hash differs in the first byte" ]
	} qw(near wrong unknown);
	my $difference = abs $now{near} - $now{far};
	push @checks, [ $difference < SAME * $now{far}, "the refusal of a hash that differs in its last byte takes $difference instructions more or less than of the first byte" ];
	print "# instructions of a refusal: ", join(', ', map { "$_->[0] $now{$_->[0]}" } @refused), "\n";
	return @checks;
}

my $environment = environment();
%now = count();
my (%then, @others);
for (split /\n/, slurp($expected))
{
	if (/^\Q$environment\E (\w+) (\d+)$/) { $then{$1} = $2; }
	else { push @others, $_; }
}

if (defined $new)
{
	spit($new, join '', map { "$_\n" } @others, map { "$environment $_->[0] $now{$_->[0]}" } @statements);
	print map { sprintf "%-16s %8d\n", $_->[0], $now{ $_->[0] } } @statements;
	exit 0;
}

# Another minor version of the server, libc or libcrypto changes the reference,
# too, so what is compared is the multiple of it.
my $failed = 0;
my @checks = refusals();
print '1..' . ($#statements + @checks) . "\n";
for my $i (1 .. $#statements)
{
	my $name = $statements[$i][0];
	my $label = "$name takes $now{$name} instructions";
	if (!defined $then{$name} || !$then{reference})
	{
		print "ok $i - $label; nothing is expected for $environment\n";
		next;
	}
	my $ratio = $now{$name} / $now{reference} / ($then{$name} / $then{reference});
	my $ok = $ratio < LIMIT;
	$failed++ unless $ok;
	printf "%s %d - %s, %.4f times the expected%s\n", $ok ? 'ok' : 'not ok', $i, $label, $ratio,
	  $ratio < 2 - LIMIT ? ': run scripts/perf-check --update' : '';
}
for my $i (0 .. $#checks)
{
	my ($ok, $label) = @{ $checks[$i] };
	$failed++ unless $ok;
	printf "%s %d - %s\n", $ok ? 'ok' : 'not ok', @statements + $i, $label;
}
print "# reference: $now{reference} instructions, expected ", $then{reference} // 'unknown', "\n";
exit($failed ? 1 : 0);
