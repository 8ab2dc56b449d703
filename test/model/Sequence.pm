# Random sequences of calls: makes one, runs it on the server and on the model,
# compares, and makes one that fails as short as possible.
#
# A call is a hash: its number "n", its name "op", its connection "c", another
# connection that is looked at afterwards, and its arguments.  Tokens are named
# by the call that gave them: t7 is the session token that call 7 returned, and
# r7 the refresh token; s3 is the third session.  So a sequence stays meaningful
# when calls are taken out of it: a call whose token does not exist is left out.

package Sequence;

use strict;
use warnings;
use POSIX qw(floor);

use Model;

use constant DAY => 100_000;

my @users = qw(ada bob cleo);
my @connections = qw(a b c);

# What the server needs besides the extension.
our $setup = <<'SQL';
CREATE FUNCTION public.may_act_as(s session_info, user_id text, tenant_id text, reason text)
RETURNS boolean LANGUAGE sql AS $$ SELECT reason <> 'refuse' $$;

CREATE PROCEDURE public.pass(span interval) LANGUAGE sql AS $$
    UPDATE session.sessions SET
        created_at = created_at - span,
        authenticated_at = authenticated_at - span,
        refreshed_at = refreshed_at - span,
        last_seen_at = coalesce((SELECT g.last_seen_at FROM session_get(id) AS g), last_seen_at) - span,
        expires_at = expires_at - span,
        max_expires_at = max_expires_at - span,
        refresh_expires_at = refresh_expires_at - span,
        rotated_at = rotated_at - span,
        revoked_at = revoked_at - span,
        purge_at = purge_at - span;
    UPDATE session.policies SET valid_after = valid_after - span
$$;

CREATE FUNCTION public.days(span interval) RETURNS text LANGUAGE sql AS $$
    SELECT round(extract(epoch FROM span) / 100000, 1)::text
$$;

CREATE FUNCTION public.words(list text[]) RETURNS text LANGUAGE sql AS $$
    SELECT array_to_string(list, ' ')
$$;

CREATE FUNCTION public.shown(i session_info) RETURNS text LANGUAGE sql AS $$
    SELECT format('user=%s tenant=%s role=%s parent=%s actor=%s scopes=%s level=%s amr=%s data=%s%s',
                  i.user_id, i.tenant_id, i.role, i.parent_id, i.actor_id, words(i.scopes), i.auth_level,
                  words(i.amr), i.data,
                  CASE i.status WHEN 'active' THEN ' unused=' || days(clock_timestamp() - i.last_seen_at) END)
$$;
SQL

# Arguments: connections by name, a reference to a function that returns a
# random number below its argument.
sub new
{
	my ($class, $conns, $random) = @_;
	return bless { conns => $conns, random => $random }, $class;
}

sub pick { my ($self, @of) = @_; return $of[ $self->{random}->(scalar @of) ]; }

sub chance { my ($self, $percent) = @_; return $self->{random}->(100) < $percent; }

# Returns a lifetime of up to some days, which ends in the middle of a day.
sub span { my ($self, $days) = @_; return $self->{random}->($days) + 0.5; }

#
# Making a sequence
#

# Returns the settings of a sequence, times in days.
sub make_settings
{
	my $self = shift;
	return {
		lifetime => $self->span(4),
		idle => $self->chance(60) ? 0 : $self->span(3),
		max_lifetime => $self->chance(70) ? 0 : 3.5,
		access => $self->span(2),
		refresh => $self->span(6) + 1,
		sliding => $self->chance(30) ? 1 : 0,
		max_sessions => $self->pick(0, 0, 1, 2, 3),
		on_limit => $self->pick(qw(evict evict reject)),
		max_derived => $self->pick(1, 3, 20),
		encrypt_data => $self->chance(25) ? 1 : 0,
	};
}

sub value
{
	my $self = shift;
	return $self->pick(1, 2, [1], [ 2, 3 ], { x => 1 }, { x => { y => 2 }, z => 3 });
}

sub object { my $self = shift; return { map { $_ => $self->value } grep { $self->chance(40) } qw(a b c) }; }

sub account
{
	my ($self, $is_login) = @_;
	my %o;
	$o{data} = $self->object if $self->chance(40);
	$o{tenant} = $self->pick(qw(acme apex)) if $self->chance(35);
	$o{role} = $self->pick(qw(clerk boss)) if $self->chance(30);
	$o{lifetime} = $self->span(4) if $self->chance(30);
	$o{idle} = $self->chance(30) ? 0 : $self->span(3) if $self->chance(25);
	$o{max_sessions} = $self->{random}->(4) if $self->chance(20);
	$o{user} = $self->pick(@users) if $is_login || $self->chance(80);
	$o{level} = $self->pick(0, 1, 2) if $o{user} && $self->chance(30);
	$o{amr} = $self->pick('pwd', 'pwd otp') if $self->chance($o{user} ? 30 : 3);
	$o{refreshable} = 1 if $self->chance(30);
	$o{sliding} = $self->chance(50) ? 1 : 0 if !$o{refreshable} && $self->chance(20);
	return %o;
}

