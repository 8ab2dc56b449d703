# Recovery to a point in time: a base backup and archived WAL bring back the
# sessions of that moment, no later one and no half of a change. What ended
# after it is good again, which the steps of docs/operations/backup.md end.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(has_archiving => 1, allows_streaming => 1);
$primary->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'session'
session.naptime = '1d'
session.log_events = 'all'
CONF
$primary->start;

# Runs SQL on a server.
sub on { my ($node, $sql) = @_; return $node->safe_psql('postgres', $sql); }

# Returns the status of sessions on a server, by their tokens.
sub statuses
{
	my ($node, @tokens) = @_;
	return on($node, 'SELECT ' . join ', ', map { "session_status('$_')" } @tokens);
}

#
# Before the backup, between the backup and the moment, and after it.
#

my %t;
on($primary, 'CREATE EXTENSION session; SELECT FROM session_key_rotate()');
$t{$_} = on($primary, "SELECT token FROM session_create('$_')") for qw(kept gone later);
my $cookie = on($primary, q{SELECT session_cookie_encode('{"sub": "s"}', 'jwe')});
$primary->backup('base');

$t{between} = on($primary, q{SELECT token FROM session_create('between', '{"n": 1}')});
on($primary, "SELECT session_revoke('$t{gone}'); SELECT FROM session_policy_set(max_sessions => 7)");
my ($access, $refresh) = split /\|/,
  on($primary, q{SELECT token, refresh_token FROM session_create('rita', refreshable => true)});
my $key = on($primary, 'SELECT session_key_rotate()');
my $by_key = on($primary, q{SELECT session_cookie_encode('{"sub": "k"}', 'jwe')});
my $moment = on($primary, q{SELECT pg_create_restore_point('moment'); SELECT now()});
$moment =~ s/.*\n//s;

my $deleted = on($primary, q{SELECT token FROM session_create('after')});
my ($newest, $newest_refresh) = split /\|/,
  on($primary, "SELECT token, refresh_token FROM session_refresh('$refresh')");
on($primary, "SELECT session_revoke('$t{later}'); SELECT session_data_set('$t{between}', 'n', '2'); SELECT session_cookie_revoke('$cookie')");
my $rows = on($primary, 'SELECT count(*) FROM session.sessions');
on($primary, 'SELECT pg_switch_wal()');
$primary->poll_query_until('postgres',
	q{SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver})
  or BAIL_OUT('the WAL was not archived');

# Restores to the moment.
sub restored
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init_from_backup($primary, 'base', has_restoring => 1, standby => 0);
	# pg_basebackup keeps the mode of the file, copying its backup does not.
	chmod 0600, $node->data_dir . '/session_master.key';
	$node->append_conf('postgresql.conf', <<'CONF');
recovery_target_name = 'moment'
recovery_target_action = 'promote'
CONF
	$node->start;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or BAIL_OUT('the recovery did not end');
	return $node;
}

my $node = restored('restored');
is(statuses($node, @t{qw(kept between gone)}) . ' ' . statuses($node, $access),
	'active|active|revoked active', 'sessions are as they were at that moment');
is(on($node, "SELECT session_data('$t{between}')"), '{"n": 1}', 'so is their data');
is(on($node, 'SELECT max_sessions FROM session.policies'), '7', 'so are policies');
is(on($node, "SELECT session_cookie_decode('$by_key') ->> 'sub'"), 'k', 'so are keys, which open with the master key');
is(statuses($node, $deleted, $newest), 'unknown|unknown', 'sessions and tokens that are newer are unknown');
is(on($node, 'SELECT count(*) FROM session.sessions'), $rows - 1, 'no row is missing and none is newer');
is(on($node, q{SELECT count(*) FROM session.events WHERE user_id IN ('after')}), 0, 'no event is newer');
is(statuses($node, $t{later}) . ' ' . on($node, "SELECT session_cookie_decode('$cookie') ->> 'sub'"),
	'active s', 'a session and a cookie that ended later are good again');
like(on($node, "SELECT token FROM session_refresh('$newest_refresh')"), qr/^st_/,
	'the newest refresh token that a client has is accepted');
is(on($node, "SELECT count(*) FROM session_refresh('$newest_refresh')"), 1, 'and once more within the grace');

# The steps of the page.
my $restored = 'restored to an earlier moment';
is(on($node, "SELECT FROM session_revoke_all('$restored'); SELECT count(session_key_retire(kid)) > 0 FROM session.key_ring WHERE retired_at IS NULL AND purpose = 'session'; SELECT FROM session_key_rotate()"),
	't', 'the administrator ends everything from before');
is(statuses($node, @t{qw(kept between later)}), 'revoked|revoked|revoked', 'then no session from before is good');
is(on($node, "SELECT session_cookie_decode('$cookie') IS NULL AND session_cookie_decode('$by_key') IS NULL"), 't',
	'no cookie that carries its own proof is');
my $new = on($node, q{SELECT token FROM session_login(NULL, 'kept')});
is(statuses($node, $new), 'active', 'and users log in again');
is(on($node, 'SELECT deleted >= 0 FROM session_cleanup()'), 't', 'upkeep runs');

done_testing();
