# The server is killed with SIGKILL, again and again, under 16 clients that
# create sessions, log in, refresh, regenerate, take snapshots and revoke.
#
# What holds after each crash:
# 1. With synchronous_commit = on, every creation that the server acknowledged
#    is there, and its token is accepted. With off, a creation may be lost.
# 2. With both, every acknowledged end holds: no token and no refresh token of
#    the session is accepted, and no snapshot that was made before.
# 3. With both, every acknowledged rotation holds: the new token is accepted,
#    and the old one is not.
# 4. No rotation is half done, acknowledged or not: exactly one of the old and
#    the new token is accepted, and the row has what belongs to that token.
# 5. A client that did not get the answer to a refresh sends the same refresh
#    token again, and gets tokens that work. One that got the answer gets the
#    same answer again.
#
# FAULT_CRASHES is the number of crashes, FAULT_SEED the seed.

use strict;
use warnings;
use File::Basename qw(dirname);
use lib dirname(__FILE__);
use Clients;
use Fault;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $crashes = $ENV{FAULT_CRASHES} // 6;
my $clients = 16;
seed();
my $node = make_server(
	'crash', conf => q{
session.refresh_grace = '1h'
wal_writer_delay = '2s'
checkpoint_timeout = '30s'
});
$node->stop;
start_again($node);
connection($node)->run('SELECT session_key_rotate()');

my $folder = $node->basedir . '/clients';
mkdir $folder or die "could not create $folder: $!";

my $start = time;
for my $round (1 .. $crashes)
{
	my $setting = $round % 2 ? 'on' : 'off';
	my @children = start_clients($node, $clients, "$folder/$round", setting => $setting);

	sleep 0.3 + rand 0.7;
	kill_child($node);
	is(wait_clients(@children), 0, "all clients worked until crash $round");
	start_again($node);

	my $conn = connection($node);
	my $before = @Clients::failed;
	check_sessions($conn, $setting, map { replay("$folder/$round.$_") } 1 .. $clients);
	is(join("\n", @Clients::failed[ $before .. $#Clients::failed ]), '',
		"after crash $round, with synchronous_commit = $setting, nothing acknowledged is lost and nothing is half done");
	$conn->close;
}
note sprintf '%d crashes in %d s', $crashes, time - $start;
note "$_: $Clients::count{$_}" for sort keys %Clients::count;
my @unseen = grep { !$Clients::count{$_} } ('kept', 'ended', 'replaced', 'snapshots of ended sessions', 'snapshots of live sessions');
is("@unseen", '', 'there were sessions of every kind to check');

# The ends of all rounds hold after all crashes.
my $conn = connection($node);
my $status = each_of($conn, 'session_status(t)', map { $_->{token}, @{ $_->{old} } } @Clients::ended);
is(scalar(grep { $_ eq 'active' } values %$status), 0,
	'every acknowledged end holds after all crashes');
my $refreshed = each_of($conn, '(SELECT count(*) FROM session_refresh(t))', grep { $_ } map { $_->{refresh} } @Clients::ended);
is(scalar(grep { $_ } values %$refreshed), 0,
	'no refresh token of a session that has ended is accepted');
$conn->run('CREATE EXTENSION amcheck');
is( $conn->value(q{
		SELECT count(bt_index_check(i.indexrelid, true)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
		WHERE a.amname = 'btree' AND c.relnamespace = 'session'::regnamespace}) > 0,
	1, 'the indexes have every row');
is( $conn->value('SELECT count(*) FROM session.sessions WHERE revoked_at IS NULL AND expires_at > now()') > 0,
	1, 'the live sessions are in the table');
$conn->close;
stop_child($node);
done_testing();
