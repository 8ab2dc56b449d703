# Tables that session_bind_users has bound. The worker warns once in the log
# when changes of such a table do not end all sessions. session.bound_tables
# lists the owners, who can end sessions without a level.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'session'
session.naptime = '1s'
session.cleanup_interval = '1s'
});
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE ROLE boss;
	SELECT session_grant('boss', 'admin');
	GRANT CREATE ON SCHEMA public TO boss;
	CREATE TABLE users (id int);
	SELECT session_bind_users('users', 'id')});

# Waits until the given number of further rounds of upkeep has ended.
sub rounds
{
	my $count = shift;
	my $done = $node->safe_psql('postgres',
		'SELECT rounds FROM session.stats WHERE database = current_database()');
	$node->poll_query_until('postgres',
		"SELECT rounds > $done + $count AND round_duration IS NOT NULL "
		  . 'FROM session.stats WHERE database = current_database()')
	  or die 'no round of upkeep';
	return;
}

sub warnings
{
	my $table = shift;
	return scalar(() = slurp_file($node->logfile) =~
		  /WARNING:  changes of users in table public\.$table do not end all sessions/g);
}

rounds(1);
is(warnings('users'), 0, 'a table that is bound correctly causes no warning');
$node->safe_psql('postgres', 'CREATE TABLE guests () INHERITS (users)');
rounds(3);
is(warnings('users'), 1,
	'a child table that was created later causes one warning in several rounds');
like(
	slurp_file($node->logfile),
	qr/DETAIL:  changes of rows in these child tables revoke no session: public\.guests\n/,
	'the warning names the child table');
$node->safe_psql('postgres', 'SELECT session_cleanup()');
is(warnings('users'), 1, 'session_cleanup does not repeat the warning');

# A second bound table has a warning of its own.
$node->safe_psql(
	'postgres', q{
	CREATE TABLE members (id int);
	SELECT session_bind_users('members', 'id');
	ALTER TABLE members DISABLE TRIGGER ALL});
rounds(2);
is(warnings('users') . warnings('members'), '11',
	'a disabled trigger of a second table causes one warning');

# A problem that was fixed causes a new warning if it comes back.
$node->safe_psql('postgres', 'DROP TABLE guests');
rounds(1);
$node->safe_psql('postgres', 'CREATE TABLE guests () INHERITS (users)');
rounds(2);
is(warnings('users') . warnings('members'), '21',
	'a problem that was fixed and came back causes a new warning');
is( $node->safe_psql('postgres',
		'SELECT round_errors FROM session.stats WHERE database = current_database()'),
	'0', 'no round failed');

# A former administrator still owns the tables that the role bound.
$node->safe_psql(
	'postgres', q{
	SET ROLE boss;
	CREATE TABLE of_boss (id text);
	SELECT session_bind_users('of_boss', 'id');
	RESET ROLE;
	SELECT session_grant('boss', 'none')});
is( $node->safe_psql(
		'postgres', q{
		SELECT token AS t FROM session_create('alice') \gset
		SET ROLE boss;
		INSERT INTO of_boss VALUES ('alice');
		DELETE FROM of_boss;
		RESET ROLE;
		SELECT session_status(:'t');
		SELECT users, owner FROM session.bound_tables WHERE owner = 'boss'}),
	"revoked\nof_boss|boss",
	'a former administrator can end a session through a bound table, which is listed');
is( $node->safe_psql(
		'postgres', q{
		SELECT FROM session.bound_tables AS b, session_unbind_users(b.users) WHERE b.owner = 'boss';
		SELECT token AS t FROM session_create('alice') \gset
		SET ROLE boss;
		INSERT INTO of_boss VALUES ('alice');
		DELETE FROM of_boss;
		RESET ROLE;
		SELECT session_status(:'t')}),
	'active',
	'a former administrator cannot end a session once the table is unbound');

done_testing();