# Returns the name of a token: mostly one that is active on the connection, and
# often one of the session of the call before.
sub some_token
{
	my ($self, $c, $kind) = @_;
	my @names = sort grep { /^$kind/ } keys %{ $self->{tokens} };
	if (@{ $self->{plan} } || $self->chance(40))
	{
		my @same = grep { $self->{tokens}{$_}{token}{sid} == ($self->{latest} // 0) } @names;
		@names = @same if @same;
	}
	if ($kind eq 't' && $self->chance(80))
	{
		my @active = grep { $self->{model}->token_status($c, $self->{tokens}{$_}{token}) eq 'active' } @names;
		@names = @active if @active;
	}
	elsif ($kind eq 'r' && $self->chance(60))
	{
		my @newest = grep {
			my $t = $self->{tokens}{$_}{token};
			my $s = $self->{model}->find($c, $t);
			$s && $s->{generation} == $t->{generation}
		} @names;
		@names = @newest if @newest;
	}
	return @names ? $self->pick(@names) : 't0';
}

# Returns the name of a token of a session that others were made of.
sub some_parent
{
	my ($self, $c) = @_;
	my $m = $self->{model};
	my %parents = map { $_->{parent} => 1 } grep { defined $_->{parent} } $m->sessions($c);
	my @names = sort grep { /^t/ && $parents{ $self->{tokens}{$_}{token}{sid} } && $m->active($c, $self->{tokens}{$_}{token}) }
	  keys %{ $self->{tokens} };
	return @names ? $self->pick(@names) : $self->some_token($c, 't');
}

sub some_session
{
	my $self = shift;
	return 's' . (1 + $self->{random}->($self->{model}{born} || 1));
}

# How often each call is made.
my %weights = (
	create => 9, login => 7, validate => 6, authenticate => 8, refresh => 10, regenerate => 8,
	revoke => 4, revoke_id => 3, revoke_user => 3, revoke_all => 3, revoke_tenant => 1,
	revoke_others => 5, touch => 2, derive => 7, act_as => 5, policy_set => 3, policy_drop => 2,
	data => 2, data_set => 2, data_merge => 2, data_append => 2, data_replace => 2, data_save => 1,
	data_delete => 1, data_pop => 1, data_clear => 1, begin => 9, commit => 6, rollback => 4,
	savepoint => 7, rollback_to => 6, release => 2, pass => 9, list => 2, cleanup => 1,
);
my @bag = map { ($_) x $weights{$_} } sort keys %weights;

my %makers = (
	create => sub { my ($self) = @_; return $self->account(0); },
	login => sub {
		my ($self, $c) = @_;
		return ($self->account(1), $self->chance(75) ? (token => $self->some_token($c, 't')) : ());
	},
	refresh => sub { my ($self, $c) = @_; return (token => $self->some_token($c, $self->pick(qw(t r r r)))); },
	revoke => sub { my ($self, $c) = @_; return (token => $self->some_token($c, $self->pick(qw(t t r)))); },
	regenerate => sub {
		my ($self, $c) = @_;
		my %o = (token => $self->chance(30) ? $self->some_parent($c) : $self->some_token($c, 't'));
		$o{user} = $self->pick(@users) if $self->chance(35);
		$o{tenant} = $self->pick(qw(acme apex)) if $self->chance(25);
		$o{role} = $self->pick(qw(clerk boss)) if $self->chance(20);
		$o{level} = $self->pick(0, 1, 2) if $self->chance(30);
		$o{amr} = $self->pick('pwd', 'otp hwk') if $self->chance(20);
		$o{lifetime} = $self->span(4) if $self->chance(20);
		return %o;
	},
	derive => sub {
		my ($self, $c) = @_;
		my %o = (token => $self->some_token($c, 't'));
		$o{scopes} = $self->pick('todo:read', 'todo:*', '*', 'todo:read mail:send') if $self->chance(60);
		$o{lifetime} = $self->span(4) if $self->chance(50);
		$o{data} = $self->object if $self->chance(30);
		return %o;
	},
	act_as => sub {
		my ($self, $c) = @_;
		my %o = (token => $self->some_token($c, 't'), user => $self->pick(@users), lifetime => $self->span(3));
		$o{reason} = $self->chance(15) ? 'refuse' : 'ticket';
		$o{tenant} = $self->pick(qw(acme apex)) if $self->chance(30);
		$o{role} = 'clerk' if $self->chance(30);
		return %o;
	},
	revoke_id => sub { my $self = shift; return (session => $self->some_session); },
	revoke_user => sub {
		my $self = shift;
		my %o = (user => $self->pick(@users));
		$o{tenant} = 'acme' if $self->chance(25);
		$o{session} = $self->some_session if $self->chance(30);
		return %o;
	},
	revoke_tenant => sub { my $self = shift; return (tenant => $self->pick(qw(acme apex))); },
	revoke_all => sub {
		my $self = shift;
		my %o;
		$o{tenant} = $self->pick(qw(acme apex)) if $self->chance(60);
		$o{ago} = $self->span(3) if $self->chance(60);
		return %o;
	},
	policy_set => sub {
		my $self = shift;
		my %o;
		$o{tenant} = $self->pick(qw(acme apex)) if $self->chance(50);
		$o{role} = $self->pick(qw(clerk boss)) if $self->chance(50);
		my @rules = grep { $self->chance(50) } qw(lifetime idle max_sessions);
		@rules = 'max_sessions' unless @rules;
		$o{$_} = $_ eq 'max_sessions' ? $self->{random}->(4) : $self->span(4) for @rules;
		$o{idle} = 0 if exists $o{idle} && $self->chance(30);
		return %o;
	},
	policy_drop => sub {
		my $self = shift;
		my @keys = $self->{model}->keys_of('a', 'P') or return;
		my ($tenant, $role) = $self->pick(@keys) =~ /^P(.*)\|(.*)$/;
		return ($tenant ne '' ? (tenant => $tenant) : (), $role ne '' ? (role => $role) : ());
	},
	data_set => sub { my ($self) = @_; return (key => $self->pick(qw(a b c)), value => $self->value); },
	data_append => sub { my ($self) = @_; return (key => $self->pick(qw(a b c)), value => $self->value); },
	data_delete => sub { my ($self) = @_; return (key => $self->pick(qw(a b c))); },
	data_pop => sub { my ($self) = @_; return (key => $self->pick(qw(a b c))); },
	data_save => sub { my ($self) = @_; return (data => $self->object); },
	data_merge => sub {
		my ($self) = @_;
		return (data => { map { $_ => $self->chance(25) ? undef : $self->value } grep { $self->chance(50) } qw(a b c) });
	},
	data_replace => sub {
		my ($self) = @_;
		return (key => $self->pick(qw(a b c)), map { $self->chance(80) ? ($_ => $self->value) : () } qw(expected value));
	},
	savepoint => sub { my $self = shift; return (name => $self->pick(qw(one two))); },
	rollback_to => sub { my $self = shift; return (name => $self->pick(qw(one two))); },
	release => sub { my $self = shift; return (name => $self->pick(qw(one two))); },
	begin => sub { my $self = shift; return $self->chance(40) ? (repeatable => 1) : (); },
	pass => sub { my $self = shift; return (days => 1 + $self->{random}->(2)); },
	list => sub { my $self = shift; return (user => $self->pick(@users)); },
);

# Now and then plans what chance seldom brings together: a call for a session is
# rolled back, and another one for the same session follows.
sub make_plan
{
	my ($self, $c) = @_;
	my $token = $self->{tokens}{ $self->some_token($c, $self->pick(qw(t r))) } or return;
	$self->{latest} = $token->{token}{sid};
	$self->{plan_for} = $c;
	push @{ $self->{plan} }, 'pass' if $self->chance(60);
	push @{ $self->{plan} }, 'begin', 'savepoint',
	  $self->pick(qw(refresh refresh regenerate revoke authenticate login data_set derive touch)), 'rollback_to',
	  $self->pick(qw(validate authenticate refresh data regenerate derive)), 'nothing';
	return;
}

# Returns a random call.
sub make_call
{
	my ($self, $n) = @_;
	my $c = $self->pick(@connections);
	my $m = $self->{model};
	# Half of the calls go on with an open transaction.
	my @open = grep { $m->in_transaction($_) } @connections;
	$c = $self->pick(@open) if @open && $self->chance(50);
	my $op = $self->pick(@bag);
	$self->make_plan($c) if !@{ $self->{plan} } && !$m->conn($c)->{failed} && $self->chance(5);
	my $planned = @{ $self->{plan} } > 1;
	($op, $c) = (shift @{ $self->{plan} }, $self->{plan_for}) if $planned;
	$self->{plan} = [] unless $planned;
	$op = $self->pick(qw(rollback rollback_to rollback_to)) if $m->conn($c)->{failed};
	# Time passes only if no transaction is open.
	if ($op eq 'pass' && @open) { $c = $open[0]; $op = 'commit'; }
	my %o = $makers{$op} ? $makers{$op}->($self, $c) : ();
	$o{name} = 'one' if $planned && defined $o{name};
	$o{token} //= $self->some_token($c, 't') if $op =~ /^(validate|authenticate|touch|data)/;
	return { n => $n, op => $op, c => $c, look => $self->pick(@connections), %o };
}

#
# SQL
#

sub quote { my $text = shift; return defined $text ? "'$text'" : 'NULL'; }

sub seconds { my $days = shift; return quote($days * DAY . ' s'); }

sub list_of { my $words = shift; return quote('{' . join(',', split / /, $words) . '}'); }

# How each argument is written, and what the extension calls it.
my %written = (
	user => [ user_id => \&quote ], tenant => [ tenant_id => \&quote ], role => [ role => \&quote ],
	lifetime => [ lifetime => \&seconds ], idle => [ idle_timeout => \&seconds ],
	level => [ auth_level => sub { shift } ], max_sessions => [ max_sessions => sub { shift } ],
	refreshable => [ refreshable => sub { 'true' } ], sliding => [ sliding => sub { shift() ? 'true' : 'false' } ],
	amr => [ amr => \&list_of ], data => [ data => sub { quote(Model::json(shift)) } ],
	reason => [ reason => \&quote ],
);

# Returns arguments by name.
sub named
{
	my ($o, @names) = @_;
	return map { defined $o->{$_} ? "$written{$_}[0] => " . $written{$_}[1]->($o->{$_}) : () } @names;
}

my @account = qw(user tenant role data lifetime idle level refreshable max_sessions sliding amr);

sub args { return '(' . join(', ', @_) . ')'; }

sub credentials { my $call = shift; return "SELECT id, token, refresh_token FROM $call;"; }

# How a call is made on the server: its SQL, and the arguments of the model.
# $t is its token as text, $T the token of the model.
my %calls = (
	create => sub { my ($o) = @_; return (credentials('session_create' . args(named($o, @account))), %$o); },
	login => sub {
		my ($o, $t, $T) = @_;
		return (credentials('session_login' . args('token => ' . quote($t), named($o, @account))), $T, %$o);
	},
	validate => sub { my ($o, $t, $T) = @_; return ("SELECT shown(v), id FROM session_validate('$t') AS v;", $T); },
	authenticate => sub { my ($o, $t, $T) = @_; return ("SELECT session_authenticate('$t');", $T); },
	refresh => sub { my ($o, $t, $T) = @_; return (credentials("session_refresh('$t')"), $T); },
	regenerate => sub {
		my ($o, $t, $T) = @_;
		return (credentials('session_regenerate' . args("'$t'", named($o, qw(user role level tenant lifetime amr)))), $T, %$o);
	},
	derive => sub {
		my ($o, $t, $T) = @_;
		my $scopes = defined $o->{scopes} ? list_of($o->{scopes}) : 'NULL';
		return (credentials('session_derive' . args("'$t'", $scopes, named($o, qw(lifetime data)))), $T, %$o);
	},
	act_as => sub {
		my ($o, $t, $T) = @_;
		return (credentials('session_act_as' . args("'$t'", named($o, qw(user reason tenant role lifetime)))), $T, %$o);
	},
	revoke => sub { my ($o, $t, $T) = @_; return ("SELECT session_revoke('$t');", $T); },
	revoke_id => sub { my ($o, $s, $S) = @_; return ("SELECT session_revoke_id('$s');", $S); },
	revoke_user => sub {
		my ($o, $s, $S) = @_;
		my @except = $s ? "except_id => '$s'" : ();
		return ('SELECT session_revoke_user' . args(named($o, qw(user tenant)), @except) . ';', @$o{qw(user tenant)}, $S);
	},
	revoke_tenant => sub { my ($o) = @_; return ("SELECT session_revoke_tenant('$o->{tenant}');", $o->{tenant}); },
	revoke_others => sub { return ('SELECT session_revoke_others();'); },
	revoke_all => sub {
		my ($o) = @_;
		my @ago = $o->{ago} ? 'valid_after => clock_timestamp() - interval ' . seconds($o->{ago}) : ();
		return ('SELECT session_revoke_all' . args(named($o, 'tenant'), @ago) . ' IS NOT NULL;', @$o{qw(tenant ago)});
	},
	policy_set => sub { my ($o) = @_; return ('SELECT session_policy_set' . args(named($o, qw(tenant role lifetime idle max_sessions))) . ';', %$o); },
	policy_drop => sub { my ($o) = @_; return ('SELECT session_policy_drop' . args(named($o, qw(tenant role))) . ';', %$o); },
	touch => sub { my ($o, $t, $T) = @_; return ("SELECT session_touch('$t');", $T); },
	data => sub { my ($o, $t, $T) = @_; return ("SELECT session_data('$t');", $T); },
	data_clear => sub { my ($o, $t, $T) = @_; return ("SELECT session_data_clear('$t');", $T); },
	data_save => sub { my ($o, $t, $T) = @_; return ("SELECT session_data_save('$t', " . quote(Model::json($o->{data})) . ');', $T, $o->{data}); },
	data_merge => sub { my ($o, $t, $T) = @_; return ("SELECT session_data_merge('$t', " . quote(Model::json($o->{data})) . ');', $T, $o->{data}); },
	data_delete => sub { my ($o, $t, $T) = @_; return ("SELECT session_data_delete('$t', '$o->{key}');", $T, $o->{key}); },
	data_pop => sub { my ($o, $t, $T) = @_; return ("SELECT session_data_pop('$t', '$o->{key}');", $T, $o->{key}); },
	data_set => sub { my ($o, $t, $T) = @_; return ("SELECT session_data_set('$t', '$o->{key}', " . quote(Model::json($o->{value})) . ');', $T, @$o{qw(key value)}); },
	data_append => sub { my ($o, $t, $T) = @_; return ("SELECT session_data_append('$t', '$o->{key}', " . quote(Model::json($o->{value})) . ');', $T, @$o{qw(key value)}); },
	data_replace => sub {
		my ($o, $t, $T) = @_;
		my @values = map { defined $o->{$_} ? quote(Model::json($o->{$_})) : 'NULL' } qw(expected value);
		return ("SELECT session_data_replace('$t', '$o->{key}', $values[0], $values[1]);", $T, @$o{qw(key expected value)});
	},
	list => sub { my ($o) = @_; return ("SELECT id FROM session_list('$o->{user}');", $o->{user}); },
);

#
# Running
#

# Returns the keys that a call claims.
sub claims
{
	my ($self, $call, $token) = @_;
	my ($m, $c, $op) = ($self->{model}, $call->{c}, $call->{op});
	my @keys = $token ? $m->claims_of($c, $token->{sid}) : ();

	return () if $op =~ /^(validate|authenticate|data|list)$/;
	push @keys, $m->claims_of_user($c, $call->{user}) if defined $call->{user};
	if ($op =~ /^revoke_(user|tenant|others|id)$/)
	{
		my $identity = $m->identity($c);
		my @of = grep {
			$op eq 'revoke_tenant' ? Model::same($_->{tenant}, $call->{tenant}) :
			  $op eq 'revoke_id' ? "s$_->{sid}" eq $call->{session} :
			  $op eq 'revoke_user' ? Model::same($_->{user}, $call->{user}) :
			  $identity && Model::same($_->{user}, $identity->{user})
		} $m->sessions($c);
		push @keys, $m->claims_of($c, map { $_->{sid} } @of);
	}
	if ($op eq 'regenerate' && $token && (my $s = $m->find($c, $token)))
	{
		push @keys, $m->claims_of_user($c, $s->{user}) if defined $s->{user};
	}
	push @keys, 'policies' if $op =~ /^(policy_|revoke_all)/;
	return @keys;
}

sub same_or { my ($value) = @_; return $value // ''; }

# Returns what shown() returns on the server.
sub shown
{
	my ($self, $info) = @_;
	return sprintf 'user=%s tenant=%s role=%s parent=%s actor=%s scopes=%s level=%s amr=%s data=%s%s',
	  (map { $_ // '' } @$info{qw(user tenant role)}),
	  defined $info->{parent} ? $self->{model}{ids}{ $info->{parent} } // '(none)' : '',
	  (map { $_ // '' } @$info{qw(actor scopes level amr)}),
	  Model::json($info->{data}),
	  $info->{life} eq 'active' ? sprintf(' unused=%.1f', $self->{model}{day} - int($info->{last_seen})) : '';
}

# Compares what a call that gives tokens has returned, and learns the tokens.
sub compare_given
{
	my ($self, $call, $given, $got) = @_;
	my ($id, $token, $refresh) = split /\|/, $got;
	my $m = $self->{model};

	$given = $given->{given} if $given->{given};
	return "tokens were expected" unless defined $token && $id =~ /^[0-9a-f-]{36}$/;
	my $known = $m->{ids}{ $given->{sid} } //= $id;
	return "s$given->{sid}, which is $known, was expected" if $known ne $id;
	return 'a refresh token was expected' if $given->{refresh} && !$refresh;
	return 'no refresh token was expected' if !$given->{refresh} && $refresh;
	for ([ t => $given->{token}, $token ], [ r => $given->{refresh}, $refresh ])
	{
		my ($kind, $model, $text) = @$_;
		next unless $model;
		# The tokens of a generation are the same however often they are made.
		my $same = join ' ', $kind, @$model{qw(sid epoch generation)};
		my $before = $self->{made}{$same} //= $text;
		return "the same token as before was expected" if $before ne $text;
		$self->{tokens}{"$kind$call->{n}"} = { token => $model, text => $text };
	}
	return undef;
}

# Compares the result of a call; returns what differs, or undef.
sub compare
{
	my ($self, $call, $result, $got) = @_;
	my $op = $call->{op};

	$got =~ s/\|.*// if $op eq 'validate';
	if ($op eq 'list')
	{
		my %sids = reverse %{ $self->{model}{ids} };
		$got = join ' ', sort { $a <=> $b } map { $sids{$_} // -1 } split /\n/, $got;
	}
	return $got eq $result ? undef : "$result was expected" if defined $result && !ref $result;
	return $got eq '' ? undef : 'no row was expected' unless defined $result;
	return $self->compare_given($call, $result, $got) if $result->{sid} && $result->{token} || $result->{given};
	my $shown = $self->shown($result);
	return $got eq $shown ? undef : "$shown was expected";
}

# Looks at everything on a connection; returns what differs, or undef.
sub look
{
	my ($self, $c) = @_;
	my $m = $self->{model};
	return undef if $m->conn($c)->{failed};

	$m->begin_statement($c) if $m->in_transaction($c);
	my @names = sort grep { $self->{tokens}{$_} } keys %{ $self->{tokens} };
	my @sids = sort { $a <=> $b } keys %{ $m->{ids} };
	my $tokens = join ',', map { $self->{tokens}{$_}{text} } @names;
	my $ids = join ',', map { $m->{ids}{$_} } @sids;
	my $got = $self->{conns}{$c}->run(<<"SQL");
SELECT format('%s %s %s %s %s %s %s %s', session_id(), session_user_id(), session_tenant_id(), session_role(),
              session_auth_level(), words(session_amr()), session_actor_id(), words(session_scopes()));
SELECT session_status(t) FROM unnest('{$tokens}'::text[]) WITH ORDINALITY AS x (t, n) ORDER BY n;
SELECT coalesce(g.status || ' ' || shown(g) ||
                CASE WHEN g.status <> 'active' THEN '' WHEN g.expires_at = 'infinity' THEN ' ends=never'
                     ELSE ' ends=' || days(g.expires_at - clock_timestamp()) END, 'none')
  FROM unnest('{$ids}'::uuid[]) WITH ORDINALITY AS x (i, n) LEFT JOIN LATERAL session_get(i) AS g ON true ORDER BY n;
SQL
	my $identity = $m->in_transaction($c) ? $m->identity($c) : undef;
	my @expected = ($identity ? join(' ', $m->{ids}{ $identity->{sid} }, map { $_ // '' } @$identity{qw(user tenant role level amr actor scopes)}) : ' ' x 7);
	my @what = ('the identity', (map { "the status of $_" } @names), (map { "session s$_" } @sids));
	push @expected, map { $m->token_status($c, $self->{tokens}{$_}{token}) } @names;
	for my $sid (@sids)
	{
		my $s = $m->row($c, "S$sid");
		my $info = $s && $m->info($c, $s);
		my $ends = !$info || $info->{life} ne 'active' ? '' :
		  $info->{deadline} > Model::NEVER / 2 ? ' ends=never' : sprintf ' ends=%.1f', floor(2 * ($info->{deadline} - $m->{day}) + 0.2) / 2;
		push @expected, $info ? "$info->{life} " . $self->shown($info) . $ends : 'none';
	}
	my @got = split /\n/, $got, -1;
	for my $i (0 .. $#what)
	{
		next if ($got[$i] // '(nothing)') eq $expected[$i];
		return "on $c, $what[$i]:\n  expected: $expected[$i]\n  got:      " . ($got[$i] // '(nothing)');
	}
	return @got == @what ? undef : "on $c: $got";
}

# Deletes dead sessions: which of those that are over does not matter.
sub cleanup
{
	my ($self, $c) = @_;
	my $m = $self->{model};
	my %sids = reverse %{ $m->{ids} };
	my $got = $self->{conns}{$c}->run("SELECT deleted, failed FROM session_cleanup(); SELECT id FROM session.sessions;");
	my ($head, @ids) = split /\n/, $got;
	return $head unless $head =~ /^\d+\|\{\}$/;
	my %left = map { ($sids{$_} // -1) => 1 } @ids;
	for my $s (map { $m->{rows}{$_} } $m->keys_of($c, 'S'))
	{
		my $due = defined $s->{reason} && $m->{day} > $s->{revoked_day} + 1;
		return "s$s->{sid} should be deleted" if $left{ $s->{sid} } && $due;
		next if $left{ $s->{sid} };
		return "live s$s->{sid} was deleted" if $m->life($c, $s) eq 'active';
		delete $m->{rows}{"S$s->{sid}"};
	}
	return undef;
}

# Runs a statement that is no call of the extension.  Returns whether it can be
# run, and what differs.
sub run_control
{
	my ($self, $call) = @_;
	my ($m, $c, $op) = ($self->{model}, $call->{c}, $call->{op});
	my $open = $m->in_transaction($c);
	my %sql = (
		begin => 'BEGIN' . ($call->{repeatable} ? ' ISOLATION LEVEL REPEATABLE READ' : ''),
		commit => 'COMMIT', rollback => 'ROLLBACK',
		savepoint => "SAVEPOINT $call->{name}", rollback_to => "ROLLBACK TO $call->{name}",
		release => "RELEASE $call->{name}", pass => 'CALL pass(' . seconds($call->{days} // 0) . ')');

	if ($op eq 'pass' || $op eq 'cleanup') { return 0 if $m->any_transaction; }
	elsif ($op eq 'begin') { return 0 if $open; }
	else { return 0 unless $open; }
	return 0 if $m->conn($c)->{failed} && $op !~ /^(commit|rollback)/;
	return 0 if $op =~ /^(rollback_to|release)$/ && !defined $m->find_savepoint($c, $call->{name});
	$m->pass_tick;
	return (1, $self->cleanup($c)) if $op eq 'cleanup';
	if ($op eq 'pass') { $m->{day} += $call->{days}; $m->{tick} = 0; }
	else { $m->$op($c, $call->{name}); }
	my $got = $self->{conns}{$c}->run("$sql{$op};");
	return (1, $got eq '' ? undef : "got $got");
}

# Runs a call.  Returns whether it can be run now, and what differs, if
# anything.
sub run_call
{
	my ($self, $call) = @_;
	my ($m, $c) = ($self->{model}, $call->{c});
	my %o = %$call;

	return $self->run_control($call) unless $calls{ $o{op} };
	return 0 if $m->conn($c)->{failed};
	return 0 if $o{op} eq 'revoke_others' && !($m->in_transaction($c) && $m->identity($c));
	return 0 if $o{op} eq 'policy_drop' && !$m->row($c, 'P' . ($o{tenant} // '') . '|' . ($o{role} // ''));
	my ($text, $model);
	if (defined $o{token})
	{
		my $token = $self->{tokens}{ $o{token} } or return 0;
		($text, $model) = @$token{qw(text token)};
		$self->{latest} = $model->{sid};
	}
	if (defined $o{session})
	{
		$model = substr $o{session}, 1;
		$text = $m->{ids}{$model} or return 0;
	}
	# A second call within a second names the next second, so it may end what is
	# created elsewhere before its commit.
	return 0 if $o{op} eq 'revoke_all' && !$o{ago} && ($m->{cut_day} // -1) == $m->{day};
	return 0 unless $m->claim($c, $self->claims($call, ref $model ? $model : undef));
	my ($sql, @args) = $calls{ $o{op} }->(\%o, $text, $model);
	$m->{cut_day} = $m->{day} if $o{op} eq 'revoke_all' && !$o{ago};
	my $result = $m->call($c, $o{op}, @args);
	my $got = $self->{conns}{$c}->run($sql);
	$self->{seen}{"$o{op} " . (!defined $result ? 'nothing' : ref $result ? 'a row' : $result =~ /^(t|f|ERROR .*)$/ ? $1 : 'a value')}++;
	my $differs = $self->compare($call, $result, $got);
	return (1, defined $differs ? "$differs, got: " . ($got eq '' ? 'no row' : $got) : undef);
}

# Makes the server and the model empty.
sub start
{
	my ($self, $settings) = @_;
	my %set = %$settings;
	my $sql = join '', map { "SET session.$_->[0] = '$_->[1]'; " }
	  [ lifetime => $set{lifetime} * DAY ], [ idle_timeout => $set{idle} * DAY ],
	  [ max_lifetime => $set{max_lifetime} * DAY ], [ access_lifetime => $set{access} * DAY ],
	  [ refresh_lifetime => $set{refresh} * DAY ],
	  map { [ $_ => $set{$_} ] } qw(sliding max_sessions on_limit max_derived encrypt_data);

	$self->{model} = Model->new(%set);
	@$self{qw(tokens made plan latest)} = ({}, {}, []);
	for my $c (@connections)
	{
		# A sequence that has failed may have left a transaction.
		my $got = $self->{conns}{$c}->run("\\set VERBOSITY sqlstate\nSET client_min_messages = error; ROLLBACK; $sql");
		die $got if $got ne '';
	}
	my $got = $self->{conns}{a}->run('DELETE FROM session.sessions; DELETE FROM session.policies; DELETE FROM session.events;');
	die $got if $got ne '';
	return;
}

# Compares what remains when all transactions have ended.
sub finish
{
	my $self = shift;
	my $m = $self->{model};
	for my $c (grep { $m->in_transaction($_) } @connections)
	{
		$m->commit($c);
		$self->{conns}{$c}->run('COMMIT;');
	}
	for my $c (@connections)
	{
		my $differs = $self->look($c);
		return $differs if defined $differs;
	}
	my %sids = reverse %{ $m->{ids} };
	my $got = $self->{conns}{b}->run(<<'SQL');
SELECT id, revoked_reason FROM session.sessions WHERE revoked_reason IS NOT NULL;
\echo -- events --
SELECT kind, session_id FROM session.events WHERE kind IN ('created', 'regenerated', 'refreshed', 'revoked', 'evicted');
SQL
	my ($reasons, $events) = map { [ split /\n/ ] } split /^-- events --\n?/m, $got, 2;
	my @reasons = map { my ($id, $reason) = split /\|/; ($sids{$id} // -1) . " $reason" } @$reasons;
	my @expected = map { "$_->{sid} $_->{reason}" } grep { defined $_->{reason} } $m->sessions('b');
	return differ('reasons of ends', \@reasons, \@expected) //
	  differ('events', [ map { my ($kind, $id) = split /\|/; "$kind " . ($sids{$id} // -1) } @{ $events // [] } ], $m->{events});
}

# Compares two lists without regard to order.
sub differ
{
	my ($what, $got, $expected) = @_;
	my ($left, $right) = map { join ', ', sort @$_ } $got, $expected;
	return $left eq $right ? undef : "$what\n  expected: $right\n  got:      $left";
}

# Makes and runs a random sequence of a number of calls.
sub make
{
	my ($self, $length) = @_;
	my $sequence = { settings => $self->make_settings, calls => [] };
	$self->start($sequence->{settings});
	for my $n (1 .. $length * 3)
	{
		my $call = $self->make_call($n);
		my ($done, $differs) = $self->run_and_look($call);
		push @{ $sequence->{calls} }, $call if $done;
		return ($sequence, "call $n: $differs") if defined $differs;
		last if @{ $sequence->{calls} } >= $length;
	}
	my $differs = $self->finish;
	return ($sequence, defined $differs ? "at the end: $differs" : undef);
}

sub run_and_look
{
	my ($self, $call) = @_;
	my ($done, $differs) = $self->run_call($call);
	return 0 unless $done;
	$differs //= $self->look($call->{c});
	$differs //= $self->look($call->{look}) if $call->{look} ne $call->{c};
	return (1, $differs);
}

# Runs a sequence again; returns what differs, or undef.
sub replay
{
	my ($self, $sequence) = @_;
	$self->start($sequence->{settings});
	for my $call (@{ $sequence->{calls} })
	{
		my ($done, $differs) = $self->run_and_look($call);
		$call->{ran} = $done;
		return "call $call->{n}: $differs" if defined $differs;
	}
	my $differs = $self->finish;
	return defined $differs ? "at the end: $differs" : undef;
}

# Makes a sequence that fails shorter, as long as it fails: takes out halves,
# quarters and so on, and at last single calls.
sub shrink
{
	my ($self, $sequence) = @_;
	my @calls = @{ $sequence->{calls} };
	my $differs;

	for (my $piece = int(@calls / 2) || 1; $piece >= 1;)
	{
		my $shorter = 0;
		for (my $at = 0; $at < @calls;)
		{
			my @rest = @calls;
			splice @rest, $at, $piece;
			my $found = $self->replay({ settings => $sequence->{settings}, calls => \@rest });
			if (defined $found)
			{
				@calls = grep { $_->{ran} } @rest;
				($differs, $shorter) = ($found, 1);
			}
			else { $at += $piece; }
		}
		next if $shorter && $piece == 1;
		$piece = $piece == 1 ? 0 : int($piece / 2);
	}
	$sequence = { settings => $sequence->{settings}, calls => \@calls };
	return ($sequence, $self->replay($sequence) // $differs);
}

# Returns what the calls have returned, and how often.
sub summary
{
	my $self = shift;
	return join '', map { sprintf "%7d %s\n", $self->{seen}{$_}, $_ } sort keys %{ $self->{seen} };
}

# Returns a sequence as text.
sub text
{
	my ($self, $sequence) = @_;
	my $set = $sequence->{settings};
	my $text = 'settings: ' . join(', ', map { "$_ $set->{$_}" } sort keys %$set) . "\n";
	for my $call (@{ $sequence->{calls} })
	{
		my %o = %$call;
		delete @o{qw(n op c look ran)};
		$text .= sprintf "%3d %s %s%s\n", $call->{n}, $call->{c}, $call->{op},
		  join '', map { " $_=" . (ref $o{$_} ? Model::json($o{$_}) : $o{$_} // 'undef') } sort keys %o;
	}
	return $text;
}

1;
