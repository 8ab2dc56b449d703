# The file of the master key is lost, cut short, replaced, made unreadable or
# opened to others, at every moment: before the start, between two calls, and
# during a rotation.
#
# What holds:
# 1. A call that needs the key fails with 55000 and says what is wrong with the
#    file, or works with a key that the backend has opened before. No call uses
#    another key: no cookie is accepted or made with one, and nothing is sealed
#    with one. A damaged file is never replaced by a new key.
# 2. Calls that need no key work.
# 3. All works again at once when the file is put back, and everything that was
#    sealed before can be opened.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Fault;
use File::Copy qw(move);
use PostgreSQL::Test::Utils;
use Test::More;

seed();
my $node = make_server('master', conf => "session.encrypt_data = on\n");
my $file = $node->data_dir . '/session_master.key';
my $conn = connection($node);
$conn->run('SELECT session_key_rotate(), session_key_rotate($$jwt$$, $$ES256$$)');
my $cookie = $conn->value(q{SELECT session_cookie_encode('{"sub": "u"}')});
my $plain = $conn->value(q{SET session.encrypt_data = off; SELECT token FROM session_create('u')});
my $sealed = $conn->value(q{SET session.encrypt_data = on; SELECT token FROM session_create('u', '{"k": 1}')});
my $refresh = $conn->value(q{SELECT refresh_token FROM session_create('u', refreshable => true)});
my $good = slurp_file($file);

# Writes the file.
sub put
{
	my ($path, $content, $mode) = @_;

	unlink $path;
	append_to_file($path, $content);
	chmod $mode // 0600, $path or die "could not chmod $path: $!";
	return;
}

# What can happen to the file, and the message about it.
my $wrong = qr/is not the master key that sealed|does not open/;
my %damage = (
	lost => [ sub { unlink $file }, qr/does not exist/ ],
	truncated => [ sub { put($file, substr $good, 0, int rand 64) }, qr/does not contain 64 hexadecimal digits/ ],
	empty => [ sub { put($file, '') }, qr/does not contain 64 hexadecimal digits/ ],
	replaced => [ sub { put($file, join('', map { sprintf '%02x', rand 256 } 1 .. 32) . "\n") }, $wrong ],
	unreadable => [ sub { put($file, $good, 0000) }, qr/could not open master key file/ ],
	'open to others' => [ sub { put($file, $good, 0644) }, qr/must not be accessible to others/ ],
	'a directory' => [ sub { unlink $file; mkdir $file }, qr/must belong|could not|not a (plain|regular) file|does not contain/ ]);

sub repair
{
	rmdir $file if -d $file;
	put($file, $good);
	return;
}

# Calls that need the master key, and what they return if it is there.
my @needing = (
	[ 'decoding', "SELECT session_cookie_decode('$cookie') ->> 'sub'", 'u' ],
	[ 'encoding', q{SELECT session_cookie_encode('{"sub": "v"}')}, qr/^ey/ ],
	[ 'a snapshot', "SELECT session_cookie_issue('$plain')", qr/^ey/ ],
	[ 'a JWT', "SELECT session_jwt('$plain')", qr/^ey/ ],
	[ 'sealed data', "SELECT session_data('$sealed') ->> 'k'", '1' ],
	[ 'a refreshable session', q{SELECT refresh_token FROM session_create('u', refreshable => true)}, qr/^rt_/ ],
	[ 'sealing data', q{SELECT token FROM session_create('u', '{"k": 2}')}, qr/^st_/ ],
	[ 'a new key', q{SELECT session_key_rotate('another')}, qr/./ ]);
my @free = (
	[ 'a plain session', "SELECT session_status('$plain')", 'active' ],
	[ 'a creation', q{SET session.encrypt_data = off; SELECT token FROM session_create('w')}, qr/^st_/ ],
	[ 'an end', q{SET session.encrypt_data = off; SELECT session_revoke((session_create('w')).token)}, 't' ],
	[ 'a list', q{SELECT count(*) >= 1 FROM session.directory WHERE user_id = 'u'}, 't' ]);

sub fits { my ($got, $expected) = @_; return ref $expected ? $got =~ $expected : $got eq $expected; }

my @made;

