# With the most verbose logging, over every function that takes a secret and
# every way it can fail, a secret appears only where the caller wrote it: in
# the text or the parameters of the caller's own statement. Secrets are tokens
# of both kinds, cookies and JWTs, imported keys and the master key. A secret
# that was returned and never passed in appears nowhere in the log. On disk,
# only the master key file holds anything that could be used to take over a
# session.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256 sha256);
use File::Find;
use MIME::Base64 qw(decode_base64 encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.redact_log = off
log_line_prefix = '@ '
log_statement = all
log_min_duration_statement = 0
log_min_messages = debug5
log_min_error_statement = debug5
log_error_verbosity = verbose
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
});
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE ROLE stranger LOGIN;

	-- Passes a token on, as a function of an application does.
	CREATE FUNCTION passed_on(token text) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		RETURN session_data_set(token, 'k', NULL);
	END $$;

	-- Make the tables refuse a row that a function writes.
	ALTER TABLE session.sessions ADD CHECK (role <> 'forbidden');
	ALTER TABLE session.keys ADD CHECK (kid <> 'forbidden');

	-- Decides who may act as whom.
	CREATE FUNCTION may_act(i session_info, user_id text, tenant_id text, reason text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
	ALTER DATABASE postgres SET session.act_as_function = 'public.may_act';
	-- A claims function: adds a claim, or fails after it has seen the session.
	CREATE FUNCTION more(i session_info) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN
		IF i.role = 'broken' THEN
			RAISE 'no claims for %', i;
		END IF;
		RETURN jsonb_build_object('more', i.auth_level);
	END $$;

	SELECT FROM session_key_rotate();
	SELECT FROM session_key_rotate('jwt');

	-- Secrets that no statement contains.
	SELECT FROM session_key_import(sha256('an imported secret'), 'theirs', 'legacy');
	SELECT FROM session_key_retire(session_key_import(sha256('a retired secret')));
});

# All messages that clients received, without query results.
my $told = '';

# Runs SQL with :token as a literal. An error does not stop the script. Returns
# the output and the messages.
sub literal
{
	my ($sql, $token, $options, $role) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PGOPTIONS} = $options // '';
	$node->psql(
		'postgres', $sql =~ s/:token/'$token'/gr,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [
			'--set=VERBOSITY=verbose', '--set=SHOW_CONTEXT=always',
			$role ? "--username=$role" : ()
		]);
	$told .= $err;
	return ($out, $err);
}

# Runs SQL with :token as a parameter. The first error stops the script. psql
# has parameters from 16 on only, so this uses pgbench. pgbench does not print
# the SQLSTATE, so the function returns what the server logged.
sub bound
{
	my ($sql, $token, $options, $role) = @_;
	my $script = $node->basedir . '/script.sql';
	my $start = -s $node->logfile;
	my ($out, $err) = ('', '');

	unlink $script;
	append_to_file($script, $sql);
	local $ENV{PGOPTIONS} = $options // '';
	$node->run_log(
		[
			'pgbench', '--no-vacuum', '--transactions=1',
			'--protocol=extended', "--define=token=$token",
			"--file=$script", $role ? "--username=$role" : (), 'postgres'
		],
		'>', \$out, '2>', \$err);
	$told .= $err;
	return slurp_file($node->logfile, $start);
}

# The secrets to search for: those that were passed to functions, and those
# that functions only returned.
my (@passed, @given);

sub create
{
	my ($token) = literal("SELECT token FROM session_create($_[0])", '');
	BAIL_OUT('no session was created') unless length $token == 67;
	return $token;
}

