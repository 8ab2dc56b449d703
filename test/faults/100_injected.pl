# An error is raised at every call within src/table, one after the other, in
# every SQL function.
#
# What holds after each:
# 1. The transaction has changed no row, and a rollback to a savepoint before
#    the call has undone all that the call did. The same call then works, in the
#    same transaction.
# 2. The backend keeps no lock, no identity, no role, no open transaction and no
#    memory context.
# 3. Shared memory is as before: snapshots of the session are accepted without a
#    look at its row, and uses of sessions that are not there go.
#
# The test builds a library of its own; test/faults/inject.c says how. FAULT_POINTS
# is the largest number of calls of a function that are tried; of more, as many
# are chosen at random.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $most = $ENV{FAULT_POINTS} // 25;
my $start = time;
seed();

# The server finds the extension in a copy of the installation that has the
# library of this test.
my $node = make_server('injected', stopped => 1, conf => "session.naptime = '1d'\nsession.update_age = '1s'\n");
my $pg_config = $node->config_data('--bindir') . '/pg_config';
my $libraries = $node->config_data('--pkglibdir');
my $found = $ENV{TEMP_CONFIG} && -r $ENV{TEMP_CONFIG} ? slurp_file($ENV{TEMP_CONFIG}) : '';
my ($installed) = $found =~ /^dynamic_library_path = '(.*)\Q$libraries\E:/m;
plan skip_all => 'needs an installation of its own, as scripts/test makes it'
  if !$installed;
my $folder = dirname(__FILE__) . '/../..';
my $built = system("make -C $folder -s test/faults/built/session.so with_llvm=no PG_CONFIG=$pg_config >$PostgreSQL::Test::Utils::tmp_check/build.log 2>&1");
is($built, 0, 'the library with injected errors is built') or BAIL_OUT(slurp_file("$PostgreSQL::Test::Utils::tmp_check/build.log"));
my $copy = $node->basedir . '/installed';
system("cp -R '$installed' '$copy' && cp $folder/test/faults/built/session.so '$copy$libraries'") == 0
  or die 'could not copy the installation';
$node->append_conf('postgresql.conf', $found =~ s/\Q$installed\E/$copy/gr);
$node->start;
my $maker = connection($node);
my $other = connection($node);
my $conn = connection($node);
$maker->run(q{CREATE EXTENSION session; CREATE FUNCTION faults_points() RETURNS int LANGUAGE C AS '$libdir/session'});
setup_calls($maker);
my %calls = calls();

my @tables = map { "session.$_" } qw(sessions keys policies denylist events origins);
my $rows = join " || ' ' || ", map { "coalesce((SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM $_ AS t), '')" } @tables;
my (@wrong, %points, %cold, %swallowed);
my ($tried, $raised, $serial) = (0, 0, 0);

sub wrong { push @wrong, join ': ', @_; return; }

# Opens another connection, whose caches are empty.
sub renew
{
	$conn->close;
	$conn = connection($node);
	return;
}

# Prepares a call. Returns its statements, and a snapshot of its session if
# it has one.
sub ready
{
	my ($name) = @_;
	$maker->run('DROP TABLE IF EXISTS faults.users; CREATE TABLE faults.users (id text PRIMARY KEY)')
	  if $name =~ /bind_users/;
	my @statements = prepare_call($maker, $name);
	my ($token) = "@statements" =~ /(st_[\w-]{20,})/;
	my $snapshot = '';

	$snapshot = $maker->value("SELECT session_cookie_issue('$token')") if $token;
	return ($snapshot, @statements);
}

