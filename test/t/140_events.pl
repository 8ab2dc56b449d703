# Events over real connections. Notifications are sent at commit and not after
# a rollback. Evidence survives a rollback of the transaction that caused it,
# and of one that was writing it. Failed credentials are counted by address and
# by session for the whole server. The number of events that a role can cause
# is bounded, with and without preload. A server that cannot write keeps the
# evidence.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
# The worker does not empty the queue before a test has asked for it.
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\nsession.naptime = '1d'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session; CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION session');

sub query
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# Returns and deletes the events since the last call.
sub events
{
	my ($columns, $database) = @_;
	return query(
		qq{SELECT session_cleanup() \\g /dev/null
		WITH gone AS (DELETE FROM session.events RETURNING *)
		SELECT $columns FROM gone ORDER BY id}, $database);
}

# SQL for a token that belongs to no session; each n makes another.
my $guess = q{'st_' || translate(encode(sha256('a') || substr(sha256(n::text::bytea), 1, 16), 'base64'), E'+/\n', '-_')};

#
# Notifications
#

my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN session');

# Returns the parsed payloads that arrived since the last call.
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
is_deeply(heard(), [], 'no notification is sent by default');
$writer->query_safe('SET session.notify = on');
$writer->query_safe('BEGIN');
my $made = $writer->query_safe(q{SELECT id, token FROM }
	  . q{session_create('alice "a"', tenant_id => 'acme', ip => '192.0.2.1', user_agent => E'a\\\\b\nc')});
my ($id, $token) = split /\|/, $made;
is_deeply(heard(), [], 'no notification is sent before the commit');
$writer->query_safe('COMMIT');
my $told = heard();
is(scalar @$told, 1, 'a notification is sent at the commit');
like(
	$told->[0]->{at},
	qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/,
	'the notification has the time of the event');
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
		actor => $node->safe_psql('postgres', 'SELECT session_user'),
		actor_kind => 'role',
		detail => undef
	},
	'the notification has every column of the event');
$writer->query_safe(q{BEGIN; SELECT FROM session_create('bob'); ROLLBACK});
is_deeply(heard(), [],
	'no notification is sent for a transaction that is rolled back');
$writer->query_safe("SELECT session_revoke('$token')");
is_deeply(
	[ map { [ @$_{qw(kind detail)} ] } @{ heard() } ],
	[ [ 'revoked', { reason => 'logout' } ] ],
	'the detail is an object in the notification');
$writer->query_safe(q{SELECT FROM session_create(repeat(E'\x01', 1024), }
	  . q{tenant_id => repeat('"', 1024), user_agent => repeat('\\', 1024))});
$told = heard();
is($told->[0]->{user_id}, "\x01" x 200,
	'a value that is too long is truncated in the notification');
ok($told->[0]->{cut}, 'the notification says that it is truncated');

# The notification of evidence is sent by the backend that writes it.
$writer->query_safe(q{SET session.log_events = 'all'; SET session.failure_threshold = 1});
$writer->query_safe(
	q{BEGIN READ ONLY; SELECT count(session_status('st_', '192.0.2.66')) FROM generate_series(1, 5); ROLLBACK});
is_deeply(heard(), [],
	'no notification is sent before the evidence is written');
query('SELECT session_cleanup()');
is_deeply(
	[ map { [ @$_{qw(kind ip detail)} ] } @{ heard() } ],
	[ [ 'failures', '192.0.2.66', { count => 5 } ] ],
	'a notification is sent when the evidence is written');
$writer->quit;
$listener->quit;
events('1');

#
# Failed credentials
#

# Presents tokens of no session, with the default settings, in a transaction
# that is rolled back.
sub guess
{
	my ($from, $to, $ip, $how) = @_;

	query(qq{$how; SELECT count(session_status($guess, $ip)) FROM generate_series($from, $to) AS n; ROLLBACK});
	return;
}
guess(1, 20, "'198.51.100.1'", 'BEGIN');
is(events('kind'), '', 'twenty invalid tokens from an address cause no event');
guess(21, 21, "'198.51.100.1'", 'BEGIN READ ONLY');
is(events('kind, ip, detail'),
	'failures|198.51.100.1|{"count": 21}',
	'the 21st invalid token from an address causes an event, across connections');
