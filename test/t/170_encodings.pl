# Databases with other encodings than UTF-8. The identity is the same whether
# the row, a snapshot or a cookie proves it. A value that a cookie cannot
# represent is in no cookie.

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

# Creates a session of a user whose id has these bytes. Returns, in
# hexadecimal, the user id from the row, from a snapshot, and from a request,
# and whether the response of the request contains a snapshot.
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

is(says('latin1', 'e46f'), "e46f\ne46f\ne46f\n",
	'a LATIN1 user id is the same in the row, the snapshot and the request');
is(says('euc_jp', 'a4a2'), "a4a2\na4a2\na4a2\n",
	'an EUC_JP user id is the same in the row, the snapshot and the request');
is(says('euc_jp', 'adfc'), "adfc\nnone\nadfc\n",
	'a user id that UTF-8 does not give back unchanged is in no snapshot');
is(says('ascii', 'c3a4'), "c3a4\nc3a4\nc3a4\n",
	'valid UTF-8 in SQL_ASCII is the same in the row, the snapshot and the request');
is($node->safe_psql('ascii',
		q{SET client_min_messages = error; SELECT count(id) FROM session_create('x' || chr(200))}),
	'1', 'a session in SQL_ASCII may have a user id that is not UTF-8');

my ($out, $err);
is( $node->psql('euc_jp',
		q{SELECT session_cookie_encode(jsonb_build_object('sub', convert_from('\xadfc', 'EUC_JP')))},
		stderr => \$err, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]),
	3, 'a value that UTF-8 does not give back unchanged is in no cookie');
like($err, qr/ERROR:  22P05/, 'making such a cookie fails with 22P05');

done_testing();
