# What the tests of faults share: a server that can be killed, connections that
# are controlled message by message, clients that write down what the server
# has acknowledged, and one call of every SQL function.
#
# A connection speaks the protocol of PostgreSQL itself. So a test can send a
# statement and do something else while it runs, can read the SQLSTATE of every
# error, and can tell a lost connection from an error.
package Fault;

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(O_WRONLY O_APPEND O_CREAT);
use File::Basename qw(dirname);
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(make_server start_child kill_child stop_child
  wait_child start_again
  child_pids processes connection calls setup_calls prepare_call
  functions_without_call watch leftovers client_log seed chance until_true
  no_crash ignored_lines);

# Makes a server that has the library preloaded and short rounds of upkeep, and
# creates the extension unless the option "empty" is set. Options: conf, init.
sub make_server
{
	my ($name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $opt{init} // {} });
	$node->append_conf(
		'postgresql.conf', q{
shared_preload_libraries = 'session'
session.naptime = '1s'
session.cleanup_interval = '1s'
max_connections = 60
restart_after_crash = on
log_statement = none
} . ($opt{conf} // ''));
	return $node if $opt{stopped};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION session')
	  unless $opt{empty};
	return $node;
}

# The random numbers of a test follow from FAULT_SEED. The test shows the seed.
sub seed
{
	my $seed = $ENV{FAULT_SEED} // int(rand 1_000_000_000);

	srand $seed;
	note "FAULT_SEED=$seed";
	return $seed;
}

# Returns true with a probability.
sub chance { return rand() < $_[0]; }

#
# A server that is a child of the test
#

# Waits until a server accepts connections.
sub wait_until_ready
{
	my ($node, $pid) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	while (1)
	{
		my $conn = eval { Fault::Connection->new($node) };

		if (defined $conn) { $conn->close; return 1; }
		return 0 if waitpid($pid, POSIX::WNOHANG()) == $pid;
		die 'the server does not start' if time > $deadline;
		sleep 0.02;
	}
}

# Starts the server as a child of this test and not with pg_ctl. After kill -9
# the test reaps the process: a zombie would look alive to the next postmaster.
# Options: env, a hash of environment variables; piped, which has another process
# write the log, so that no limit of the server holds for it.
sub start_child
{
	my ($node, %opt) = @_;
	my @command = ($node->installed_command('postgres'), '-D', $node->data_dir);
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $pid;

	my $log;
	if ($opt{piped})
	{
		open $log, '|-', 'cat >>"' . $node->logfile . '"' or die "could not run cat: $!";
		$node->{_fault_log} = $log;
	}
	until (0)
	{
		$pid = fork // die "could not fork: $!";
		if ($pid == 0)
		{
			open STDIN, '<', '/dev/null' or POSIX::_exit(126);
			open STDOUT, $log ? '>&' : '>>', $log // $node->logfile or POSIX::_exit(126);
			open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
			$ENV{$_} = $opt{env}{$_} for keys %{ $opt{env} // {} };
			exec { $command[0] } @command or POSIX::_exit(127);
		}

		# The server does not start while a process of the one before it is there.
		last if wait_until_ready($node, $pid);
		die 'the server does not start' if time > $deadline;
		sleep 0.05;
	}
	$node->{_fault_pid} = $pid;
	return $pid;
}

# Returns the processes that are children of another.
sub child_pids
{
	my ($parent) = @_;
	my @found;

	for my $stat (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $stat or next;
		my $line = <$file> // '';
		close $file;
		push @found, $1 if $line =~ /^(\d+) \(.*\) \S $parent /;
	}
	return @found;
}

# Returns the process ids of the backends of a type.
sub processes
{
	my ($node, $type) = @_;
	return split /\n/,
	  $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'");
}

# Kills every process of the server with SIGKILL, so that none can write. The
# postmaster is stopped first, so that it starts no other.
sub kill_child
{
	my ($node) = @_;
	my $pid = $node->{_fault_pid};

	kill 'STOP', $pid;
	kill 'KILL', child_pids($pid);
	kill 'KILL', $pid;
	waitpid $pid, 0;
	delete $node->{_fault_pid};
	close_log($node);
	return;
}

# Waits until the log is written.
sub close_log
{
	my ($node) = @_;
	my $log = delete $node->{_fault_log};
	close $log if $log;
	return;
}

# Waits until a server that is a child has ended by itself.
sub wait_child
{
	my ($node) = @_;
	my $pid = delete $node->{_fault_pid};
	my $ended = waitpid($pid, 0) == $pid;

	close_log($node);
	return $ended;
}

# Stops the server with a signal; INT is a fast shutdown.
sub stop_child
{
	my ($node, $signal) = @_;
	my $pid = delete $node->{_fault_pid};

	kill $signal // 'INT', $pid;
	waitpid $pid, 0;
	my $status = $?;
	close_log($node);
	return $status;
}

END
{
	my $status = $?;
	for my $node (@Fault::nodes)
	{
		kill_child($node) if $node->{_fault_pid} && $node->{_fault_owner} == $$;
	}
	$? = $status;
}

# A test that dies leaves no server.
our @nodes;

sub start_again
{
	my ($node, %opt) = @_;
	my $pid = start_child($node, %opt);

	$node->{_fault_owner} = $$;
	push @nodes, $node unless grep { $_ == $node } @nodes;
	return $pid;
}

# Waits until a query returns true.
sub until_true
{
	my ($node, $sql, $name) = @_;
	ok($node->poll_query_until('postgres', $sql), $name);
	return;
}

# Tests that no process of the server crashed and no assertion failed since a
# position of its log.
sub no_crash
{
	my ($node, $name, $since) = @_;
	unlike(
		slurp_file($node->logfile, $since // 0),
		qr/PANIC|TRAP:|was terminated by signal|server process .* exited with exit code [^01]/,
		$name);
	return;
}

#
# What clients were told
#

# Returns a function that appends a line to a file. The file is written before
# the client continues, and a client that is killed loses none of its lines.
sub client_log
{
	my ($path) = @_;
	sysopen my $file, $path, O_WRONLY | O_APPEND | O_CREAT
	  or die "could not open $path: $!";

	return sub {
		my $line = join("\t", map { $_ // '' } @_) . "\n";
		syswrite($file, $line) == length $line or die "could not write $path: $!";
		return;
	};
}

sub connection { return Fault::Connection->new(@_); }

#
# What a backend must not keep
#

# The locks of a backend, other than those of the statement that looks.
my $locks = q{
	SELECT coalesce(string_agg(l.locktype || ' ' || coalesce(l.relation::regclass::text, '') || ' ' || l.mode, ', '), '')
	FROM pg_locks l
	WHERE l.pid = %d AND l.locktype <> 'virtualxid'
	AND l.relation IS DISTINCT FROM 'pg_locks'::regclass
	AND l.relation IS DISTINCT FROM 'pg_class'::regclass
	AND l.relation IS DISTINCT FROM 'pg_class_oid_index'::regclass
	AND l.relation IS DISTINCT FROM 'pg_class_relname_nsp_index'::regclass
	AND l.relation IS DISTINCT FROM 'pg_class_tblspc_relfilenode_index'::regclass
	AND l.relation IS DISTINCT FROM 'pg_namespace'::regclass
	AND l.relation IS DISTINCT FROM 'pg_namespace_nspname_index'::regclass
	AND l.relation IS DISTINCT FROM 'pg_namespace_oid_index'::regclass};

# The identity, the user and the session's settings of a connection.
my $identity = q{
	SELECT concat_ws(' ', session_id(), session_user_id(), session_claims(),
		nullif(current_setting('session.context', true), ''),
		nullif(current_user, session_user), current_setting('role'))};

# The memory contexts that live longer than a transaction. The server keeps
# caches there, whose contexts have names of their own.
my $contexts = q{
	SELECT count(*) FILTER (WHERE name LIKE 'session%'),
		count(*) FILTER (WHERE name NOT LIKE 'session%'
			AND name NOT IN ('index info', 'relation rules', 'CachedPlan', 'CachedPlanSource', 'CachedPlanQuery', 'ExprContext')),
		sum(total_bytes)
	FROM pg_backend_memory_contexts};

# Returns what a connection has beside its caches. Both connections belong to a
# superuser, and `other` looks at the locks.
sub watch
{
	my ($conn, $other) = @_;
	my $held = $other->value(sprintf $locks, $conn->pid);
	my $who = $conn->value($identity);
	my $memory = $conn->query($contexts)->{rows}[0];

	return { locks => $held, identity => $who, memory => $memory };
}

# Returns what a connection holds that no statement of it needs: locks, an
# identity, another role, an open transaction. '' if there is nothing.
sub leftovers
{
	my ($conn, $other) = @_;
	my @found;
	my $held = $other->value(sprintf $locks, $conn->pid);
	my $who = $conn->value($identity);

	push @found, "locks: $held" if $held ne '';
	push @found, "identity: $who" if $who ne 'none';
	push @found, "transaction: $conn->{status}" if $conn->{status} ne 'I';
	return join '; ', @found;
}

#
# One call of every SQL function
#

# What a call needs is made by its "make", a query that returns one row; its
# values replace {name} in the call. "first" is another statement that runs in
# the transaction of the call before it. A call with "alone" replaces the whole
# server's configuration and is left out where others run beside it.
my $live = q{SELECT token, id FROM session_create('u', '{"k": 1, "l": [1]}', 'acme', ip => '192.0.2.1')};
my $bound = q{SELECT session_authenticate('{token}')};

sub on_live { return { make => $live, call => $_[0] }; }
sub on_identity { return { make => $live, first => $bound, call => $_[0] }; }

my $url = q{'https://api.example.com/x'};
my %calls = (
	session_create => {
		make => q{SELECT gen_random_uuid() AS id},
		call => q{SELECT FROM session_create('u', '{"k": 1}', 'acme', ip => '192.0.2.1', refreshable => true, id => '{id}', max_sessions => 50)}
	},
	session_login => {
		make => q{SELECT token FROM session_create(data => '{"k": 1}')},
		call => q{SELECT FROM session_login('{token}', 'u', '{"l": 2}', refreshable => true)}
	},
	session_validate => on_live(q{SELECT FROM session_validate('{token}', '192.0.2.2', 'agent')}),
	session_status => on_live(q{SELECT session_status('{token}')}),
	session_is_valid => on_live(q{SELECT session_is_valid('{token}')}),
	session_is_expired => on_live(q{SELECT session_is_expired('{token}')}),
	session_touch => on_live(q{SELECT session_touch('{token}')}),
	session_refresh => {
		make => q{SELECT refresh_token FROM session_create('u', refreshable => true)},
		call => q{SELECT FROM session_refresh('{refresh_token}')}
	},
	session_regenerate => on_live(q{SELECT FROM session_regenerate('{token}', 'u', auth_level => 2)}),
	session_derive => on_live(q{SELECT FROM session_derive('{token}', '{read}')}),
	session_revoke => {
		make => q{SELECT c.token FROM session_create('u') AS c, session_derive(c.token, '{read}') AS d},
		call => q{SELECT session_revoke('{token}')}
	},
	session_data => on_live(q{SELECT session_data('{token}')}),
	session_data_get => on_live(q{SELECT session_data_get('{token}', 'k')}),
	session_data_pop => on_live(q{SELECT session_data_pop('{token}', 'k')}),
	session_data_set => on_live(q{SELECT session_data_set('{token}', 'k', '2')}),
	session_data_delete => on_live(q{SELECT session_data_delete('{token}', 'k')}),
	session_data_clear => on_live(q{SELECT session_data_clear('{token}')}),
	session_data_save => on_live(q{SELECT session_data_save('{token}', '{"k": 3}')}),
	session_data_merge => on_live(q{SELECT session_data_merge('{token}', '{"m": 3}')}),
	session_data_append => on_live(q{SELECT session_data_append('{token}', 'l', '2')}),
	session_data_replace => on_live(q{SELECT session_data_replace('{token}', 'k', '1', '2')}),
	session_cookie_encode => { call => q{SELECT session_cookie_encode('{"sub": "u"}')} },
	session_cookie_decode => {
		make => q{SELECT session_cookie_encode('{"sub": "u"}') AS cookie},
		call => q{SELECT session_cookie_decode('{cookie}')}
	},
	session_cookie_revoke => {
		make => q{SELECT session_cookie_encode('{"sub": "u"}') AS cookie},
		call => q{SELECT session_cookie_revoke('{cookie}')}
	},
	session_cookie_issue => on_live(q{SELECT session_cookie_issue('{token}')}),
	session_cookie_validate => {
		make => q{SELECT c.token, session_cookie_issue(c.token) AS cookie FROM session_create('u') AS c},
		call => q{SELECT FROM session_cookie_validate('{cookie}', true, '{token}')}
	},
	session_jwt => on_live(q{SELECT session_jwt('{token}')}),
	session_dbsc_offer => on_live(q{SELECT session_dbsc_offer('{token}', '/bind')}),
	session_dbsc_register => {
		make => q{SELECT c.token, faults.registration(session_dbsc_offer(c.token, '/bind')) AS proof FROM session_create('u') AS c},
		call => q{SELECT FROM session_dbsc_register('{token}', '{proof}', '/renew')}
	},
	session_dbsc_refresh => {
		make => q{SELECT c.id, faults.renewal(r.challenge) AS proof FROM session_create('u') AS c,
			session_dbsc_register(c.token, faults.registration(session_dbsc_offer(c.token, '/bind')), '/renew') AS r},
		call => q{SELECT FROM session_dbsc_refresh('{id}', '{proof}', '/renew')}
	},
	session_bind_key => {
		make => qq{SELECT token, faults.proof(token) AS proof FROM session_create('u')},
		call => qq{SELECT session_bind_key('{token}', '{proof}', 'GET', $url)}
	},
	session_dpop_nonce => { call => q{SELECT session_dpop_nonce()} },
	session_authenticate => {
		make => q{SELECT token, faults.proof(token) AS proof FROM session_create('u', jkt => faults.jkt())},
		call => qq{SELECT session_authenticate('{token}', proof => '{proof}', method => 'GET', url => $url)}
	},
	session_pre_request => {
		make => $live,
		first => q{SELECT set_config('request.headers', '{"x-session-token": "{token}"}', true), set_config('session.strategy', 'cookie_cache', true)},
		call => q{SELECT session_pre_request()}
	},
	(map { ($_ => on_identity("SELECT $_()")) } qw(session_id session_user_id
		session_tenant_id session_role session_auth_level session_amr
		session_authenticated_at session_actor_id session_scopes session_claims
		session_require session_csrf_token)),
	session_revoke_others => {
		make => q{SELECT a.token FROM session_create('others') AS a, session_create('others') AS b},
		first => $bound,
		call => q{SELECT session_revoke_others()}
	},
	session_has_scope => on_identity(q{SELECT session_has_scope('read')}),
	session_claim => on_identity(q{SELECT session_claim('tenant_id')}),
	session_csrf_check => on_identity(q{SELECT session_csrf_check(session_csrf_token())}),
	session_mine => on_identity(q{SELECT count(*) FROM session_mine()}),
	session_revoke_mine => on_identity(q{SELECT session_revoke_mine(session_id())}),
	session_cookie_header => { call => q{SELECT session_cookie_header('x')} },
	session_cookie_clear => { call => q{SELECT session_cookie_clear()} },
	session_cookie_read => { call => q{SELECT session_cookie_read('a=b; __Host-session=c')} },
	session_ip => { call => q{SELECT session_ip('192.0.2.1, 192.0.2.2')} },
	session_key_rotate => { call => q{SELECT session_key_rotate('faults')} },
	session_key_import => { call => q{SELECT session_key_import(sha512(random()::text::bytea), purpose => 'faults')} },
	session_key_import_jwk => {
		call => q{SELECT session_key_import_jwk('{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}', 'faults-jwk')}
	},
	session_key_retire => {
		make => q{SELECT session_key_rotate('faults') AS kid},
		call => q{SELECT session_key_retire('{kid}')}
	},
	session_jwks => { make => q{SELECT session_key_rotate('faults', 'ES256') AS kid}, call => q{SELECT session_jwks('faults')} },
	session_master_key_rotate => { call => q{SELECT session_master_key_rotate()}, alone => 1 },
	session_get => on_live(q{SELECT FROM session_get('{id}')}),
	session_list => on_live(q{SELECT count(*) FROM session_list('u')}),
	session_revoke_id => on_live(q{SELECT session_revoke_id('{id}')}),
	session_revoke_ids => on_live(q{SELECT session_revoke_ids('{{id}}')}),
	session_revoke_user => {
		make => q{SELECT c.user_id FROM (SELECT gen_random_uuid()::text AS user_id) AS c, session_create(c.user_id) AS a, session_create(c.user_id, tenant_id => 'acme') AS b},
		call => q{SELECT session_revoke_user('{user_id}')}
	},
	session_revoke_tenant => {
		make => q{SELECT c.tenant_id FROM (SELECT gen_random_uuid()::text AS tenant_id) AS c, session_create('u', tenant_id => c.tenant_id)},
		call => q{SELECT session_revoke_tenant('{tenant_id}')}
	},
	session_revoke_all => { call => q{SELECT session_revoke_all(tenant_id => 'faults')} },
	session_policy_set => { call => q{SELECT session_policy_set('faults', lifetime => '1 hour')} },
	session_policy_drop => {
		make => q{SELECT session_policy_set('faults', lifetime => '1 hour') AS it},
		call => q{SELECT session_policy_drop('faults')}
	},
	session_export => on_live(q{SELECT session_export('u')}),
	session_erase => {
		make => q{SELECT c.user_id FROM (SELECT gen_random_uuid()::text AS user_id) AS c, session_create(c.user_id)},
		call => q{SELECT session_erase('{user_id}')}
	},
	session_act_as => {
		make => $live,
		first => q{SET LOCAL session.act_as_function = 'faults.may_act'},
		call => q{SELECT FROM session_act_as('{token}', 'customer', 'ticket 1')}
	},
	session_cleanup => {
		make => q{INSERT INTO session.sessions (id, token_hash, auth_level, data, created_at, last_seen_at, expires_at, purge_at)
			SELECT gen_random_uuid(), sha256(random()::text::bytea), 0, '{}', '2020-01-01 UTC', '2020-01-01 UTC', '2020-01-02 UTC', '2020-01-02 UTC' RETURNING id},
		call => q{SELECT deleted, failed FROM session_cleanup()}
	},
	session_bind_users => { call => q{SELECT session_bind_users('faults.users', 'id')}, alone => 1 },
	session_unbind_users => {
		make => q{SELECT session_bind_users('faults.users', 'id') AS it},
		call => q{SELECT session_unbind_users('faults.users')},
		alone => 1
	},
	session_storage => { call => q{SELECT session_storage('database')}, alone => 1 },
	session_grant => { call => q{SELECT session_grant('faults_app', 'app')}, alone => 1 },
	'session.stats' => { call => q{SELECT * FROM session.stats} },
	'session.directory' => { make => $live, call => q{SELECT * FROM session.directory WHERE user_id = 'u' LIMIT 20} },
	'session.key_ring' => { call => q{SELECT * FROM session.key_ring} });

# Returns the calls by name.
sub calls { return %calls; }

# Returns the SQL of a file of test/sql/include, in another schema and without
# what only psql understands.
sub included
{
	my ($file) = @_;
	my $sql = slurp_file(dirname(abs_path(__FILE__)) . "/../sql/include/$file");

	$sql =~ s/^\\.*$//mg;
	$sql =~ s/pg_temp\./faults./g;
	return $sql =~ s/CREATE TEMP TABLE (\w+)/CREATE TABLE $1/gr;
}

# Makes what the calls use: keys of clients, a function that lets everyone act
# as a user, a table of users, a role.
sub setup_calls
{
	my ($conn) = @_;

	$conn->run($_) for (
		'CREATE SCHEMA faults',
		'CREATE ROLE faults_app',
		'CREATE TABLE faults.users (id text PRIMARY KEY)',
		q{CREATE FUNCTION faults.may_act(session_info, text, text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'},
		'SET search_path = faults, public',
		included('proofs.sql'),
		'RESET search_path',
		q{ALTER FUNCTION faults.signed SET search_path = faults, public;
		CREATE FUNCTION faults.jwk() RETURNS jsonb LANGUAGE sql AS $$ SELECT jwk FROM faults.proof_keys WHERE name = 'one' $$;
		CREATE FUNCTION faults.jkt() RETURNS text LANGUAGE sql AS $$
			SELECT faults.base64url(sha256(convert_to(format('{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}', faults.jwk() ->> 'x', faults.jwk() ->> 'y'), 'UTF8'))) $$;
		CREATE FUNCTION faults.proof(token text) RETURNS text LANGUAGE sql AS $$
			SELECT faults.signed('one', jsonb_build_object('typ', 'dpop+jwt', 'alg', 'ES256', 'jwk', faults.jwk()),
				jsonb_build_object('jti', gen_random_uuid(), 'htm', 'GET', 'htu', 'https://api.example.com/x', 'iat', floor(extract(epoch FROM clock_timestamp()))::bigint,
					'ath', faults.base64url(sha256(token::bytea)))::text) $$;
		CREATE FUNCTION faults.part(offer text, name text) RETURNS text LANGUAGE sql AS $$ SELECT (regexp_match(offer, name || '="([^"]*)"'))[1] $$;
		CREATE FUNCTION faults.registration(offer text) RETURNS text LANGUAGE sql AS $$
			SELECT faults.signed('one', jsonb_build_object('alg', 'ES256', 'jwk', faults.jwk(), 'typ', 'dbsc+jwt'),
				jsonb_build_object('authorization', faults.part(offer, 'authorization'), 'jti', faults.part(offer, 'challenge'))::text) $$;
		CREATE FUNCTION faults.renewal(challenge text) RETURNS text LANGUAGE sql AS $$
			SELECT faults.signed('one', jsonb_build_object('alg', 'ES256', 'typ', 'dbsc+jwt'),
				jsonb_build_object('jti', split_part(challenge, '"', 2))::text) $$},
		'SELECT session_key_rotate(), session_key_rotate($$jwt$$, $$ES256$$)',
		'SELECT session_cookie_encode($${"sub": "u"}$$), session_dpop_nonce()');
	return;
}

# Returns the statements of a call: what it needs is made on a connection, and
# is committed.
sub prepare_call
{
	my ($conn, $name) = @_;
	my $call = $calls{$name} // die "no call of $name";
	my @statements = grep { defined } $call->{first}, $call->{call};

	if ($call->{make})
	{
		my $made = $conn->run($call->{make});
		my @names = @{ $made->{columns} };

		for my $i (0 .. $#names)
		{
			s/\{$names[$i]\}/$made->{rows}[0][$i]/g for @statements;
		}
	}
	return @statements;
}

# Returns the functions of the extension that no call is for.
sub functions_without_call
{
	my ($conn) = @_;
	my $all = $conn->run(
		q{SELECT DISTINCT p.proname FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
		WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'session') AND d.deptype = 'e'
		AND d.classid = 'pg_proc'::regclass AND p.prorettype <> 'trigger'::regtype
		AND p.pronamespace <> 'session'::regnamespace});
	return grep { !$calls{$_} } map { $_->[0] } @{ $all->{rows} };
}

#
# A connection
#

package Fault::Connection;

use strict;
use warnings;
use IO::Select;
use Time::HiRes qw(time);

# Connects; dies with the error if the server does not accept. Options: user,
# database, options (the setting "options" of the startup packet).
sub new
{
	my ($class, $node, %opt) = @_;
	my $socket = IO::Socket::UNIX->new(
		Type => IO::Socket::UNIX::SOCK_STREAM(),
		Peer => $node->host . '/.s.PGSQL.' . $node->port)
	  or die "could not connect: $!\n";
	my $self = bless {
		node => $node,
		socket => $socket,
		buffer => '',
		user => $opt{user} // (getpwuid $>)[0],
	  },
	  $class;
	my $packet = pack('N', 196608)
	  . join("\0",
		'user', $self->{user}, 'database', $opt{database} // 'postgres',
		'options', $opt{options} // '')
	  . "\0\0";

	local $SIG{PIPE} = 'IGNORE';
	syswrite $socket, pack('N', 4 + length $packet) . $packet;
	my $result = $self->wait;
	die "$result->{sqlstate} $result->{message}\n" if $result->{sqlstate};
	die "lost\n" if $result->{lost};
	return $self;
}

sub pid { return $_[0]{pid}; }

sub close
{
	my ($self) = @_;
	return if !$self->{socket};
	local $SIG{PIPE} = 'IGNORE';
	syswrite $self->{socket}, 'X' . pack('N', 4);
	close $self->{socket};
	$self->{socket} = undef;
	return;
}

# Closes the socket without a word to the server, as in a child that inherited
# it.
sub abandon { my ($self) = @_; CORE::close $self->{socket}; $self->{socket} = undef; return; }

# Sends statements and returns at once.
sub send
{
	my ($self, $sql) = @_;

	local $SIG{PIPE} = 'IGNORE';
	my $message = 'Q' . pack('N', 5 + length $sql) . "$sql\0";
	while (length $message)
	{
		my $sent = syswrite $self->{socket}, $message;
		last if !defined $sent;
		substr($message, 0, $sent) = '';
	}
	return;
}

# Returns whether the answer has begun to arrive, after some seconds at most.
sub ready
{
	my ($self, $seconds) = @_;
	return length $self->{buffer}
	  || IO::Select->new($self->{socket})->can_read($seconds // 0);
}

# Reads the next message of the server. Returns nothing if the connection is
# lost.
sub message
{
	my ($self) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	while (1)
	{
		if (length $self->{buffer} >= 5)
		{
			my ($type, $length) = unpack 'aN', $self->{buffer};
			if (length $self->{buffer} >= 1 + $length)
			{
				my $body = substr $self->{buffer}, 5, $length - 4;
				substr($self->{buffer}, 0, 1 + $length) = '';
				return ($type, $body);
			}
		}
		die 'the server does not answer'
		  if !IO::Select->new($self->{socket})->can_read($deadline - time);
		my $read = sysread $self->{socket}, $self->{buffer}, 65536, length $self->{buffer};
		return if !$read;
	}
}

# Waits for the answer. Returns a hash: rows, columns, sqlstate and message of
# an error, notices, and whether the connection was lost.
sub wait
{
	my ($self) = @_;
	my $result = { rows => [], columns => [], sqlstate => '', message => '', notices => [], lost => 0 };

	while (my ($type, $body) = $self->message)
	{
		if ($type eq 'D')
		{
			my ($count, $rest) = unpack 'na*', $body;
			my @row;
			for (1 .. $count)
			{
				my ($length) = unpack 'l>', $rest;
				$rest = substr $rest, 4;
				if ($length < 0) { push @row, undef; next; }
				push @row, substr $rest, 0, $length;
				$rest = substr $rest, $length;
			}
			push @{ $result->{rows} }, \@row;
		}
		elsif ($type eq 'T')
		{
			my ($count, $rest) = unpack 'na*', $body;
			$result->{columns} = [];
			$result->{rows} = [];
			for (1 .. $count)
			{
				my $name = unpack 'Z*', $rest;
				$rest = substr $rest, length($name) + 19;
				push @{ $result->{columns} }, $name;
			}
		}
		elsif ($type eq 'E' || $type eq 'N')
		{
			my %field = map { (substr($_, 0, 1) => substr $_, 1) } grep { length } split /\0/, $body;
			if ($type eq 'N') { push @{ $result->{notices} }, $field{M}; next; }
			@$result{qw(sqlstate message hint detail)} = @field{qw(C M H D)};
		}
		elsif ($type eq 'K') { $self->{pid} = unpack 'N', $body; }
		elsif ($type eq 'Z') { $self->{status} = $body; return $result; }
	}
	$result->{lost} = 1;
	return $result;
}

# Runs statements and returns the answer.
sub query
{
	my ($self, $sql) = @_;
	$self->send($sql);
	return $self->wait;
}

# Like query, but an error ends the test.
sub run
{
	my ($self, $sql) = @_;
	my $result = $self->query($sql);

	die "$sql: " . ($result->{lost} ? 'connection lost' : "$result->{sqlstate} $result->{message}")
	  if $result->{lost} || $result->{sqlstate};
	return $result;
}

# Returns the first value of the last result, or '' for NULL or no row.
sub value
{
	my ($self, $sql) = @_;
	my $rows = $self->run($sql)->{rows};
	return @$rows ? $rows->[0][0] // '' : '';
}

1;
