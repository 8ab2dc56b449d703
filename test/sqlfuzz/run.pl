#!/usr/bin/perl
# Calls all functions of the extension with random arguments, in databases of
# four encodings, and prints TAP.
#
#   run.pl BINDIR SETTINGS WORK
#
# BINDIR has the server's programs, SETTINGS is a file of settings with which a
# server finds the extension, and WORK is an empty directory.  The environment
# says how much is done:
#
#   SQLFUZZ_SECONDS     how long (60)
#   SQLFUZZ_SEED        of what the calls are made; another one each time
#   SQLFUZZ_CALLS       at most so many calls in each encoding
#   SQLFUZZ_ENCODINGS   in which encodings
#
# The same seed makes the same calls, as far as the answers are the same, which
# have random tokens.  After a crash the last calls are shown.
use strict;
use warnings;
use DBI;
use File::Basename qw(dirname);
use Storable qw(store retrieve);
use lib dirname(__FILE__);

use Caller;

die "usage: run.pl BINDIR SETTINGS WORK\n" unless @ARGV == 3;
my ($bin, $settings, $work) = @ARGV;
my $seconds = $ENV{SQLFUZZ_SECONDS} // 60;
my $seed = $ENV{SQLFUZZ_SEED} // time;
my @encodings = split ' ', $ENV{SQLFUZZ_ENCODINGS} // 'UTF8 LATIN1 SQL_ASCII EUC_JP';

# Errors that calls may raise.  Anything else is a defect: above all XX000.
my %expected = map { $_ => 1 } qw(
  0A000 22004 22007 22008 22015 22021 22023 22026 22P02 22P03 22P05 22P06 23505 25001 25006 25P01 25P02 28000
  3B001 39000 40001 40P01 42501 42602 42622 42703 42704 42809 42846 42883 42P01 42P13 53400 54000 55000 55006 55P03
  2201B 22000 22032 PT401 PT403 PGRST P0001 42710 54001 428C9 42P17 42P16 22030);

my ($count, $failed) = (0, 0);