guess(1, 3000, "'198.51.100.1'", 'BEGIN READ ONLY');
is(events('kind'), '',
	'thousands more from the same address cause no other event');
guess(1, 10, "'198.51.100.2'", 'BEGIN');
guess(1, 11, "'198.51.100.3'", 'BEGIN');
is(events('kind'), '', 'each address is counted separately');
guess(1, 3000, 'NULL', 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY');
is(events('kind, ip IS NULL, detail'),
	'failures|t|{"count": 3000}',
	'invalid tokens without an address are counted together');
is(events('kind', 'other'), '', 'another database gets no event');
guess(1, 21, "'198.51.100.4'", 'BEGIN');
is(events('kind', 'other'), '',
	'another database does not write the evidence of the first');
is(events('kind'), 'failures',
	'the evidence of the first database is kept until it writes it');

# Refresh tokens count as well: forged ones of a session, and those of no
# session.
query(
	q{SELECT FROM session_create('alice', refreshable => true), generate_series(1, 30) AS n,
		session_refresh('rt_' || substr(token, 4) || left('', n))}, 'other');
is(events('kind, ip IS NULL, user_id', 'other'),
	"failures|t|\nfailures|t|alice",
	'forged refresh tokens count by address and for their session');

# Many addresses with one attempt each do not hide an address with many
# attempts.
query(
	qq{SELECT session_status($guess, ('2001:db8:' || to_hex(n) || '::1')::inet),
		CASE WHEN n % 400 = 0 THEN session_status($guess, '198.51.100.5') END
	FROM generate_series(1, 12000) AS n});
is(events('ip, detail'),
	'198.51.100.5|{"count": 30}',
	'an address with many attempts is reported among many addresses');

# Many addresses fill neither memory nor the table: at most 100 addresses a
# minute cause an event, and the rest are counted.
query(q{SET session.failure_threshold = 1;
	SELECT count(session_status('st_', '10.0.0.0'::inet + n)) + count(session_status('st_', '10.0.0.0'::inet + n))
	FROM generate_series(1, 1500) AS n});
my $failing = () = events('kind') =~ /failures/g;
cmp_ok($failing, '>', 50, 'many addresses cause events');
cmp_ok($failing, '<=', 128, 'the number of events by address is limited');
cmp_ok(query('SELECT evidence_dropped FROM session.stats WHERE database = current_database()'),
	'>', 1300, 'session.stats counts the evidence that was dropped');

#
# Evidence survives
#

query(q{ALTER DATABASE postgres SET session.bind_ip = 'exact'});

# Returns the token of a new session of a user, which is bound to 192.0.2.1.
sub stolen
{
	my ($user, $database) = @_;
	return query("SELECT token FROM session_create('$user', ip => '192.0.2.1')", $database);
}
my $stolen = stolen('alice');
query(qq{BEGIN; SELECT FROM session_validate('$stolen', '192.0.2.2'); ROLLBACK});
is(events('kind, user_id, ip, detail'),
	'binding_mismatch|alice|192.0.2.2|{"count": 1}',
	'a binding mismatch causes an event although its transaction was rolled back');
query(qq{SELECT FROM generate_series(1, 10) AS n, session_validate('$stolen', '192.0.2.2', n::text)});
is(events('kind'), '',
	'the same mismatch within a minute causes no other event');

# The transaction that writes the evidence may fail, or its backend may end.
$stolen = stolen('alice');
query(qq{SELECT FROM session_validate('$stolen', '192.0.2.3')});
query('BEGIN; SELECT session_cleanup(); ROLLBACK');
my $doomed = $node->background_psql('postgres', on_error_stop => 0);
$doomed->query_safe('BEGIN');
$doomed->query_safe('SELECT session_cleanup()');
is($doomed->query_safe('SELECT count(*) FROM session.events'),
	'1', 'an open transaction has written the evidence');
is(query('SELECT deleted FROM session_cleanup(); SELECT count(*) FROM session.events'),
	"0\n0", 'no other transaction writes the same evidence');
query(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity }
	  . q{WHERE state = 'idle in transaction'});
