# Arguments for the functions of the extension: good ones, and bad ones.
#
# A pool remembers what calls have returned: tokens, cookies, ids and other
# texts.  Arguments are taken from it, so calls go on with what others made.

package Values;

use strict;
use warnings;

# How many texts of a kind are remembered, and how many bytes of one.
use constant { POOL => 60, LONGEST => 20_000 };

# A word that is valid in the encoding, and not ASCII; and bytes that are not.
my %native = (UTF8 => "\xc3\xa4\xe6\x97\xa5", LATIN1 => "\xe4\xdf", EUC_JP => "\xa4\xa2\xb0\xa1", SQL_ASCII => "\xff\xfe");
my %broken = (UTF8 => "\xc3\x28\xff", LATIN1 => "\x80\x9f", EUC_JP => "\xa4\x28\x8f", SQL_ASCII => "\x80\xc0");

# Arguments: the encoding, and a function that returns a random number below
# its argument.
sub new
{
	my ($class, $encoding, $random) = @_;
	return bless { encoding => $encoding, random => $random, pool => {} }, $class;
}

sub below { my ($self, $n) = @_; return $self->{random}->($n); }

sub pick { my ($self, @of) = @_; return $of[ $self->below(scalar @of) ]; }

sub chance { my ($self, $percent) = @_; return $self->below(1000) < $percent * 10; }

#
# The pool
#

# Remembers a text that a call has returned.
sub learn
{
	my ($self, $text) = @_;
	return if !defined $text || length $text > LONGEST || length $text < 8;
	my $kind = $text =~ /^st_[\w-]{64}$/ ? 'token' : $text =~ /^rt_[\w-]+$/ ? 'refresh_token' :
	  $text =~ /^sb_[\w-]{64}/ ? 'bound_cookie' : $text =~ /^sc_[\w-]{64}/ ? 'csrf' :
	  $text =~ /^[0-9a-f]{8}-[0-9a-f-]{27}$/ ? 'id' :
	  $text =~ /^[\w-]+(\.[\w-]*){1,4}$/ && length $text > 60 ? 'cookie' : 'text';
	my $pool = $self->{pool}{$kind} //= [];
	if (@$pool < POOL) { push @$pool, $text; }
	else { $pool->[ $self->below(POOL) ] = $text; }
	return $kind;
}

sub known
{
	my ($self, $kind) = @_;
	my $pool = $self->{pool}{$kind} // [];
	return @$pool ? $pool->[ $self->below(scalar @$pool) ] : undef;
}

#
# Good arguments, by name
#

my %texts = (
	user_id => [qw(ada bob cleo dora)], tenant_id => [qw(acme apex)], role => [qw(fuzz_app fuzz_public)],
	user_agent => [ 'Mozilla/5.0', 'curl' ], reason => [ 'ticket', 'admin' ], key => [qw(a b c)],
	encoding => [qw(compact jwt jwe sealed)], purpose => [qw(session session session jwt bound seal other)],
	method => [qw(GET POST)], url => ['https://example.com/a'], path => ['/bind'], refresh_path => ['/renew'],
	scope => [qw(todo:read mail:send)], name => [ '__Host-session', 'other' ], domain => ['example.com'],
	same_site => [qw(lax strict none)], algorithm => [qw(HS256 HS256 HS256 EdDSA ES256)],
	audience => ['https://api.example.com'], issuer => ['https://id.example.com'], bind_ip => [qw(off off subnet exact)],
	level => [qw(none app admin)], kind => [qw(database cache)], jkt => [ 'A' x 43 ],
	forwarded => [ '192.0.2.1', '192.0.2.1, 198.51.100.2', 'for=192.0.2.43;proto=https' ],
	value => [ 'a', 'st_x' ], cookie_header => ['a=b; __Host-session=x'], id => ['none'],
);

