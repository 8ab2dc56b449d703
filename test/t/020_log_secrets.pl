# At the most talkative logging there is, over every function that takes a
# token and every way it can fail, a token shows only where the caller wrote
# it: in the text or the parameters of the caller's own statement.  A token that
# was given out and not passed in shows nowhere, and nowhere on disk is anything
# that a session could be taken over with.

use strict;
use warnings;
use Digest::SHA qw(sha256);
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

	-- Passes a token on, as functions of an application do.
	CREATE FUNCTION passed_on(token text) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		RETURN session_data_set(token, 'k', NULL);
	END $$;

	-- Makes the table refuse what a function is about to write.
	ALTER TABLE session.sessions ADD CHECK (role <> 'forbidden');
});

# Everything that clients were told besides results.
my $told = '';

# Runs SQL with :token as a literal; an error ends nothing.
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

# Runs SQL with :token as a parameter; the first error ends it.  psql can do
# that from 16 on, so this is pgbench, and as it does not say the SQLSTATE, what
# is returned is what the server logged.
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

# The tokens whose traces are looked for: those that were passed to functions,
# and those that only ever came out of them.
my (@passed, @given);

sub create
{
	my ($token) = literal("SELECT token FROM session_create($_[0])", '');
	BAIL_OUT('no session was made') unless length $token == 67;
	return $token;
}