$node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM pg_stat_activity WHERE state = 'idle in transaction'})
  or die 'the backend did not end';
eval { $doomed->quit };
is(events('kind, ip'), 'binding_mismatch|192.0.2.3',
	'the next transaction writes the evidence once');

#
# Evidence is bounded
#

# The worker does not empty the queue during these tests.
query($_) for map { ("CREATE DATABASE $_", "ALTER DATABASE $_ SET session.bind_ip = 'exact'") } qw(a b c d);
query('CREATE EXTENSION session', $_) for qw(a b c d);
my $dropped = 'SELECT evidence_dropped FROM session.stats WHERE database = current_database()';

# A role without any privilege presents one token from many addresses.
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
	'thousands of mismatches are one event, and a replayed refresh token is reported');
is(query($dropped), $flooded, 'no evidence is dropped');

# Wrong secrets of one session, from so many addresses that no address causes
# an event. Only the count for the session shows the attack.
my $guessed = query(q{SELECT id FROM session_create('bob', tenant_id => 'acme', ip => '192.0.2.1')});
my $wrong = q{'st_' || translate(encode(uuid_send('%s') || sha256(n::text::bytea), 'base64'), E'+/\n', '-_')};
query(sprintf qq{SELECT count(session_status($wrong, '10.2.0.0'::inet + n)) FROM generate_series(1, 20) AS n}, $guessed);
is(events('kind'), '', 'wrong secrets up to the threshold cause no event');
query(sprintf qq{SELECT count(session_status($wrong, ('2001:db8:' || to_hex(n) || '::1')::inet)) FROM generate_series(1, 2980) AS n}, $guessed);
is( events('kind, session_id, user_id, tenant_id, ip, detail'),
	qq(failures|$guessed|bob|acme|2001:db8:1::/64|{"count": 3000}),
	'more wrong secrets for one session cause an event that names the user');
query(sprintf qq{SELECT count(session_status($wrong, '10.2.0.0'::inet + n)) FROM generate_series(1, 3000) AS n}, '00000000-0000-4000-8000-000000000000');
is(events('kind'), '',
	'wrong secrets of a session that does not exist are not counted for it');
$guessed = query(q{SELECT id FROM session_create('carol', refreshable => true, ip => '192.0.2.1')});
my $wrong_refresh = $wrong =~ s/st_/rt_/r;
query(sprintf qq{SELECT FROM generate_series(1, 30) AS n, session_refresh($wrong_refresh, '10.3.0.0'::inet + n)}, $guessed);
is(events('kind, session_id, user_id, detail'),
	qq(failures|$guessed|carol|{"count": 30}),
	'wrong refresh tokens of one session cause an event');

# A forged cookie is a failed credential, also when no address is given.
query(q{SELECT count(session_cookie_decode('forged.' || n)) FROM generate_series(1, 30) AS n}, 'c');
query(q{SELECT FROM generate_series(1, 30) AS n, session_cookie_validate('forged.' || n)}, 'd');
is(events('kind, ip, detail', $_), 'failures||{"count": 30}',
	"forged cookies in database $_ cause an event")
  for qw(c d);

# Many sessions with a binding mismatch, and many addresses with invalid
# tokens.
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

# Each database has a limit a minute; the test may run in two of them.
my $lost = query($dropped);
mismatches(1000, 'a');
my $mine = events('kind', 'a') =~ tr/\n/\n/ + 1;
cmp_ok($mine, '>=', 300, 'many sessions with a mismatch cause events');
cmp_ok($mine, '<=', 600, 'the events of one database are limited per minute');
is(query($dropped) - $lost, 1000 - $mine,
	'session.stats counts the mismatches that were dropped');

