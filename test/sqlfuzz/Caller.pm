# Makes random calls in one database, as roles of all levels, until a time or a
# number of calls is over, and keeps what they answered.

package Caller;

use strict;
use warnings;
use DBI;
use Time::HiRes qw(time);

use Values;

# How many statements are shown when the server crashes.
use constant LAST => 25;

# Functions that change much, or take long, are called rarely: once in so many
# choices of them.
my %rare = (
	session_revoke_all => 60, session_master_key_rotate => 40, session_storage => 60, session_key_rotate => 15,
	session_revoke_tenant => 12, session_policy_set => 6, session_erase => 8, session_revoke_user => 3,
	session_bind_users => 10, session_unbind_users => 10, session_restore_privileges => 10, session_grant => 10,
	session_key_import => 6, session_key_import_jwk => 6, session_cleanup => 8,
);

# How often these are called more than others.
my %often = (session_create => 6, session_login => 4, session_refresh => 3, session_authenticate => 3, session_regenerate => 3,
	session_validate => 3, session_cookie_issue => 2, session_cookie_encode => 2, session_dbsc_offer => 2);

# Functions that return secrets.
my $makes_secrets = qr/^session_(create|login|refresh|regenerate|derive|act_as|cookie_encode|cookie_issue|jwt|csrf_token|dbsc_\w+)$/;

# Settings of a connection, of which some are set.
my %settings = (
	'session.strategy' => [qw(database cookie_cache stateless)], 'session.bind_ip' => [qw(off off off subnet exact)],
	'session.bind_user_agent' => [qw(off off on)], 'session.on_mismatch' => [qw(reject revoke)],
	'session.encrypt_data' => [qw(off on)], 'session.foreign_tokens' => [qw(off on)], 'session.sliding' => [qw(off on)],
	'session.on_limit' => [qw(evict reject)], 'session.max_sessions' => [ 0, 1, 3 ], 'session.max_derived' => [ 0, 2, 20 ],
	'session.idle_timeout' => [qw(0 1h)], 'session.max_lifetime' => [qw(0 1h)], 'session.update_age' => [qw(0 10min)],
	'session.csrf' => [qw(off same_origin token)], 'session.on_invalid' => [qw(anonymous reject)],
	'session.dpop_nonce' => [qw(off on)], 'session.public_url' => [ '', 'https://example.com' ],
	'session.cookie_encoding' => [qw(compact jwt jwe sealed)], 'session.cookie_name' => [ '__Host-session', 'session', 'bad name' ],
	'session.cookie_domain' => [ '', 'example.com' ], 'session.sensitive_paths' => [ '', '/a,/b/*' ],
	'session.client_ip_header' => [ '', 'x-forwarded-for' ], 'session.store_ip' => [qw(full subnet off)],
	'session.authenticated_role' => [ '', 'fuzz_public', 'nobody_here' ], 'session.log_events' => [ 'all', '', 'failures' ],
	'session.notify' => [qw(off on)], 'session.max_data_size' => [qw(64kB 1kB)], 'session.refresh_grace' => [qw(0 10s)],
	'session.live_identity' => [qw(on off)], 'session.failure_threshold' => [ 0, 20 ],
	'session.risk_function' => [ '', '', 'public.fuzz_risk', 'public.nothing' ],
	'session.act_as_function' => [ 'public.fuzz_may', 'public.fuzz_may', '', 'public.fuzz_fails' ],
	'session.claims_function' => [ '', '', 'public.fuzz_claims', 'public.fuzz_fails' ],
	'default_transaction_isolation' => [ 'read committed', 'repeatable read', 'serializable' ],
	'default_transaction_read_only' => [qw(off off off off on)],
);

# What a database needs besides the extension.
our $setup = <<'SQL';
CREATE TABLE fuzz_users (id text PRIMARY KEY, active boolean);
CREATE VIEW fuzz_view AS SELECT * FROM fuzz_users;
CREATE TABLE fuzz_rows (owner text, body text);
ALTER TABLE fuzz_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON fuzz_rows USING (owner = session_user_id());
GRANT ALL ON fuzz_users, fuzz_view, fuzz_rows TO PUBLIC;
INSERT INTO fuzz_rows SELECT u, 'x' FROM unnest('{ada,bob}'::text[]) AS u;
CREATE FUNCTION fuzz_risk(s session_info, ip inet, user_agent text) RETURNS text LANGUAGE sql AS
	$$ SELECT CASE length(coalesce(user_agent, '')) % 3 WHEN 0 THEN 'ok' WHEN 1 THEN 'step_up' ELSE 'reject' END $$;
