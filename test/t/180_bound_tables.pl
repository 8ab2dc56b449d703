# Tables of users that session_bind_users has bound: the worker warns in the log
# when changes of one do not end all sessions, once; the list of bound tables
# names the owners, who can end sessions without a level.

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

# Waits until that many more rounds of upkeep have ended.
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
is(warnings('users'), 0, 'there is nothing to warn of');
$node->safe_psql('postgres', 'CREATE TABLE guests () INHERITS (users)');
rounds(3);
is(warnings('users'), 1, 'several rounds warn once of a child table that was made later');
like(
	slurp_file($node->logfile),
	qr/DETAIL:  changes of rows in these child tables revoke no session: public\.guests\n/,
	'the warning names the child table');
$node->safe_psql('postgres', 'SELECT session_cleanup()');
is(warnings('users'), 1, 'session_cleanup does not repeat it');

# A table that joins the first is told of by itself.
$node->safe_psql(
	'postgres', q{
	CREATE TABLE members (id int);
	SELECT session_bind_users('members', 'id');
	ALTER TABLE members DISABLE TRIGGER ALL});
rounds(2);
is(warnings('users') . warnings('members'), '11', 'so is a trigger that is disabled, once');

# What was put right is told of again if it comes back.
$node->safe_psql('postgres', 'DROP TABLE guests');
rounds(1);
$node->safe_psql('postgres', 'CREATE TABLE guests () INHERITS (users)');
rounds(2);
is(warnings('users') . warnings('members'), '21', 'a table that was put right is warned of again');
is( $node->safe_psql('postgres',
		'SELECT round_errors FROM session.stats WHERE database = current_database()'),
	'0', 'no round failed');

# A former administrator keeps the tables that he bound.
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
	'a former administrator ends a session through a bound table, which is listed');
is( $node->safe_psql(
		'postgres', q{
		SELECT FROM session.bound_tables AS b, session_unbind_users(b.users) WHERE b.owner = 'boss';
		SELECT token AS t FROM session_create('alice') \gset
		SET ROLE boss;
		INSERT INTO of_boss VALUES ('alice');
		DELETE FROM of_boss;
		RESET ROLE;
		SELECT session_status(:'t')}),
	'active', 'until it is unbound');

done_testing();