# A new session, whose token is going to be passed in.
sub fresh
{
	push @passed, create($_[0] // q{'alice', '{"k": 1, "l": 2}'});
	return $passed[-1];
}

# The 48 bytes in a token: id and secret.
sub payload { return decode_base64($_[0] =~ s/^st_//r =~ tr{-_}{+/}r); }

sub statements { return join '', map { "SELECT * FROM $_;\n" } @_; }

# Every function that takes a token.  Those that look come first, while there
# is something to look at.
my @calls = (
	'session_validate(:token)',
	q{session_validate(:token, '192.0.2.1', 'curl')},
	'session_status(:token)',
	q{session_status(:token, '192.0.2.1', 'curl')},
	'session_is_valid(:token)',
	'session_is_expired(:token)',
	'session_data(:token)',
	q{session_data_get(:token, 'k')},
	'session_touch(:token)',
	'session_refresh(:token)',
	q{session_data_pop(:token, 'k')},
	q{session_data_set(:token, 'k', '2')},
	q{session_data_delete(:token, 'k')},
	q{session_data_save(:token, '{"k": 3}')},
	'session_data_clear(:token)',
	q{session_regenerate(:token, NULL, 'editor', 2)},
	'session_revoke(:token)');
my $functions = $node->safe_psql(
	'postgres', q{
	SELECT string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname)
	FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	WHERE d.refclassid = 'pg_extension'::regclass
	  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'session')
	  AND d.classid = 'pg_proc'::regclass
	  AND 'token' = ANY (p.proargnames[1:p.pronargs])});
my %tried = map { /^(\w+)/ => 1 } @calls;
is(join(' ', sort keys %tried),
	$functions, 'every function that takes a token is tried');

# Every function on every kind of token: of sessions that are alive or not, and
# of none, though a slip away from one.
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

for my $options ('', '-c session.bind_ip=exact -c session.on_mismatch=revoke')
{
	for my $kind (sort keys %kind)
	{
		my $token = token_of_kind($kind);
		my ($out) = literal(statements(@calls), $token, $options);

		push @given,
		  grep { index($token, $_) < 0 } $out =~ /\bst_[\w-]{64}(?![\w-])/g;
		bound(statements(@calls), token_of_kind($kind), $options);
	}
}
is(scalar(@given), 1, 'regenerating the live session gave a token out');
literal(
	"PREPARE p AS SELECT session_status(\$1), session_revoke(\$1);\n"
	  . 'EXECUTE p(:token);', fresh());

# More that are given out.
push @given, create(''), create(q{'alice', '{"a": 1}', 'acme', 'editor'}),
  create(q{'alice', ip => '192.0.2.1', user_agent => 'curl'}),
  (literal(q{SELECT token FROM session_regenerate(:token, 'carol')},
		fresh('NULL')))[0];
is(scalar(@given), 5, 'so did other calls');

# Every way to fail: the SQLSTATE, what is called, in which settings, and what
# the session is if not one of alice's.  A row is held for the waits.
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
	[ '22004', 'passed_on(:token)' ],
	[ '22023', q{session_data_save(:token, '[1]')} ],
	[ '54000', q{session_data_set(:token, 'k', to_jsonb(repeat('x', 70000)))} ],
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
	[ '42883', 'session_validate(:token, 1)' ],
	[ '42703', 'session_data(:token) WHERE nothing' ],
	[ '22012', 'session_data(:token) WHERE 1 / (length(:token) - 67) > 0' ],
	[ '55P03', 'session_touch(:token)', '-c lock_timeout=10ms', 'held' ],
	[ '55P03', 'session_revoke(:token)', '-c lock_timeout=10ms', 'held' ],
	[
		'57014', q{session_data_set(:token, 'k', '2')},
		'-c statement_timeout=50ms', 'held'
	],
	map { [ '25006', $_, '-c default_transaction_read_only=on' ] } @calls[8 .. $#calls]);

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
	like($logged, qr/^\@ ERROR:  $state: /m, 'and also with a parameter');
}
$holder->query_safe('ROLLBACK');
$holder->quit;

my $broken = "BEGIN;\nALTER TABLE session.sessions RENAME TO elsewhere;\n"
  . statements('session_data(:token)') . "ROLLBACK;\n";
like((literal($broken, fresh()))[1], qr/ERROR:  55000: /,
	'a table that is not there fails with 55000');
like(bound($broken, fresh()),
	qr/^\@ ERROR:  55000: /m, 'and also with a parameter');
like((literal(statements(@calls), fresh(), '', 'stranger'))[1],
	qr/ERROR:  42501: /, 'a role without rights fails with 42501');
like(bound(statements($calls[0]), fresh(), '', 'stranger'),
	qr/^\@ ERROR:  42501: /m, 'and also with a parameter');

# The shapes in which a secret could be written, in pieces short enough to find
# one that was cut.
sub pieces
{
	my $token = shift;
	my $secret = substr(payload($token), 16, 32);

	return unpack('x27 (A13)3', $token),
	  map({ ($_, uc $_) } unpack('(A16)4', unpack('H*', $secret)),
		unpack('x54 (A26)3', unpack('H*', $token))),
	  unpack('(A14)3', encode_base64($secret, '')),
	  unpack('(a8)4', $secret);
}

sub any_of
{
	my $any = join '|', map { quotemeta } @_;
	return qr/$any/;
}

# The start of a token is not secret, but shows that one was being written.  A
# token that is given out may start like the one that was passed in for it.
my @starts = map { substr($_, 0, 25) } @passed;
my $any_given = any_of(map { pieces($_) } @given);
my $any_passed = any_of(@starts, map { pieces($_) } @passed);
my $any = qr/$any_passed|$any_given/;

# Lines of the log that repeat what the caller wrote.
my @own = (
	qr/^\@ LOG:  00000: (?:statement|execute \S+): /,
	qr/^\@ STATEMENT:  /,
	qr/^\@ DETAIL:  [Pp]arameters: /,
	qr/^(?:\@ CONTEXT:  |\t)unnamed portal with parameters: /);
my @seen = (0) x @own;
my (@leaks, @given_leaks);

LINE: for my $line (split /\n/, slurp_file($node->logfile))
{
	push @given_leaks, $line if $line =~ $any_given;
	next unless $line =~ $any_passed;
	for my $i (0 .. $#own)
	{
		next unless $line =~ $own[$i];
		$seen[$i]++;
		next LINE;
	}
	push @leaks, $line;
}
is(scalar(grep { $_ > 10 } @seen),
	scalar(@own), 'the log repeats statements and parameters of callers')
  or diag("@seen");
is(join("\n", @leaks), '',
	'a token that is passed in shows nowhere else in the log');
is(join("\n", @given_leaks), '',
	'a token that is given out does not show in the log');

# Clients are told of the parameters, and where in their statement an error is.
my $echo = qr/^(?:LINE \d+: |(?:CONTEXT:  )?unnamed portal with parameters: )/;
is( join("\n", grep { $_ =~ $any && $_ !~ $echo } split /\n/, $told),
	'',
	'what clients are told of errors has no other token than their own');

# What is stored: as SQL shows it, and as it is on disk after a shutdown.
my @tables = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT c.oid::regclass
	FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
	WHERE d.refclassid = 'pg_extension'::regclass
	  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'session')
	  AND d.classid = 'pg_class'::regclass AND c.relkind = 'r'});
my $rows = join '', map { $node->safe_psql('postgres', "TABLE $_") } @tables;
my @hashes = map { sha256(substr(payload($_), 16, 32)) } @given;
is(scalar(grep { index($rows, unpack('H*', $_)) >= 0 } @hashes),
	scalar(@hashes), 'the tables hold the hashes of the secrets');
is(join("\n", grep { $_ =~ $any } split /\n/, $rows), '', 'and no secret');

$node->stop;
my ($with_hash, @with_secret) = (0);
find(
	{
		no_chdir => 1,
		wanted => sub {
			return unless -f $_ && -s $_;
			my $content = slurp_file($_);
			$with_hash++ if grep { index($content, $_) >= 0 } @hashes;
			push @with_secret, $_ if $content =~ $any;
		}
	},
	$node->data_dir);
cmp_ok($with_hash, '>', 1, 'data files and the WAL hold hashes too');
is("@with_secret", '', 'and no secret either');

done_testing();