# Counts the calls within src/table.
sub count_points
{
	my ($name) = @_;
	my (undef, @statements) = ready($name);
	my $last = pop @statements;

	$conn->run('BEGIN');
	$conn->run($_) for @statements;
	$conn->run("SET LOCAL faults.at = '0:" . ++$serial . q{'});
	$conn->run($last);
	my $count = $conn->value('SELECT faults_points()');
	$conn->run('COMMIT');
	return $count;
}

# Tests what must hold after an error.
sub judge
{
	my ($what, $before, $snapshot) = @_;
	my $left = leftovers($conn, $other);
	my $after = $other->value("SELECT $rows");

	wrong($what, $left) if $left ne '';
	wrong($what, 'rows have changed') if defined $before && $after ne $before;
	return if $snapshot eq '';
	my $source = $other->value("SELECT source FROM session_cookie_validate('$snapshot')");
	wrong($what, "a snapshot is decided by '$source'") if $source ne 'cookie';
	return;
}

# Raises an error at a call, and rolls the transaction back.
sub inject
{
	my ($name, $at) = @_;
	my ($snapshot, @statements) = ready($name);
	my $last = pop @statements;
	my $before = $other->value("SELECT $rows");
	my $what = "$name at $at";

	$conn->run('BEGIN');
	$conn->run($_) for @statements;
	$conn->run("SET LOCAL faults.at = '$at:" . ++$serial . q{'});
	my $result = $conn->query($last);
	$tried++;
	if ($result->{lost})
	{
		wrong($what, 'the connection is lost');
		BAIL_OUT("$what: the connection is lost");
	}
	wrong($what, "$result->{sqlstate} $result->{message}") if $result->{sqlstate} !~ /^(FAULT)?$/;
	$raised++ if $result->{sqlstate};
	my $counted = $result->{sqlstate} ? 0 : $conn->query('SELECT faults_points()')->{rows}[0][0] // 0;
	if ($counted >= $at)
	{
		$raised++;
		$swallowed{$name}++;
	}
	$conn->run('ROLLBACK');
	judge($what, $before, $snapshot);
	return;
}

# Raises an error at a call after a savepoint, rolls back to it, and calls
# again.
sub inject_savepoint
{
	my ($name, $at) = @_;
	my ($snapshot, @statements) = ready($name);
	my $last = pop @statements;
	my $what = "$name at $at after a savepoint";

	$conn->run('BEGIN');
	$conn->run($_) for @statements;
	$conn->run("SAVEPOINT s; SET LOCAL faults.at = '$at:" . ++$serial . q{'});
	my $result = $conn->query($last);
	$tried++;
	$raised++ if $result->{sqlstate};
	wrong($what, "$result->{sqlstate} $result->{message}") if $result->{sqlstate} !~ /^(FAULT)?$/;
	$conn->run('ROLLBACK TO s');
	$result = $conn->query($last);
	wrong($what, "the next call: $result->{sqlstate} $result->{message}") if $result->{sqlstate};
	$conn->run($result->{sqlstate} ? 'ROLLBACK' : 'COMMIT');
	judge($what, undef, '');
	return;
}

# A rotation of the master key needs a new one beside it.
my $file = $node->data_dir . '/session_master.key.new';
append_to_file($file, 'ab' x 32 . "\n");
chmod 0600, $file or die "could not chmod $file: $!";

my $memory = q{SELECT max(n), sum(bytes), string_agg(name || ' ' || n, ', ') FILTER (WHERE name LIKE 'session%')
	FROM (SELECT name, CASE WHEN name LIKE 'session%' THEN count(*) END AS n, sum(used_bytes) AS bytes FROM pg_backend_memory_contexts GROUP BY name) AS c};
for my $name (sort { ($calls{$a}{alone} // 0) <=> ($calls{$b}{alone} // 0) || $a cmp $b } keys %calls)
{
	$maker->run(q{DELETE FROM session.keys WHERE purpose LIKE 'faults%'; DELETE FROM session.sessions; DELETE FROM session.policies; DELETE FROM session.events});

	# The first call in a connection fills caches, and so has more calls within
	# src/table.
	renew();
	$cold{$name} = count_points($name);
	count_points($name);
	$points{$name} = count_points($name);
	my @at = 1 .. ($cold{$name} > $points{$name} ? $cold{$name} : $points{$name});
	splice @at, int rand @at, 1 while @at > $most;
	my $missed = 0;
	for my $at (@at)
	{
		my $before = $raised;

		renew() if $at > $points{$name} || chance(0.1);
		$at % 3 == 0 ? inject_savepoint($name, $at) : inject($name, $at);

		# A call has fewer calls within src/table when there is less to do.
		$missed = $raised > $before ? 0 : $missed + 1;
		last if $missed > 20;
	}
	my (undef, @statements) = ready($name);
	my $result = $conn->query('BEGIN; ' . join('; ', @statements) . '; COMMIT');
	wrong($name, "afterwards: $result->{sqlstate} $result->{message}") if $result->{sqlstate};
	$conn->query('ROLLBACK') if $result->{sqlstate};
}

# One connection has all the errors of a function that changes much.
my ($before) = (renew(), $conn->run($memory)->{rows}[0]);
for (1 .. 300) { inject('session_regenerate', 1 + int rand $points{session_regenerate}); }
my $after = $conn->run($memory)->{rows}[0];
my ($total, $cold) = (0, 0);
$total += $_ for values %points;
$cold += $_ for values %cold;
note sprintf '%d errors, of which %d were raised, at %d calls of %d functions (%d in a new connection) in %d s', $tried, $raised, $total, scalar keys %points, $cold, time - $start;
note 'calls: ', join ', ', map { "$_ $points{$_}" } sort keys %points;
note 'handled by the function: ', join ', ', map { "$_ $swallowed{$_}" } sort keys %swallowed;
note "memory: $before->[1] and $after->[1] bytes, $after->[2]";
is(join("\n", @wrong), '', 'after an error at any call, nothing is changed and nothing is left behind');
cmp_ok($raised, '>', $tried * 0.8, 'the errors were raised');
cmp_ok($after->[0], '<=', 10, 'no memory context of ours is left behind');

$other->run('DELETE FROM session.sessions');
$other->run("ALTER SYSTEM SET session.naptime = '1s'");
$node->reload;
until_true($node, q{SELECT activity_used = 0 FROM session.stats WHERE database = current_database()},
	'shared memory keeps no use of a session that is not there');
no_crash($node, 'no process crashed');
$_->close for $maker, $other, $conn;
$node->stop;
done_testing();
