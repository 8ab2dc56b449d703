# The master key. It is made at first use, is not accessible to others, and is
# refused when anything about the file is wrong. It is never made anew while
# something on the server is known to be sealed with it.

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

# The mark: its existence tells that something on the server is sealed.
my $mark = $node->data_dir . '/session_master.sealed';

# Returns the error of a query in a new connection, which has not opened any
# key.
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

# Writes a master key file with the given content and mode.
sub put
{
	my ($content, $mode) = @_;

	unlink $file;
	append_to_file($file, $content);
	chmod $mode // 0600, $file or die "could not chmod $file: $!";
}

# Returns the state of the master key in session.stats.
sub state
{
	my ($database) = @_;
	return $node->safe_psql($database // 'postgres',
		'SELECT master_key FROM session.stats WHERE database = current_database()');
}

sub mode { return sprintf '%04o', (stat shift)[2] & 07777; }

# Changes a setting of the server and waits until new connections see it.
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

# The first use makes the master key.
ok(!-e $file, 'there is no master key before it is needed');
is( $node->safe_psql(
		'postgres', q{SELECT session_status((session_create('alice')).token)}),
	'active',
	'an ordinary session needs no master key');
is($node->safe_psql('postgres', q{SELECT session_cookie_decode('x.y') IS NULL}),
	't', 'a malformed cookie needs no master key');
is( $node->safe_psql(
		'postgres', q{
	SELECT count(*) FROM session_key_import_jwk('{"kty": "EC", "crv": "P-256",
		"x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}', 'issuer');
	SELECT session_cookie_decode('eyJhbGciOiJFUzI1NiJ9.e30.' || repeat('A', 86), 'issuer') IS NULL, session_jwks('issuer')}),
	qq{1\nt|{"keys": []}},
	'public keys of an issuer need no master key');
is(state(), 'unused', 'session.stats says that the master key is unused');
ok(!-e $file && !-e $mark, 'neither the master key nor the mark was made');
$node->safe_psql('postgres', 'DELETE FROM session.keys');

# Several backends at once: one makes the master key, and all seal with it. The
# lock stops them where they are about to check whether anything is sealed yet.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe('LOCK TABLE session.keys');
my @racers = map { $node->background_psql('postgres') } 1 .. 4;
$_->query_until(qr/started/, "\\echo started\n$use;\n") for @racers;
$node->poll_query_until(
	'postgres', q{
	SELECT count(*) = 4 FROM pg_locks
	WHERE relation = 'session.keys'::regclass AND NOT granted})
  or die 'the backends do not wait for the lock';
$holder->query_safe('COMMIT');
$holder->quit;
$_->quit for @racers;
is( $node->safe_psql('postgres', 'SELECT count(*) FROM session.key_ring'),
	'4',
	'several backends that need a master key at once each make a session key');
my $cookie = $node->safe_psql('postgres',
	q{SELECT session_cookie_encode('{"cart": 1}')});

# A call opens every key of the purpose, so a success shows that all four can
# be opened.
my $decode = "SELECT session_cookie_decode('$cookie') -> 'cart'";
is($node->safe_psql('postgres', $decode),
	'1', 'all four keys are sealed with the same master key');
my $master = slurp_file($file);
like($master, qr/\A[0-9a-f]{64}\n\z/, 'the file holds 64 hexadecimal digits');
is(mode($file), '0600', 'the file is not accessible to others');
is(state(), 'ok', 'session.stats says that the master key is ok');
ok(-e $mark, 'the mark exists after something was sealed');
unlike(slurp_file($mark), qr/\Q$master\E|[0-9a-f]{32}/,
	'the mark holds no key');
is_deeply([ glob "$file*" ], [$file],
	'making the master key leaves no other file');
unlike($master, qr/\A(..)\1*\n/, 'the digits are not all the same');

# Files that are refused: the kind of file, the error with its hint, and how to
# make the file.
my $closed = $node->basedir . '/elsewhere.key';
append_to_file($closed, $master);
chmod 0600, $closed;
my $open_to_others = "$named must belong to the server's user and must not "
  . "be accessible to others\nHINT:  Run chown and \"chmod 600\" on it.";
my $not_digits =
  "$named does not contain 64 hexadecimal digits\nHINT:  Restore it from a backup";
my $not_there =
  "$named does not exist\nHINT:  Copy it from the server that the data came from";
my $not_ours = "$named is not the master key that sealed the keys of this database\n"
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
		'with a letter that is not a digit',
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
	refuses($decode, $error, "a file $kind is refused for decoding a cookie");
	refuses($use, $error, "a file $kind is refused for sealing a key");
	refuses(q{SELECT session_create('bob', refreshable => true)},
		$error, "a file $kind is refused for a refreshable session");
	is(state(), $kind eq 'that is not there' ? 'missing' : 'wrong',
		"session.stats tells of a file $kind");
}
ok(!-e $file, 'no new master key is made while something is sealed');

SKIP:
{
	skip 'only root can change the owner of a file', 1 if $> != 0;
	put($master);
	chown 65534, -1, $file;
	refuses($decode, $open_to_others, 'a file of another user is refused');
}

