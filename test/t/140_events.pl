# Events over real connections: notifications come with the commit and not
# without it; evidence survives the transaction that caused it and one that was
# about to write it; bad tokens are counted by address and by session for the
# whole server; what a role can have written is bounded, with and without
# preload; and a server that may not write keeps it.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session; CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION session');

sub query
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# What was logged since the last time it was asked for.
sub events
{
	my ($columns, $database) = @_;
	return query(
		qq{SELECT session_cleanup() \\g /dev/null
		WITH gone AS (DELETE FROM session.events RETURNING *)
		SELECT $columns FROM gone ORDER BY id}, $database);
}

# A token of no session; each number makes another.
my $guess = q{'st_' || translate(encode(sha256('a') || substr(sha256(n::text::bytea), 1, 16), 'base64'), E'+/\n', '-_')};

#
# Notifications
#

my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN session');

# The payloads that came since the last time, parsed.
sub heard
{
	my $out = $listener->query_safe('SELECT 1');
	my @payloads;

	push @payloads, decode_json($1)
	  while $out =~ /notification "session" with payload "(.*)" received from/g;
	return \@payloads;
}

my $writer = $node->background_psql('postgres');
$writer->query_safe(q{SET session.log_events = 'created, revoked'});
$writer->query_safe(q{SELECT FROM session_create('silent')});
is_deeply(heard(), [], 'nobody is told unless that is asked for');
$writer->query_safe('SET session.notify = on');
$writer->query_safe('BEGIN');
my $made = $writer->query_safe(q{SELECT id, token FROM }
	  . q{session_create('alice "a"', tenant_id => 'acme', ip => '192.0.2.1', user_agent => E'a\\\\b\nc')});
my ($id, $token) = split /\|/, $made;
is_deeply(heard(), [], 'nobody is told before the commit');
$writer->query_safe('COMMIT');
my $told = heard();
is(scalar @$told, 1, 'everybody who listens is told with it');
like(
	$told->[0]->{at},
	qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/,
	'of when it was');
delete $told->[0]->{at};
is_deeply(
	$told->[0],
	{
		kind => 'created',
		session_id => $id,
		user_id => 'alice "a"',
		tenant_id => 'acme',
		ip => '192.0.2.1',
		user_agent => "a\\b\nc",
		detail => undef
	},
	'and of all that is in the event');
$writer->query_safe(q{BEGIN; SELECT FROM session_create('bob'); ROLLBACK});
is_deeply(heard(), [], 'of what was rolled back nobody is told');
$writer->query_safe("SELECT session_revoke('$token')");
is_deeply(
	[ map { [ @$_{qw(kind detail)} ] } @{ heard() } ],
	[ [ 'revoked', { reason => 'logout' } ] ],
	'a detail is an object in the notification, too');
$writer->query_safe(q{SELECT FROM session_create(repeat(E'\x01', 1024), }
	  . q{tenant_id => repeat('"', 1024), user_agent => repeat('\\', 1024))});
$told = heard();
is($told->[0]->{user_id}, "\x01" x 200, 'what is too long is cut');
ok($told->[0]->{cut}, 'and says so');

# Evidence is told of when it is written, by whoever does that.
$writer->query_safe(q{SET session.log_events = 'all'; SET session.failure_threshold = 1});
$writer->query_safe(
	q{BEGIN READ ONLY; SELECT count(session_status('st_', '192.0.2.66')) FROM generate_series(1, 5); ROLLBACK});
is_deeply(heard(), [], 'evidence waits for somebody to write it');
query('SELECT session_cleanup()');
is_deeply(
	[ map { [ @$_{qw(kind ip detail)} ] } @{ heard() } ],
	[ [ 'failures', '192.0.2.66', { count => 5 } ] ],
	'who then tells of it');
$writer->quit;
$listener->quit;
events('1');

#
# Bad tokens
#