# Runs the calls. Returns what is wrong: every answer that is no error of the
# expected kind. `may_work` says that the backend may have opened its keys.
sub try_calls
{
	my ($client, $message, $may_work) = @_;
	my @found;

	for (@needing)
	{
		my ($what, $sql, $expected) = @$_;
		my $result = $client->query($sql);
		my $answer = $result->{rows}[0][0] // '';

		if ($result->{sqlstate} eq '55000' && $result->{message} =~ $message) { next; }
		if ($may_work && !$result->{sqlstate} && fits($answer, $expected))
		{
			push @made, [ $what, $answer ];
			next;
		}
		push @found, "$what: '$answer' $result->{sqlstate} $result->{message}";
	}
	for (@free)
	{
		my ($what, $sql, $expected) = @$_;
		my $result = $client->query($sql);
		push @found, "$what: $result->{sqlstate} $result->{message}"
		  if $result->{sqlstate} || !fits($result->{rows}[0][0] // '', $expected);
		$client->run('SET session.encrypt_data = on');
	}
	return join "\n", @found;
}

# Tests that everything works, with a new connection and with an old one.
sub works
{
	my ($name, $old) = @_;
	my @found;

	for my $client (connection($node), $old // ())
	{
		for (@needing)
		{
			my ($what, $sql, $expected) = @$_;
			my $result = $client->query($sql);
			push @found, "$what: $result->{sqlstate} $result->{message}"
			  if $result->{sqlstate} || !fits($result->{rows}[0][0] // '', $expected);
		}
		my $row = $client->query("SELECT refresh_token FROM session_refresh('$refresh')");
		$row->{sqlstate} ? push @found, "a refresh: $row->{message}" : ($refresh = $row->{rows}[0][0]);
	}

	# What was made with keys that a backend had opened is right.
	for (splice @made)
	{
		my ($what, $it) = @$_;
		my $sql = $what eq 'encoding' ? "SELECT session_cookie_decode('$it') ->> 'sub' = 'v'"
		  : $what eq 'a refreshable session' ? "SELECT count(*) = 1 FROM session_refresh('$it')"
		  : $what eq 'sealing data' ? "SELECT session_data('$it') ->> 'k' = '2'"
		  : next;
		my $result = connection($node)->query($sql);
		push @found, "$what, made meanwhile: $result->{sqlstate} $result->{message}" if ($result->{rows}[0][0] // '') ne 't';
	}
	is(join("\n", @found), '', $name);
	return;
}

works('everything works at first', $conn);
for my $kind (sort keys %damage)
{
	my ($do, $message) = @{ $damage{$kind} };

	# Between two calls: a backend that has used the key, and a new one.
	$do->();
	is(try_calls(connection($node), $message, 0), '', "a file that is $kind: a new connection says so");
	is(try_calls($conn, $message, 1), '', "a file that is $kind: a connection that had the key uses no other");
	my $state = $conn->value('SELECT master_key FROM session.stats WHERE database = current_database()');
	is($state, $kind eq 'lost' ? 'missing' : 'wrong', "a file that is $kind: session.stats tells");
	repair();
	works("a file that was $kind: everything works when it is put back", $conn);

	# Before the start.
	$conn->close;
	$node->stop;
	$do->();
	my $before = -d $file ? 'a directory' : !-e $file ? 'lost' : -s $file;
	$node->start;
	is(try_calls(connection($node), $message, 0), '', "a file that was $kind before the start: calls say so");
	my $now = -d $file ? 'a directory' : !-e $file ? 'lost' : -s $file;
	is($now, $before, "a file that was $kind before the start is not replaced");
	repair();
	$conn = connection($node);
	works("a file that was $kind before the start: everything works when it is put back");
}

# In the middle of a transaction.
$conn->close;
$conn = connection($node);
$conn->run('SET session.encrypt_data = off; BEGIN; SELECT session_create($$u$$)');
unlink $file;
is($conn->query(q{SELECT session_key_rotate('third')})->{sqlstate}, '55000', 'a file that is lost in a transaction fails the call');
$conn->run('ROLLBACK; SET session.encrypt_data = on');
repair();
works('everything works after that', $conn);

# During a rotation: either file, before and after session_master_key_rotate().
my $new = join('', map { sprintf '%02x', rand 256 } 1 .. 32) . "\n";
put("$file.new", substr $new, 0, 20);
like($conn->query('SELECT session_master_key_rotate()')->{sqlstate}, qr/^55000$/, 'a new key that is cut short seals nothing');
works('the current key still does', $conn);
put("$file.new", $new);
unlink $file;
my $result = $conn->query('SELECT session_master_key_rotate()');
like("$result->{sqlstate} $result->{message}", qr/^55000 .*does not exist/, 'without the current key nothing is sealed with the new one');
repair();
works('the current key opens everything after that', $conn);
$conn->run('SELECT session_master_key_rotate()');
works('after the rotation the new key opens everything beside the current one');
unlink "$file.new";
is(try_calls(connection($node), $wrong, 0), '', 'without the new key, calls say that the current one is another');
put("$file.new", $good);
is(try_calls(connection($node), $wrong, 0), '', 'with the old key in both places, they say so, too');
put("$file.new", $new);
works('everything works when the new key is put back');
unlink $file;
my $alone = connection($node)->query("SELECT session_cookie_decode('$cookie') ->> 'sub'");
ok(($alone->{rows}[0][0] // '') eq 'u' || $alone->{sqlstate} eq '55000', 'without the old key, the new one opens what it has sealed, or the call says why not');
put($file, $good);
$node->stop('immediate');
$node->start;
works('after a crash during the rotation everything works');
$good = $new;
move("$file.new", $file) or die "could not move: $!";
works('everything works when the new key has taken the place of the old one');
no_crash($node, 'no process crashed');
$node->stop;
done_testing();