# The right file can be put back at any time, in each of the usual formats.
for my $content ($master, $master =~ s/\n//r, $master =~ s/\n/\r\n/r,
	uc $master)
{
	put($content);
	is($node->safe_psql('postgres', $decode),
		'1', 'the right file is accepted in each of the usual formats');
}
put($master, 0400);
is($node->safe_psql('postgres', $decode),
	'1', 'the file need not be writable');

# session.master_key_file names another place.
set('session.master_key_file', $closed);
unlink $file;
is($node->safe_psql('postgres', $decode),
	'1', 'the file can be in another directory');
my $nowhere = $node->basedir . '/no/such/place.key';
set('session.master_key_file', $nowhere);
refuses($decode, qq{ERROR:  55000: master key file "$nowhere" does not exist\n},
	'an error names the file in another directory');

# session.master_key_command prints the key.
set('session.master_key_command', "cat $closed");
is($node->safe_psql('postgres', $decode),
	'1', 'a command can print the key');
is(state(), 'ok', 'session.stats says that the key of a command is ok');
my $output = 'ERROR:  55000: output of "session.master_key_command"';
for my $case (
	[ 'exit 3', 'is not available because the command failed' ],
	[ "cat $closed; exit 3", 'is not available because the command failed' ],
	[ 'no_such_command_at_all', 'is not available because the command failed' ],
	[ 'true', 'does not contain 64 hexadecimal digits' ],
	[ 'echo secret', 'does not contain 64 hexadecimal digits' ],
	[ "cat $closed $closed", 'does not contain 64 hexadecimal digits' ],
	[
		"tr 0-9a-f 1-9a-f0 <$closed",
		'is not the master key that sealed the keys of this database'
	])
{
	set('session.master_key_command', $case->[0]);
	refuses($decode, "$output $case->[1]\nHINT:  ",
		"the command \"$case->[0]\" is refused" =~ s/\Q$closed\E/.../gr);
	is(state(), $case->[1] =~ /failed/ ? 'missing' : 'wrong',
		'session.stats tells of a command that failed or printed another key');
}
is_deeply([ glob "$file* $closed.* $nowhere*" ],
	[], 'with a command no master key file is made');
set('session.master_key_command', '');
set('session.master_key_file', 'session_master.key');

# Nothing in this database is sealed any more, but the mark says that something
# on the server may be.
$node->safe_psql('postgres',
	'TRUNCATE session.keys; DELETE FROM session.sessions');
is(state(), 'unused', 'without keys the master key is not used');
refuses($use, "$named does not exist\nHINT:  Keys on this server are sealed with it.",
	'no new master key is made while the mark exists');
ok(!-e $file, 'the refused call made no master key file');

# Without the mark a new master key may be made, if the place allows it.
unlink $mark;
set('session.master_key_file', $nowhere);
refuses($use, qq{ERROR:  55000: could not create master key file "$nowhere": },
	'a master key file in a place that cannot be written is refused');
set('session.master_key_file', 'session_master.key');
put("junk\n");
refuses($use, $not_digits, 'a file that is not a master key is refused');
is(slurp_file($file), "junk\n",
	'a file that is not a master key is never overwritten');
unlink $file;

# The remains of an attempt that crashed are not taken for a key and do not
# prevent a new attempt.
my $maker = $node->background_psql('postgres');
my $pid = $maker->query_safe('SELECT pg_backend_pid()');
append_to_file("$file.$pid", 'half of a k');
$maker->query_safe($use);
$maker->quit;
is_deeply([ glob "$file*" ],
	[$file], 'the remains of an earlier attempt are removed');
like(slurp_file($file), qr/\A[0-9a-f]{64}\n\z/, 'a new master key is made');
isnt(slurp_file($file), $master,
'the new master key differs from the old one');
is(mode($file), '0600', 'the new master key file is not accessible to others');

# Refreshable sessions and encrypted data are sealed under the master key, as
# keys are.
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
	refuses("SELECT FROM $call", $not_there,
	"$call makes no second master key");
	refuses($use, $not_there,
	"session_key_rotate makes no second master key after $call");
	ok(!-e $file, "no master key file exists after the refused calls, $call");
	put($master);
	refuses($use, $not_ours, "another master key is refused after $call");
}

# If another database of the server has keys, the first use in a database
# without keys makes no master key. An upgrade by pg_upgrade is such a case: it
# leaves the file and the mark behind.
$node->safe_psql('postgres', 'TRUNCATE session.keys, session.sessions');
unlink $file, $mark;
$node->safe_psql('postgres', $use);
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(two three);
$node->safe_psql($_, 'CREATE EXTENSION session') for qw(two three);
is(state('two'), 'unused', 'a second database has nothing sealed');
my $good = slurp_file($file);

# Returns the error of a query in the second database.
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
	'no master key is made for a database while another database has keys');
ok(!-e $file, 'no master key file exists after that call');

my $log = -s $node->logfile;
$node->restart;
like(told_in_two($use), qr/^\Q$kept\E/,
	'no master key is made after a restart, before the database with keys is used');
