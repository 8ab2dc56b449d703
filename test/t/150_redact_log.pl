# With the library preloaded, the log contains no token, no cookie that carries
# its own proof unsealed, no private key as a JWK and no literal that
# session_key_import gets, whatever is logged, to which destination and by which
# process. It contains the public id of a token instead. Clients and
# running statements see no difference.

use strict;
use warnings;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Two log hooks, of which one runs before ours and one after it. They record
# the messages that they see, and log a message of their own on request.
my $hook = <<'C';
#include "postgres.h"
#include "fmgr.h"
PG_MODULE_MAGIC;
void _PG_init(void);
static emit_log_hook_type previous;
static void
note(ErrorData *edata)
{
	FILE *file = fopen(NAME, "a");
	fprintf(file, "%s\n", edata->message);
	fclose(file);
	if (strcmp(NAME, "hook_before") == 0 && edata->hint && strcmp(edata->hint, "blank") == 0)
	{
		edata->detail = NULL;
		edata->context = "nowhere";
	}
	if (strncmp(edata->message, "echo", 4) == 0)
		ereport(LOG, (errmsg("%s: %s", NAME, edata->message + 5)));
	if (previous)
		previous(edata);
}
void
_PG_init(void)
{
	previous = emit_log_hook;
	emit_log_hook = note;
}
C
my $directory = PostgreSQL::Test::Utils::tempdir();
append_to_file("$directory/hook.c", $hook);
my ($includes) = split /\n/, `pg_config --includedir-server`;
my @hooks = map {
	my $built = system('cc', '-shared', '-fPIC', "-DNAME=\"$_\"",
		'-I', $includes, '-o', "$directory/$_.so", "$directory/hook.c");
	BAIL_OUT('could not build a log hook') if $built != 0;
	"$directory/$_";
} qw(hook_before hook_after);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = '$hooks[0], auto_explain, session, $hooks[1]'
logging_collector = on
log_destination = 'stderr, csvlog, jsonlog'
log_directory = 'log'
log_filename = 'server.log'
log_rotation_age = 0
log_rotation_size = 0
log_line_prefix = '\@%b '
log_statement = all
log_min_duration_statement = 0
log_error_verbosity = verbose
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_min_messages = debug1
restart_after_crash = on
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_triggers = on
});
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE TABLE pad (token text, n int) WITH (parallel_workers = 2);
	INSERT INTO pad SELECT 'none', g FROM generate_series(1, 9) g;
	CREATE FUNCTION refuses(token text) RETURNS int PARALLEL SAFE LANGUAGE plpgsql AS $$
	BEGIN
		RAISE 'refused: %', token USING HINT = token || ' it was', DETAIL = 'And ' || token;
	END $$;
	CREATE FUNCTION runs(sql text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE sql;
	END $$;
	CREATE FUNCTION warns(what text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		RAISE WARNING '%', what;
	END $$;
});

# The tokens that were passed in. id_of() returns the public id of a token.
my @tokens;

sub id_of
{
	my $hex = unpack 'H32', decode_base64(substr($_[0], 3) =~ tr{-_}{+/}r);
	return $hex =~ s/^(.{8})(....)(....)(....)/$1-$2-$3-$4-/r;
}

# Creates a session and returns one of its tokens: the refresh token for 'rt',
# otherwise the session token.
sub fresh
{
	my ($kind) = @_;
	my $token = $node->safe_psql('postgres',
		'SELECT '
		  . (($kind // 'st') eq 'rt' ? 'refresh_token' : 'token')
		  . q{ FROM session_create('ada', refreshable => true)});

	BAIL_OUT('no session was created') unless length $token == 67;
	push @tokens, $token;
	return $token;
}

# Runs SQL with the token in the place of :token. Returns the output and the
# messages of the client.
sub literal
{
	my ($sql, $token, $options) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PGOPTIONS} = $options // '';
	$node->psql(
		'postgres', $sql =~ s/:token/$token/gr,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '--set=VERBOSITY=verbose', '--set=SHOW_CONTEXT=always' ]);
	return $out . $err;
}