CREATE FUNCTION fuzz_may(s session_info, user_id text, tenant_id text, reason text) RETURNS boolean LANGUAGE sql AS
	$$ SELECT reason <> 'admin' $$;
CREATE FUNCTION fuzz_fails(s session_info) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE 'it fails'; END $$;
CREATE FUNCTION fuzz_fails(s session_info, user_id text, tenant_id text, reason text) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN RAISE 'it fails'; END $$;
CREATE FUNCTION fuzz_claims(s session_info) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT jsonb_build_object('plan', s.user_id, 'sub', 'mallory') $$;
SELECT session_grant('fuzz_app', 'app'), session_grant('fuzz_admin', 'admin'), session_key_rotate(), session_key_rotate('jwt');
SQL

my @roles = qw(postgres fuzz_admin fuzz_admin fuzz_app fuzz_app fuzz_app fuzz_public);

# Arguments: a hash with host, database, encoding, seed, seconds and calls.
sub new
{
	my ($class, %o) = @_;
	my $state = $o{seed};
	my $random = sub {
		$state = ($state * 1103515245 + 12345) % 2**31;
		return int($state / 65536) % shift;
	};
	my $self = bless {
		%o, random => $random, conns => [], last => [], errors => {}, called => {}, succeeded => {}, secrets => {}, left => [], calls => 0,
	}, $class;
	$self->{values} = Values->new($o{encoding}, $random);
	return $self;
}

sub open_connection
{
	my ($self, $role) = @_;
	my $v = $self->{values};
	my $dbh = DBI->connect("dbi:Pg:host=$self->{host};dbname=$self->{database}", 'postgres', '',
		{ RaiseError => 0, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 0, pg_placeholder_dollaronly => 1 }) or return undef;
	# Setting AutoCommit off would begin transactions that are not wanted here.
	$dbh->do("SET session.failure_threshold = 20");
	for my $name (sort keys %settings)
	{
		next unless $v->chance(25);
		$dbh->do("SET $name = " . $dbh->quote($v->pick(@{ $settings{$name} })));
	}
	$dbh->do("SET lock_timeout = '300ms'; SET statement_timeout = '20s'; SET SESSION AUTHORIZATION $role");
	return { dbh => $dbh, role => $role, left => 50 + $v->below(400), open => 0, failed => 0 };
}

# Returns the functions of the extension that can be called.
sub functions
{
	my ($self, $dbh) = @_;
	my $rows = $dbh->selectall_arrayref(<<'SQL');
SELECT p.oid::regproc::text, p.proname, p.pronargs, p.pronargdefaults, coalesce(array_to_string(p.proargnames[1:p.pronargs], ','), ''),
       (SELECT coalesce(string_agg(t.typname, ',' ORDER BY n), '') FROM unnest(p.proargtypes) WITH ORDINALITY AS a (o, n)
          JOIN pg_type t ON t.oid = o)
  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'session'
   AND p.prorettype <> 'trigger'::regtype
 ORDER BY p.proname, p.oid
SQL
	return map {
		my ($regproc, $name, $nargs, $ndefaults, $names, $types) = @$_;
		{ call => $regproc, name => $name, needed => $nargs - $ndefaults, names => [ split /,/, $names ], types => [ split /,/, $types ] }
	} @$rows;
}

sub choose
{
	my $self = shift;
	my $v = $self->{values};

	# Each is called once among the first thousand, however rare it is.
	return shift @{ $self->{first} } if @{ $self->{first} } && $v->chance(12);
	for (;;)
	{
		my $f = $v->pick(@{ $self->{bag} });
		return $f unless $rare{ $f->{name} } && $v->below($rare{ $f->{name} });
	}
}