# With the default settings, and in all the ways in which a request can end.
sub guess
{
	my ($from, $to, $ip, $how) = @_;

	query(qq{$how; SELECT count(session_status($guess, $ip)) FROM generate_series($from, $to) AS n; ROLLBACK});
	return;
}
guess(1, 20, "'198.51.100.1'", 'BEGIN');
is(events('kind'), '', 'twenty bad tokens from an address are no event');
guess(21, 21, "'198.51.100.1'", 'BEGIN READ ONLY');
is(events('kind, ip, detail'),
	'failures|198.51.100.1|{"count": 21}', 'one more is, across connections');
guess(1, 3000, "'198.51.100.1'", 'BEGIN READ ONLY');
is(events('kind'), '', 'thousands more are the same');
guess(1, 10, "'198.51.100.2'", 'BEGIN');
guess(1, 11, "'198.51.100.3'", 'BEGIN');
is(events('kind'), '', 'another address is counted by itself');
guess(1, 3000, 'NULL', 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY');
is(events('kind, ip IS NULL, detail'),
	'failures|t|{"count": 3000}', 'what came from nowhere counts together');
is(events('kind', 'other'), '', 'another database has nothing to do with it');
guess(1, 21, "'198.51.100.4'", 'BEGIN');
is(events('kind', 'other'), '', 'nor does it write what is not its own');
is(events('kind'), 'failures', 'that waits');

# Refresh tokens count as well: forged ones, and those of nobody.
query(
	q{SELECT FROM session_create('alice', refreshable => true), generate_series(1, 30) AS n,
		session_refresh('rt_' || substr(token, 4) || left('', n))}, 'other');
is(events('kind, ip IS NULL, user_id', 'other'),
	"failures|t|\nfailures|t|alice", 'forged refresh tokens are bad tokens, and guesses of their session');

# Many addresses that try once do not hide one that tries often.
query(
	qq{SELECT session_status($guess, ('2001:db8:' || to_hex(n) || '::1')::inet),
		CASE WHEN n % 400 = 0 THEN session_status($guess, '198.51.100.5') END
	FROM generate_series(1, 12000) AS n});
is(events('ip, detail'),
	'198.51.100.5|{"count": 30}', 'nobody hides behind many addresses');

# Nor do they use up memory, or the table: of 100 addresses a minute there is an
# event, and the rest is counted.
query(q{SET session.failure_threshold = 1;
	SELECT count(session_status('st_', '10.0.0.0'::inet + n)) + count(session_status('st_', '10.0.0.0'::inet + n))
	FROM generate_series(1, 1500) AS n});
my $failing = () = events('kind') =~ /failures/g;
cmp_ok($failing, '>', 50, 'many addresses are told of');
cmp_ok($failing, '<=', 128, 'and not all of very many');
cmp_ok(query('SELECT evidence_dropped FROM session.stats WHERE database = current_database()'),
	'>', 1300, 'the rest is counted');

#
# Evidence survives
#

query(q{ALTER DATABASE postgres SET session.bind_ip = 'exact'});

# The token of a new session of a user, which is bound to 192.0.2.1.
sub stolen
{
	my ($user, $database) = @_;
	return query("SELECT token FROM session_create('$user', ip => '192.0.2.1')", $database);
}
my $stolen = stolen('alice');
query(qq{BEGIN; SELECT FROM session_validate('$stolen', '192.0.2.2'); ROLLBACK});
is(events('kind, user_id, ip, detail'),
	'binding_mismatch|alice|192.0.2.2|{"count": 1}',
	'a mismatch is known although it was rolled back');
query(qq{SELECT FROM generate_series(1, 10) AS n, session_validate('$stolen', '192.0.2.2', n::text)});
is(events('kind'), '', 'the same again within a minute is not told again');

# The transaction that writes it may fail, or its backend end.
$stolen = stolen('alice');
query(qq{SELECT FROM session_validate('$stolen', '192.0.2.3')});
query('BEGIN; SELECT session_cleanup(); ROLLBACK');
my $doomed = $node->background_psql('postgres', on_error_stop => 0);
$doomed->query_safe('BEGIN');
$doomed->query_safe('SELECT session_cleanup()');
is($doomed->query_safe('SELECT count(*) FROM session.events'),
	'1', 'a transaction is about to write it');
is(query('SELECT deleted FROM session_cleanup(); SELECT count(*) FROM session.events'),
	"0\n0", 'then no other does');
query(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity }
	  . q{WHERE state = 'idle in transaction'});