# Two databases fill the queue, and a third gets its share.
mismatches(1100, $_) for qw(b c);
mismatches(40, 'd');
my %kept = map { $_ => scalar(() = events('kind', $_) =~ /mismatch/g) } qw(b c d);
is($kept{d}, 40, 'two databases do not displace the evidence of a third');
cmp_ok($kept{$_}, '>=', 200, "database $_ has about half of the remaining room") for qw(b c);
cmp_ok($kept{b} + $kept{c}, '<=', 512 - 40,
	'the queue holds no more than its size');

# Evidence that an open transaction has written takes no room, however long the
# transaction lasts.
$lost = query($dropped);
failing(100, 'a');
failing(100, 'b');
failing(56, 'c');
is(query($dropped), $lost, 'the queue has room for 256 addresses');
my $slow = $node->background_psql('a');
$slow->query_safe('BEGIN; SAVEPOINT s; SELECT session_cleanup()');
failing(60, 'd');
is(query($dropped), $lost,
	'evidence that an open transaction has written takes no room');
$slow->query_safe('ROLLBACK TO s');
is(query($dropped), $lost + 60,
	'a rollback puts the evidence back as far as there is room');
$slow->query_safe('COMMIT');
$slow->quit;
is_deeply(
	[ map { scalar(() = events('kind', $_) =~ /failures/g) } qw(a b c d) ],
	[ 70, 70, 56, 60 ],
	'the evidence is written once, and the databases with most of it lose some');

# Evidence that cannot be written does not stop the rest.
query(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN RAISE EXCEPTION 'refused'; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON session.events FOR EACH ROW WHEN (NEW.ip <<= '10.9.0.0/16') EXECUTE FUNCTION refuse();
	ALTER SYSTEM SET session.naptime = '1s';
	SELECT pg_reload_conf()});
$lost = query($dropped);
query(q{SELECT count(v.id) FROM generate_series(1, 20) AS n, session_create('alice', ip => '192.0.2.1', user_agent => n::text) AS c,
	session_validate(c.token, CASE WHEN n % 5 = 0 THEN '10.9.0.0'::inet ELSE '10.2.0.0' END + n) AS v});
ok( $node->poll_query_until('postgres', 'SELECT count(*) = 16 FROM session.events'),
	'the evidence that can be written is written');
is(query($dropped), $lost, 'evidence that cannot be written is kept');
query('DROP TRIGGER refuse ON session.events; DROP FUNCTION refuse()');
events('1');

# What the worker finds out is its own event.  Evidence that it writes has the
# actor of the failure.
query(q{ALTER DATABASE postgres SET session.log_events = 'all';
	ALTER SYSTEM SET session.cleanup_interval = '1s';
	SELECT pg_reload_conf()});
query(q{CREATE TABLE worn AS SELECT * FROM session_create('worn', ip => '192.0.2.1', lifetime => '1 year');
	UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 hour', created_at = created_at - interval '1 hour'
	WHERE user_id = 'worn';
	SELECT FROM session_create('dead', ip => '192.0.2.1', lifetime => '1 minute');
	TRUNCATE session.events;
	UPDATE session.sessions SET created_at = created_at - interval '2 hours', last_seen_at = last_seen_at - interval '2 hours',
		expires_at = expires_at - interval '2 hours', purge_at = now() - interval '1 hour' WHERE user_id = 'dead';
	SELECT count(v.id) FROM worn, session_validate(worn.token, '192.0.2.1') AS v});
my $taken = stolen('zoe');
$node->safe_psql('postgres', "SELECT FROM session_authenticate('$taken', '192.0.2.77')",
	extra_params => [ '-U', 'stranger' ]);
ok( $node->poll_query_until('postgres',
		q{SELECT count(DISTINCT kind) = 3 FROM session.events WHERE user_id IN ('worn', 'dead', 'zoe') AND kind NOT IN ('created', 'new_ip')}),
	'the worker writes what it does and finds');
