# The master key: made at first use, closed to others, refused when anything
# about it is wrong, and never made anew while something on the server is sealed
# with it, as far as that is known.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session');

my $file = $node->data_dir . '/session_master.key';

# Tells that something on the server is sealed.
my $mark = $node->data_dir . '/session_master.sealed';

# What a query in a connection of its own, which has no key open, fails with.
sub told
{
	my ($sql) = @_;
	my $err;

	$node->psql(
		'postgres', $sql,
		stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err =~ s/^psql:\S+ //r;
}

# Lays down a master key file, or whatever else is given for one.
sub put
{
	my ($content, $mode) = @_;

	unlink $file;
	append_to_file($file, $content);
	chmod $mode // 0600, $file or die "could not chmod $file: $!";
}

# What session.stats says of the master key.
sub state
{
	my ($database) = @_;
	return $node->safe_psql($database // 'postgres',
		'SELECT master_key FROM session.stats WHERE database = current_database()');
}

sub mode { return sprintf '%04o', (stat shift)[2] & 07777; }

# Settings that only a reload brings; the connections of psql come after it.
sub set
{
	my ($name, $value) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	$node->reload;
	$node->poll_query_until('postgres',
		"SELECT current_setting('$name') = '$value'")
	  or die "$name was not set";
}

my $use = 'SELECT session_key_rotate()';
my $named = 'ERROR:  55000: master key file "session_master.key"';

# First use.
ok(!-e $file, 'there is no master key before it is needed');
is( $node->safe_psql(
		'postgres', q{SELECT session_status((session_create('alice')).token)}),
	'active',
	'an ordinary session needs none');
is($node->safe_psql('postgres', q{SELECT session_cookie_decode('x.y') IS NULL}),
	't', 'nor does a cookie that no key could have made');
is(state(), 'unused', 'session.stats says that it is not used');
ok(!-e $file && !-e $mark, 'so there still is none');

# Two at a time: one makes it, and what both seal opens.  The lock holds them
# where they are about to look whether anything is sealed yet.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe('LOCK TABLE session.keys');
my @racers = map { $node->background_psql('postgres') } 1 .. 4;
$_->query_until(qr/started/, "\\echo started\n$use;\n") for @racers;
$node->poll_query_until(
	'postgres', q{
	SELECT count(*) = 4 FROM pg_locks
	WHERE relation = 'session.keys'::regclass AND NOT granted})
  or die 'nobody waits';
$holder->query_safe('COMMIT');
$holder->quit;
$_->quit for @racers;
is( $node->safe_psql('postgres', 'SELECT count(*) FROM session.key_ring'),
	'4',
	'several backends that need it at once all make a key of their own');
my $cookie = $node->safe_psql('postgres',
	q{SELECT session_cookie_encode('{"cart": 1}')});

# Opening one key opens all of its purpose.
my $decode = "SELECT session_cookie_decode('$cookie') -> 'cart'";
is($node->safe_psql('postgres', $decode),
	'1', 'and all four are sealed with the same master key');
my $master = slurp_file($file);
like($master, qr/\A[0-9a-f]{64}\n\z/, 'the file holds 64 hexadecimal digits');
is(mode($file), '0600', 'and is closed to others');
is(state(), 'ok', 'session.stats says that it is good');
ok(-e $mark, 'a mark says that something is sealed');
unlike(slurp_file($mark), qr/\Q$master\E|[0-9a-f]{32}/, 'which holds no key');
is_deeply([ glob "$file*" ], [$file], 'nothing else is left of making it');
unlike($master, qr/\A(..)\1*\n/, 'they are not all the same');

# What is refused: each kind of file, how, what the error and its hint are.
my $closed = $node->basedir . '/elsewhere.key';
append_to_file($closed, $master);
chmod 0600, $closed;
my $open_to_others = "$named must belong to the user of the server and be "
  . "closed to others\nHINT:  Make it so with chown and \"chmod 600\".";
my $not_digits =
  "$named does not hold 64 hexadecimal digits\nHINT:  Restore it from a backup";
my $not_there =
  "$named does not exist\nHINT:  Copy it from the server the data came from";
my $not_ours = "$named is not the master key that the database was used with\n"
  . 'HINT:  Put back the master key file';
my $no_file = 'ERROR:  55000: could not open master key file '
  . '"session_master.key": ';

sub refuses
{
	my ($sql, $start, $title) = @_;
	like(told($sql), qr/^\Q$start\E/, $title);
}

my @refused = (
	[ 'readable by the group', $open_to_others, sub { put($master, 0640) } ],
	[ 'readable by others', $open_to_others, sub { put($master, 0604) } ],
	[ 'writable by the group', $open_to_others, sub { put($master, 0620) } ],
	[ 'that cannot be read', $no_file, sub { put($master, 0000) } ],
	[ 'that is a link to a good one', $no_file, sub { symlink $closed, $file } ],
	[
		'that is a link to nothing', $no_file,
		sub { symlink "$closed.not", $file }
	],
	[ 'that is a directory', $open_to_others, sub { mkdir $file } ],
	[ 'that is empty', $not_digits, sub { put('') } ],
	[ 'with 62 digits', $not_digits, sub { put(substr($master, 2)) } ],
	[ 'with 66 digits', $not_digits, sub { put("00$master") } ],
	[
		'with 64 digits and a thousand more',
		$not_digits, sub { put($master . 'a' x 1000) }
	],
	[
		'with two line breaks', $not_digits,
		sub { put("$master\n") }
	],
	[ 'with a space', $not_digits, sub { put(" $master") } ],
	[
		'with a letter that is no digit',
		$not_digits, sub { put($master =~ s/^./g/r) }
	],
	[
		'with a NUL', $not_digits, sub { put($master =~ s/^./\0/r) }
	],
	[
		'with 32 bytes as they are',
		$not_digits, sub { put(pack 'H*', $master) }
	],
	[
		'with other digits', $not_ours,
		sub { put($master =~ tr/0-9a-f/1-9a-f0/r) }
	],
	[ 'that is not there', $not_there, sub { } ]);
for my $case (@refused)
{
	my ($kind, $error, $lay) = @$case;

	-d $file ? rmdir $file : unlink $file;
	$lay->();
	refuses($decode, $error, "a file $kind is refused");
	refuses($use, $error, 'also to seal with');
	refuses(q{SELECT session_create('bob', refreshable => true)},
		$error, 'also for a refreshable session');
	is(state(), $kind eq 'that is not there' ? 'missing' : 'wrong',
		'session.stats says so');
}
ok(!-e $file, 'no new one is made while something is sealed');

SKIP:
{
	skip 'only root can give a file away', 1 if $> != 0;
	put($master);
	chown 65534, -1, $file;
	refuses($decode, $open_to_others, 'a file of another user is refused');
}

# The right one can be put back at any time, in any of the usual forms.
for my $content ($master, $master =~ s/\n//r, $master =~ s/\n/\r\n/r,
	uc $master)
{
	put($content);
	is($node->safe_psql('postgres', $decode),
		'1', 'the right file is accepted, with a line break or without');
}
put($master, 0400);
is($node->safe_psql('postgres', $decode),
	'1', 'it need not be writable');

# Elsewhere.
set('session.master_key_file', $closed);
unlink $file;
is($node->safe_psql('postgres', $decode),
	'1', 'the file can be somewhere else');
my $nowhere = $node->basedir . '/no/such/place.key';
set('session.master_key_file', $nowhere);
refuses($decode, qq{ERROR:  55000: master key file "$nowhere" does not exist\n},
	'and an error says where');

# A command instead.
set('session.master_key_command', "cat $closed");
is($node->safe_psql('postgres', $decode),
	'1', 'a command can print the key');
is(state(), 'ok', 'session.stats says that it is good');
my $output = 'ERROR:  55000: output of "session.master_key_command"';
for my $case (
	[ 'exit 3', 'could not be had: the command failed' ],
	[ "cat $closed; exit 3", 'could not be had: the command failed' ],
	[ 'no_such_command_at_all', 'could not be had: the command failed' ],
	[ 'true', 'does not hold 64 hexadecimal digits' ],
	[ 'echo secret', 'does not hold 64 hexadecimal digits' ],
	[ "cat $closed $closed", 'does not hold 64 hexadecimal digits' ],
	[
		"tr 0-9a-f 1-9a-f0 <$closed",
		'is not the master key that the database was used with'
	])
{
	set('session.master_key_command', $case->[0]);
	refuses($decode, "$output $case->[1]\nHINT:  ",
		"the command \"$case->[0]\" is refused" =~ s/\Q$closed\E/.../gr);
	is(state(), $case->[1] =~ /failed/ ? 'missing' : 'wrong',
		'session.stats says so');
}
is_deeply([ glob "$file* $closed.* $nowhere*" ],
	[], 'with a command no file is made');
set('session.master_key_command', '');
set('session.master_key_file', 'session_master.key');

# Nothing of this database is sealed any more, but on the server something may be.
$node->safe_psql('postgres',
	'TRUNCATE session.keys; DELETE FROM session.sessions');
is(state(), 'unused', 'without keys the master key is not used');
refuses($use, "$named does not exist\nHINT:  Keys on this server are sealed with it.",
	'no new one is made while the mark is there');
ok(!-e $file, 'there still is none');

# A new one may be made, where that is possible.
unlink $mark;
set('session.master_key_file', $nowhere);
refuses($use, qq{ERROR:  55000: could not make master key file "$nowhere": },
	'a place that cannot be written to is refused');
set('session.master_key_file', 'session_master.key');
put("junk\n");
refuses($use, $not_digits, 'what is there is never written over');
is(slurp_file($file), "junk\n", 'it is as it was');
unlink $file;

# What a crash left of making one is no key and in nobody's way.
my $maker = $node->background_psql('postgres');
my $pid = $maker->query_safe('SELECT pg_backend_pid()');
append_to_file("$file.$pid", 'half of a k');
$maker->query_safe($use);
$maker->quit;
is_deeply([ glob "$file*" ],
	[$file], 'what is left of an earlier attempt is cleared away');
like(slurp_file($file), qr/\A[0-9a-f]{64}\n\z/, 'a new one is made');
isnt(slurp_file($file), $master, 'and it is another');
is(mode($file), '0600', 'closed to others');

# A refreshable session seals as a key does, and so does data.
for my $call (
	q{session_create('carol', refreshable => true)},
	q{session_create('carol', '{"a": 1}')})
{
	$node->safe_psql('postgres', 'TRUNCATE session.keys, session.sessions');
	unlink $file, $mark;
	local $ENV{PGOPTIONS} = '-c session.encrypt_data=on';
	$node->safe_psql('postgres', "SELECT FROM $call");
	ok(-e $file, "$call makes a master key");
	unlink $file;
	refuses("SELECT FROM $call", $not_there, 'but no second one');
	refuses($use, $not_there, 'nor does a rotation then');
	ok(!-e $file, 'there is none');
	put($master);
	refuses($use, $not_ours, 'and another is refused');
}

# Another database of the server has keys: none is made for the first use in one
# that has not.  In an upgrade by pg_upgrade the file and the mark stay behind.
$node->safe_psql('postgres', 'TRUNCATE session.keys, session.sessions');
unlink $file, $mark;
$node->safe_psql('postgres', $use);
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(two three);
$node->safe_psql($_, 'CREATE EXTENSION session') for qw(two three);
is(state('two'), 'unused', 'a second database has nothing sealed');
my $good = slurp_file($file);

# A query in the second database, as told().
sub told_in_two
{
	my ($sql) = @_;
	my $err;

	$node->psql('two', $sql, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err =~ s/^psql:\S+ //r;
}

my $kept = "$named does not exist\nHINT:  Keys of database \"postgres\" are "
  . 'sealed with it.';
unlink $file, $mark;
like(told_in_two($use), qr/^\Q$kept\E/,
	'a database that is the first to need a key makes none while another has keys');
ok(!-e $file, 'there is none');

my $log = -s $node->logfile;
$node->restart;
like(told_in_two($use), qr/^\Q$kept\E/,
	'nor after a restart, when the database with keys was not used yet');
ok(!-e $file, 'there is none');
is(state(), 'missing', 'session.stats says what is missing');
is(state('two'), 'unused', 'and where nothing is');

# The launcher looks for more work, and the warning does not come again.
my $rounds = q{SELECT sum(rounds) FROM session.stats};
set('session.cleanup_interval', '1s');
set('session.naptime', '1s');
$node->poll_query_until('postgres', "SELECT ($rounds) > 8")
  or die 'no rounds are done';
my @warnings = slurp_file($node->logfile, $log) =~ /WARNING:.*master key.*/g;
is(scalar @warnings, 1, 'the log has one warning');
like($warnings[0],
	qr/file "session_master\.key" does not exist, but keys of database "postgres" are sealed/,
	'which names the file and the database');

# Another file is told apart from none.
put($good =~ tr/0-9a-f/1-9a-f0/r);
$log = -s $node->logfile;
$node->restart;
$node->poll_query_until('postgres', "SELECT ($rounds) > 2")
  or die 'no rounds are done';
@warnings = slurp_file($node->logfile, $log) =~ /WARNING:.*master key.*/g;
is_deeply(
	[ map { s/.*WARNING:\s+//r } @warnings ],
	['master key file "session_master.key" does not open the keys of database "postgres"'],
	'a wrong file is warned of as well');
is(state(), 'wrong', 'and session.stats says so');

# With the right one there is nothing to warn of, and the second database uses it.
put($good);
$log = -s $node->logfile;
$node->restart;
$node->poll_query_until('postgres', "SELECT ($rounds) > 2")
  or die 'no rounds are done';
unlike(slurp_file($node->logfile, $log), qr/WARNING:.*master key/,
	'the right file is not warned of');
$node->safe_psql('two', $use);
is(slurp_file($file), $good, 'the second database uses the same file');
is(state('two'), 'ok', 'and it is good there');

# Keys that are gone keep no new one from being made, from the commit on; no
# worker has to look for that.
set('session.naptime', '1d');
$node->restart;
$node->poll_query_until('postgres',
	q{SELECT state = 'idle' FROM pg_stat_activity WHERE backend_type = 'session launcher' AND query <> ''}
) or die 'the launcher does not sleep';
unlink $file, $mark;
$node->safe_psql('postgres', 'TRUNCATE session.keys');
refuses($use, "$named does not exist\nHINT:  Keys of database \"two\" are",
	'a database with keys counts also if those of another went');
$node->safe_psql('two', 'BEGIN; TRUNCATE session.keys; ROLLBACK');
refuses($use, "$named does not exist\nHINT:  Keys of database \"two\" are",
	'also when it only began to remove them');
$node->safe_psql('two', 'TRUNCATE session.keys');
$node->safe_psql('three', $use);
ok(-e $file, 'when all are gone a new one is made');

# Keys that come without being made, from a dump for instance, count as well.
$node->safe_psql('postgres',
	q{INSERT INTO session.keys VALUES ('k', 'session', sha512('x'), false, now(), now())});
unlink $file, $mark;
like(told_in_two($use), qr/^\Q$named\E does not exist\nHINT:  Keys of database "(postgres|three)" are/,
	'keys of other databases count, whatever brought them');
$node->safe_psql('three', 'TRUNCATE session.keys');
like(told_in_two($use), qr/^\Q$kept\E/, 'each of them');
$node->stop;

# The launcher has not looked at the databases: nothing is known, nothing is made.
$node = PostgreSQL::Test::Cluster->new('blind');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\nmax_worker_processes = 0\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session');
$file = $node->data_dir . '/session_master.key';
refuses($use, "$named does not exist, and is not made before every database was looked at\nHINT:  ",
	'without a launcher no new one is made');
put($good);
is(state(), 'unused', 'one that an administrator made');
$node->safe_psql('postgres', $use);
is(state(), 'ok', 'is used');
$node->stop;

# Where the group may read the data directory it may read the file, and no more.
$node = PostgreSQL::Test::Cluster->new('group');
$node->init(extra => ['--allow-group-access']);
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session');
$file = $node->data_dir . '/session_master.key';
$mark = $node->data_dir . '/session_master.sealed';
$cookie = $node->safe_psql('postgres',
	q{SELECT FROM session_key_rotate(); SELECT session_cookie_encode('{"cart": 1}')});
$decode = "SELECT session_cookie_decode('$cookie') -> 'cart'";
is(mode($node->data_dir . '/PG_VERSION'), '0640', 'a cluster is open to its group');
is(mode($file), '0640', 'so is the file with the master key');
is(mode($mark), '0640', 'and the mark');
$good = slurp_file($file);
for my $mode (0640, 0600, 0400, 0440)
{
	put($good, $mode);
	is($node->safe_psql('postgres', $decode),
		'1', sprintf('a file with mode %04o is accepted', $mode));
}
for my $mode (0660, 0650, 0644, 0641)
{
	put($good, $mode);
	refuses($decode, $open_to_others,
		sprintf('one with mode %04o is refused', $mode));
}

done_testing();