$node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'idle in transaction'})
  or die 'the backend did not end';
eval { $doomed->quit };
is(events('kind, ip'), 'binding_mismatch|192.0.2.3',
	'and it is written once, by the next one');

#
# Evidence is bounded
#

# The worker leaves the queue alone, and so do other tests.
query('ALTER SYSTEM SET session.naptime = $$1d$$; SELECT pg_reload_conf()');
query($_) for map { ("CREATE DATABASE $_", "ALTER DATABASE $_ SET session.bind_ip = 'exact'") } qw(a b c d);
query('CREATE EXTENSION session', $_) for qw(a b c d);
my $dropped = 'SELECT evidence_dropped FROM session.stats WHERE database = current_database()';

# A role without any privilege has one token, and presents it from everywhere.
query('CREATE ROLE stranger LOGIN');
$stolen = stolen('mallory');
my ($replayed, $next) = split /\|/, query(
	q{SELECT c.refresh_token, r.refresh_token FROM session_create('alice', ip => '192.0.2.1', refreshable => true) AS c,
		session_refresh(c.refresh_token, '192.0.2.1') AS r});
query(qq{SELECT FROM session_refresh('$next', '192.0.2.1')});
my $flooded = query($dropped);
is( $node->safe_psql(
		'postgres',
		qq{SELECT count(*) FILTER (WHERE session_authenticate('$stolen', '10.1.0.0'::inet + n)) FROM generate_series(1, 5000) AS n},
		extra_params => [ '-U', 'stranger' ]),
	'0',
	'a bound session is refused from thousands of addresses');
query(qq{SELECT FROM session_refresh('$replayed', '203.0.113.66')});
is( events('kind, user_id, ip, detail'),
	qq(binding_mismatch|mallory|10.1.0.1|{"count": 5000}\nrefresh_reuse|alice|203.0.113.66|{"count": 1}),
	'which is one event, and hides no refresh token that was replayed');
is(query($dropped), $flooded, 'and nothing is dropped');

# Wrong secrets of one session, from so many addresses that none of them is
# told of; one of no session is told of by nothing else.
my $guessed = query(q{SELECT id FROM session_create('bob', tenant_id => 'acme', ip => '192.0.2.1')});
my $wrong = q{'st_' || translate(encode(uuid_send('%s') || sha256(n::text::bytea), 'base64'), E'+/\n', '-_')};
query(sprintf qq{SELECT count(session_status($wrong, '10.2.0.0'::inet + n)) FROM generate_series(1, 20) AS n}, $guessed);
is(events('kind'), '', 'as many wrong secrets as the threshold are no event');
query(sprintf qq{SELECT count(session_status($wrong, ('2001:db8:' || to_hex(n) || '::1')::inet)) FROM generate_series(1, 2980) AS n}, $guessed);
is( events('kind, session_id, user_id, tenant_id, ip, detail'),
	qq(failures|$guessed|bob|acme|2001:db8:1::/64|{"count": 3000}),
	'more for one session are, from however many addresses, and it names the user');