is( query(q{SELECT kind, user_id, actor_kind, actor FROM session.events
		WHERE user_id IN ('worn', 'dead', 'zoe') AND kind NOT IN ('created', 'new_ip') ORDER BY kind}),
	"accessed|worn|worker|session worker\nbinding_mismatch|zoe|role|stranger\nexpired|dead|worker|session worker",
	'the actor of what the worker does is the worker, of evidence the role of the failure');
is( query('SELECT last_seen_at = (SELECT (detail ->> $$last_seen_at$$)::timestamptz FROM session.events WHERE kind = $$accessed$$)'
		  . ' FROM session.sessions WHERE user_id = $$worn$$'),
	't', 'the event has the use that the row has');
query('DROP TABLE worn; ALTER DATABASE postgres RESET session.log_events;'
	  . ' ALTER SYSTEM RESET session.naptime; ALTER SYSTEM RESET session.cleanup_interval; SELECT pg_reload_conf()');
# A round that has begun may still be running.
$node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'session worker'})
  or die 'the worker did not end';
events('1');

# A crash loses the queued evidence and nothing else.
query(qq{SELECT FROM session_validate('$stolen', '192.0.2.4')});
$node->stop('immediate');
$node->start;
is(events('kind'), '', 'evidence that was not written does not survive a crash');
query(qq{SELECT FROM session_validate('$stolen', '192.0.2.4')});
is(events('kind'), 'binding_mismatch', 'evidence is collected after a crash');

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
	'a standby refuses a binding mismatch and invalid tokens');
is( $standby->safe_psql('postgres', 'SELECT count(*) FROM session.events'),
	'0', 'a standby writes no event');
$node->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
  or die 'the standby was not promoted';
is( $standby->safe_psql(
		'postgres', q{SELECT session_cleanup() \g /dev/null
		SELECT kind, ip, detail FROM session.events ORDER BY id}),
	"binding_mismatch|192.0.2.5|{\"count\": 50}\nfailures|192.0.2.6|{\"count\": 50}",
	'the evidence of a standby is written after promotion');
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
is(events('kind'), '',
	'without preload evidence is lost in a rollback and in a READ ONLY transaction');
query(qq{BEGIN READ ONLY; SELECT FROM session_validate('$stolen', '192.0.2.9'); COMMIT;
	SELECT FROM session_validate('$stolen', '192.0.2.9')});
is(events('ip'), '192.0.2.9',
	'a repeated mismatch is written when the transaction may write');
guess(1, 20, "'198.51.100.7'", 'BEGIN');
guess(21, 40, "'198.51.100.7'", 'BEGIN');
is(events('kind'), '',
	'without preload each connection counts invalid tokens separately');
query(qq{SELECT count(session_status($guess, '198.51.100.7')) FROM generate_series(1, 40) AS n});
is(events('kind, ip, detail'), 'failures|198.51.100.7|{"count": 21}',
	'without preload many invalid tokens of one connection cause an event');
my $r1 = query(q{SELECT refresh_token FROM session_create('dave', ip => '192.0.2.1', refreshable => true)});
my $r2 = query("SELECT refresh_token FROM session_refresh('$r1', '192.0.2.1')");
query("SELECT FROM session_refresh('$r2', '192.0.2.1')");
query("SELECT FROM session_refresh('$r1', '203.0.113.66')");
is(events('kind, user_id, ip'), 'refresh_reuse|dave|203.0.113.66',
	'without preload reuse of a refresh token causes an event');

# Without preload a use is written at once, by the role of the client.
query(q{ALTER DATABASE postgres SET session.log_events = 'accessed'});
query(q{CREATE TABLE worn AS SELECT * FROM session_create('worn', ip => '192.0.2.1', lifetime => '1 year');
	GRANT SELECT ON worn TO stranger;
	UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 hour', created_at = created_at - interval '1 hour'
	WHERE user_id = 'worn'});