# Returns a call of a random function: SQL with literals, and its parameters.
sub make_call
{
	my ($self, $dbh) = @_;
	my $v = $self->{values};
	my $f = $self->choose;
	my $manner = $v->below(100);
	my $bad_one = $manner < 60 ? -1 : $v->below(1 + @{ $f->{names} });
	my $binds = $v->chance(30);
	my (@args, @values);

	for my $i (0 .. $#{ $f->{types} })
	{
		my ($name, $type) = ($f->{names}[$i] // '', $f->{types}[$i]);
		my $bad = $manner >= 85 ? $v->chance(60) : $i == $bad_one;
		next if $i >= $f->{needed} && !$bad && !$v->chance(25);
		my $value = $bad ? $v->bad($name, $type) : $v->good($f->{name}, $name, $type);
		push @values, $value if $binds;
		my $written = $binds ? '$' . @values : defined $value ? $dbh->quote($value) : 'NULL';
		push @args, ($name ne '' ? "$name => " : '') . "$written\::$type";
	}
	return ($f, 'SELECT * FROM ' . $f->{call} . '(' . join(', ', @args) . ')', @values);
}

# Runs a statement and keeps its answer.  Returns false if the connection is
# gone.
sub run_statement
{
	my ($self, $conn, $what, $sql, @values) = @_;
	my $dbh = $conn->{dbh};

	push @{ $self->{last} }, "$conn->{role}: " . substr($sql, 0, 2000) . (@values ? ' [' . join(', ', map { defined $_ ? substr($_, 0, 200) : 'NULL' } @values) . ']' : '');
	shift @{ $self->{last} } if @{ $self->{last} } > LAST;
	$self->{calls}++;
	$self->{called}{$what}++;
	my $sth = @values ? $dbh->prepare($sql) : undef;
	my $rows;
	if ($sth) { $rows = $sth->fetchall_arrayref if $sth->execute(@values); }
	elsif ($sql =~ /^SELECT/) { $rows = $dbh->selectall_arrayref($sql); }
	else { $rows = [] if defined $dbh->do($sql); }
	if (!defined $rows || $dbh->err || ($sth && $sth->err))
	{
		$conn->{failed} = $conn->{open};
		my $state = ($sth ? $sth->state : '') || $dbh->state || '?????';
		my $message = ($sth ? $sth->errstr : undef) // $dbh->errstr // '';
		# It is for the view session.directory, which gives it what is in a row.
		$state = '22023' if $state eq 'XX001' && $what eq 'session_directory_data';
		$self->{errors}{$state}{count}++;
		$self->{errors}{$state}{example} //= "call $self->{calls}: " . substr($message, 0, 300) . "\n$self->{last}[-1]";
		return $state !~ /^(08|57P)/ && $dbh->ping;
	}
	$self->{succeeded}{$what}++;
	$self->keep($what, $_) for map { @$_ } grep { $_ } @$rows[ 0 .. ($#$rows < 3 ? $#$rows : 3) ];
	return 1;
}

# Remembers a value that a function has returned, and whether it is a secret,
# which must not be in the log.  Other functions return what they were given, such
# as a user id that has the form of a token.
sub keep
{
	my ($self, $function, $value) = @_;
	return if ref $value;
	my $kind = $self->{values}->learn($value) or return;
	$self->{secrets}{$value} = 1
	  if $kind =~ /^(cookie|token|refresh_token|bound_cookie|csrf)$/ && $function =~ $makes_secrets;
	return;
}

# Runs a request as PostgREST does.
sub run_request
{
	my ($self, $conn) = @_;
	my $v = $self->{values};
	my $dbh = $conn->{dbh};
	my $token = $v->chance(70) ? $v->known('token') // '' : $v->bad_text;
	my $cookie = $v->chance(50) ? $v->known('cookie') // '' : $v->bad_text;
	my @set = (
		[ 'request.cookies' => $v->chance(85) ? json('__Host-session', $token, '__Host-session-cache', $cookie, '__Host-session-bound', $v->known('bound_cookie') // '') : $v->bad_jsonb ],
		[ 'request.headers' => $v->chance(85) ? json('x-session-token', $v->chance(30) ? $token : '', 'authorization', $v->pick('', "Bearer $token", "DPoP $token", $cookie),
				'origin', $v->pick('', 'https://example.com', 'null'), 'sec-fetch-site', $v->pick('', 'same-origin', 'cross-site'), 'x-forwarded-for', '192.0.2.9',
				'dpop', $v->chance(20) ? $cookie : '', 'x-csrf-token', $v->known('csrf') // '') : $v->bad_jsonb ],
		[ 'request.method' => $v->pick('GET', 'POST', '', 'x' x 300) ], [ 'request.path' => $v->pick('/a', '/b/c', '', '//', $v->bad_text) ]);
	$self->run_statement($conn, 'begin', 'BEGIN') or return 0;
	for (grep { $v->chance(80) } @set)
	{
		$self->run_statement($conn, 'set_config', "SELECT set_config('$_->[0]', " . $dbh->quote($_->[1]) . ', true) IS NULL') or return 0;
	}
	for my $sql ('SELECT session_pre_request()', 'SELECT session_user_id(), session_claims(), count(*) FROM fuzz_rows', 'COMMIT')
	{
		$self->run_statement($conn, $sql eq 'COMMIT' ? 'commit' : 'session_pre_request', $sql) or return 0;
	}
	return 1;
}

# Returns an object of names and texts; the texts need not be valid.
sub json
{
	my @pairs = @_;
	my @members;
	while (my ($name, $value) = splice @pairs, 0, 2)
	{
		$value =~ s/([\\"])/\\$1/g;
		$value =~ s/([\x00-\x1f])/sprintf '\\u%04x', ord $1/ge;
		push @members, "\"$name\": \"$value\"" if $value ne '';
	}
	return '{' . join(', ', @members) . '}';
}

# Begins or ends a transaction or a part of one.
sub run_control
{
	my ($self, $conn) = @_;
	my $v = $self->{values};
	my $sql = !$conn->{open} ? 'BEGIN' : $v->pick('COMMIT', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'ROLLBACK TO s', 'RELEASE s',
		'SET LOCAL ROLE fuzz_public', "SET LOCAL session.context = ''", 'SELECT count(*) FROM fuzz_rows');
	$sql = $v->pick('ROLLBACK', 'ROLLBACK', 'COMMIT', 'ROLLBACK TO s') if $conn->{failed};
	$conn->{open} = 1 if $sql eq 'BEGIN';
	$conn->{failed} = 0;
	$conn->{open} = 0 if $sql =~ /^(COMMIT|ROLLBACK)$/;
	return $self->run_statement($conn, 'control', $sql);
}

# Notes locks that a connection has outside of a transaction.  Those of
# serializable transactions stay until others have ended, and block nothing.
sub look_for_locks
{
	my ($self, $admin) = @_;
	push @{ $self->{left} }, map { "before call $self->{calls}: $_" } @{ $admin->selectcol_arrayref(<<'SQL') };
SELECT format('%s of %s: %s', l.locktype, coalesce(l.relation::regclass::text, l.objid::text), left(a.query, 500))
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE a.datname = current_database() AND a.state = 'idle' AND l.mode <> 'SIReadLock' AND a.backend_type = 'client backend'
SQL
	return;
}

# Keeps the database small and usable, as its owner.
sub tidy
{
	my ($self, $admin) = @_;
	$admin->do("SET lock_timeout = '2s'");
	$admin->do('DELETE FROM session.policies WHERE valid_after IS NULL OR lifetime IS NOT NULL');
	# Data of sessions is sealed with keys of the purpose "seal", which stay.
	$admin->do("DELETE FROM session.keys WHERE kid IN (SELECT kid FROM session.keys WHERE kid <> 'session master' AND purpose <> 'seal' ORDER BY created_at DESC OFFSET 40)");
	$admin->do("SELECT session_key_rotate('session'), session_key_rotate('jwt')");
	$admin->do("SELECT session_grant('fuzz_public', 'none')");
	return;
}

# Calls until the time is over.  Returns what happened.
sub run
{
	my $self = shift;
	my $v = $self->{values};
	my $until = time + $self->{seconds};
	my $admin = DBI->connect("dbi:Pg:host=$self->{host};dbname=$self->{database}", 'postgres', '', { PrintError => 0, pg_enable_utf8 => 0, pg_placeholder_dollaronly => 1 });
	my @functions = $self->functions($admin);
	$self->{first} = [@functions];
	$self->{bag} = [ map { my $f = $_; ($f) x ($often{ $f->{name} } // 1) } @functions ];
	my $alive = 1;

	while ($alive && time < $until && $self->{calls} < $self->{calls_at_most})
	{
		my $n = $v->below(scalar @roles);
		my $conn = $self->{conns}[$n];
		if ($conn && $conn->{left}-- < 0) { $conn->{dbh}->disconnect; $conn = undef; }
		$conn = $self->{conns}[$n] = $self->open_connection($roles[$n]) unless $conn;
		last unless $alive = defined $conn;
		if (!$conn->{open} && $v->chance(6)) { $alive = $self->run_request($conn); }
		elsif ($v->chance($conn->{failed} ? 90 : $conn->{open} ? 15 : 6)) { $alive = $self->run_control($conn); }
		else
		{
			my ($f, $sql, @values) = $self->make_call($conn->{dbh});
			$alive = $self->run_statement($conn, $f->{name}, $sql, @values);
		}
		$self->look_for_locks($admin) if $self->{calls} % 200 == 0;
		$self->tidy($admin) if $self->{calls} % 3000 == 2999;
	}
	return {
		alive => $alive ? 1 : 0, functions => [ map { $_->{name} } @functions ],
		map { $_ => $self->{$_} } qw(calls errors called succeeded secrets last left),
	};
}

1;