# Creates a session whose token is going to be passed in.
sub fresh
{
	push @passed, create($_[0] // q{'alice', '{"k": 1, "l": 2}'});
	return $passed[-1];
}

# Returns the decoded last part of a token or cookie, which holds the secret.
sub payload
{
	my ($part) = $_[0] =~ s/^(?:[sr]t|sc)_//r =~ /([^.]+)\z/;
	return decode_base64($part =~ tr{-_}{+/}r);
}

# Returns the session token and the refresh token of a new refreshable session.
sub refreshable
{
	my ($out) = literal(q{SELECT token, refresh_token FROM }
		  . q{session_create('alice', '{"k": 1}', refreshable => true)}, '');
	my @pair = split /\|/, $out;

	BAIL_OUT('no refreshable session was created') unless @pair == 2;
	return @pair;
}

# Returns the cookie that a call makes. The caller adds it to @passed or
# @given.
sub cookie
{
	my ($call, $token) = @_;
	my ($out) = literal("SELECT $call", $token // '');

	BAIL_OUT("$call returned no cookie") unless length $out > 60;
	return $out;
}

sub statements { return join '', map { "SELECT * FROM $_;\n" } @_; }

# Every function that takes a token: those that only read, and those that
# write.
my @looks = (
	'session_validate(:token)',
	q{session_validate(:token, '192.0.2.1', 'curl')},
	'session_status(:token)',
	q{session_status(:token, '192.0.2.1', 'curl')},
	'session_is_valid(:token)',
	'session_is_expired(:token)',
	'session_authenticate(:token)',
	q{session_authenticate(:token, '192.0.2.1', 'curl')},
	'session_data(:token)',
	q{session_data_get(:token, 'k')},
	q{session_cookie_validate('a.b', true, :token)},
	'session_cookie_issue(:token)',
	q{session_cookie_issue(:token, 'jwe')},
	q{session_dbsc_offer(:token, '/bind')},
	'session_csrf_check(:token)',
	'session_jwt(:token)',
	q{session_jwt(:token, claims => '{"a": 1}', audience => 'them')});
my @changes = (
	'session_touch(:token)',
	'session_refresh(:token)',
	q{session_data_pop(:token, 'k')},
	q{session_data_set(:token, 'k', '2')},
	q{session_data_delete(:token, 'k')},
	q{session_data_save(:token, '{"k": 3}')},
	q{session_data_merge(:token, '{"k": {"l": 4}}')},
	q{session_data_append(:token, 'list', '5')},
	q{session_data_replace(:token, 'list', '[5]', NULL)},
	'session_data_clear(:token)',
	q{session_dbsc_register(:token, 'a.b.c', '/refresh')},
	q{session_bind_key(:token, 'a.b.c', 'GET', 'https://example.com/')},
	q{session_act_as(:token, 'bob', 'asked')},
	q{session_regenerate(:token, NULL, 'editor', 2)},
	q{session_derive(:token, '{read}')},
	'session_revoke(:token)',
	q{session_login(:token, 'alice')});

# Every function that takes a cookie, a header with a cookie, or a key.
my @cookie_looks = (
	'session_cookie_decode(:token)',
	q{session_cookie_decode(:token, 'jwt')},
	q{session_cookie_decode(:token, 'legacy')},
	'session_cookie_validate(:token)',
	q{session_dbsc_refresh('x', NULL, '/refresh', :token)},
	'session_cookie_validate(:token, true)',
	q{session_cookie_read('__Host-session=' || :token)},
	q{session_cookie_clear(NULL, '__Host-session=' || :token)},
	'session_cookie_header(:token)');
my @cookie_changes =
  ('session_cookie_revoke(:token)', q{session_cookie_revoke(:token, 'legacy')});
my @secret_calls = (q{session_key_import(decode(:token, 'hex'))});

# A private key is refused.
my @jwk_calls = (
	q{session_key_import_jwk(jsonb_build_object('kty', 'OKP', 'crv', 'Ed25519', 'x', 'x', 'd', :token::text), 'p')},
	q{session_key_import_jwk(jsonb_build_object('keys', jsonb_build_array(jsonb_build_object('kty', 'oct', 'k', :token::text))), 'p')});

# The function that takes a foreign token for a new session.
my $adopt = 'session_create(token => :token)';

my @calls = (@looks, @changes);
my @cookie_calls = (@cookie_looks, @cookie_changes);

# Arguments that are not secret. A new argument fails the test below: decide
# whether it is secret, and add it here or to the calls.
# A bound cookie and a proof open nothing by themselves; 290_dbsc.pl and
# 300_dpop.pl log them. jkt is a hash of a public key.
my @harmless = qw(active_column actor_id algorithm amr audience auth_level authenticated_at bind_ip bind_user_agent bound_cookie claims created_at data
  domain encoding except_id expected expires_at forwarded hops http_only id id_column idle_timeout ids include_ended ip issuer jkt
  key kid kind last_seen_at level lifetime max_age max_rows max_sessions method name parent_id partitioned patch path proof
  payload purpose reason refresh_expires_at refresh_path refreshable refreshed_at relation revoked_at role
  same_site scope scopes secure sensitive sliding tablespace tenant_id ttl url user_agent user_id users
  valid_after);
my %expected;
for my $row (
	split /\n/,
	$node->safe_psql(
		'postgres', q{
		SELECT p.proname, argument
		FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid,
			 unnest(p.proargnames[1:p.pronargs]) AS argument
		WHERE d.refclassid = 'pg_extension'::regclass
		  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'session')
		  AND d.classid = 'pg_proc'::regclass}))
{
	my ($function, $argument) = split /\|/, $row;

	next if grep { $_ eq $argument } @harmless;
	next if $function =~ /^session_data_/ && $argument eq 'value';
	push @{ $expected{$argument} }, $function;
}
my %tried;
for my $call (@calls, @cookie_calls, @secret_calls, @jwk_calls, $adopt)
{
	my ($function, $before) = $call =~ /^(\w+)\((.*):token/;
	my $argument =
		$function =~ /_cookie_(?:read|clear)$/ ? 'cookie_header'
	  : $function eq 'session_cookie_header' ? 'value'
	  : $function eq 'session_key_import' ? 'secret'
	  : $function eq 'session_key_import_jwk' ? 'jwk'
	  : $function =~ /_cookie_(?:decode|revoke)$|_dbsc_refresh$/ ? 'cookie'
	  : $call =~ /_cookie_validate\(:token/ ? 'cookie'
	  : 'token';
	$tried{$argument}{$function} = 1;
}
is_deeply(
	{ map { $_ => [ sort keys %{ $tried{$_} } ] } keys %tried },
	{ map { $_ => [ sort @{ $expected{$_} } ] } keys %expected },
	'the test calls every function that takes a secret');

# Every function on every kind of token: of live sessions, of sessions that
# have ended, and tokens that differ from a real one by little.
my %kind = (
	live => '',
	revoked => q{UPDATE session.sessions SET revoked_at = now(), revoked_reason = 'admin'},
	expired => q{UPDATE session.sessions SET expires_at = '2020-01-01 UTC'},
	idle => q{UPDATE session.sessions SET last_seen_at = '2020-01-01 UTC', idle_timeout = '1h'},
	deleted => 'DELETE FROM session.sessions',
	wrong => '',
	longer => '',
	padded => '');

sub token_of_kind
{
	my $kind = shift;
	my $token = fresh();

	literal("$kind{$kind} WHERE id = '" . unpack('H32', payload($token)) . "'")
	  if $kind{$kind};
	return substr($token, 0, 25) . substr(fresh(), 25) if $kind eq 'wrong';
	return "${token}x" if $kind eq 'longer';
	return " $token" if $kind eq 'padded';
	return $token;
}

# Returns the tokens and cookies that a call returned and that were not passed
# in.
sub gave
{
	my ($out, $token) = @_;
	return grep { index($token, $_) < 0 }
	  $out =~ /\b[sr]t_[\w-]{64}(?![\w-])|[\w-]{40,}\.[\w.-]{40,}/g;
}

for my $options (
	'', '-c session.bind_ip=exact -c session.on_mismatch=revoke',
	'-c session.claims_function=public.more -c session.cookie_encoding=jwe')
{
	for my $kind (sort keys %kind)
	{
		my $token = token_of_kind($kind);
		my ($out) = literal(statements(@calls), $token, $options);

		push @given, gave($out, $token);
		bound(statements(@calls), token_of_kind($kind), $options);
	}
}
is( scalar(grep { /^st_/ } @given),
	4 + 2 * keys %kind,
	'acting in the live session and regenerating it return a token, and so does every login');
is(scalar(grep { /\./ } @given), 2 * 4,
	'every function that makes a cookie returns one');
literal(
	"PREPARE p AS SELECT session_status(\$1), session_revoke(\$1);\n"
	  . 'EXECUTE p(:token);', fresh());

# Every function on both tokens of refreshable sessions; one of the two is
# passed in. A refresh returns new tokens. Reuse of a refresh token revokes
# them.
my %family = (
	live => '',
	rotated => 'SELECT FROM session_refresh(:token)',
	reused => 'SELECT FROM session_refresh(:token); '
	  . q{UPDATE session.sessions SET rotated_at = '2020-01-01 UTC' WHERE rotated_at IS NOT NULL},
	over => q{UPDATE session.sessions SET refresh_expires_at = '2020-01-01 UTC' }
	  . 'WHERE refresh_expires_at IS NOT NULL',
	wrong => '');

sub refresh_of_kind
{
	my $kind = shift;
	my ($token, $refresh) = refreshable();

	push @given, $token;
	push @passed, $refresh;
	my ($out) = literal($family{$kind} =~ s/SELECT FROM/SELECT * FROM/r, $refresh);
	push @given, gave($out, $refresh);
	return $refresh if $kind ne 'wrong';
	push @passed, substr($refresh, 0, 60) . reverse substr($refresh, 60);
	return $passed[-1];
}

my $before = @given;
for my $kind (sort keys %family)
{
	my ($token, $refresh) = refreshable();

	push @passed, $token;
	push @given, $refresh;
	my ($out) = literal(statements(@calls), $token);
	push @given, gave($out, $token);
	$refresh = refresh_of_kind($kind);
	($out) = literal(statements(@calls), $refresh);
	push @given, gave($out, $refresh);
	bound(statements(@calls), refresh_of_kind($kind));
}
cmp_ok(scalar(grep { /^rt_/ } @given[ $before .. $#given ]),
	'>', 10, 'refreshing returns refresh tokens');

# Cookies of every encoding and for every purpose, passed in intact and
# damaged. The payload of a decoded cookie is not secret, so it holds no other
# secret.
my %made = map {
	my $encoding = $_;
	map { ("session_cookie_encode('{\"a\": 1}', '$encoding', NULL, '$_')" => 1) }
	  qw(session legacy)
} qw(compact jwt jwe sealed);
my @makers = (
	sort(keys %made),
	map({ "session_cookie_issue(:token, '$_')" } qw(compact jwt jwe sealed)),
	'session_jwt(:token)');
for my $maker (@makers)
{
	my $session = fresh();

	push @given, cookie($maker, fresh());
	push @passed, my $cookie = cookie($maker, $session);
	my ($out) = literal(statements(@cookie_looks), $cookie);
	like($out, qr/"a": 1|alice/, "$maker makes a cookie that validates");
	literal(statements(@cookie_changes), $cookie);
	literal(statements(@cookie_looks), $cookie);
	push @passed, $cookie = cookie($maker, $session);
	bound(statements(@cookie_calls), $cookie);
	push @passed, $cookie = substr($cookie, 0, -4) . reverse substr($cookie, -4);
	literal(statements(@cookie_calls), $cookie);
	bound(statements(@cookie_calls), $cookie);
}

# Requests as a gateway describes them: the client sends a token or cookie, and
# receives a snapshot.
my $request = <<'SQL';
BEGIN;
SELECT length(set_config(:'setting', json_build_object(:'member', :token::text)::text, true));
SELECT session_pre_request();
SELECT session_user_id(), coalesce(current_setting('response.headers', true), '');
SHOW session.context;
COMMIT;
SQL
my %asked = (
	'request.cookies' => '__Host-session',
	'request.headers' => 'x-session-token');
for my $setting (sort keys %asked)
{
	(my $sql = $request) =~ s/:'setting'/'$setting'/;
	$sql =~ s/:'member'/'$asked{$setting}'/;
	for my $strategy (qw(database cookie_cache))
	{
		my $options = "-c session.strategy=$strategy";
		my $token = fresh();
		my ($out) = literal($sql, $token, $options);

		like($out, qr/alice/,
			"a token in $setting binds the session, strategy $strategy");
		push @given, gave($out, $token);
		bound($sql, fresh(), $options);
		literal($sql, token_of_kind('wrong'), $options);
		like(
			(literal($sql, fresh(q{'alice', role => 'missing'}), $options))[1],
			qr/ERROR:  42501: /,
			'a request of a session with a missing role fails');
		like(
			(literal($sql, token_of_kind('revoked'),
					"$options -c session.on_invalid=reject"))[1],
			qr/ERROR:  (?:PT401|PGRST): /,
			'a request with a revoked token fails with on_invalid = reject');
	}
	push @passed,
	  my $cookie = cookie(q{session_cookie_encode('{"sub": "alice"}', 'jwt')});
	my ($out) = literal($sql, $cookie, '-c session.strategy=stateless');
	like($out, qr/alice/,
		"a JWT in $setting binds the session, strategy stateless");
	bound($sql, $cookie, '-c session.strategy=stateless');
}

# Tokens against requests of other origins: one that a function returned, one
# that is checked and comes with a request, and one that is refused.
sub csrf_token
{
	my ($out) = literal('SELECT session_csrf_token() FROM session_authenticate(:token)', $_[0]);
	BAIL_OUT('no token was made') unless $out =~ /^sc_[\w-]{86}$/;
	return $out;
}
my $protected = fresh();
my $unsafe = "BEGIN;\nSELECT set_config('request.method', 'POST', true), length(set_config('request.cookies', json_build_object('__Host-session', current_setting('test.token'))::text, true));\n"
  . "SELECT length(set_config('request.headers', json_build_object('x-csrf-token', :token::text)::text, true));\n"
  . "SELECT session_pre_request();\nSELECT session_user_id(), session_csrf_check(:token), 1 / 0;\nROLLBACK;\n";
push @given, csrf_token($protected);
for my $whose ($protected, fresh())
{
	push @passed, my $csrf = csrf_token($whose);
	my $state = $whose eq $protected ? '22012' : 'PT403';
	like((literal($unsafe, $csrf, "-c session.csrf=token -c test.token=$protected"))[1],
		qr/ERROR:  $state: /, "a request with a CSRF token ends with $state");
	like(bound($unsafe, $csrf, "-c session.csrf=token -c test.token=$protected"),
		qr/^\@ ERROR:  $state: /m, "a request with a CSRF token as a parameter ends with $state");
}

# Secrets of keys: imported from SQL functions, so that no statement contains
# them, and written in statements.
my @imported = map { sha256($_) } 'an imported secret', 'a retired secret';
my @written = map { sha256("written $_") } 1 .. 5;
my $n = 0;
for my $call (@secret_calls)
{
	literal(statements($call), unpack('H*', $written[ $n++ ]));
	bound(statements($call), unpack('H*', $written[ $n++ ]));
}
for my $call (@jwk_calls)
{
	my $private = encode_base64(sha256("private $call"), '') =~ tr{+/=}{-_}dr;

	push @written, sha256("private $call");
	like((literal(statements($call), $private))[1],
		qr/ERROR:  22023: jwk must not have a private key/, 'a private key is refused');
	like(bound(statements($call), $private),
		qr/ERROR:  22023: jwk must not have a private key/, 'a private key in a parameter is refused');
}
my $master = slurp_file($node->data_dir . '/session_master.key');
chomp $master;
$master = pack 'H*', $master;

# The sealing keys are derived from the master key (HKDF, RFC 5869, no salt).
my @sealers = map {
	hmac_sha256("session seal $_\x01", hmac_sha256($master, "\0" x 32))
} qw(key refresh data);

# Foreign tokens: of no session, of a new one, of one that has a new token, of
# one that was revoked; with the setting off, and of the wrong form.
my $foreign = '-c session.foreign_tokens=on';

sub foreign
{
	my $token = unpack 'H*', sha256('foreign ' . @passed . $$ . time);

	push @passed, $token;
	push @written, hmac_sha256($token, 'session foreign token');
	return $token;
}
my $unknown = foreign();
my ($out) = literal(statements(@calls), $unknown, $foreign);
like($out, qr/^unknown$/m, 'a foreign token is of no session at first');
($out) = literal(statements($adopt, @calls), $unknown, $foreign);
like($out, qr/^active$/m, 'and then of one');
push @given, gave($out, $unknown);
bound(statements($adopt, @calls), foreign(), $foreign);
my $refused = foreign();
for my $failure (
	[ '23505', $adopt, $foreign, $unknown ],
	[ '55000', $adopt, '', $refused ],
	[ '25006', $adopt, "$foreign -c default_transaction_read_only=on", $refused ],
	[ '22023', 'session_create(token => :token, refreshable => true)', $foreign, $refused ],
	[ '22023', 'session_create(token => :token, id => gen_random_uuid())', $foreign, $refused ],
	[ '22023', q{session_create(token => :token || ' ')}, $foreign, $refused ],
	[ '54000', 'session_create(token => repeat(:token, 10))', $foreign, $refused ],
	[ '23514', q{session_create(role => 'forbidden', token => :token)}, $foreign, $refused ])
{
	my ($state, $call, $options, $token) = @$failure;

	like((literal(statements($call), $token, $options))[1],
		qr/^psql\S+ ERROR:  $state: /m, "$call fails with $state");
	like(bound(statements($call), $token, $options),
		qr/^\@ ERROR:  $state: /m, "$call with a parameter fails with $state");
}

# Tokens that other calls return.
$before = @given;
push @given, create(''), create(q{'alice', '{"a": 1}', 'acme', 'editor'}),
  create(q{'alice', ip => '192.0.2.1', user_agent => 'curl'}),
  (literal(q{SELECT token FROM session_regenerate(:token, 'carol')},
		fresh('NULL')))[0];
is(scalar(@given) - $before, 4, 'other calls return tokens');

# Sealed data must not be on disk in the clear either.
my $precious = 'precious ' . unpack('H*', sha256($$ . time));
literal("SELECT FROM session_create('alice', '{\"k\": \"$precious\"}')",
	'', '-c session.encrypt_data=on');
literal("SELECT FROM session_data_set(:token, 'k', '\"$precious\"')",
	fresh(), '-c session.encrypt_data=on');

# Every way to fail: the SQLSTATE, the call, the settings, and the arguments of
# session_create if the session is not one of alice's. 'held' is a session
# whose row is locked by another transaction.
my $held = fresh();
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe("SELECT session_touch('$held')");

my @failures = (
	[ '22004', q{session_data_set(:token, NULL, '1')} ],
	[ '22004', q{session_data_set(:token, 'k', NULL)} ],
	[ '22004', 'session_data_get(:token, NULL)' ],
	[ '22004', 'session_data_pop(:token, NULL)' ],
	[ '22004', 'session_data_delete(:token, NULL)' ],
	[ '22004', 'session_data_save(:token, NULL)' ],
	[ '22004', 'session_data_merge(:token, NULL)' ],
	[ '22004', q{session_data_append(:token, NULL, '1')} ],
	[ '22004', q{session_data_replace(:token, NULL, '1', '2')} ],
	[ '22004', 'passed_on(:token)' ],
	[ '22023', q{session_data_save(:token, '[1]')} ],
	[ '22023', q{session_data_merge(:token, '[1]')} ],
	[ '22023', q{session_data_set(:token, 'k', '1'), session_data_append(:token, 'k', '1')} ],
	[ '54000', q{session_data_set(:token, 'k', to_jsonb(repeat('x', 70000)))} ],
	[ '54000', q{session_data_merge(:token, jsonb_build_object('k', repeat('x', 70000)))} ],
	[ '54000', q{session_data_append(:token, 'list', to_jsonb(repeat('x', 70000)))} ],
	[ '54000', q{session_data_replace(:token, 'new', NULL, to_jsonb(repeat('x', 70000)))} ],
	[ '54000', q{session_data_save(:token, jsonb_build_object('k', repeat('x', 70000)))} ],
	[ '22023', q{session_regenerate(:token, 'mallory')} ],
	[ '22023', q{session_regenerate(:token, '')} ],
	[ '22023', 'session_regenerate(:token, auth_level => -1)' ],
	[ '22023', 'session_regenerate(:token, auth_level => 2)', '', 'NULL' ],
	[ '54000', q{session_regenerate(:token, role => repeat('x', 64))} ],
	[ '23514', q{session_regenerate(:token, role => 'forbidden')} ],
	[ '23505', 'session_validate(:token) v, session_create(id => v.id)' ],
	[
		'53400', q{session_regenerate(:token, 'alice')},
		'-c session.max_sessions=1 -c session.on_limit=reject', 'NULL'
	],
	[ '22004', 'session_login(:token, NULL)' ],
	[ '22023', q{session_login(:token, '')} ],
	[ '22023', q{session_login(:token, 'alice', amr => '{two words}')} ],
	[ '54000', q{session_login(:token, 'alice', jsonb_build_object('k', repeat('x', 70000)))} ],
	[ '23514', q{session_login(:token, 'alice', role => 'forbidden')} ],
	[
		'53400', q{session_login(:token, 'alice')},
		'-c session.max_sessions=1 -c session.on_limit=reject', 'NULL'
	],
	[ '55P03', q{session_login(:token, 'alice')}, '-c lock_timeout=10ms', 'held' ],
	[ '42883', 'session_validate(:token, 1)' ],
	[ '42703', 'session_data(:token) WHERE nothing' ],
	[ '22012', 'session_data(:token) WHERE 1 / (length(:token) - 67) > 0' ],
	[ '55P03', 'session_touch(:token)', '-c lock_timeout=10ms', 'held' ],
	[ '55P03', 'session_revoke(:token)', '-c lock_timeout=10ms', 'held' ],
	[ '55P03', 'session_cookie_issue(:token)', '-c lock_timeout=10ms', 'held' ],
	[ '55P03', 'session_jwt(:token)', '-c lock_timeout=10ms', 'held' ],
	[
		'P0001', 'session_authenticate(:token)',
		'-c session.claims_function=public.more', q{'alice', role => 'broken'}
	],
	[ '42883', 'session_authenticate(:token, 1)' ],
	[ '42501', 'session_authenticate(:token), session_require(2)' ],
	[ '42501', 'session_authenticate(:token), session_require(2)', '', 'NULL' ],
	[ '22023', q{session_cookie_issue(:token, 'rot13')} ],
	[ '22023', q{session_jwt(:token, '-1s')} ],
	[ '22023', q{session_jwt(:token, claims => '[]')} ],
	[
		'P0001', 'session_cookie_issue(:token)',
		'-c session.claims_function=public.more', q{'alice', role => 'broken'}
	],
	[
		'P0001', 'session_jwt(:token)',
		'-c session.claims_function=public.more', q{'alice', role => 'broken'}
	],
	[
		'22023', 'session_jwt(:token)',
		'-c session.claims_function=public.nothing'
	],
	[
		'57014', q{session_data_set(:token, 'k', '2')},
		'-c statement_timeout=50ms', 'held'
	],
	map { [ '25006', $_, '-c default_transaction_read_only=on' ] } @changes);

for my $failure (@failures)
{
	my ($state, $call, $options, $whose) = @$failure;
	my $of = $whose // q{'alice', '{"k": 1}'};
	my $sql = statements($call);
	my (undef, $told_literal) =
	  literal($sql, $of eq 'held' ? $held : fresh($of), $options);
	my $logged = bound($sql, $of eq 'held' ? $held : fresh($of), $options);

	like($told_literal, qr/^psql\S+ ERROR:  $state: /m,
		"$call fails with $state");
	like($logged, qr/^\@ ERROR:  $state: /m,
		"$call with a parameter fails with $state");
}
$holder->query_safe('ROLLBACK');
$holder->quit;

# Failures of calls with a refresh token, a cookie, and the secret of a key.
for my $failure (
	[ '25006', 'session_refresh(:token)', '-c default_transaction_read_only=on' ],
	[ '25006', 'session_revoke(:token)', '-c default_transaction_read_only=on' ],
	[ '22012', 'session_refresh(:token) WHERE 1 / (length(:token) - 67) > 0' ],
	[ '42883', 'session_refresh(:token, 1)' ])
{
	my ($state, $call, $options) = @$failure;

	push @passed, my $refresh = (refreshable())[1];
	like((literal(statements($call), $refresh, $options))[1],
		qr/^psql\S+ ERROR:  $state: /m,
		"$call with a refresh token fails with $state");
	like(bound(statements($call), $refresh, $options),
		qr/^\@ ERROR:  $state: /m,
		"$call with a refresh token as a parameter fails with $state");
}
for my $failure (
	[ '22023', q{session_cookie_decode(:token, ';')} ],
	[ '54000', q{session_cookie_decode(:token, repeat('p', 129))} ],
	[ '22023', q{session_cookie_revoke(:token, ';')} ],
	[ '25006', 'session_cookie_revoke(:token)', '-c default_transaction_read_only=on' ],
	[ '22023', q{session_cookie_header(:token || ';')} ],
	[ '22023', q{session_cookie_read(:token, ';')} ],
	[ '22023', q{session_cookie_clear(';', :token)} ],
	[ '22012', 'session_cookie_validate(:token) WHERE 1 / (length(:token) - length(:token)) > 0' ],
	[ '42883', 'session_cookie_validate(:token, 1)' ])
{
	my ($state, $call, $options) = @$failure;

	push @passed, my $cookie = cookie('session_cookie_issue(:token)', fresh());
	like((literal(statements($call), $cookie, $options))[1],
		qr/^psql\S+ ERROR:  $state: /m, "$call fails with $state");
	like(bound(statements($call), $cookie, $options),
		qr/^\@ ERROR:  $state: /m, "$call with a parameter fails with $state");
}
for my $failure (
	[ '22023', q{session_key_import(substr(decode(:token, 'hex'), 2))} ],
	[ '54000', q{session_key_import(decode(repeat(:token, 200), 'hex'))} ],
	[ '22023', q{session_key_import(decode(:token, 'hex'), 'a kid')} ],
	[ '22023', q{session_key_import(decode(:token, 'hex'), NULL, ';')} ],
	[ '23505', q{session_key_import(decode(:token, 'hex'), 'theirs')} ],
	[ '23514', q{session_key_import(decode(:token, 'hex'), 'forbidden')} ],
	[ '25006', $secret_calls[0], '-c default_transaction_read_only=on' ],
	[ '42883', q{session_key_import(decode(:token, 'hex'), 1)} ])
{
	my ($state, $call, $options) = @$failure;
	my $secret = unpack 'H*', $written[4];

	like((literal(statements($call), $secret, $options))[1],
		qr/^psql\S+ ERROR:  $state: /m, "$call fails with $state");
	like(bound(statements($call), $secret, $options),
		qr/^\@ ERROR:  $state: /m, "$call with a parameter fails with $state");
}

# Failures where the master key file holds another key, holds no key, or does
# not exist.
my $key_file = $node->data_dir . '/session_master.key';
for my $content (unpack('H*', sha256('another')), unpack('H*', $master) . '0',
	undef)
{
	my $refresh = (refreshable())[1];
	my $cookie = cookie('session_cookie_issue(:token)', fresh());

	push @passed, $refresh, $cookie;
	rename $key_file, "$key_file.away";
	append_to_file($key_file, $content) if defined $content;
	chmod 0600, $key_file if defined $content;
	for my $call (
		[ 'session_refresh(:token)', $refresh ],
		[ 'session_revoke(:token)', $refresh ],
		[ 'session_cookie_validate(:token)', $cookie ],
		[ 'session_cookie_decode(:token)', $cookie ])
	{
		like((literal(statements($call->[0]), $call->[1]))[1],
			qr/ERROR:  55000: /,
			"$call->[0] fails without the right master key");
		like(bound(statements($call->[0]), $call->[1]),
			qr/^\@ ERROR:  55000: /m,
			"$call->[0] with a parameter fails without the right master key");
	}
	unlink $key_file;
	rename "$key_file.away", $key_file;
}

my $broken = "BEGIN;\nALTER TABLE session.sessions RENAME TO elsewhere;\n"
  . statements('session_data(:token)') . "ROLLBACK;\n";
like((literal($broken, fresh()))[1], qr/ERROR:  55000: /,
	'a call on a missing table fails with 55000');
like(bound($broken, fresh()),
	qr/^\@ ERROR:  55000: /m,
	'a call with a parameter on a missing table fails with 55000');
like((literal(statements(@calls), fresh(), '', 'stranger'))[1],
	qr/ERROR:  42501: /, 'a call of a role without rights fails with 42501');
like(bound(statements($calls[0]), fresh(), '', 'stranger'),
	qr/^\@ ERROR:  42501: /m,
	'a call with a parameter of a role without rights fails with 42501');

# Returns the forms in which a secret could be written, in pieces short enough
# to find a secret that was truncated.
sub pieces_of_bytes
{
	my $secret = shift;
	my $hex = unpack('H*', $secret);

	return map({ ($_, uc $_) } unpack('(A16)3', $hex)),
	  map({ ($_, tr{+/}{-_}r) } unpack('(A12)3', encode_base64($secret, ''))),
	  unpack('(a8)3', $secret);
}

# Returns the pieces of a token or cookie, and of the secret in it.
sub pieces
{
	my $value = shift;
	my $end = substr($value, -39);
	my $from = $value =~ /^st_/ ? 16 : $value =~ /^rt_/ ? 20 : 0;

	return unpack('(A13)3', $end),
	  map({ ($_, uc $_) } unpack('(A26)3', unpack('H*', $end))),
	  pieces_of_bytes(substr(payload($value), $from));
}

# Returns several patterns of 200 alternatives each: Perl matches a pattern
# with too many alternatives one by one.
sub any_of
{
	my %piece = map { $_ => 1 } @_;
	my @pieces = sort keys %piece;
	my @any;

	while (my @some = splice @pieces, 0, 200)
	{
		my $some = join '|', map { quotemeta } @some;
		push @any, qr/$some/;
	}
	return \@any;
}

sub has
{
	my ($text, $any) = @_;

	for my $some (@$any)
	{
		return 1 if $text =~ $some;
	}
	return 0;
}

# The start of a token is not secret, but its presence shows that a token was
# written. A returned token may start like the token that was passed in for it,
# so the starts of returned tokens are not searched for.
my @starts = map { substr($_, 0, 25) } grep { /^(?:[sr]t|sc)_/ } @passed;
my $any_given = any_of(map({ pieces($_) } @given),
	map({ pieces_of_bytes($_) } @imported, $master, @sealers));
my $any_passed = any_of(@starts, map({ pieces($_) } @passed),
	map({ pieces_of_bytes($_) } @written),
	unpack('x9 (A16)4', $precious));
my $any = [ @$any_passed, @$any_given ];

# Lines of the log that repeat the caller's statement or parameters.
my @own = (
	qr/^\@ LOG:  00000: (?:statement|execute \S+): /,
	qr/^\@ STATEMENT:  /,
	qr/^\@ DETAIL:  [Pp]arameters: /,
	qr/^(?:\@ CONTEXT:  |\t)unnamed portal with parameters: /);
my @seen = (0) x @own;
my (@leaks, @given_leaks);

LINE: for my $line (split /\n/, slurp_file($node->logfile))
{
	push @given_leaks, $line if has($line, $any_given);
	next unless has($line, $any_passed);
	for my $i (0 .. $#own)
	{
		next unless $line =~ $own[$i];
		$seen[$i]++;
		next LINE;
	}
	push @leaks, $line;
}
is(scalar(grep { $_ > 10 } @seen),
	scalar(@own), 'the log contains the statements and parameters of callers')
  or diag("@seen");
is(join("\n", @leaks), '',
	'a secret that was passed in appears nowhere else in the log');
is(join("\n", @given_leaks), '',
	'a secret that was returned or stored does not appear in the log');

# The server tells a client its own parameters, and the position of an error in
# its own statement.
my $echo = qr/^(?:LINE \d+: |(?:CONTEXT:  )?unnamed portal with parameters: )/;
is( join("\n", grep { has($_, $any) && $_ !~ $echo } split /\n/, $told),
	'',
	'error messages contain no secret but those of the same statement');

# The stored data: as SQL shows it, and as it is on disk after a shutdown.
my @tables = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT c.oid::regclass
	FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
	WHERE d.refclassid = 'pg_extension'::regclass
	  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'session')
	  AND d.classid = 'pg_class'::regclass AND c.relkind = 'r'});
my $rows = join '', map { $node->safe_psql('postgres', "TABLE $_") } @tables;
my @hashes =
  map { sha256(substr(payload($_), 16, 32)) } @given[ $before .. $#given ];
is(scalar(grep { index($rows, unpack('H*', $_)) >= 0 } @hashes),
	scalar(@hashes), 'the tables hold the hashes of the secrets');
is(join("\n", grep { has($_, $any) } split /\n/, $rows), '',
	'the tables hold no secret');

$node->stop;
my ($with_hash, @with_secret) = (0);
find(
	{
		no_chdir => 1,
		wanted => sub {
			return unless -f $_ && -s $_;
			my $content = slurp_file($_);
			$with_hash++ if grep { index($content, $_) >= 0 } @hashes;
			push @with_secret, $_ if has($content, $any);
		}
	},
	$node->data_dir);
cmp_ok($with_hash, '>', 1, 'the data files and the WAL hold the hashes');
is("@with_secret", $key_file,
	'only the master key file holds a secret on disk');

done_testing();