$node->safe_psql(
	'postgres',
	q{SELECT count(*) FROM worn, generate_series(1, 5), session_authenticate(worn.token, '192.0.2.1');
	BEGIN READ ONLY; SELECT count(*) FROM worn, session_authenticate(worn.token, '192.0.2.1'); COMMIT},
	extra_params => [ '-U', 'stranger' ]);
is(events('kind, user_id, actor_kind, actor'), 'accessed|worn|role|stranger',
	'without preload many uses cause one event');
query('DROP TABLE worn; ALTER DATABASE postgres RESET session.log_events');

# Without preload the limits are enforced in the table, for all connections and
# transactions together.
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
	'one session causes one event a minute, for all connections');
my $open = $node->background_psql('postgres');
my $held = stolen('mallory');
$open->query_safe("BEGIN; SELECT session_authenticate('$held', '10.1.0.1')");
as_stranger("SELECT session_authenticate('$held', '10.1.0.1')");
$open->query_safe('COMMIT');
$open->quit;
is(written('count(*)'), '2',
	'an event that is not committed yet counts for the limit');
query(q{CREATE TABLE tokens AS SELECT c.token FROM generate_series(1, 700) AS n, session_create('user ' || n, ip => '192.0.2.1') AS c;
	GRANT SELECT ON tokens TO stranger});
for my $part (0 .. 9)
{
	as_stranger(qq{SELECT count(session_authenticate(token, '10.1.0.1'))
		FROM (SELECT token FROM tokens ORDER BY token OFFSET $part * 70 LIMIT 70) AS t});
}
my $many = written('count(*)');
cmp_ok($many, '>=', 300, 'without preload many sessions cause events');
cmp_ok($many, '<=', 600,
	'without preload the events of a database are limited per minute');
for my $third (1 .. 5)
{
	query(
		qq{SET session.failure_threshold = 1;
		SELECT count(session_status('st_', '10.4.$third.0'::inet + n / 2)) FROM generate_series(2, 121) AS n});
}
my $addresses = written(q{count(*) FILTER (WHERE kind = 'failures')});
cmp_ok($addresses, '>=', 100, 'without preload many addresses cause events');
cmp_ok($addresses, '<=', 200, 'addresses have a limit of their own');
query(qq{SET session.failure_threshold = 1; SELECT count(session_status('st_', '10.4.1.1')) FROM generate_series(1, 9)});
is( query(q{SELECT count(*) FROM session.events WHERE kind = 'failures' GROUP BY ip HAVING count(*) > 1}),
	'', 'each address causes one event');
$guessed = query(q{SELECT id FROM session_create('bob', tenant_id => 'acme', ip => '192.0.2.1')});
query(sprintf qq{SELECT count(session_status($wrong, '10.2.0.0'::inet + n)) FROM generate_series(1, 40) AS n}, $guessed);
is(query(q{SELECT user_id, tenant_id FROM session.events WHERE kind = 'failures' AND session_id IS NOT NULL}),
	'bob|acme',
	'wrong secrets of one session cause an event after the limits are reached');
$r1 = query(q{SELECT refresh_token FROM session_create('erin', ip => '192.0.2.1', refreshable => true)});
$r2 = query("SELECT refresh_token FROM session_refresh('$r1', '192.0.2.1')");
query("SELECT FROM session_refresh('$r2', '192.0.2.1')");
query("SELECT FROM session_refresh('$r1', '203.0.113.66')");
is(query(q{SELECT user_id, ip FROM session.events WHERE kind = 'refresh_reuse'}),
	'erin|203.0.113.66',
	'reuse of a refresh token causes an event after the limits are reached');

# Events with a time in the future, from a clock that was ahead, do not
# suppress new events.
query(q{UPDATE session.events SET at = at + interval '1 hour'});
$stolen = stolen('mallory');
as_stranger("SELECT session_authenticate('$stolen', '10.1.0.1')");
is(query(q{SELECT count(*) FROM session.events WHERE kind = 'binding_mismatch' AND at < now()}),
	'1', 'events with a time in the future do not count for the limit');

done_testing();
