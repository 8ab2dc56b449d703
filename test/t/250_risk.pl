# The risk function on a whole server. What it rejects is in the log after a
# rollback, in READ ONLY transactions and for rejected logins. A role cannot
# cause more events than the limits, and neither hides those of a binding
# mismatch. The function judges requests on a hot standby. Without preload, the
# results are the same, and the event of a rejected login is lost.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
# Only the test writes the evidence.
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\nsession.naptime = '1d'\n");
$node->start;

# Addresses of 10.0.0.0/8 are rejected, those of 172.16.0.0/12 need a step-up.
my $setup = q{
	CREATE EXTENSION session;
	CREATE SCHEMA app;
	CREATE FUNCTION app.risk(s public.session_info, ip inet, user_agent text) RETURNS text LANGUAGE sql STABLE AS $$
		SELECT CASE WHEN ip <<= '10.0.0.0/8' THEN 'reject' WHEN ip <<= '172.16.0.0/12' THEN 'step_up' ELSE 'ok' END
	$$;
	ALTER DATABASE postgres SET session.risk_function = 'app.risk';
	CREATE ROLE stranger LOGIN;
	CREATE ROLE shop LOGIN;
	SELECT session_grant('shop', 'app')};
$node->safe_psql('postgres', $setup);
$node->backup('copy');

sub query
{
	return $node->safe_psql('postgres', shift);
}

# Runs SQL as a role; returns its output and ignores its errors.
sub as
{
	my ($role, $sql) = @_;
	my $out = '';

	$node->psql('postgres', $sql, stdout => \$out, on_error_stop => 0,
		extra_params => [ '-U', $role ]);
	return $out;
}

# Returns and deletes the events since the last call.
sub events
{
	my $columns = shift;
	return query(
		qq{SELECT session_cleanup() \\g /dev/null
		WITH gone AS (DELETE FROM session.events WHERE kind <> 'administration' RETURNING *)
		SELECT $columns FROM gone ORDER BY id});
}

sub token_of
{
	my $user = shift;
	return query("SELECT token FROM session_create('$user', ip => '192.0.2.1', auth_level => 2)");
}

#
# Evidence survives
#

my $token = token_of('alice');
query('SELECT session_cleanup(); DELETE FROM session.events');
is( as('stranger',
		qq{BEGIN READ ONLY; SELECT session_authenticate('$token', '10.0.0.1', 'curl'); ROLLBACK}),
	'f', 'a role without privileges is judged by a function it may not find');
is( as('stranger',
		qq{BEGIN; SELECT session_authenticate('$token', '172.16.0.1'), session_auth_level(); ROLLBACK}),
	't|1', 'and its level drops');
is( events('kind, user_id, session_id IS NOT NULL, ip, user_agent, actor, detail'),
	qq(risk|alice|t|10.0.0.1|curl|stranger|{"at": "use", "risk": "reject", "count": 1}\n)
	  . qq(risk|alice|t|172.16.0.1||stranger|{"at": "use", "risk": "step_up", "count": 1}),
	'both are in the log after the rollback of a READ ONLY and another transaction');
as('shop', q{SELECT session_create('bob', ip => '10.0.0.2', user_agent => 'curl')});
as('shop', q{BEGIN; SELECT session_login(NULL, 'carol', ip => '10.0.0.3'); COMMIT});
is( events('kind, user_id, session_id IS NULL, ip, user_agent, actor, detail'),
	qq(risk|bob|t|10.0.0.2|curl|shop|{"at": "login", "risk": "reject", "count": 1}\n)
	  . qq(risk|carol|t|10.0.0.3||shop|{"at": "login", "risk": "reject", "count": 1}),
	'rejected logins are in the log');
is(query(q{SELECT count(*) FROM session.sessions WHERE user_id IN ('bob', 'carol')}),
	'0', 'rejected logins make no session');

#
# Evidence is bounded
#

my $dropped = 'SELECT evidence_dropped FROM session.stats WHERE database = current_database()';
$token = token_of('mallory');
my $before = query($dropped);
is( as('stranger',
		qq{SELECT count(*) FILTER (WHERE session_authenticate('$token', '10.1.0.0'::inet + n)) FROM generate_series(1, 3000) AS n}),
	'0', 'a session is rejected from thousands of addresses');
as('stranger',
	qq{SELECT count(*) FILTER (WHERE session_authenticate('$token', '172.16.0.0'::inet + n)) FROM generate_series(1, 3000) AS n});
is( events('kind, user_id, ip, detail'),
	qq(risk|mallory|10.1.0.1|{"at": "use", "risk": "reject", "count": 3000}\n)
	  . qq(risk|mallory|172.16.0.1|{"at": "use", "risk": "step_up", "count": 3000}),
	'that is one event for each result');
is(query($dropped), $before, 'no evidence is dropped');

# Each login is of another user, and is caught, so that all are quick.
as('shop', q{
	DO $$
	BEGIN
		FOR n IN 1 .. 2000 LOOP
			BEGIN
				PERFORM public.session_create('user ' || n, ip => '10.0.0.1');
			EXCEPTION WHEN invalid_authorization_specification THEN
			END;
		END LOOP;
	END
	$$});
my $bound = token_of('dan');
query(qq{SET session.bind_ip = 'exact'; SELECT session_validate('$bound', '10.0.0.9')});
my $found = events('kind');
my $risks = () = $found =~ /risk/g;
cmp_ok($risks, '>', 100, 'rejected logins of many users cause many events');
cmp_ok($risks, '<=', 600, 'the number of events a minute is limited');
like($found, qr/binding_mismatch/, 'they do not keep out a binding mismatch');
cmp_ok(query($dropped), '>', $before + 1000, 'session.stats counts what was dropped');
is(query(q{SELECT checks_risk >= 3000 FROM session.stats WHERE database = current_database()}),
	't', 'session.stats counts rejected requests');

#
# A hot standby
#

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$token = token_of('erin');
$node->wait_for_catchup($standby, 'replay');
is( $standby->safe_psql('postgres',
		qq{SELECT auth_level, session_status('$token', '10.0.0.1'), session_status('$token', '192.0.2.1')
		FROM session_validate('$token', '172.16.0.1')}),
	'1|risk|active', 'a standby judges requests');
$standby->stop;

#
# Without preload
#

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
events('1');
is(query("SELECT session_status('$token', '10.0.0.1'), session_authenticate('$token', '172.16.0.1'), session_auth_level()"),
	'risk|t|1', 'without preload the results are the same');
as('shop', q{SELECT session_create('frank', ip => '10.0.0.2')});
is(events('kind, user_id, detail'),
	'risk|erin|{"at": "use", "risk": "step_up", "count": 1}',
	'without preload, the event of a request is written, and that of a rejected login is lost');

done_testing();
