# Keys change while they are in use. No cookie is refused because of a
# rotation, and every backend knows of a change at its next call, whatever
# transaction it is in.

use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
max_prepared_transactions = 5
});
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE SEQUENCE n;
	CREATE TABLE jar (n int PRIMARY KEY, cookie text);

	-- Returns the kid of the key that signs now.
	CREATE FUNCTION signer() RETURNS text LANGUAGE sql AS $$
		SELECT convert_from(decode(rpad(translate(part, '-_', '+/'),
				   (length(part) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::json ->> 'kid'
		FROM split_part(session_cookie_encode('{}', 'jwt'), '.', 1) AS part;
	$$;

	-- Makes a cookie, and decodes it and an older one of another backend.
	CREATE FUNCTION use() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		mine int = nextval('n');
		encoding text = (ARRAY['compact', 'jwt', 'jwe', 'sealed'])[mine % 4 + 1];
		made text = session_cookie_encode(jsonb_build_object('n', mine), encoding);
		old record;
	BEGIN
		IF (session_cookie_decode(made) ->> 'n')::int IS DISTINCT FROM mine THEN
			RAISE 'own % cookie refused', encoding;
		END IF;
		SELECT * INTO old FROM jar
		WHERE jar.n <= ceil(random() * mine) ORDER BY jar.n DESC LIMIT 1;
		IF (session_cookie_decode(old.cookie) ->> 'n')::int IS DISTINCT FROM old.n THEN
			RAISE 'cookie % refused', old.n;
		END IF;
		INSERT INTO jar VALUES (mine, made);
	END $$;

	SELECT FROM session_key_rotate();
});

# Load: some backends that last, and some that connect anew for each
# transaction.
my $script = $node->basedir . '/use.sql';
append_to_file($script, "SELECT use();\n");
my %output;
my %load;
for my $kind ('last', 'come and go')
{
	$output{$kind} = '';
	$load{$kind} = IPC::Run::start(
		[
			'pgbench', '--no-vacuum', '--client=3', "--file=$script",
			$kind eq 'last' ? '--transactions=400' :
			  ('--transactions=20', '--connect'),
			$node->connstr('postgres')
		],
		'>&', \$output{$kind});
}

# Rotate for as long as the load runs, but at most 300 times.
my $admin = $node->background_psql('postgres');
my $rotations = 0;
while ($rotations < 300 && grep { $_->pumpable } values %load)
{
	$admin->query_safe('SELECT FROM session_key_rotate()');
	$rotations++;
	$_->pump_nb for grep { $_->pumpable } values %load;
}
for my $kind (sort keys %load)
{
	ok($load{$kind}->finish, "backends that $kind accept every cookie")
	  or diag($output{$kind});
}
cmp_ok($rotations, '>', 5, 'keys were rotated during the load');
is($node->safe_psql('postgres', 'SELECT count(*) FROM jar'),
	3 * 400 + 3 * 20, 'every transaction of the load ran');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FROM jar
		WHERE (session_cookie_decode(cookie) ->> 'n')::int = n}),
	3 * 400 + 3 * 20,
	'every cookie of the load is accepted afterwards');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session.key_ring'),
	$rotations + 1, 'every key is still in the ring');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session.key_ring WHERE signs'),
	1, 'one key signs');

# A backend with an open transaction, which has used the keys in it.
my $open = $node->background_psql('postgres');

sub opened { return $open->query_safe(shift); }

# Rotates in another backend. Returns the new kid and a cookie made with it.
sub rotate
{
	return split /\|/, $node->safe_psql('postgres',
		q{SELECT FROM session_key_rotate();
		  SELECT signer(), session_cookie_encode('{"a": 1}')});
}

sub is_good
{
	my ($cookie) = @_;
	return opened("SELECT session_cookie_decode('$cookie') IS NOT NULL");
}

