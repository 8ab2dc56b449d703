# Databases that do not speak UTF-8: who somebody is does not depend on what it
# was proven by, and what cannot be said in a cookie is not said.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\nsession.strategy = 'cookie_cache'\n");
$node->start;

my %encoding = (latin1 => 'LATIN1', euc_jp => 'EUC_JP', ascii => 'SQL_ASCII');
for my $database (sort keys %encoding)
{
	$node->safe_psql('postgres',
		"CREATE DATABASE $database ENCODING '$encoding{$database}' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, 'CREATE EXTENSION session; SELECT session_key_rotate()');
}

# The id, in hexadecimal, of a session of a user whose id has these bytes, as
# its row, a snapshot and a cookie of its own say it; and where a request got
# it from.
sub says
{
	my ($database, $bytes) = @_;
	return $node->safe_psql(
		$database, qq{
		SET client_min_messages = error;
		SELECT token FROM session_create(convert_from('\\x$bytes', getdatabaseencoding())) \\gset
		CREATE FUNCTION pg_temp.snapshot(token text) RETURNS text LANGUAGE plpgsql AS \$\$
		BEGIN
			RETURN session_cookie_issue(token);
		EXCEPTION WHEN untranslatable_character THEN
			RETURN NULL;
		END \$\$;
		SELECT coalesce(pg_temp.snapshot(:'token'), '') AS snapshot \\gset
		SELECT encode(convert_to(user_id, getdatabaseencoding()), 'hex') FROM session_validate(:'token');
		SELECT coalesce((SELECT encode(convert_to(user_id, getdatabaseencoding()), 'hex') FROM session_cookie_validate(:'snapshot')), 'none');
		BEGIN;
		SELECT FROM set_config('request.cookies', json_strip_nulls(json_build_object('__Host-session', :'token', '__Host-session-cache', nullif(:'snapshot', '')))::text, true);
		SELECT FROM session_pre_request();
		SELECT encode(convert_to(session_user_id(), getdatabaseencoding()), 'hex');
		SELECT current_setting('response.headers', true) LIKE '%-cache=%';
	});
}

is(says('latin1', 'e46f'), "e46f\ne46f\ne46f\n", 'LATIN1 has all of its characters in UTF-8');
is(says('euc_jp', 'a4a2'), "a4a2\na4a2\na4a2\n", 'so has EUC_JP most');
is(says('euc_jp', 'adfc'), "adfc\nnone\nadfc\n",
	'one that comes back as another is in no snapshot, and the row says who it is');
is(says('ascii', 'c3a4'), "c3a4\nc3a4\nc3a4\n", 'SQL_ASCII has what UTF-8 has');
is($node->safe_psql('ascii',
		q{SET client_min_messages = error; SELECT count(id) FROM session_create('x' || chr(200))}),
	'1', 'and anything else');

my ($out, $err);
is( $node->psql('euc_jp',
		q{SELECT session_cookie_encode(jsonb_build_object('sub', convert_from('\xadfc', 'EUC_JP')))},
		stderr => \$err, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]),
	3, 'nor is it in a cookie');
like($err, qr/ERROR:  22P05/, 'which is an error of whoever makes it');

done_testing();
