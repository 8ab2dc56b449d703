# Replacing the master key. session_master_key_rotate() seals session.keys again
# with the key beside the current one. Every state on the way works, after kill
# -9, on a standby, and in the other databases of the server.

use strict;
use warnings;
use File::Copy qw(copy move);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'session'
session.encrypt_data = on
max_prepared_transactions = 5
log_statement = all
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE two');
$node->safe_psql($_, 'CREATE EXTENSION session') for qw(postgres two);

my $file = $node->data_dir . '/session_master.key';
my @all_keys;

# Runs a query in a new connection, which has not opened any key.
sub query
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# Returns what a query tells in a new connection: its errors and notices.
sub told
{
	my ($sql, $database, $on) = @_;
	my $err;

	($on // $node)->psql($database // 'postgres', $sql, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err =~ s/^psql:\S+ //mgr =~ s/^LOCATION:.*\n?//mgr =~ s/\n\z//r;
}

# Returns the state of the master key in session.stats.
sub state
{
	my ($database) = @_;
	return query(
		'SELECT master_key FROM session.stats WHERE database = current_database()',
		$database);
}

# Writes a key file.
sub put
{
	my ($path, $content, $mode) = @_;

	unlink $path;
	append_to_file($path, $content);
	chmod $mode // 0600, $path or die "could not chmod $path: $!";
}

# Generates a new master key beside the current one.
sub put_new
{
	my $key = join '', map { sprintf '%02x', int rand 256 } 1 .. 32;
	put("$file.new", "$key\n");
	push @all_keys, $key;
}

# Puts the new key in the place of the current one.
sub finish
{
	move($file, "$file.old") or die "could not move: $!";
	move("$file.new", $file) or die "could not move: $!";
}

# Things that need keys, in each database.
my %made;
for my $database (qw(postgres two))
{
	query('SELECT FROM session_key_rotate()', $database);
	query(q{SELECT session_key_import('0123456789abcdef0123456789abcdef', 'theirs', 'theirs')},
		$database);
	query(q{SELECT session_key_retire(session_key_rotate('mfa'))}, $database);
	query(q{SELECT FROM session_key_rotate('api', 'ES256')}, $database);
	query(q{SELECT FROM session_key_import_jwk('{"kty": "OKP", "crv": "Ed25519", "kid": "public", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}', 'partner')},
		$database);
	$made{$database} = {
		cookie => query(q{SELECT session_cookie_encode('{"cart": 1}')}, $database),
		jwt => query(q{SELECT session_cookie_encode('{"b": 1}', 'jwt', purpose => 'api')}, $database),
		token => query(q{SELECT token FROM session_create('ada', '{"a": 1}')}, $database),
		refresh => query(
			q{SELECT refresh_token FROM session_create('bea', refreshable => true)},
			$database)
	};
}
push @all_keys, slurp_file($file) =~ /(\S+)/;
my $secrets = query(q{SELECT count(secret) FROM session.keys WHERE kid <> 'session master'});
my $rows = query('SELECT count(*) FROM session.keys');

# Returns what the things give: three digits if everything works.
sub works
{
	my ($database) = @_;
	$database //= 'postgres';
	my $made = $made{$database};

	($made->{refresh}, my $result) = split /\|/, query(qq{
		SELECT refresh_token,
		       (session_cookie_decode('$made->{cookie}') ->> 'cart') || (session_data('$made->{token}') ->> 'a') ||
		       (session_cookie_decode('$made->{jwt}', 'api') ->> 'b')
		FROM session_refresh('$made->{refresh}')}, $database);
	return $result;
}
is(works($_), '111', "keys work in database $_ at the start") for qw(postgres two);

my $rotate = 'SELECT session_master_key_rotate()';
my $kept = $node->background_psql('postgres');
my $decode = "SELECT session_cookie_decode('$made{postgres}{cookie}') ->> 'cart'";
is($kept->query_safe($decode), '1', 'a connection that stays has opened the keys');

# What is refused, and changes nothing.
my $before = query('SELECT md5(string_agg(k::text, chr(10) ORDER BY kid)) FROM session.keys k');
my $master = slurp_file($file);
for my $case (
	[ 'that is not there', 'does not exist', 'Create it with "openssl rand -hex 32"', sub { } ],
	[
		'with other text', 'does not contain 64 hexadecimal digits', 'Generate it',
		sub { put("$file.new", 'junk') }
	],
	[
		'that others can read',
		q{must belong to the server's user and must not be accessible to others},
		'Run chown and',
		sub { put("$file.new", 'ab' x 32 . "\n", 0644) }
	],
	[
		'with the current key', 'is the same as the current master key', 'Generate another one',
		sub { put("$file.new", $master) }
	],
	[
		'with the current key in capitals', 'is the same as the current master key', 'Generate another one',
		sub { put("$file.new", uc $master =~ s/\n//r) }
	])
{
	my ($kind, $error, $hint, $lay) = @$case;
	unlink "$file.new";
	$lay->();
	like(
		told($rotate),
		qr/^ERROR:  55000: master key file "session_master\.key\.new" \Q$error\E\nHINT:  \Q$hint\E/,
		"a new key $kind is refused");
	is(works(), '111', "keys work beside a new key $kind");
	is(state(), 'ok', "the master key is ok beside a new key $kind");
}
put_new();
my $new = slurp_file("$file.new");
like(told("BEGIN READ ONLY; $rotate"), qr/^ERROR:  25006: /,
	'a READ ONLY transaction cannot replace the master key');
query('CREATE ROLE app LOGIN; CREATE ROLE admin LOGIN');
query(q{SELECT session_grant('app', 'app'), session_grant('admin', 'admin')});
like(told("SET ROLE app; $rotate"), qr/^ERROR:  42501: /,
	'the level app cannot replace the master key');
query("BEGIN; $rotate; ROLLBACK");
is( query('SELECT md5(string_agg(k::text, chr(10) ORDER BY kid)) FROM session.keys k'),
	$before, 'the refused calls and a rollback changed nothing');

# A subtransaction that rolls back, in a connection that has the keys opened
# both ways.
is( $kept->query_safe(qq{
		BEGIN;
		SAVEPOINT s;
		SET LOCAL client_min_messages = warning;
		$rotate;
		$decode;
		SELECT session_key_rotate('within') IS NOT NULL;
		ROLLBACK TO s;
		$decode;
		COMMIT;
		$decode}),
	"$secrets\n1\nt\n1\n1",
	'keys work within a subtransaction that is rolled back, and after it');
is(state(), 'ok', 'after the rollback the current key is in use');

# A key that the current master key does not open is named.
query(q{UPDATE session.keys SET secret = set_byte(secret, 20, 255 - get_byte(secret, 20)) WHERE kid = 'theirs'});
like(told($rotate),
	qr/^ERROR:  55000: key "theirs" is not sealed with the current master key\nHINT:  If nothing needs/,
	'a row that does not open is an error that names the key');
query(q{UPDATE session.keys SET secret = set_byte(secret, 20, 255 - get_byte(secret, 20)) WHERE kid = 'theirs'});
is(works(), '111', 'that error changed nothing');

# Kill the server at each step.
sub start_child
{
	$node->stop;
	my $server = IPC::Run::start(
		[ $node->installed_command('postgres'), '-D', $node->data_dir ],
		'<', '/dev/null', '>>', $node->logfile, '2>&1');
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my @ready = (
		$node->installed_command('pg_isready'),
		'-q', '-h', $node->host, '-p', $node->port);
	until (IPC::Run::run(\@ready))
	{
		BAIL_OUT('the server does not start') if time > $deadline;
	}
	return $server;
}

sub kill_child
{
	my $server = shift;
	my @children = split /\n/,
	  query('SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
	my ($postmaster) =
	  split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

	kill 'KILL', $postmaster, @children;
	$server->finish;
}

sub start_again
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($node->start(fail_ok => 1))
	{
		BAIL_OUT('the server did not start again') if time > $deadline;
	}
}

# Starts a connection that calls a query and stays in it until it is killed.
sub begin_and_wait
{
	my ($sql, $blocked) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_until(qr/started/, "\\echo started\n$sql;\n");
	$node->poll_query_until('postgres', $blocked)
	  or die 'the query does not wait';
	return $session;
}

$kept->quit;
my $server = start_child();
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT FROM session_key_rotate()');
my $waiting = begin_and_wait($rotate,
	q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'session.keys'::regclass AND NOT granted AND mode = 'ShareRowExclusiveLock'});
kill_child($server);
eval { $_->{run}->finish } for $holder, $waiting;
start_again();
is(works() . state(), '111ok', 'keys work after kill -9 before the table was locked');

# In the middle: a trigger waits before the change of one row.
query(q{
	CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_advisory_xact_lock(280); RETURN NEW; END $$;
	CREATE TRIGGER wait_here BEFORE UPDATE ON session.keys FOR EACH ROW
	WHEN (OLD.kid = 'theirs') EXECUTE FUNCTION wait_here()});
$server = start_child();
$holder = $node->background_psql('postgres');
$holder->query_safe('SELECT FROM pg_advisory_lock(280)');
$waiting = begin_and_wait($rotate,
	q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
is(works(), '111', 'keys can be read while the master key is replaced');
kill_child($server);
eval { $_->{run}->finish } for $holder, $waiting;
start_again();
is(works() . state(), '111ok', 'keys work after kill -9 in the middle');
query('DROP TRIGGER wait_here ON session.keys');

$server = start_child();
$waiting = $node->background_psql('postgres');
$waiting->query_safe("BEGIN; SET LOCAL client_min_messages = warning; $rotate");
is(works(), '111', 'keys can be read before the commit');
kill_child($server);
eval { $waiting->{run}->finish };
start_again();
is(works() . state(), '111ok', 'keys work after kill -9 before the commit');

$server = start_child();
$kept = $node->background_psql('postgres');
$kept->query_safe($decode);
my $said = told("SET synchronous_commit = off; SET ROLE admin; $rotate");
is( $said,
	'NOTICE:  00000: keys of database "postgres" are sealed with the new master key' . "\n"
	  . 'HINT:  Commit, and call session_master_key_rotate() in the other databases that have the extension.  '
	  . 'Then run "mv session_master.key session_master.key.old" and "mv session_master.key.new session_master.key", on the standbys too.',
	'the level admin replaces the master key, and is told what to do next');
kill_child($server);
eval { $kept->{run}->finish };
start_again();
is(works() . state(), '111new',
	'keys work after kill -9 after the commit, with synchronous_commit = off');
is(works('two') . state('two'), '111ok', 'the other database has the current key');
isnt(query('SELECT md5(string_agg(k::text, chr(10) ORDER BY kid)) FROM session.keys k'),
	$before, 'the secrets were sealed again');
is(query('SELECT count(*) FROM session.keys'), $rows, 'no key was added or lost');
is( query(q{SELECT kind, actor, detail FROM session.events WHERE detail ->> 'action' = 'master_key_rotated'}),
	qq{administration|admin|{"keys": $secrets, "action": "master_key_rotated"}},
	'one event says who replaced the master key');

# A second call changes nothing, and tells the same.
is( told($rotate),
	$said =~ s/are sealed/are already sealed/r,
	'a second call tells that the keys are already sealed with the new key');
is(query($rotate), '0', 'a second call returns 0');
is( query(q{SELECT count(*) FROM session.events WHERE detail ->> 'action' = 'master_key_rotated'}),
	'1', 'a second call makes no event');

# The other database, in a REPEATABLE READ transaction. A database in which
# nothing is sealed gets the new key, too.
query('CREATE DATABASE three');
query('CREATE EXTENSION session', 'three');
like( query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM session.keys; $rotate; COMMIT", 'two'),
	qr/^\d+\n$secrets$/, 'session_master_key_rotate works at REPEATABLE READ');
is(works('two') . state('two'), '111new', 'keys work in the second database');
is(state('three') . query($rotate, 'three') . state('three'), 'unused0new',
	'a database in which nothing is sealed takes the new key');

# A database that begins to seal now begins with the current key, and says so.
query('CREATE DATABASE late');
query('CREATE EXTENSION session', 'late');
is( told('SELECT FROM session_key_rotate()', 'late'),
	'WARNING:  01000: database "late" begins with the current master key, but there is a new one' . "\n"
	  . 'HINT:  Call session_master_key_rotate() in this database, too, before you move "session_master.key.new".',
	'a database that begins to use the current key is warned of the new one');
is(query($rotate, 'late') . state('late'), '1new', 'and takes the new one when it is told to');
query('DROP DATABASE late');

# Between the two commands, with kill -9.
$server = start_child();
move($file, "$file.old") or die "could not move: $!";
is(works() . state(), '111new', 'keys work while only the new key is there');
kill_child($server);
start_again();
is(works($_) . state($_), '111new',
	"keys work in database $_ after kill -9 while only the new key is there")
  for qw(postgres two);

# No key is created where the current one was: a database without keys takes
# the new one.
query('CREATE DATABASE four');
query('CREATE EXTENSION session; SELECT FROM session_key_rotate()', 'four');
ok(!-e $file, 'no master key is created while there is a new one');
is(state('four'), 'new', 'a new database takes the new key');

move("$file.new", $file) or die "could not move: $!";
is(works($_) . state($_), '111ok', "database $_ is done") for qw(postgres two);
is(state('four'), 'ok', 'the new database is done');
ok(!-e "$file.new", 'no new key is left');
like(told($rotate), qr/^ERROR:  55000: master key file "session_master\.key\.new" does not exist/,
	'the next time needs another new key');

# The key was moved too early: the second database has not been rotated.
put_new();
my $count = query($rotate);
finish();
like( told($decode, 'two'),
	qr/^ERROR:  55000: master key file "session_master\.key" is not the master key that sealed the keys of this database\nHINT:  .*session_master_key_rotate/,
	'a database that was not rotated tells that after the key was moved');
is(state('two'), 'wrong', 'session.stats says so, too');
move($file, "$file.new") or die "could not move: $!";
move("$file.old", $file) or die "could not move: $!";
is(works($_), '111', "moving the keys back repairs database $_") for qw(postgres two);
query($rotate, $_) for qw(two three four);
finish();
is(works($_) . state($_), '111ok', "database $_ is done the second time") for qw(postgres two);

# Two at once: the second waits, and finds the work done.
put_new();
my $first = $node->background_psql('postgres');
$first->query_safe("BEGIN; SET LOCAL client_min_messages = warning; $rotate");
my $locked = q{SELECT count(*) = %d FROM pg_locks WHERE relation = 'session.keys'::regclass AND NOT granted};
my $second = begin_and_wait("SET client_min_messages = warning; $rotate AS again", sprintf $locked, 1);

# What needs to write a key waits, too, and seals with the new key.
my $third = begin_and_wait(q{SELECT FROM session_key_rotate('late')}, sprintf $locked, 2);
my $fourth = begin_and_wait(q{SELECT FROM session_key_import('0123456789abcdef0123456789abcdef', 'late', 'late')},
	sprintf $locked, 3);

# What only reads, or seals with a key that is there, does not wait.
is(works(), '111', 'sessions are refreshed while the master key is replaced');
is( query(q{SELECT (session_create('cleo', '{"c": 1}', refreshable => true)).token IS NOT NULL}),
	't', 'sessions are created while the master key is replaced');
$first->query_safe('COMMIT');
$_->quit for $first, $second, $third, $fourth;
is(works() . state(), '111new', 'keys work after two replacements at once');
is( query(q{SELECT count(session_cookie_encode('{}', purpose => p)) FROM unnest('{late,session}'::text[]) p}),
	'2', 'keys that waited are sealed with the new master key');
query($rotate, $_) for qw(two three four);
finish();
is(works($_) . state($_), '111ok', "database $_ is done the third time") for qw(postgres two);
is( query(q{SELECT count(session_cookie_encode('{}', purpose => p)) FROM unnest('{late,session}'::text[]) p}),
	'2', 'they open with it in its place');

# The first need of a key waits for the replacement in a database without one.
query('CREATE DATABASE five');
query('CREATE EXTENSION session', 'five');
put_new();
$first = $node->background_psql('five');
$first->query_safe("BEGIN; SET LOCAL client_min_messages = warning; $rotate");
$second = $node->background_psql('five');
$second->query_until(qr/started/, "\\echo started\nSELECT FROM session_key_rotate();\n");
$node->poll_query_until('five', sprintf $locked, 1) or die 'the first need does not wait';
$first->query_safe('COMMIT');
$_->quit for $first, $second;
query($rotate, $_) for qw(postgres two three four);
finish();
is( state('five') . query(q{SELECT session_cookie_encode('{}') IS NOT NULL}, 'five'),
	'okt', 'a first key that waited is sealed with the new master key');

# A prepared transaction.
put_new();
query("BEGIN; $rotate; PREPARE TRANSACTION 'replace'");
is(works() . state(), '111ok', 'keys work while the transaction is prepared');
$node->restart;
query("COMMIT PREPARED 'replace'");
is(works() . state(), '111new', 'keys work after the prepared transaction');
query($rotate, $_) for qw(two three four five);
finish();

# A standby. It reads with the key that it has, so it needs the new one before
# the replacement.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
my $its_file = $standby->data_dir . '/session_master.key';
chmod 0600, $its_file or die "could not chmod: $!";
$standby->start;

sub on_standby
{
	my ($sql) = @_;
	$node->wait_for_catchup($standby, 'replay');
	return $standby->safe_psql('postgres', $sql);
}
my $reads = "SELECT (session_cookie_decode('$made{postgres}{cookie}') ->> 'cart') || "
  . "(session_data('$made{postgres}{token}') ->> 'a') || master_key "
  . 'FROM session.stats WHERE database = current_database()';
is(on_standby($reads), '11ok', 'keys work on a standby');
my $stays = $standby->background_psql('postgres');
$stays->query_safe($reads);

put_new();
copy("$file.new", "$its_file.new") or die "could not copy: $!";
chmod 0600, "$its_file.new";
is(on_standby($reads), '11ok', 'a standby that has the new key uses the current one');
like(told($rotate, 'postgres', $standby), qr/^ERROR:  25006: /,
	'session_master_key_rotate fails on a standby');
query($rotate);
is(on_standby($reads), '11new', 'a standby that has the new key uses it');
is($stays->query_safe($reads), '11new', 'so does a connection that stays');
query($rotate, $_) for qw(two three four five);
finish();
is(on_standby($reads), '11new', 'the standby works while the primary is done');
move("$its_file.new", $its_file) or die "could not move: $!";
is(on_standby($reads), '11ok', 'the standby is done');

# A standby that does not have the new key.
put_new();
query($rotate);
$node->wait_for_catchup($standby, 'replay');
my $mismatch = qr/^ERROR:  55000: master key file "session_master\.key" is not the master key that sealed the keys of this database\nHINT:  .*a standby needs that of its primary.*"\.new" after its name/;
like(told($decode, 'postgres', $standby), $mismatch,
	'a standby without the new key names the file that it needs');
is(on_standby('SELECT master_key FROM session.stats WHERE database = current_database()'),
	'wrong', 'session.stats says so on the standby');
copy("$file.new", "$its_file.new") or die "could not copy: $!";
chmod 0644, "$its_file.new";
like(told($decode, 'postgres', $standby),
	qr/^ERROR:  55000: master key file "session_master\.key\.new" must belong to/,
	'a new file with wrong permissions is named');
chmod 0600, "$its_file.new";
is(on_standby($reads), '11new', 'copying the file repairs the standby without a restart');
is($stays->query_safe($reads), '11new', 'and a connection that stays');
$stays->quit;
$standby->stop;
query($rotate, $_) for qw(two three four five);
finish();

# A dump needs the master key that sealed it.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, $node->connstr('postgres') ], 'dump');
query('CREATE DATABASE restored');
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ],
	'restore');
is(query($decode, 'restored') . state('restored'), '1ok', 'a dump works with the key that sealed it');
put_new();
is(query($rotate, 'restored'),
	query(q{SELECT count(*) FROM session.keys WHERE secret IS NOT NULL AND kid <> 'session master'}, 'restored'),
	'the keys of a restored dump are sealed again');
is(query($decode, 'restored') . state('restored'), '1new', 'they work');
query($rotate, $_) for qw(postgres two three four five);
finish();

# The keys from a command.
my $safe = $node->basedir . '/safe';
mkdir $safe;
copy($file, "$safe/current") or die "could not copy: $!";
sub set_command
{
	my ($command) = @_;
	$node->safe_psql('postgres',
		"ALTER SYSTEM SET session.master_key_command = '$command'");
	$node->reload;
	$node->poll_query_until('postgres',
		"SELECT current_setting('session.master_key_command') = '$command'")
	  or die 'the command was not set';
}
set_command("cat $safe/current");
is(works() . state(), '111ok', 'a command prints the current key');
like(told($rotate),
	qr/^ERROR:  55000: output of "session\.master_key_command" for the new key is not available because the command has no "%k"/,
	'a command that cannot print a new key is an error that tells so');
set_command("cat $safe/%k");
is(works() . state(), '111ok', 'a command is told which key to print');
like(told($rotate),
	qr/^ERROR:  55000: output of "session\.master_key_command" for the new key is not available because the command failed/,
	'a command that has no new key is an error that tells so');
put_new();
move("$file.new", "$safe/new") or die "could not move: $!";
mkdir "$safe/%";
copy("$safe/$_", "$safe/%/$_") for qw(current new);
set_command("cat $safe/%%/%k");
is( told($rotate),
	'NOTICE:  00000: keys of database "postgres" are sealed with the new master key' . "\n"
	  . 'HINT:  Commit, and call session_master_key_rotate() in the other databases that have the extension.  '
	  . 'Then let "session.master_key_command" print the new key for "current".',
	'with a command, the caller is told what to do next');
is(works() . state(), '111new', 'keys work with the new key of the command');
set_command("printf %.64s \$(cat $safe/%k)");
is(works() . state(), '111new', 'another percent sign in the command stays as it is');
set_command("cat $safe/%k");
unlink "$safe/current";
is(works() . state(), '111new', 'they work while the command has only the new key');
copy("$safe/new", "$safe/current");
is(works() . state(), '111ok', 'and when the command prints it as the current key');
like(told($rotate),
	qr/^ERROR:  55000: output of "session\.master_key_command" for the new key is the same as the current master key/,
	'a command that prints the same key twice is refused');

# Keys are not sealed again if the current key is another than the one that has
# sealed them, even if no key was opened yet.
put("$safe/$_", join('', map { sprintf '%02x', int rand 256 } 1 .. 32)) for qw(current new);
like(told($rotate),
	qr/^ERROR:  55000: output of "session\.master_key_command" is not the master key that sealed the keys of this database/,
	'a current key that has not sealed the keys is refused');

# No key reached the log, nor any table.
my $log = slurp_file($node->logfile) . slurp_file($standby->logfile);
is(scalar(grep { $log =~ /$_/i } @all_keys), 0, 'no master key is in the log');
my $content = slurp_file($dump);
is(scalar(grep { $content =~ /$_/i } @all_keys), 0, 'no master key is in a dump');

done_testing();