# Runs SQL with :token as a parameter, in the extended protocol. Returns the
# messages of the client.
sub bound
{
	my ($sql, $token, $protocol, $options) = @_;
	my $script = $node->basedir . '/script.sql';
	my ($out, $err) = ('', '');

	unlink $script;
	append_to_file($script, $sql);
	local $ENV{PGOPTIONS} = $options // '';
	$node->run_log(
		[
			'pgbench', '--no-vacuum', '--transactions=1',
			"--protocol=$protocol", "--define=token=$token",
			"--file=$script", 'postgres'
		],
		'>', \$out, '2>', \$err);
	return $err;
}

# Settings with which the next query runs in a parallel worker only.
my $parallel = join '', map { "SET $_;" } (
	'parallel_setup_cost = 0', 'parallel_tuple_cost = 0',
	'min_parallel_table_scan_size = 0', 'parallel_leader_participation = off');

# Each case has a token of its own: its name, the statement, and what the log
# must contain. ID stands for the public id with the prefix of the token.
my @cases = (
	[ 'a statement', q{SELECT session_status(':token')}, qr/statement: SELECT session_status\('ID'\)/ ],
	[ 'a refresh token', q{SELECT count(*) FROM session_refresh(':token')}, qr/session_refresh\('ID'\)/, 'rt' ],
	[ 'an error in the middle', q{SELECT session_status(':token') WHERE 1/(length(':token') - 67) > 0}, qr/STATEMENT:  SELECT session_status\('ID'\) WHERE/ ],
	[ 'a syntax error', q{SELECT session_status(':token'}, qr/STATEMENT:  SELECT session_status\('ID'/ ],
	[ 'a message, its detail and hint', q{SELECT refuses(':token')}, qr/ERROR:  P0001: refused: ID\n.*DETAIL:  And ID\n.*HINT:  ID it was\n/ ],
	[ 'a warning', q{SELECT warns('Wörter und :token')}, qr/WARNING:  01000: Wörter und ID\n/ ],
	[ 'the context and inner query', q{SELECT runs($$SELECT nothing(':token')$$)}, qr/QUERY:  SELECT nothing\('ID'\)\n.*CONTEXT:  [^\n]*at EXECUTE\n/ ],
	[ 'the context of a statement', q{SELECT runs($$SELECT 1 / (length(':token') - 67)$$)}, qr/CONTEXT:  SQL statement "SELECT 1 \/ \(length\('ID'\) - 67\)"/ ],
	[ 'a row of COPY', "COPY pad FROM stdin;\nx\t:token\n\\.\n", qr/integer: "ID"\n.*CONTEXT:  COPY pad, line 1, column n: "ID"/ ],
	[ 'half a row of COPY', "COPY pad FROM stdin;\n:token\n\\.\n", qr/CONTEXT:  COPY pad, line 1: "ID"/ ],
	[ 'a row of COPY that is truncated', "COPY pad FROM stdin;\n" . 'x' x 50 . ":token\n\\.\n", qr/line 1: "x{50}ID\.\.\."/ ],
	[ 'a row of COPY that is truncated at a word', "COPY pad FROM stdin;\n" . 'x ' x 25 . ":token\n\\.\n", qr/line 1: "(?:x ){25}ID\.\.\."/ ],
	[ 'a unique key', q{CREATE UNIQUE INDEX i ON pad (token) WHERE n = 0; INSERT INTO pad VALUES (':token', 0), (':token', 0); DROP INDEX i}, qr/DETAIL:  Key \(token\)=\(ID\) already exists/ ],
	[ 'a name', q{SELECT session_status(":token")}, qr/ERROR:  42703: column "ID" does not exist/ ],
	[ 'JSON', q{SELECT session_data_save('', '{"token": ":token", }')}, qr/JSON data, line 1: \.\.\.\(redacted\)", \}/ ],
	[ 'PREPARE and EXECUTE', q{PREPARE p AS SELECT session_status($1); EXECUTE p(':token')}, qr/statement: .*EXECUTE p\('ID'\)/ ],
	[ 'an array, a comment, a Cookie header', q{/* :token */ SELECT '{:token,"a"}'::text[], session_cookie_read('a=b; __Host-session=:token')}, qr/\/\* ID \*\/ SELECT '\{ID,"a"\}'.*__Host-session=ID'/ ],
	[ 'an identity on its way to another server', q{SELECT 'sx_} . 'aB3' x 99 . q{', ':token'}, qr/SELECT '\(redacted\)', 'ID'/ ],
	[ 'a token against requests of other origins', q{SELECT session_csrf_check('sc_} . 'aB3' x 29 . q{'), ':token'}, qr/session_csrf_check\('\(redacted\)'\), 'ID'/ ],
	[ 'hexadecimal', undef, qr/convert_from\('\\xID'/ ],
	[ 'a token with more characters behind it', q{SELECT session_status(':tokenAAAA-_zz')}, qr/session_status\('ID'\)/ ],
	[ 'a plan', q{SELECT FROM pad WHERE token = ':token'}, qr/plan:\n.*Filter: \(token = 'ID'::text\)/s ],
	[ 'a parallel worker', $parallel . q{SELECT refuses(':token') FROM pad}, qr/\@parallel worker ERROR:  P0001: refused: ID\n(?:\@parallel.*\n)*\@parallel worker STATEMENT:  SELECT refuses\('ID'\) FROM pad/ ],
	[ 'the leader of a parallel worker', $parallel . q{SELECT refuses(':token') FROM pad}, qr/\@client backend ERROR:  P0001: refused: ID\n/ ],
	[ 'a large statement', q{SELECT length('} . 'a_st_7.' x 150_000 . q{'), ':token'}, qr/a_st_7\.'\), 'ID'/ ],
	[ 'terse logging', q{SET log_error_verbosity = terse; SELECT session_status(':token'), 1/0}, qr/ERROR:  division by zero\n.*STATEMENT:  SELECT session_status\('ID'\), 1\/0/ ]);

my %pattern;
for my $case (@cases)
{
	my ($name, $sql, $pattern, $kind) = @$case;
	my $token = fresh($kind);

	$sql //= q{SELECT convert_from('\x} . unpack('H*', $token) . q{', 'UTF8')};
	$pattern{$name} = [ $pattern, $token ];
	literal($sql, $token);
}

# Parameters of named and unnamed statements, whole and truncated.
my @bound = (
	[ 'a parameter', 'SELECT session_status(:token);', qr/DETAIL:  [Pp]arameters: \$1 = 'ID'/ ],
	[ 'a parameter of an error', 'SELECT 1 / (length(:token) - 67);', qr/unnamed portal with parameters: \$1 = 'ID'/ ],
	[ 'a refresh token as a parameter', 'SELECT FROM session_refresh(:token);', qr/[Pp]arameters: \$1 = 'ID'/, '', 'rt' ],
	[ 'a parameter in a plan', 'SELECT FROM pad WHERE token = :token;', qr/Filter: \(token = 'ID'::text\)/ ],
	[ 'a parameter that is truncated', 'SELECT session_status(:token);', qr/[Pp]arameters: \$1 = 'ID\.\.\.'/, '-c log_parameter_max_length=40' ],
	[ 'a parameter of an error that is truncated', 'SELECT 1 / (length(:token) - 67);', qr/with parameters: \$1 = 'ID\.\.\.'/, '-c log_parameter_max_length_on_error=30' ]);
for my $case (@bound)
{
	my ($name, $sql, $pattern, $options, $kind) = @$case;

	for my $protocol (qw(extended prepared))
	{
		my $token = fresh($kind);

		$pattern{"$name, $protocol"} = [ $pattern, $token ];
		bound($sql, $token, $protocol, $options);
	}
}

# Messages to clients and running statements are unchanged.
my $token = fresh();
my $as_it_was = qr/ERROR:  P0001: refused: \Q$token\E\nDETAIL:  And \Q$token\E\nHINT:  \Q$token\E it was\n/;
like(literal(q{SELECT refuses(':token')}, $token),
	$as_it_was, 'the client receives an error unchanged');
like(literal($parallel . q{SELECT refuses(':token') FROM pad}, $token),
	$as_it_was, 'the client receives an error of a parallel worker unchanged');
like(literal(q{SELECT warns('Wörter und :token')}, $token),
	qr/WARNING:  01000: Wörter und \Q$token\E\n/,
	'the client receives a warning unchanged');
like(literal(q{SELECT runs($$SELECT nothing(':token')$$)}, $token),
	qr/LINE 1: SELECT nothing\('st_[^\n]*\n {15}\^\n.*QUERY:  SELECT nothing\('\Q$token\E'\)\n/s,
	'the client receives the position of an error unchanged');
like(bound('SELECT refuses(:token);', $token, 'extended'),
	qr/refused: \Q$token\E/,
	'the client receives an error unchanged in the extended protocol');
like(literal(q{SELECT current_query() FROM warns(':token')}, $token,
		'-c log_min_error_statement=warning'),
	qr/^SELECT current_query\(\) FROM warns\('\Q$token\E'\)/,
	'the text of a statement that caused a message is unchanged');

# Cookies that carry their own proof are recognized by their shape. Sealed
# cookies have no such shape.
my %cookie;
$node->safe_psql('postgres',
	'SELECT session_key_rotate(purpose) FROM unnest(ARRAY[\'session\', \'jwt\']) AS purpose');
for my $made (
	(map { ("session_cookie_issue(':token', '$_')", "session_cookie_encode('{\"sub\": \"ada\"}', '$_')") } qw(compact jwt jwe)),
	q{session_jwt(':token')})
{
	my $mint = $made =~ s/:token/fresh()/er;
	my $cookie = $node->safe_psql('postgres', "SELECT $mint");

	BAIL_OUT("no cookie of $made") unless $cookie =~ /^eyJ[\w-]+(?:\.[\w-]*){1,4}$/;
	$cookie{$made} = $cookie;
	literal(q{SELECT count(*) FROM session_cookie_validate(':token')}, $cookie);
	literal(q{SELECT session_cookie_read('a=b; __Host-session-cache=:token; c=d', '__Host-session-cache')}, $cookie);
	bound('SELECT session_cookie_decode(:token);', $cookie, $_) for qw(extended prepared);
	like(literal(q{SELECT refuses(':token')}, $cookie),
		qr/ERROR:  P0001: refused: \Q$cookie\E\n/,
		"the client receives an error unchanged: $made");
}

# Private keys and shared secrets.  Each call fails or not, and none of what it
# has passed in is in the log.
my @keys;

sub new_key
{
	my $key = join '', map { ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_')[rand 64] } 1 .. 43;

	push @keys, $key;
	return $key;
}

my $private = q{'{"kty":"OKP","crv":"Ed25519","x":"public-part","d":":token"}'};
my @refused = (
	"SELECT session_key_import_jwk($private, 'p')",
	"SELECT session_key_import_jwk(($private)::jsonb, 'p')",
	q{SELECT session_key_import_jwk('{"keys": [{"kty": "oct", "k" : ":token"}]}', 'p')},
	q{SELECT session_key_import_jwk(E'{\\"kty\\":\\"oct\\",\\"k\\":\\":token\\"}', 'p')},
	q{SELECT session_key_import_jwk('{"kty": "RSA", "d": ":token", "p": ":token", }', 'p')},
	"SELECT runs(\$\$SELECT session_key_import_jwk($private, 'p')\$\$)",
	"SELECT session_key_import_jwk(j, 'p') FROM (VALUES (($private)::jsonb)) AS v (j)",
	q{SELECT session_key_import_jwk(jsonb_build_object('kty', 'oct', 'k', ':token'), 'p')},
	q{SELECT session_key_import(convert_to(left(':token', 30), 'UTF8'))},
	q{SELECT session_key_import(secret => convert_to(':token', 'UTF8'), kid => 'a kid')},
	q{SELECT session_key_import(convert_to($$a):token$$, 'UTF8'), kid => 'a kid')},
	q{SELECT session_key_import(convert_to($$a':token$$, 'UTF8'), kid => 'b ):token')},
	q{SELECT session_key_import(convert_to($b$a$$):token$b$, 'UTF8'), kid => 'a kid')},
	q{SELECT session_key_import /* a */ (convert_to(':token', 'UTF8'), kid => 'a kid')},
	"SELECT session_key_import -- a (\n(convert_to(':token', 'UTF8'), kid => 'a kid')",
	q{SELECT session_key_import(/* it's ) */ convert_to('a):token', 'UTF8'), kid => 'a kid')},
	q{SELECT runs('SELECT session_key_import(convert_to(''a):token'', ''UTF8''), kid => ''a kid'')')});
for my $sql (@refused)
{
	like(literal($sql, new_key()), qr/ERROR:  22/, "refused: $sql");
}
my $written = q{SELECT session_key_import(convert_to(':token', 'UTF8'), purpose => 'legacy')};
unlike(literal($written, new_key()), qr/ERROR/, 'a shared secret is imported');
for my $limit ('', '-c log_parameter_max_length=70 -c log_parameter_max_length_on_error=70')
{
	like(bound("SELECT session_key_import_jwk(:token, 'p');",
			$private =~ s/^'|'$//gr =~ s/:token/new_key()/er, 'extended', $limit),
		qr/must not have a private key/, "refused as a parameter $limit");
}

# Many messages, and errors that are caught, use no memory that stays.
is( literal( q{DO $$
	BEGIN
		FOR i IN 1 .. 2000 LOOP
			BEGIN
				RAISE LOG 'line % of :token', i;
				PERFORM refuses(':token');
			EXCEPTION WHEN OTHERS THEN
				NULL;
			END;
		END LOOP;
		FOR i IN 1 .. 5000 LOOP
			RAISE LOG 'line % of :token', i;
		END LOOP;
	END $$;
	SELECT total_bytes < 100000 FROM pg_backend_memory_contexts WHERE name = 'ErrorContext'}, $token),
	't', 'the memory context of messages does not grow');

# Hooks: the one that runs before ours sees no token, and whatever it does with
# a message brings none into the log.
$token = fresh();
$pattern{'a message that a hook logs'} =
  [ qr/LOG:  00000: hook_before: of ID\n/, $token ];
literal(q{SELECT warns('echo of :token')}, $token);

# A hook may remove or replace parts of the message.
is( literal( q{DO $$
	BEGIN
		RAISE LOG 'blanked :token' USING detail = 'detail of :token', hint = 'blank';
		PERFORM ':token'::int;
	EXCEPTION WHEN OTHERS THEN
		RAISE LOG 'blanked :token' USING detail = 'detail of :token', hint = 'blank';
	END $$;
	SELECT 'alive'}, $token), 'alive', 'a hook may remove parts of a message');
$pattern{'a message that a hook changed'} =
  [ qr/LOG:  00000: blanked ID\n[^\n]*HINT:  blank\n[^\n]*CONTEXT:  nowhere\n/, $token ];

# session.redact_log = off turns this off.
my $shown = $node->safe_psql('postgres', q{SELECT token FROM session_create()});
literal(q{SET session.redact_log = off; SELECT session_status(':token')}, $shown);
$pattern{'a token while session.redact_log is off'} = [ qr/session_status\('TOKEN'\)/, $shown ];

# The postmaster logs the start of the statement of a backend that was killed.
$token = fresh();
my $filler = 'x' x (1024 - length(q{SELECT '', ''}) - 40);
my $bg = $node->background_psql('postgres');
my $pid = $bg->query_safe('SELECT pg_backend_pid()');
$bg->query_safe("SELECT '$filler', '$token'");
$pattern{'the statement of a backend that was killed'} =
  [ qr/\@postmaster DETAIL:  Failed process was running: SELECT 'x{900,}', 'ID\n/, $token ];
kill 'KILL', $pid;
$node->poll_query_until('postgres',
	"SELECT pg_postmaster_start_time() IS NOT NULL AND NOT EXISTS "
	  . "(SELECT FROM pg_stat_activity WHERE pid = $pid)")
  or BAIL_OUT('the server did not come back');
eval { $bg->quit };

# Stop the server so that the log is complete.
$node->stop;
my %log = map { $_ => slurp_file($node->data_dir . "/log/server.$_") }
  qw(log csv json);
for my $name (sort keys %pattern)
{
	my ($pattern, $of) = @{ $pattern{$name} };
	my $shows = substr($of, 0, 3) . id_of($of);
	# At once, because a token may contain the letters ID.
	my $wanted = $pattern =~ s/(TOKEN|ID)/$1 eq 'ID' ? $shows : $of/ger;

	like($log{log}, qr/$wanted/, "the log shows $name");
}

like($log{log}, $_, "the log marks the place of a cookie: $_") for
  qr/session_cookie_validate\('\(redacted\)'\)/,
  qr/__Host-session-cache=\(redacted\); c=d'/,
  qr/[Pp]arameters: \$1 = '\(redacted\)'/,
  qr/ERROR:  P0001: refused: \(redacted\)\n/;
for my $made (sort keys %cookie)
{
	my ($mac) = $cookie{$made} =~ /([\w-]{20})$/;

	is(scalar(grep { index($log{$_}, $mac) >= 0 } keys %log), 0,
		"no log contains a cookie of $made");
}

like($log{log}, $_, "the log marks the place of a key: $_") for
  qr/session_key_import_jwk\(redacted\)/,
  qr/session_key_import\(redacted\)/,
  qr/\{"kty":"OKP","crv":"Ed25519","x":"public-part","d":"\(redacted\)"\}/,
  qr/[Pp]arameters: \$1 = '\{"kty":"OKP".*"d":"\(redacted\)/;
for my $destination (sort keys %log)
{
	my @found = grep { index($log{$destination}, $_) >= 0 } map { unpack '(A10)4', $_ } @keys;

	is("@found", '', "server.$destination contains no private key and no secret");
}

# No part of a secret is in the log. The pieces are short enough to find a
# secret that was truncated.
sub pieces { return unpack('(A10)4', substr($_[0], 3 + 24)); }

my %piece = map { $_ => 1 } map { pieces($_) } @tokens;
for my $destination (sort keys %log)
{
	my $text = $log{$destination};
	my @found = grep { index($text, $_) >= 0 } sort keys %piece;
	my $with_id = grep { index($text, id_of($_)) >= 0 } @tokens;

	is("@found", '', "server.$destination contains no secret");
	cmp_ok($with_id, '>=', @tokens - 3,
		"server.$destination contains the public ids");
	like($text, qr/\Q$shown\E/,
		"server.$destination contains the token that was logged with redact_log off");
}
my @hex = map { unpack 'H*', $_ } keys %piece;
is(scalar(grep { index($log{log}, $_) >= 0 } @hex), 0,
	'the log contains no secret in hexadecimal');

# Statements stay in their own fields.
my $first = 'st_' . id_of($pattern{'an error in the middle'}[1]);
like($log{csv}, qr/"division by zero",,,,,,"SELECT session_status\('\Q$first\E'\) WHERE[^"]*",/,
	'csvlog has the statement in its field');
like($log{json}, qr/"message":"division by zero",.*"statement":"SELECT session_status\('\Q$first\E'\) WHERE/,
	'jsonlog has the statement in its field');

my $before = slurp_file($node->data_dir . '/hook_before');
my $after = slurp_file($node->data_dir . '/hook_after');
is(scalar(grep { index($before, $_) >= 0 } keys %piece),
	0, 'a hook that was installed earlier sees no secret');
is( scalar(() = $before =~ /^refused: /mg),
	scalar(() = $after =~ /^refused: /mg),
	'both hooks see every message once');

# Without shared_preload_libraries the log is redacted from the first use in a
# connection on, or from the start of the connection with
# session_preload_libraries.
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->append_conf('postgresql.conf', "log_statement = all\n");
$other->start;
$other->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE ROLE preloads SUPERUSER LOGIN;
	ALTER ROLE preloads SET session_preload_libraries = 'session'});
my @made = split /\n/, $other->safe_psql('postgres',
	'SELECT (session_create()).token FROM generate_series(1, 3)');
$other->safe_psql('postgres',
	"SELECT session_status('$made[0]');\nSELECT session_status('$made[1]')");
$other->safe_psql('postgres', "SELECT session_status('$made[2]')",
	extra_params => [ '-U', 'preloads' ]);
$other->stop;
my $log = slurp_file($other->logfile);
like($log, qr/\Q$made[0]\E/,
	'the statement that loads the library is logged unchanged');
unlike($log, qr/\Q$made[$_]\E/, 'the log contains no token of a later statement') for 1, 2;
like($log, qr/session_status\('st_\Q@{[id_of($made[$_])]}\E'\)/, 'the log contains the public id of that token') for 1, 2;

done_testing();