query(sprintf qq{SELECT count(session_status($wrong, '10.2.0.0'::inet + n)) FROM generate_series(1, 3000) AS n}, '00000000-0000-4000-8000-000000000000');
is(events('kind'), '', 'a session that does not exist is not counted');
$guessed = query(q{SELECT id FROM session_create('carol', refreshable => true, ip => '192.0.2.1')});
my $wrong_refresh = $wrong =~ s/st_/rt_/r;
query(sprintf qq{SELECT FROM generate_series(1, 30) AS n, session_refresh($wrong_refresh, '10.3.0.0'::inet + n)}, $guessed);
is(events('kind, session_id, user_id, detail'),
	qq(failures|$guessed|carol|{"count": 30}), 'nor is a refresh token guessed unseen');

# A forged cookie is a failed credential, also where no address is said.
query(q{SELECT count(session_cookie_decode('forged.' || n)) FROM generate_series(1, 30) AS n}, 'c');
query(q{SELECT FROM generate_series(1, 30) AS n, session_cookie_validate('forged.' || n)}, 'd');
is(events('kind, ip, detail', $_), 'failures||{"count": 30}', "forged cookies in database $_ are told of")
  for qw(c d);

# Many sessions that are used from elsewhere, and many addresses with bad tokens.
sub mismatches
{
	my ($count, $database) = @_;
	query(
		qq{SELECT count(v.id) FROM generate_series(1, $count) AS n, session_create('user ' || n, ip => '192.0.2.1') AS c,
			session_validate(c.token, '192.0.2.2') AS v}, $database);
	return;
}
sub failing
{
	my ($count, $database) = @_;
	query(
		qq{SET session.failure_threshold = 1;
		SELECT count(session_status('st_', '10.0.0.0'::inet + n / 2)) FROM generate_series(2, $count * 2 + 1) AS n}, $database);
	return;
}

# A database has a limit a minute, so this is two of them at most.
my $lost = query($dropped);
mismatches(1000, 'a');
my $mine = events('kind', 'a') =~ tr/\n/\n/ + 1;
cmp_ok($mine, '>=', 300, 'many sessions that are used from elsewhere are told of');
cmp_ok($mine, '<=', 600, 'but no more of one database than a limit a minute');
is(query($dropped) - $lost, 1000 - $mine, 'and the rest is counted');

# Two databases have all the room, and a third gets its share.
mismatches(1100, $_) for qw(b c);
mismatches(40, 'd');
my %kept = map { $_ => scalar(() = events('kind', $_) =~ /mismatch/g) } qw(b c d);
is($kept{d}, 40, 'two databases do not keep the evidence of a third out');
cmp_ok($kept{$_}, '>=', 200, "and database $_ has about half of the rest") for qw(b c);
cmp_ok($kept{b} + $kept{c}, '<=', 512 - 40, 'as there is no more room');

# What a transaction is about to write takes no room, however long it lasts.
$lost = query($dropped);
failing(100, 'a');
failing(100, 'b');
failing(56, 'c');
is(query($dropped), $lost, 'there is room for so many addresses');
my $slow = $node->background_psql('a');
$slow->query_safe('BEGIN; SAVEPOINT s; SELECT session_cleanup()');
failing(60, 'd');
is(query($dropped), $lost, 'what a transaction is about to write takes no room');
$slow->query_safe('ROLLBACK TO s');
is(query($dropped), $lost + 60, 'when it is not written it is put back, as far as there is room');
$slow->query_safe('COMMIT');
$slow->quit;
is_deeply(
	[ map { scalar(() = events('kind', $_) =~ /failures/g) } qw(a b c d) ],
	[ 70, 70, 56, 60 ],
	'and is written once, at the cost of those that have most');
query('ALTER SYSTEM RESET session.naptime; SELECT pg_reload_conf()');

# One that cannot be written keeps no other from it.
query(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN RAISE EXCEPTION 'refused'; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON session.events FOR EACH ROW WHEN (NEW.ip <<= '10.9.0.0/16') EXECUTE FUNCTION refuse();
	ALTER SYSTEM SET session.naptime = '1s';
	SELECT pg_reload_conf()});