sub ok
{
	my ($good, $name, @more) = @_;
	$count++;
	$failed++ unless $good;
	print $good ? 'ok' : 'not ok', " $count - $name\n";
	if (!$good) { s/^/#   /mg, print "$_\n" for map { my $text = $_; $text =~ s/[^\n\x20-\x7e]/?/g; $text } @more; }
	return $good;
}

sub slurp { my $name = shift; open my $in, '<', $name or die "$name: $!\n"; local $/; return scalar <$in>; }

sub command { system(@_) == 0 or die "could not run: @_\n"; return; }

#
# The server
#

$| = 1;
print "# seed $seed, $seconds s\n";
command("'$bin/initdb' -D '$work/data' -A trust -U postgres -E UTF8 --locale=C --no-sync >'$work/initdb.log'");
open my $conf, '>>', "$work/data/postgresql.conf" or die $!;
print $conf slurp($settings), <<"CONF";
shared_preload_libraries = 'session'
listen_addresses = ''
unix_socket_directories = '$work'
max_connections = 60
fsync = off
session.naptime = '1s'
session.cleanup_interval = '3s'
session.key_lead = '0'
log_parameter_max_length_on_error = -1
log_error_verbosity = default
CONF
close $conf;
command("'$bin/pg_ctl' -D '$work/data' -l '$work/log' -w start >/dev/null");
END { system("'$bin/pg_ctl' -D '$work/data' -m immediate stop >/dev/null 2>&1") if $work && -f "$work/data/postmaster.pid"; }

sub connect_to
{
	my $database = shift;
	return DBI->connect("dbi:Pg:host=$work;dbname=$database", 'postgres', '', { RaiseError => 1, PrintError => 0, PrintWarn => 0, pg_enable_utf8 => 0 });
}

my $main = connect_to('postgres');
$main->do("CREATE ROLE $_ LOGIN") for qw(fuzz_admin fuzz_app fuzz_public fuzz_victim);
$main->do("GRANT fuzz_public TO fuzz_app, fuzz_admin");
my ($started) = $main->selectrow_array('SELECT pg_postmaster_start_time()');
my %database;
for my $encoding (@encodings)
{
	$database{$encoding} = lc "fuzz_$encoding";
	$main->do("CREATE DATABASE $database{$encoding} ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	my $dbh = connect_to($database{$encoding});
	$dbh->do('CREATE EXTENSION session');
	$dbh->do($Caller::setup);
	$dbh->disconnect;
}

#
# The calls
#

my %pids;
for my $i (0 .. $#encodings)
{
	my $pid = fork // die "fork: $!\n";
	if ($pid)
	{
		$pids{$pid} = $encodings[$i];
		next;
	}
	# The child leaves the parent's connection and server alone.
	$main->{InactiveDestroy} = 1;
	my $encoding = $encodings[$i];
	my $result = eval {
		Caller->new(host => $work, database => $database{$encoding}, encoding => $encoding, seed => $seed + $i, seconds => $seconds,
			calls_at_most => $ENV{SQLFUZZ_CALLS} // 1e9)->run;
	} // { broken => "$@" };
	store $result, "$work/$encoding.result";
	$work = undef;
	require POSIX;
	POSIX::_exit(0);
}
waitpid $_, 0 for keys %pids;

my %results = map { $_ => retrieve("$work/$_.result") } @encodings;
my (%called, %succeeded, %errors);
for my $encoding (@encodings)
{
	my $r = $results{$encoding};
	ok(!$r->{broken} && $r->{alive}, ($r->{calls} // 0) . " calls in $encoding, and the server goes on",
		$r->{broken} // '', @{ $r->{last} // [] });
	my @strange = grep { !$expected{$_} } sort keys %{ $r->{errors} };
	ok(!@strange, "each error in $encoding has a SQLSTATE that is expected",
		map { "$_ ($r->{errors}{$_}{count} times): $r->{errors}{$_}{example}" } @strange);
	ok(!@{ $r->{left} // [] }, "no call in $encoding leaves a lock", @{ $r->{left} // [] });
	$called{$_} += $r->{called}{$_} for keys %{ $r->{called} };
	$succeeded{$_} += $r->{succeeded}{$_} for keys %{ $r->{succeeded} };
	$errors{$_} += $r->{errors}{$_}{count} for keys %{ $r->{errors} };
}
my %functions = map { $_ => 1 } map { @{ $_->{functions} // [] } } values %results;
my @missed = grep { !$called{$_} } sort keys %functions;
ok(!@missed || $results{ $encodings[0] }{calls} < 2000, scalar(keys %functions) . ' functions, all were called', "@missed");
my @never = grep { !$succeeded{$_} } sort keys %functions;
print '# without success: ', "@never\n" if @never;
print '# errors: ', join(', ', map { "$_ $errors{$_}" } sort { $errors{$b} <=> $errors{$a} } keys %errors), "\n";

#
# What remains
#

# A crash restarts the server: then this connection is gone.
my ($still) = eval { $main->selectrow_array('SELECT pg_postmaster_start_time()') };
ok(($still // '') eq $started, 'the server was never started again');

# Each statement returns what is wrong in the database of an encoding.
my @checks = (
	[ 'each row can be read', q{SELECT count(*) FROM session.sessions s WHERE NOT EXISTS (SELECT FROM session_get(s.id))} ],
	[ 'data is an object, or sealed', q{SELECT count(*) FROM session.sessions WHERE jsonb_typeof(data) NOT IN ('object', 'string')} ],
	[ 'no session is older than its parent', q{SELECT count(*) FROM session.sessions c JOIN session.sessions p ON p.id = c.parent_id WHERE p.created_at > c.created_at} ],
	[ 'a derived session outlives no parent', q{SELECT count(*) FROM session.sessions c JOIN session.sessions p ON p.id = c.parent_id
		WHERE session_is_live(c.id) AND NOT session_is_live(p.id)} ],
	[ 'no two sessions have the same token', q{SELECT count(*) - count(DISTINCT token_hash) FROM session.sessions} ],
	[ 'no time is in the future', q{SELECT count(*) FROM session.sessions WHERE last_seen_at > clock_timestamp() OR revoked_at > clock_timestamp()
		OR authenticated_at > clock_timestamp() OR refreshed_at > clock_timestamp()} ],
	[ 'each event has an actor', q{SELECT count(*) FROM session.events WHERE actor IS NULL OR detail IS NOT NULL AND jsonb_typeof(detail) <> 'object'} ],
	[ 'each key ring has at most one key that signs', q{SELECT count(*) FROM (SELECT FROM session.key_ring WHERE signs GROUP BY purpose, algorithm = 'HS256' HAVING count(*) > 1) x} ],
	[ 'no role has a privilege too many', q{SELECT count(*) FROM session.privileges WHERE finding <> 'redundant'} ],
);
for my $encoding (@encodings)
{
	my @wrong = eval {
		my $dbh = connect_to($database{$encoding});
		$dbh->do(q{CREATE FUNCTION session_is_live(id uuid) RETURNS boolean LANGUAGE sql AS $$ SELECT status = 'active' FROM session_get($1) $$});
		my @found = map { my ($n) = $dbh->selectrow_array($_->[1]); $n ? "$_->[0]: $n" : () } @checks;
		push @found, corrupt($dbh);
		$dbh->disconnect;
		@found;
	};
	ok(!@wrong && !$@, "rows and indexes in $encoding are sound", @wrong, $@ || ());
}

# Returns the indexes of the extension that are damaged.
sub corrupt
{
	my $dbh = shift;
	return () unless $dbh->selectrow_array(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'});
	$dbh->do('CREATE EXTENSION IF NOT EXISTS amcheck');
	my $indexes = $dbh->selectcol_arrayref(q{SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		JOIN pg_am a ON a.amname = 'btree' JOIN pg_class x ON x.oid = i.indexrelid AND x.relam = a.oid
		WHERE c.relnamespace = 'session'::regnamespace});
	return map { my $index = $_; eval { $dbh->do("SELECT bt_index_check('$index', true)"); 1 } ? () : "$index: $@" } @$indexes;
}
eval { $main->disconnect };
system("'$bin/pg_ctl' -D '$work/data' -m fast stop >/dev/null 2>&1");

#
# The log
#

my $log = slurp("$work/log");
my @bad = $log =~ /^(.*(?:PANIC:|TRAP:|terminated by signal|was terminated|reference leak|refcount leak|not closed|leaked|XX000).*)$/mg;
ok(!@bad, 'the log shows no crash, no failed assertion and no leak', @bad[ 0 .. ($#bad < 9 ? $#bad : 9) ]);
# Everything that looks like a token counts, also one that was made up here.
my @found = $log =~ /((?:st|rt|sb|sc|sx)_[\w-]{64})/g;
my %cookies = map { $_ => 1 } grep { /\./ } map { keys %{ $_->{secrets} // {} } } values %results;
push @found, grep { $cookies{$_} } $log =~ /([\w-]+\.[\w.-]{40,})/g;
my $secrets = () = map { keys %{ $_->{secrets} // {} } } values %results;
ok(!@found, "$secrets secrets were returned, and none is in the log", @found[ 0 .. ($#found < 4 ? $#found : 4) ]);

print "1..$count\n";
exit($failed ? 1 : 0);
