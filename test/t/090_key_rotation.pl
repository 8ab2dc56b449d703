# Keys change under the feet of whoever uses them: no cookie that was given out
# is refused because of a rotation, and every backend knows of a change at its
# next call, wherever it is.

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

	-- The key that a cookie made now is made with.
	CREATE FUNCTION signer() RETURNS text LANGUAGE sql AS $$
		SELECT convert_from(decode(rpad(translate(part, '-_', '+/'),
				   (length(part) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::json ->> 'kid'
		FROM split_part(session_cookie_encode('{}', 'jwt'), '.', 1) AS part;
	$$;

	-- Makes a cookie, and reads it and one of somebody's.
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

# Load: some backends that last, and some that come and go.
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

# Rotations for as long as they run, but not without end.
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
	ok($load{$kind}->finish, "backends that $kind refuse no cookie")
	  or diag($output{$kind});
}
cmp_ok($rotations, '>', 5, 'while keys were rotated');
is($node->safe_psql('postgres', 'SELECT count(*) FROM jar'),
	3 * 400 + 3 * 20, 'they did all they were to do');
is( $node->safe_psql(
		'postgres', q{
		SELECT count(*) FROM jar
		WHERE (session_cookie_decode(cookie) ->> 'n')::int = n}),
	3 * 400 + 3 * 20,
	'and all that they made is good in the end');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session.key_ring'),
	$rotations + 1, 'with every key still there');
is($node->safe_psql('postgres', 'SELECT count(*) FROM session.key_ring WHERE signs'),
	1, 'and one of them signing');

# A backend with a transaction open, which has used the keys in it.
my $open = $node->background_psql('postgres');

sub opened { return $open->query_safe(shift); }

# Another one: rotates; returns the new kid and a cookie made with it.
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
	is(is_good($cookie), 't', 'and verifies');

	my ($newer, $fresh) = rotate();
	isnt($newer, $kid, 'another backend rotates');
	is(opened('SELECT signer()'), $newer, 'and the next call signs with the new key');
	is(is_good($fresh), 't', 'accepts what was made with it');
	is(is_good($cookie), 't', 'and with the one before');

	$admin->query_safe("SELECT session_key_retire('$kid')");
	is(is_good($cookie), 'f', 'a key that is retired verifies nothing at the next call');
	is(is_good($fresh), 't', 'the others do');
	$admin->query_safe("SELECT session_key_retire('$newer')");
	is(is_good($fresh), 'f', 'nor does the newest once it is retired');
	isnt(opened('SELECT signer()'), $newer, 'and an older one signs again');
	opened('COMMIT');
}

# However the keys are changed.
for my $change (
	"UPDATE session.keys SET retired_at = now() WHERE kid = '%s'",
	"DELETE FROM session.keys WHERE kid = '%s'",
	"MERGE INTO session.keys USING (SELECT '%s' AS gone) g ON kid = gone "
	  . 'WHEN MATCHED THEN DELETE',
	'TRUNCATE session.keys')
{
	my ($kid, $cookie) = rotate();

	is(is_good($cookie), 't', 'there is a key');
	$node->safe_psql('postgres', sprintf $change, $kid);
	is(is_good($cookie), 'f', ($change =~ /^(\w+)/)[0] . ' on the table is noticed');
}

# What is not committed is nobody else's, and what is rolled back nobody's.
my ($kid, $cookie) = rotate();
opened('SELECT signer()');
$admin->query_safe('BEGIN');
my $own = $admin->query_safe('SELECT session_key_rotate()');
is($admin->query_safe('SELECT signer()'), $own, 'a rotation holds in its own transaction');
my $early = $admin->query_safe(q{SELECT session_cookie_encode('{"a": 1}')});
is(opened('SELECT signer()'), $kid, 'others go on with the key before');
is(is_good($early), 'f', 'and take nothing made with the new one');
$admin->query_safe('ROLLBACK');
is($admin->query_safe('SELECT signer()'), $kid, 'when it is rolled back it is gone');
is( $admin->query_safe("SELECT session_cookie_decode('$early') IS NULL"),
	't', 'and nothing made with it is good');

$admin->query_safe('BEGIN');
$admin->query_safe('SAVEPOINT s');
$admin->query_safe("SELECT session_key_retire('$kid')");
is($admin->query_safe("SELECT session_cookie_decode('$cookie') IS NULL"),
	't', 'so does a retirement');
$admin->query_safe('ROLLBACK TO s');
is($admin->query_safe("SELECT session_cookie_decode('$cookie') IS NOT NULL"),
	't', 'which can be taken back to a savepoint');
$admin->query_safe('COMMIT');

# A rotation that somebody else commits.
$admin->query_safe('BEGIN');
$own = $admin->query_safe('SELECT session_key_rotate()');
$admin->query_safe(q{PREPARE TRANSACTION 'rotation'});
is(opened('SELECT signer()'), $kid, 'a prepared rotation is none yet');
$node->safe_psql('postgres', q{COMMIT PREPARED 'rotation'});
is(opened('SELECT signer()'), $own, 'and is one when it is committed');
is($admin->query_safe('SELECT signer()'), $own, 'also where it was prepared');

$_->quit for $admin, $open;
done_testing();