$lost = query($dropped);
query(q{SELECT count(v.id) FROM generate_series(1, 20) AS n, session_create('alice', ip => '192.0.2.1', user_agent => n::text) AS c,
	session_validate(c.token, CASE WHEN n % 5 = 0 THEN '10.9.0.0'::inet ELSE '10.2.0.0' END + n) AS v});
ok( $node->poll_query_until('postgres', 'SELECT count(*) = 16 FROM session.events'),
	'what can be written of evidence is');
is(query($dropped), $lost, 'and what cannot waits');
query('DROP TRIGGER refuse ON session.events; DROP FUNCTION refuse(); ALTER SYSTEM RESET session.naptime; SELECT pg_reload_conf()');
events('1');

# What is queued is gone with the server; nothing else is.
query(qq{SELECT FROM session_validate('$stolen', '192.0.2.4')});
$node->stop('immediate');
$node->start;
is(events('kind'), '', 'evidence that was not written does not survive a crash');
query(qq{SELECT FROM session_validate('$stolen', '192.0.2.4')});
is(events('kind'), 'binding_mismatch', 'and there is more after it');

#
# On a standby
#

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "session.log_events = 'all'\nsession.notify = on\n");
$standby->start;
query(q{SELECT FROM session_create('carol', ip => '192.0.2.1')});
$node->wait_for_catchup($standby, 'replay');
is( $standby->safe_psql(
		'postgres', qq{
		SELECT count(*) FROM generate_series(1, 50) AS n,
			   session_validate('$stolen', '192.0.2.5', n::text);
		SELECT count(*) FROM generate_series(1, 50) AS n,
			   session_validate('st_', '192.0.2.6', n::text)}),
	"0\n0",
	'a standby turns the same away');
is( $standby->safe_psql('postgres', 'SELECT count(*) FROM session.events'),
	'0', 'writes nothing');
$node->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
  or die 'the standby was not promoted';
is( $standby->safe_psql(
		'postgres', q{SELECT session_cleanup() \g /dev/null
		SELECT kind, ip, detail FROM session.events ORDER BY id}),
	"binding_mismatch|192.0.2.5|{\"count\": 50}\nfailures|192.0.2.6|{\"count\": 50}",
	'and tells of it when it may');
$standby->stop;

#
# Without preload
#

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;
$stolen = stolen('alice');
query(qq{SELECT FROM session_validate('$stolen', '192.0.2.8')});
is(events('kind, user_id, ip'), 'binding_mismatch|alice|192.0.2.8',
	'without preload evidence is written at once');
$stolen = stolen('alice');
query(qq{BEGIN; SELECT FROM session_validate('$stolen', '192.0.2.9'); ROLLBACK});
query(qq{BEGIN READ ONLY; SELECT FROM session_validate('$stolen', '192.0.2.9'); COMMIT});
is(events('kind'), '', 'if that is committed, and may be');
query(qq{BEGIN READ ONLY; SELECT FROM session_validate('$stolen', '192.0.2.9'); COMMIT;
	SELECT FROM session_validate('$stolen', '192.0.2.9')});
is(events('ip'), '192.0.2.9', 'what could not be written can be next time');
guess(1, 20, "'198.51.100.7'", 'BEGIN');
guess(21, 40, "'198.51.100.7'", 'BEGIN');
is(events('kind'), '', 'each connection counts bad tokens for itself');
query(qq{SELECT count(session_status($guess, '198.51.100.7')) FROM generate_series(1, 40) AS n});
is(events('kind, ip, detail'), 'failures|198.51.100.7|{"count": 21}',
	'and tells of many');
my $r1 = query(q{SELECT refresh_token FROM session_create('dave', ip => '192.0.2.1', refreshable => true)});
my $r2 = query("SELECT refresh_token FROM session_refresh('$r1', '192.0.2.1')");
query("SELECT FROM session_refresh('$r2', '192.0.2.1')");
query("SELECT FROM session_refresh('$r1', '203.0.113.66')");
is(events('kind, user_id, ip'), 'refresh_reuse|dave|203.0.113.66', 'as it does of a refresh token used twice');