for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE, READ ONLY')
{
	my ($kid, $cookie) = rotate();

	opened("BEGIN ISOLATION LEVEL $level");
	is(opened('SELECT signer()'), $kid, "$level: the newest key signs");
	is(is_good($cookie), 't', "$level: the newest key verifies");

	my ($newer, $fresh) = rotate();
	isnt($newer, $kid, "$level: another backend rotates");
	is(opened('SELECT signer()'), $newer,
		"$level: the next call signs with the new key");
	is(is_good($fresh), 't',
		"$level: the next call accepts a cookie of the new key");
	is(is_good($cookie), 't',
		"$level: the next call accepts a cookie of the previous key");

	$admin->query_safe("SELECT session_key_retire('$kid')");
	is(is_good($cookie), 'f',
		"$level: a retired key verifies nothing at the next call");
	is(is_good($fresh), 't', "$level: the other key still verifies");
	$admin->query_safe("SELECT session_key_retire('$newer')");
	is(is_good($fresh), 'f',
		"$level: the newest key verifies nothing once it is retired");
	isnt(opened('SELECT signer()'), $newer,
	"$level: an older key signs once the newest is retired");
	opened('COMMIT');
}

# Changes of the table by hand, with each statement.
for my $change (
	"UPDATE session.keys SET retired_at = now() WHERE kid = '%s'",
	"DELETE FROM session.keys WHERE kid = '%s'",
	"MERGE INTO session.keys USING (SELECT '%s' AS gone) g ON kid = gone "
	  . 'WHEN MATCHED THEN DELETE',
	'TRUNCATE session.keys')
{
	my ($kid, $cookie) = rotate();

	is(is_good($cookie), 't', 'a cookie of a new key is accepted');
	$node->safe_psql('postgres', sprintf $change, $kid);
	is(is_good($cookie),
		'f', ($change =~ /^(\w+)/)[0] . ' on the table takes effect at the next call');
}

# An uncommitted change has no effect on other backends. After a rollback it
# has no effect at all.
my ($kid, $cookie) = rotate();
opened('SELECT signer()');
$admin->query_safe('BEGIN');
my $own = $admin->query_safe('SELECT session_key_rotate()');
is($admin->query_safe('SELECT signer()'), $own,
	'a rotation takes effect in its own transaction');
my $early = $admin->query_safe(q{SELECT session_cookie_encode('{"a": 1}')});
is(opened('SELECT signer()'), $kid,
	'other backends sign with the previous key until the commit');
is(is_good($early), 'f',
	'other backends refuse a cookie of an uncommitted key');
$admin->query_safe('ROLLBACK');
is($admin->query_safe('SELECT signer()'), $kid,
	'the previous key signs after the rotation was rolled back');
is( $admin->query_safe("SELECT session_cookie_decode('$early') IS NULL"),
	't', 'a cookie of a rolled back key is refused');

$admin->query_safe('BEGIN');
$admin->query_safe('SAVEPOINT s');
$admin->query_safe("SELECT session_key_retire('$kid')");
is($admin->query_safe("SELECT session_cookie_decode('$cookie') IS NULL"),
	't', 'retiring a key takes effect in its own transaction');
$admin->query_safe('ROLLBACK TO s');
is($admin->query_safe("SELECT session_cookie_decode('$cookie') IS NOT NULL"),
	't', 'rolling back to a savepoint undoes retiring a key');
$admin->query_safe('COMMIT');

# A prepared rotation that another backend commits.
$admin->query_safe('BEGIN');
$own = $admin->query_safe('SELECT session_key_rotate()');
$admin->query_safe(q{PREPARE TRANSACTION 'rotation'});
is(opened('SELECT signer()'), $kid,
	'a prepared rotation has no effect before its commit');
$node->safe_psql('postgres', q{COMMIT PREPARED 'rotation'});
is(opened('SELECT signer()'), $own,
	'a prepared rotation takes effect when it is committed');
is($admin->query_safe('SELECT signer()'), $own,
	'the backend that prepared the rotation signs with the new key');

$_->quit for $admin, $open;
done_testing();