ok(!-e $file, 'no master key file exists after the restart');
is(state(), 'missing',
	'session.stats says that the master key is missing for the database with keys');
is(state('two'), 'unused',
	'session.stats says that the master key is unused in the other database');

# The launcher checks in every round, and does not repeat the warning.
my $rounds = q{SELECT sum(rounds) FROM session.stats};
set('session.cleanup_interval', '1s');
set('session.naptime', '1s');
$node->poll_query_until('postgres', "SELECT ($rounds) > 8")
  or die 'no rounds of upkeep ran';
my @warnings = slurp_file($node->logfile, $log) =~ /WARNING:.*master key.*/g;
is(scalar @warnings, 1, 'the log has one warning about the master key');
like($warnings[0],
	qr/file "session_master\.key" does not exist, but keys of database "postgres" are sealed/,
	'the warning names the file and the database');

# The warning distinguishes a wrong file from a missing one.
put($good =~ tr/0-9a-f/1-9a-f0/r);
$log = -s $node->logfile;
$node->restart;
$node->poll_query_until('postgres', "SELECT ($rounds) > 2")
  or die 'no rounds of upkeep ran';
@warnings = slurp_file($node->logfile, $log) =~ /WARNING:.*master key.*/g;
is_deeply(
	[ map { s/.*WARNING:\s+//r } @warnings ],
	['master key file "session_master.key" does not open the keys of database "postgres"'],
	'the log has one warning about a wrong master key');
is(state(), 'wrong', 'session.stats says that the master key is wrong');

# With the right file there is no warning, and the second database uses it.
put($good);
$log = -s $node->logfile;
$node->restart;
$node->poll_query_until('postgres', "SELECT ($rounds) > 2")
  or die 'no rounds of upkeep ran';
unlike(slurp_file($node->logfile, $log), qr/WARNING:.*master key/,
	'the log has no warning about the right master key');
$node->safe_psql('two', $use);
is(slurp_file($file), $good, 'the second database uses the same file');
is(state('two'), 'ok',
	'session.stats says that the master key is ok in the second database');

# After the commit that removes the last keys a new master key can be made. No
# worker has to run first.
set('session.naptime', '1d');
$node->restart;
$node->poll_query_until('postgres',
	q{SELECT state = 'idle' FROM pg_stat_activity WHERE backend_type = 'session launcher' AND query <> ''}
) or die 'the launcher does not sleep';
unlink $file, $mark;
$node->safe_psql('postgres', 'TRUNCATE session.keys');
refuses($use, "$named does not exist\nHINT:  Keys of database \"two\" are",
	'no master key is made while one of two databases still has keys');
$node->safe_psql('two', 'BEGIN; TRUNCATE session.keys; ROLLBACK');
refuses($use, "$named does not exist\nHINT:  Keys of database \"two\" are",
	'no master key is made after the removal of the keys was rolled back');
$node->safe_psql('two', 'TRUNCATE session.keys');
$node->safe_psql('three', $use);
ok(-e $file, 'a new master key is made when no database has keys');

# Keys that were inserted and not made, for instance from a dump, count as
# well.
$node->safe_psql('postgres',
	q{INSERT INTO session.keys (kid, purpose, algorithm, secret, imported, created_at, activated_at) VALUES ('k', 'session', 'HS256', sha512('x'), false, now(), now())});
unlink $file, $mark;
like(told_in_two($use), qr/^\Q$named\E does not exist\nHINT:  Keys of database "(postgres|three)" are/,
	'no master key is made while another database has keys that were inserted');
$node->safe_psql('three', 'TRUNCATE session.keys');
like(told_in_two($use), qr/^\Q$kept\E/, 'every database with keys counts');
$node->stop;

# Without a launcher the databases are not checked. It is then unknown whether
# anything is sealed, so no master key is made.
$node = PostgreSQL::Test::Cluster->new('blind');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\nmax_worker_processes = 0\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session');
$file = $node->data_dir . '/session_master.key';
refuses($use, "$named does not exist, and is not created before the workers have checked every database\nHINT:  ",
	'without a launcher no master key is made');
put($good);
is(state(), 'unused',
	'a master key that an administrator made is not used yet');
$node->safe_psql('postgres', $use);
is(state(), 'ok', 'a master key that an administrator made is used');
$node->stop;

# In a cluster with group access, the group may read the master key file and
# nothing more.
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
is(mode($node->data_dir . '/PG_VERSION'), '0640',
	'the data directory is readable by the group');
is(mode($file), '0640', 'the master key file is readable by the group');
is(mode($mark), '0640', 'the mark is readable by the group');
$good = slurp_file($file);
for my $mode (0640, 0600, 0400, 0440)
{
	put($good, $mode);
	is($node->safe_psql('postgres', $decode),
		'1', sprintf('a file with mode %04o is accepted in a cluster with group access', $mode));
}
for my $mode (0660, 0650, 0644, 0641)
{
	put($good, $mode);
	refuses($decode, $open_to_others,
		sprintf('a file with mode %04o is refused in a cluster with group access', $mode));
}

done_testing();
