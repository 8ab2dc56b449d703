# DPoP with proofs that openssl signs: each is accepted once, by one of several
# backends, also after a rollback, a restart and a crash. Shared memory for
# proofs is bounded. It works on a standby, and without preloading, where only
# the window counts.

use strict;
use warnings;
use Digest::SHA qw(sha256);
use File::Temp qw(tempdir);
use IPC::Run qw(run start finish);
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $dir = tempdir(CLEANUP => 1);
my $url = 'https://api.example.com/todos';

sub base64url
{
	my $chars = encode_base64(shift, '');
	$chars =~ tr{+/=}{-_}d;
	return $chars;
}

# Runs openssl with some input and returns its output.
sub openssl
{
	my ($input, @arguments) = @_;
	my ($out, $err);
	run [ 'openssl', @arguments ], \$input, \$out, \$err
	  or die "openssl @arguments: $err";
	return $out;
}

# Makes a key: the file of its private half, its JWK and its thumbprint.
sub make_key
{
	my ($name, $algorithm) = @_;
	my $file = "$dir/$name.pem";
	my @how = $algorithm eq 'EdDSA' ? ('ed25519') : ('EC', '-pkeyopt', 'ec_paramgen_curve:P-256');
	openssl('', 'genpkey', '-algorithm', @how, '-out', $file);
	my $der = openssl('', 'pkey', '-in', $file, '-pubout', '-outform', 'DER');
	my ($x, $y) = map { base64url($_) }
	  $algorithm eq 'EdDSA' ? substr($der, -32) : (substr($der, -64, 32), substr($der, -32));
	# The members in the order of RFC 7638.
	my $jwk = $algorithm eq 'EdDSA' ? qq({"crv":"Ed25519","kty":"OKP","x":"$x"})
	  : qq({"crv":"P-256","kty":"EC","x":"$x","y":"$y"});
	return { file => $file, algorithm => $algorithm, jwk => $jwk, jkt => base64url(sha256($jwk)) };
}

