# Sessions that are bound to a key of a browser stay bound over a crash, on a
# standby and without preloading. Nothing that opens one reaches the log, and
# the memory of a backend does not grow.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use File::Copy qw(copy);
use Math::BigInt;
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A key of P-256, and a signature's first half with what it takes to make the
# second: rd is the product of r and the private key.
my $jwk =
    '{"crv":"P-256","kty":"EC","x":"dmDA4af603LDsEc0vD8uHSrUHRPRj2JKiHVqAW9Bdxc",'
  . '"y":"fkEaHEp5h8hQuSqSgPt8u5Mzj4BSgxxAJy7hembuO6M"}';
my $order = Math::BigInt->new(
	'115792089210356248762697446949407573529996955224135760342422259061068512044369');
my $r = '03b163f70c355463a1e7befbe3cce8bfc49d4b8e45da209515ebe300472c59f9';
my $inverse = Math::BigInt->new(
	'45357385603962032807627127085439163489263441786645817739049201105980021012057');
my $rd = Math::BigInt->new(
	'44224510717094156549249285043814467128336543187054474846431171206607659999423');

# Returns a proof: a JWS of a header and a payload.
sub proof
{
	my ($header, $payload) = @_;
	my $input = encode_base64url($header) . '.' . encode_base64url($payload);
	my $s = Math::BigInt->from_hex(sha256_hex($input));

	$s->badd($rd)->bmul($inverse)->bmod($order);
	return "$input."
	  . encode_base64url(pack 'H*', $r . sprintf('%064s', substr $s->as_hex, 2));
}

# Returns the proof that answers an offer, and one that answers a challenge.
sub registration
{
	my %part = shift =~ /(\w+)="([^"]*)"/g;
	return proof(qq({"alg":"ES256","jwk":$jwk,"typ":"dbsc+jwt"}),
		qq({"authorization":"$part{authorization}","jti":"$part{challenge}"}));
}

sub renewal
{
	my ($challenge) = shift =~ /^"([^"]*)"/;
	return proof('{"alg":"ES256","typ":"dbsc+jwt"}', qq({"jti":"$challenge"}));
}

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', q{
shared_preload_libraries = 'session'
session.log_events = 'bound, unbound'
session.dbsc_grace = 0
session.naptime = '1s'
synchronous_commit = off
log_statement = all
});
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION session');
my $node = $primary;

sub query { return $node->safe_psql('postgres', shift) }

# Creates a session and binds it. Returns its id, token, bound cookie and the
# next challenge.
sub bound
{
	my ($id, $token) = split /\|/,
	  query("SELECT id, token FROM session_create('alice', '{\"k\": 1}')");
	my $proof = registration(query("SELECT session_dbsc_offer('$token', '/reg')"));
	my ($cookie, $challenge) = split /\|/,
	  query("SELECT bound_cookie, challenge FROM session_dbsc_register('$token', '$proof', '/refresh')");
	return ($id, $token, $cookie, $challenge);
}

sub status
{
	my ($token, $cookie) = @_;
	return query("SELECT session_status('$token', bound_cookie => "
		  . (defined $cookie ? "'$cookie'" : 'NULL') . ')');
}

# An offer of a transaction that is rolled back takes its key with it.
my $unbound = query("SELECT token FROM session_create('bob')");
my $lost = query("BEGIN; SELECT session_dbsc_offer('$unbound', '/reg'); ROLLBACK");
is(query("SELECT count(*) FROM session.key_ring"), '0', 'no key was left');
is( query("SELECT count(*) FROM session_dbsc_register('$unbound', '"
		  . registration($lost) . "', '/refresh')"),
	'0',
	'an offer that was rolled back cannot be answered');

# A crash right after the commit.
my ($id, $token, $cookie, $challenge) = bound();
$node->stop('immediate');
$node->start;
is(status($token), 'unbound', 'a session stays bound after a crash');
is(status($token, $cookie), 'active', 'its bound cookie stays good');
my $answer = query("SELECT bound_cookie FROM session_dbsc_refresh('$id', '"
	  . renewal($challenge) . "', '/refresh')");
is(status($token, $answer), 'active',
	'a challenge from before the crash can be answered');
$challenge = query("SELECT challenge FROM session_dbsc_refresh('$id', NULL, '/refresh')");
$node->restart;
is( query("SELECT bound_cookie IS NOT NULL FROM session_dbsc_refresh('$id', '"
		  . renewal($challenge) . "', '/refresh')"),
	't',
	'so can one from before a restart');
is( query("SELECT bound_cookie IS NOT NULL FROM session_dbsc_refresh('$id', '"
		  . renewal($challenge) . "', '/refresh')"),
	'f',
	'but not again');

# Evidence survives the rollback of its transaction.
query("BEGIN; SELECT session_authenticate('$token'); ROLLBACK");
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM session.events WHERE kind = 'unbound' AND session_id = '$id'"),
	'the use of a token alone is recorded, in a transaction that was rolled back');

# A standby.
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
my $key = $standby->data_dir . '/session_master.key';
copy($primary->data_dir . '/session_master.key', $key);
chmod 0600, $key;
$standby->start;
my ($late_id, $late_token, $late_cookie, $late_challenge) = bound();
$primary->wait_for_catchup($standby, 'replay');
$node = $standby;
is(status($token), 'unbound', 'on a standby, a bound session needs its cookie');
is(status($late_token, $late_cookie), 'active', 'with it, the session is active');
is( query("SELECT count(*) FROM session_validate('$late_token', bound_cookie => '$late_cookie')"),
	'1',
	'it is validated there');