sub good_text
{
	my ($self, $function, $name) = @_;
	return 'other' if $name eq 'purpose' && $function eq 'session_key_import_jwk';
	if ($name eq 'token')
	{
		return $self->known('csrf') if $function eq 'session_csrf_check';
		return $self->pick('x' x 32, 'y' x 40) . $self->below(1000) if $function eq 'session_create';
		return $self->known('refresh_token') if $function =~ /refresh|revoke/ && $self->chance(40);
		return $self->known('token');
	}
	return $self->known('cookie') // $self->known('token') if $name eq 'cookie' || $name eq 'proof';
	return $self->known('bound_cookie') if $name eq 'bound_cookie';
	return $self->known('id') if $name eq 'id';
	return '__Host-session=' . ($self->known('token') // '') if $name eq 'cookie_header';
	return $self->known('token') if $name eq 'value' && $self->chance(50);
	return $self->known('text') if $name eq 'kid';
	return $self->native('b') if $name =~ /^(user_id|tenant_id|key|reason)$/ && $self->chance(10);
	return $self->pick(@{ $texts{$name} // ['a'] });
}

sub native { my ($self, $before) = @_; return $before . $native{ $self->{encoding} }; }

sub object
{
	my $self = shift;
	return '{' . join(', ', map { "\"$_\": " . $self->pick('1', '"x"', 'null', '[1, 2]', '{"y": true}') }
		  grep { $self->chance(40) } qw(a b c)) . '}';
}

my %counts = (auth_level => 4, max_sessions => 5, hops => 3, max_rows => 100);

# Returns a good value of a type, as text.
sub good
{
	my ($self, $function, $name, $type) = @_;
	return $self->good_text($function, $name) if $type eq 'text';
	return $name =~ /^(data|patch|payload|claims)$/ ? $self->object : $self->pick('1', '"x"', '[1]', '{"a": 2}')
	  if $type eq 'jsonb' && $name ne 'jwk';
	return '{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k' . $self->below(5) .
	  '", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}' if $type eq 'jsonb';
	return $self->pick('192.0.2.1', '192.0.2.77', '198.51.100.4', '2001:db8::1', '::ffff:192.0.2.1') if $type eq 'inet';
	return $self->pick('1 hour', '1 day', '10 minutes', '30 days') if $type eq 'interval';
	return 1 + $self->below($counts{$name} // 5) if $type =~ /^int/;
	return $self->pick('t', 'f') if $type eq 'bool';
	return $function eq 'session_create' ? $self->random_uuid : $self->known('id') // $self->random_uuid if $type eq 'uuid';
	return $self->list(map { $self->known('id') // $self->random_uuid } 1 .. $self->below(5)) if $type eq '_uuid';
	return $name eq 'amr' ? $self->pick('{pwd}', '{pwd,otp}', '{hwk}') : $self->pick('{}', '{todo:read}', '{todo:*,mail:send}')
	  if $type eq '_text';
	return '\x' . join '', map { sprintf '%02x', $self->below(256) } 1 .. 32 if $type eq 'bytea';
	return $self->pick('now', '2020-01-01', '2030-01-01') if $type eq 'timestamptz';
	return $function =~ /users/ ? 'fuzz_users' : 'session.sessions' if $type eq 'regclass';
	return $self->pick('fuzz_victim', 'fuzz_victim', 'fuzz_public') if $type eq 'regrole';
	return $name eq 'active_column' ? 'active' : $name eq 'tablespace' ? 'pg_default' : 'id' if $type eq 'name';
	return undef;
}

sub random_uuid
{
	my $self = shift;
	return join '-', map { join '', map { sprintf '%04x', $self->below(65536) } 1 .. $_ } 2, 1, 1, 1, 3;
}

sub list { my ($self, @of) = @_; return '{' . join(',', map { defined $_ ? "\"$_\"" : 'NULL' } @of) . '}'; }

#
# Bad arguments, by type
#

# Returns a text that was changed in one place.
sub spoil
{
	my ($self, $text) = @_;
	my $at = $self->below(1 + length $text);
	my $how = $self->below(6);
	if ($how == 0) { substr($text, $at, 1) = chr(33 + $self->below(90)); }
	elsif ($how == 1) { $text = substr $text, 0, $at; }
	elsif ($how == 2) { $text = substr $text, $at; }
	elsif ($how == 3) { substr($text, $at, 0) = $self->pick('.', '=', '_', ' ', "\n", $native{ $self->{encoding} }, '%00', '"', ';'); }
	elsif ($how == 4) { $text .= $self->pick('A', 'AAAA', ' ', '==', $text); }
	else { substr($text, $at, 0) = $broken{ $self->{encoding} }; }
	return $text;
}

sub huge
{
	my $self = shift;
	my $size = $self->pick(255, 256, 1024, 1025, 4096, 8192, 65_536, 300_000);
	return $self->pick('a', 'st_', '.', 'A.', '; a=b', ', for=1', '{"a":', '[', "\xa4\xa2") x $size;
}

sub bad_text
{
	my $self = shift;
	return $self->huge if $self->chance(4);
	if ($self->chance(50))
	{
		my $text = $self->known($self->pick(qw(token refresh_token cookie bound_cookie csrf id text)));
		return $self->chance(30) ? $text : $self->spoil($text) if defined $text;
	}
	return $self->pick('', ' ', 'a', "'", '\\', '"', "\x01", "\t", '%', '%s%n', "\x7f", 'st_', 'rt_', 'sb_', 'null', '{}', '[]',
		'session', 'public', 'Infinity', '-1', '0', 'https://', 'http://[', '//', '/../', '/x/*', 'a=b;;c="d"', '=', 'Bearer st_x',
		'DPoP x', 'e30.e30.', 'eyJhbGciOiJub25lIn0.e30.', 'eyJhbGciOiJub25lIn0.e30.AA', 'j:{"a":1}.x', 's:x.y',
		'st_' . 'A' x 64, 'rt_' . 'A' x 70, 'sb_' . '-' x 64, $native{ $self->{encoding} }, $broken{ $self->{encoding} },
		'x' x 63, 'x' x 64, join('', map { chr(1 + $self->below(255)) } 1 .. 1 + $self->below(80)));
}

sub bad_jsonb
{
	my $self = shift;
	return $self->pick('[' x 500 . ']' x 500, '{"a":' x 500 . '1' . '}' x 500, '{"a": "' . 'x' x 70_000 . '"}',
		'{"a": [' . join(',', 1 .. 5000) . ']}') if $self->chance(4);
	return $self->pick('null', 'true', '1', '"x"', '[]', '[null]', '{}', '{"": ""}', '{"a": null}', '{"sub": 1, "exp": -1, "iat": "x"}',
		'{"exp": 1e400}', '{"exp": 99999999999999999999}', '1e308', '-0', '"\u00e4\ud834\udd1e"', '{"a": "\u0001"}', '{"sid": {}, "jti": []}',
		'{"kty": "RSA", "n": "AQ", "e": "AQ"}', '{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}', '{"kty": "oct", "k": ""}',
		'{"keys": [{"kty": "oct"}, {}]}', '{"cnf": {"jkt": "x"}, "act": {"sub": {}}, "aud": [1]}', '{', '"' . $self->native('a') . '"');
}

my %bad = (
	inet => [ '0.0.0.0/0', '::/0', '255.255.255.255', '192.0.2.0/24', '::ffff:0.0.0.0', 'fe80::1', 'x', '' ],
	interval => [ '0', '-1 day', '1 microsecond', '178000000 years', '-178000000 years', '2147483647 days', '1 mon', '0.0000001 s',
		'1 year -365 days', '106751991 days', '292277 years', 'x' ],
	int4 => [qw(-2147483648 -1 0 1 2147483647 1000000 x)],
	int8 => [qw(-9223372036854775808 -1 0 9223372036854775807)],
	bool => [qw(t f x)],
	uuid => [ '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'x' ],
	_uuid => [ '{}', '{NULL}', '{{NULL,NULL}}', '{x}' ],
	_text => [ '{}', '{NULL}', '{""}', '{a,NULL}', '{{a,b},{c,d}}', '{" "}', '{"a b"}', '{*}', '{:}', '{a:*:b}', '[5:6]={a,b}', '{',
		'{' . join(',', map { "a$_" } 1 .. 100) . '}', '{' . 'a' x 200 . '}' ],
	bytea => [ '\x', '\x00', '\x' . 'ff' x 31, '\x' . '00' x 32, '\x' . 'ab' x 70_000, 'abc' ],
	timestamptz => [ 'infinity', '-infinity', '4714-11-24 00:00:00+00 BC', '294276-12-31 23:59:59+00', '1970-01-01', 'x' ],
	regclass => [qw(0 1259 4294967295 pg_class session.keys nothing fuzz_view)],
	regrole => [qw(0 10 4294967295 postgres pg_monitor nobody_here)],
	name => [ '', 'nothing', 'a' x 63, 'ctid', '"' ],
);

# Returns a value of a type that may be bad; undef is NULL.
sub bad
{
	my ($self, $name, $type) = @_;
	return undef if $self->chance(20);
	return $self->bad_text if $type eq 'text';
	return $self->bad_jsonb if $type eq 'jsonb';
	return $self->pick(@{ $bad{$type} // ['x'] });
}

1;