# Signs, and returns r and s or the 64 bytes of EdDSA.
sub sign
{
	my ($key, $input) = @_;
	if ($key->{algorithm} eq 'EdDSA')
	{
		my $file = "$dir/input";
		open my $out, '>', $file or die $!;
		print $out $input;
		close $out;
		return openssl('', 'pkeyutl', '-sign', '-rawin', '-inkey', $key->{file}, '-in', $file);
	}
	my $der = openssl($input, 'dgst', '-sha256', '-sign', $key->{file});
	my $r_len = ord substr $der, 3, 1;
	my $r = substr $der, 4, $r_len;
	my $s = substr $der, 4 + $r_len + 2;
	return join '', map { my $n = s/^\0+//r; "\0" x (32 - length $n) . $n } $r, $s;
}

# Makes a proof for a token, a number of seconds after the time.
my $proofs = 0;

sub proof
{
	my ($key, $token, %params) = @_;
	my $header = qq({"typ":"dpop+jwt","alg":"$key->{algorithm}","jwk":$key->{jwk}});
	my $iat = ($params{iat} // time) + ($params{later} // 0);
	my $payload = sprintf '{"jti":"%s-%d","htm":"GET","htu":"%s","iat":%d,"ath":"%s"}',
	  $params{name} // 'proof', $proofs++, $url, $iat, base64url(sha256($token));
	my $input = base64url($header) . '.' . base64url($payload);
	return $input . '.' . base64url(sign($key, $input));
}

# Returns the call that authenticates with a proof.
sub authenticate
{
	my ($token, $proof) = @_;
	return "session_authenticate('$token', proof => '$proof', method => 'GET', url => '$url')";
}

# Waits until proofs that are made now are later than the start of the server.
sub wait_for_next_second
{
	my $began = time;
	sleep 0.1 while time <= $began;
	return;
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'session'
session.dpop_size = 512
session.naptime = '1s'
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION session; CREATE ROLE app; CREATE ROLE nobody; ' . "SELECT session_grant('app', 'app')");
wait_for_next_second();

sub sql { return $node->safe_psql('postgres', shift); }

sub new_session
{
	my $key = shift;
	return sql("SELECT token FROM session_create('alice', jkt => '$key->{jkt}')");
}

my $key = make_key('one', 'ES256');
my $other = make_key('two', 'EdDSA');
my $token = new_session($key);

# Each algorithm.
is(sql('SELECT ' . authenticate($token, proof($key, $token))), 't', 'a proof with ES256 is accepted');
my $other_token = new_session($other);
is(sql('SELECT ' . authenticate($other_token, proof($other, $other_token))), 't', 'a proof with EdDSA is accepted');
is(sql('SELECT ' . authenticate($token, proof($other, $token))), 'f', 'a proof of another key is not');
my $changed = proof($key, $token);
substr($changed, -10, 1) = substr($changed, -10, 1) eq 'A' ? 'B' : 'A';
is(sql('SELECT ' . authenticate($token, $changed)), 'f', 'nor one with another signature');

# Several backends present the same proofs at the same time.
my @raced = map { proof($key, $token) } 1 .. 25;
my $script = join "\n", map { 'SELECT ' . authenticate($token, $_) . ';' } @raced;
my @harnesses;
my @outs = ('') x 4;
for my $i (0 .. 3)
{
	push @harnesses,
	  start [ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], \$script, \$outs[$i];
}
finish $_ for @harnesses;
my @accepted = (0) x @raced;
for my $out (@outs)
{
	my @answers = split /\n/, $out;
	$accepted[$_] += $answers[$_] eq 't' for 0 .. $#raced;
}
is(join(' ', @accepted), join(' ', (1) x @raced), 'of several backends, one accepts a proof');

# What becomes of the transaction does not matter.
my $undone = proof($key, $token);
is(sql('BEGIN; SELECT ' . authenticate($token, $undone) . '; ROLLBACK; SELECT ' . authenticate($token, $undone)),
	"t\nf", 'a proof stays used after a rollback');
my $failed = proof($key, $token);
$node->psql('postgres', 'BEGIN; SELECT ' . authenticate($token, $failed) . '; SELECT 1 / 0; COMMIT');
is(sql('SELECT ' . authenticate($token, $failed)), 'f', 'and after an error');
my $read_only = proof($key, $token);
is( sql(qq{
		BEGIN READ ONLY;
		SET LOCAL session.public_url = 'https://api.example.com';
		SELECT count(set_config(name, value, true)) FROM (VALUES ('request.method', 'GET'), ('request.path', '/todos'),
			('request.headers', '{"authorization": "DPoP $token", "dpop": "$read_only"}')) AS v(name, value);
		SELECT session_pre_request();
		SELECT session_user_id();
		SELECT session_pre_request();
		SELECT session_user_id() IS NULL;
		COMMIT;
		SELECT } . authenticate($token, $read_only)),
	"3\n\nalice\n\nt\nf", 'session_pre_request accepts a proof once, in a READ ONLY transaction');

# Who may call what.
is( $node->psql('postgres', "SET ROLE nobody; SELECT session_bind_key('$token', 'x', 'GET', '$url')"), 3,
	'only the level app may bind a session');
is(sql("SET ROLE app; SELECT session_bind_key('$token', 'x', 'GET', '$url')"), 'f', 'which it may');
is(sql('SET ROLE nobody; SELECT ' . authenticate($token, proof($key, $token))), 't', 'every role may authenticate');

# A proof that is refused takes no room: there is room for 512 proofs, and for
# 32 of each key, since there are 16 parts.
my $cheap = proof($other, $token);
is(sql("SELECT count(*) FILTER (WHERE session_status('$token', proof => '$cheap', method => 'GET', url => '$url') = 'unbound')"
		. " FROM generate_series(1, 2000)"), '2000', 'many bad proofs are refused');
is(sql("SELECT proofs_evicted FROM session.stats WHERE database = 'postgres'"), '0', 'and no proof has given way');

# Too many proofs of a key: the oldest give way, and no proof that is as old is
# accepted from then on. The proofs of another key are not affected.
my $full = make_key('full', 'ES256');
my $full_token = new_session($full);
my $now = time;
my @many = map { proof($full, $full_token, iat => $now, later => int($_ / 8)) } 0 .. 39;
my $late = proof($full, $full_token, iat => $now);
my $later = proof($full, $full_token, iat => $now, later => 2);
my $others = proof($other, $other_token, iat => $now);
is(sql(join ' ', map { 'SELECT ' . authenticate($full_token, $_) . ';' } @many), join("\n", ('t') x 40), 'more proofs than a key has room for are accepted');
is(sql(join ' ', map { 'SELECT ' . authenticate($full_token, $_) . ';' } @many), join("\n", ('f') x 40), 'and none of them again');
is(sql('SELECT ' . authenticate($full_token, $late)), 'f', 'one that is as old as those which gave way is not accepted');
is(sql('SELECT ' . authenticate($full_token, $later)), 't', 'a newer one is');
is(sql('SELECT ' . authenticate($other_token, $others)), 't', 'an old one of another key is');
cmp_ok(sql("SELECT proofs_evicted FROM session.stats WHERE database = 'postgres'"), '>=', 8, 'the proofs that gave way are counted');
cmp_ok(sql("SELECT proofs_replayed FROM session.stats WHERE database = 'postgres'"), '>=', 40, 'and those that were refused');

# A proof that was used before a restart or a crash is not accepted after it.
my @before = map { proof($key, $token) } 1 .. 4;
is(sql('SELECT ' . authenticate($token, $before[0])), 't', 'a proof is used before a restart');
$node->restart;
is(sql('SELECT ' . authenticate($token, $before[0])), 'f', 'it is not accepted after that');
is(sql('SELECT ' . authenticate($token, $before[1])), 'f', 'and no other from before the restart');
wait_for_next_second();
my $crashed = proof($key, $token);
is(sql('SELECT ' . authenticate($token, $crashed)), 't', 'a new one is');
$node->stop('immediate');
$node->start;
is(sql('SELECT ' . authenticate($token, $crashed)), 'f', 'it is not accepted after a crash');
wait_for_next_second();
is(sql('SELECT ' . authenticate($token, proof($key, $token))), 't', 'a new one is, again');

# Verifying a proof leaves no memory behind.
my $kept = proof($key, $token);
my $sizes = sql(qq{
	CREATE TEMP TABLE sizes (n int, resident bigint);
	DO \$\$
	BEGIN
		FOR n IN 1 .. 3000 LOOP
			PERFORM session_status('$token', proof => '$kept', method => 'GET', url => '$url'), session_status('$token', proof => '$cheap', method => 'GET', url => '$url');
			IF n IN (1000, 3000) THEN
				INSERT INTO sizes SELECT n, substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\\s+(\\d+)')::bigint;
			END IF;
		END LOOP;
	END \$\$;
	SELECT max(resident) - min(resident) FROM sizes});
SKIP:
{
	skip 'AddressSanitizer keeps memory that the server has freed', 1 if $ENV{ASAN_OPTIONS};
	cmp_ok($sizes, '<', 512, 'memory does not grow with the number of proofs');
}

# A standby remembers proofs for itself.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay');
wait_for_next_second();
my $there = proof($key, $token);
is($standby->safe_psql('postgres', 'SELECT ' . authenticate($token, $there) . '; SELECT ' . authenticate($token, $there)),
	"t\nf", 'a standby accepts a proof once');
is($standby->safe_psql('postgres', "SELECT session_status('$token')"), 'unbound', 'and no token without a proof');
$standby->stop;

# Without preloading, nothing is remembered.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
my $twice = proof($key, $token);
is(sql('SELECT ' . authenticate($token, $twice) . '; SELECT ' . authenticate($token, $twice)), "t\nt", 'without preloading, only the window counts');
is(sql('SELECT ' . authenticate($token, proof($key, $token, later => -61))), 'f', 'an old proof is refused');
is(sql('SET session.dpop_window = 120; SELECT ' . authenticate($token, proof($key, $token, later => -61))), 't', 'as session.dpop_window says');
is(sql('SELECT ' . authenticate($token, proof($key, $token, later => 10))), 'f', 'and so is one from the future');
is(sql('SELECT ' . authenticate($token, proof($key, $token, later => 3))), 't', 'but for a few seconds');

# Neither tokens nor proofs of keys are in the log.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'session'\nlog_statement = 'all'\n");
$node->restart;
wait_for_next_second();
my $logged = proof($key, $token);
sql('SELECT ' . authenticate($token, $logged));
my $log = slurp_file($node->logfile);
unlike($log, qr/\Q$logged\E/, 'the log has no proof that can be presented again');

done_testing();