is( query(qq{SELECT set_config('request.cookies', '{"__Host-session": "$late_token", "__Host-session-bound": "$late_cookie"}', false) <> '';
		BEGIN; SELECT session_pre_request(); SELECT session_user_id()}),
	"t\n\nalice",
	'so is a request');
is( query(qq{SELECT set_config('request.cookies', '{"__Host-session": "$late_token", "__Host-session-bound": "$cookie"}', false) <> '';
		BEGIN; SELECT session_pre_request(); SELECT coalesce(session_user_id(), 'anonymous')}),
	"t\n\nanonymous",
	'the cookie of another session does not help there');

# The time of the binding is in the row, so a standby knows it.
my $alone = "SET session.dbsc_grace = '1min'; BEGIN READ ONLY; SELECT session_status('$late_token')";
is(query($alone), 'active', 'on a standby, a session that was just bound needs no cookie');
$primary->safe_psql('postgres',
	"UPDATE session.sessions SET bound_at = bound_at - interval '1 minute' WHERE id = '$late_id'");
$primary->wait_for_catchup($standby, 'replay');
is(query($alone), 'unbound', 'a minute later it does');
my $there = query("SELECT challenge FROM session_dbsc_refresh('$late_id', NULL, '/refresh')");
my ($code) = $node->psql('postgres',
	"SELECT session_dbsc_refresh('$late_id', '" . renewal($there) . "', '/refresh')",
	stderr => \my $error);
like($error, qr/cannot execute session_dbsc_refresh\(\)/,
	'a standby accepts no proof');
is( query("SELECT instructions IS NULL, challenge IS NOT NULL FROM session_dbsc_refresh('01890a5d-ac96-774b-bcce-b302099a8057', NULL, '/refresh')"),
	't|t',
	'a session that a standby does not have yet is not forgotten');
$node = $primary;
is( query("SELECT bound_cookie IS NOT NULL FROM session_dbsc_refresh('$late_id', '"
		  . renewal($there) . "', '/refresh')"),
	't',
	'the primary accepts the answer to a challenge of a standby');
$standby->stop;

# The log.
my $proof = renewal($late_challenge);
my $log = $node->logfile;
my $from = -s $log;
query("SELECT session_status('$late_token', bound_cookie => '$late_cookie')");
query("SELECT FROM session_dbsc_refresh('$late_id', '$proof', '/refresh')");
$node->psql('postgres', "SELECT 1/0, '$late_cookie', '$proof'");
my $said = slurp_file($log, $from);
like($said, qr/sb_\Q$late_id\E/, 'the log has the id of a bound cookie');
ok(index($said, substr($late_cookie, 30)) < 0, 'it does not have the cookie');
ok(index($said, (split /\./, $proof)[2]) < 0, 'nor the signature of a proof');

# Memory: good and bad cookies, challenges, and proofs of every kind.
my $grown = query(qq{
	CREATE PROCEDURE serve(calls int) LANGUAGE plpgsql AS \$\$
	DECLARE
		before bigint;
	BEGIN
		FOR i IN 0 .. calls LOOP
			IF i = 500 THEN
				before := (SELECT sum(total_bytes) FROM pg_backend_memory_contexts);
			END IF;
			PERFORM session_status('$late_token', bound_cookie => '$late_cookie'), session_data('$late_token'),
				session_status('$late_token', bound_cookie => overlay('$late_cookie' PLACING 'aaaa' FROM 60));
			PERFORM FROM session_dbsc_refresh('$late_id', NULL, '/refresh');
			PERFORM FROM session_dbsc_refresh('$late_id', '$proof', '/refresh');
			PERFORM FROM session_dbsc_refresh('$late_id', 'x' || '$proof', '/refresh');
			PERFORM FROM session_dbsc_register('$unbound', '$proof', '/refresh');
			PERFORM session_dbsc_offer('$unbound', '/reg');
			COMMIT;
		END LOOP;
		RAISE NOTICE '% bytes', (SELECT sum(total_bytes) FROM pg_backend_memory_contexts) - before;
	END;
	\$\$;
	SET log_statement = none;
});
$node->psql('postgres', 'SET log_statement = none; CALL serve(3000)', stderr => \my $notice);
my ($bytes) = $notice =~ /(-?\d+) bytes/;
cmp_ok($bytes // 1e9, '<', 100_000, 'the memory of a backend does not grow with the calls');
$primary->stop;

# Without preloading.
$node = PostgreSQL::Test::Cluster->new('alone');
$node->init;
$node->append_conf('postgresql.conf', "session.log_events = 'bound, unbound'\nsession.dbsc_grace = 0\n");
$node->start;
query('CREATE EXTENSION session; SELECT FROM session_key_rotate()');
($id, $token, $cookie, $challenge) = bound();
is(status($token), 'unbound', 'without preloading, a bound session needs its cookie');
is(status($token, $cookie), 'active', 'with it, the session is active');
my $snapshot = query("SELECT session_cookie_issue('$token', bound_cookie => '$cookie')");
is( query("SELECT count(*) FROM session_cookie_validate('$snapshot', token => '$token')"),
	'0', 'a snapshot and the token are not enough');
is( query("SELECT count(*) FROM session_cookie_validate('$snapshot', token => '$token', bound_cookie => '$cookie')"),
	'1', 'with the bound cookie they are');
is( query("SELECT bound_cookie IS NOT NULL FROM session_dbsc_refresh('$id', '"
		  . renewal($challenge) . "', '/refresh')"),
	't', 'the cookie is renewed');
query("SELECT session_data('$token')");
is(query("SELECT string_agg(kind, ' ' ORDER BY id) FROM session.events"),
	'bound unbound', 'its events are written at once');
$node->stop;

done_testing();