# The limits hold in the table, for all connections and transactions together.
sub written
{
	my $columns = shift;
	return query("SELECT $columns FROM session.events");
}
sub as_stranger
{
	my $sql = shift;
	return $node->safe_psql('postgres', $sql, extra_params => [ '-U', 'stranger' ]);
}
$stolen = stolen('mallory');
as_stranger(qq{SELECT count(session_authenticate('$stolen', '10.1.0.0'::inet + n)) FROM generate_series(1, 200) AS n})
  for 1 .. 10;
is(written('count(*), min(ip)'), '1|10.1.0.1',
	'one session is one event a minute for all connections');
my $open = $node->background_psql('postgres');
my $held = stolen('mallory');
$open->query_safe("BEGIN; SELECT session_authenticate('$held', '10.1.0.1')");
as_stranger("SELECT session_authenticate('$held', '10.1.0.1')");
$open->query_safe('COMMIT');
$open->quit;
is(written('count(*)'), '2', 'one that is not committed yet counts');
query(q{CREATE TABLE tokens AS SELECT c.token FROM generate_series(1, 700) AS n, session_create('user ' || n, ip => '192.0.2.1') AS c;
	GRANT SELECT ON tokens TO stranger});
for my $part (0 .. 9)
{
	as_stranger(qq{SELECT count(session_authenticate(token, '10.1.0.1'))
		FROM (SELECT token FROM tokens ORDER BY token OFFSET $part * 70 LIMIT 70) AS t});
}
my $many = written('count(*)');
cmp_ok($many, '>=', 300, 'many sessions are told of');
cmp_ok($many, '<=', 600, 'but no more of a database than a limit a minute');
for my $third (1 .. 5)
{
	query(
		qq{SET session.failure_threshold = 1;
		SELECT count(session_status('st_', '10.4.$third.0'::inet + n / 2)) FROM generate_series(2, 121) AS n});
}
my $addresses = written(q{count(*) FILTER (WHERE kind = 'failures')});
cmp_ok($addresses, '>=', 100, 'many addresses are told of');
cmp_ok($addresses, '<=', 200, 'within a limit of their own');
query(qq{SET session.failure_threshold = 1; SELECT count(session_status('st_', '10.4.1.1')) FROM generate_series(1, 9)});
is( query(q{SELECT count(*) FROM session.events WHERE kind = 'failures' GROUP BY ip HAVING count(*) > 1}),
	'', 'and each once');
$guessed = query(q{SELECT id FROM session_create('bob', tenant_id => 'acme', ip => '192.0.2.1')});
query(sprintf qq{SELECT count(session_status($wrong, '10.2.0.0'::inet + n)) FROM generate_series(1, 40) AS n}, $guessed);
is(query(q{SELECT user_id, tenant_id FROM session.events WHERE kind = 'failures' AND session_id IS NOT NULL}),
	'bob|acme', 'guessing one session is told of after that');
$r1 = query(q{SELECT refresh_token FROM session_create('erin', ip => '192.0.2.1', refreshable => true)});
$r2 = query("SELECT refresh_token FROM session_refresh('$r1', '192.0.2.1')");
query("SELECT FROM session_refresh('$r2', '192.0.2.1')");
query("SELECT FROM session_refresh('$r1', '203.0.113.66')");
is(query(q{SELECT user_id, ip FROM session.events WHERE kind = 'refresh_reuse'}),
	'erin|203.0.113.66', 'and so is a refresh token used twice');

# A clock that was ahead does not silence it for the time that it was ahead.
query(q{UPDATE session.events SET at = at + interval '1 hour'});
$stolen = stolen('mallory');
as_stranger("SELECT session_authenticate('$stolen', '10.1.0.1')");
is(query(q{SELECT count(*) FROM session.events WHERE kind = 'binding_mismatch' AND at < now()}),
	'1', 'events of a clock that was ahead do not count');

done_testing();
