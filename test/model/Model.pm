# A simple model of the extension: what each call returns, and what sessions,
# policies, identities and events are there afterwards.  It knows no SQL.
#
# Time is counted in days of 100000 seconds that have passed.  Only whole days
# pass, and every lifetime ends in the middle of a day, so the real time that a
# sequence takes decides nothing.  Within a day a small tick tells which of two
# calls was first.
#
# A transaction is a stack of frames, one for each savepoint.  A frame has the
# rows that were written, the events, and the identity that was bound.  The
# calls of a sequence never wait for a lock: a transaction claims the users
# whose sessions it has written, and no other transaction writes those.
#
# A call returns its result, or dies with { error => SQLSTATE }.

package Model;

use strict;
use warnings;

use constant {
	GENERATIONS => 4,
	TICK => 1e-7,
	NEVER => 1e9,
	GRACE => 0.004,
};

# Arguments: the settings that matter, times in days.
sub new
{
	my ($class, %settings) = @_;
	return bless {
		set => {%settings}, rows => {}, uses => {}, events => [], day => 0,
		tick => 0, epoch => 0, born => 0, conns => {}, ids => {},
	}, $class;
}

sub now { my $m = shift; return $m->{day} + $m->{tick} * TICK; }

# The next call comes later than the last one.
sub pass_tick { my $m = shift; $m->{tick}++; return; }

sub fail { my ($m, $state) = @_; die { error => $state }; }

#
# Transactions
#

sub conn
{
	my ($m, $c) = @_;
	return $m->{conns}{$c} //= { frames => [], claims => {}, failed => 0 };
}

sub in_transaction { my ($m, $c) = @_; return @{ $m->conn($c)->{frames} } > 0; }

sub any_transaction
{
	my ($m, $except) = @_;
	return grep { $_ ne ($except // '') && $m->in_transaction($_) } keys %{ $m->{conns} };
}

sub new_frame { my $name = shift; return { name => $name, rows => {}, events => [] }; }

# Returns a row as a connection sees it, undef if there is none.
sub row
{
	my ($m, $c, $key) = @_;
	for my $frame (reverse @{ $m->conn($c)->{frames} })
	{
		return $frame->{rows}{$key} if exists $frame->{rows}{$key};
	}
	return $m->{rows}{$key};
}

# Returns whether the transaction of a connection has written a row.
sub is_ours
{
	my ($m, $c, $key) = @_;
	return grep { exists $_->{rows}{$key} } @{ $m->conn($c)->{frames} };
}

# Returns a row that may be changed, a copy in the newest frame.
sub write_row
{
	my ($m, $c, $key, $new) = @_;
	my $frame = $m->conn($c)->{frames}[-1];
	my $row = $new // $m->row($c, $key);
	return $frame->{rows}{$key} = {%$row};
}

# Returns the keys of all rows of a kind ("S" or "P") that a connection sees.
sub keys_of
{
	my ($m, $c, $kind) = @_;
	my %all = map { $_ => 1 } grep { /^$kind/ } keys %{ $m->{rows} },
	  map { keys %{ $_->{rows} } } @{ $m->conn($c)->{frames} };
	return grep { defined $m->row($c, $_) } sort keys %all;
}

sub sessions { my ($m, $c) = @_; return map { $m->row($c, $_) } $m->keys_of($c, 'S'); }

sub event
{
	my ($m, $c, $kind, $s) = @_;
	push @{ $m->conn($c)->{frames}[-1]{events} }, "$kind $s->{sid}";
	return;
}

sub begin { my ($m, $c) = @_; push @{ $m->conn($c)->{frames} }, new_frame(''); return; }

sub savepoint
{
	my ($m, $c, $name) = @_;
	my $conn = $m->conn($c);
	push @{ $conn->{frames} }, { %{ new_frame($name) }, serial => ++$conn->{serial} };
	return;
}

# Returns the position of the newest frame of a name, or undef.
sub find_savepoint
{
	my ($m, $c, $name) = @_;
	my $frames = $m->conn($c)->{frames};
	for (my $i = $#$frames; $i > 0; $i--)
	{
		return $i if $frames->[$i]{name} eq $name;
	}
	return undef;
}

sub rollback_to
{
	my ($m, $c, $name) = @_;
	my $conn = $m->conn($c);
	my ($lost) = splice @{ $conn->{frames} }, $m->find_savepoint($c, $name);
	delete $conn->{handed} if $conn->{handed} && $conn->{handed}{serial} >= $lost->{serial};
	$conn->{failed} = 0;
	$m->savepoint($c, $name);
	return;
}

# Adds the newest frame to the one before, or to what is committed.
sub merge_frame
{
	my ($m, $c) = @_;
	my $frames = $m->conn($c)->{frames};
	my $from = pop @$frames;
	my $to = @$frames ? $frames->[-1] : $m;
	$to->{rows}{$_} = $from->{rows}{$_} for keys %{ $from->{rows} };
	push @{ $to->{events} }, @{ $from->{events} };
	$to->{identity} = $from->{identity} if @$frames && exists $from->{identity};
	return;
}

sub release
{
	my ($m, $c, $name) = @_;
	my $at = $m->find_savepoint($c, $name);
	$m->merge_frame($c) while @{ $m->conn($c)->{frames} } > $at;
	return;
}

sub rollback
{
	my ($m, $c) = @_;
	%{ $m->conn($c) } = (frames => [], claims => {}, failed => 0);
	return;
}

sub commit
{
	my ($m, $c) = @_;
	my $conn = $m->conn($c);
	if (!$conn->{failed})
	{
		$m->merge_frame($c) while @{ $conn->{frames} };
	}
	$m->rollback($c);
	return;
}

# Runs a call of a connection, in a transaction of its own unless one is open.
# Returns its result, or "ERROR" and the SQLSTATE.
sub call
{
	my ($m, $c, $name, @args) = @_;
	my $alone = !$m->in_transaction($c);
	my ($result, $state);

	$m->pass_tick;
	$m->begin($c) if $alone;
	$m->begin_statement($c);
	{
		local $@;
		$result = eval { $m->$name($c, @args) };
		if ($@)
		{
			die $@ unless ref $@ eq 'HASH';
			$state = $@->{error};
		}
	}
	$m->conn($c)->{failed} = 1 if defined $state;
	$m->commit($c) if $alone;
	return defined $state ? "ERROR $state" : $result;
}

#
# The identity
#

sub identity
{
	my ($m, $c) = @_;
	for my $frame (reverse @{ $m->conn($c)->{frames} })
	{
		return $frame->{identity} if exists $frame->{identity};
	}
	return undef;
}

sub bind
{
	my ($m, $c, $identity) = @_;
	$m->conn($c)->{frames}[-1]{identity} = $identity;
	return;
}

# The identity ends with its session, at the begin of a statement.
sub begin_statement
{
	my ($m, $c) = @_;
	my $identity = $m->identity($c);
	return unless $identity;
	my $s = $m->row($c, "S$identity->{sid}");
	my $holds = $s && $m->status($c, $s) eq 'active';
	if ($holds && !$m->is_ours($c, "S$identity->{sid}"))
	{
		$holds = 0 if grep { ($identity->{$_} // '-') ne ($s->{$_} // '-') }
		  qw(epoch generation user tenant role actor scopes);
	}
	$m->bind($c, undef) unless $holds;
	return;
}

#
# Rules
#

sub policy_keys
{
	my ($tenant, $role) = @_;
	my @keys = ('P|');
	push @keys, "P|$role" if defined $role;
	push @keys, "P$tenant|" if defined $tenant;
	push @keys, "P$tenant|$role" if defined $tenant && defined $role;
	return reverse @keys;
}

sub rules
{
	my ($m, $c, $tenant, $role) = @_;
	my %rules;
	for my $row (grep { $_ } map { $m->row($c, $_) } policy_keys($tenant, $role))
	{
		for my $rule (qw(lifetime idle max_sessions))
		{
			$rules{$rule} //= $row->{$rule};
		}
		$rules{valid_after} = $row->{valid_after}
		  if defined $row->{valid_after} && $row->{valid_after} > ($rules{valid_after} // -NEVER);
	}
	return \%rules;
}

sub has_ended
{
	my ($rules, $created) = @_;
	return defined $rules->{valid_after} && $created <= $rules->{valid_after};
}

# Returns the time of a creation, which is after the end of earlier sessions.
sub creation
{
	my ($rules, $now) = @_;
	return has_ended($rules, $now) ? $rules->{valid_after} + TICK / 1000 : $now;
}

sub min { my @sorted = sort { $a <=> $b } @_; return $sorted[0]; }
sub max { my @sorted = sort { $b <=> $a } @_; return $sorted[0]; }

sub last_seen
{
	my ($m, $s) = @_;
	my $use = $m->{uses}{ $s->{sid} };
	return $s->{last_seen} unless $use && $use->{created} == $s->{created};
	return max($s->{last_seen}, $use->{at});
}

# Records a use, which a rollback does not undo.  The transaction that gives a
# session new tokens with a refresh records none of that session: the client
# does not have these tokens yet.
sub use_row
{
	my ($m, $c, $s) = @_;
	my $handed = $m->conn($c)->{handed};
	return if $handed && $handed->{sid} == $s->{sid};
	$m->note_use($s);
	return;
}

sub note_use
{
	my ($m, $s) = @_;
	$m->{uses}{ $s->{sid} } = { created => $s->{created}, at => $m->now };
	return;
}

sub cap_at_rules
{
	my ($s, $rules, $deadline) = @_;
	return $deadline unless $rules->{lifetime};
	my $start = defined $s->{refresh_expires} ? $s->{authenticated} : $s->{refreshed};
	return min($deadline, max($start // -NEVER, $s->{created}) + $rules->{lifetime});
}

sub own_deadline { my $s = shift; return $s->{refresh_expires} // $s->{expires}; }

# Returns the life of a session without a look at those it was made of.
sub life_alone
{
	my ($m, $c, $s) = @_;
	my $rules = $m->rules($c, $s->{tenant}, $s->{role});
	my $now = $m->now;
	my @idle = grep { $_ } $s->{idle}, $rules->{idle};

	return 'revoked' if defined $s->{reason} || has_ended($rules, $s->{created});
	return 'expired' if $now >= cap_at_rules($s, $rules, own_deadline($s));
	return 'idle' if @idle && $now >= $m->last_seen($s) + min(@idle);
	return 'active';
}

sub same { my ($a, $b) = @_; return defined $a ? defined $b && $a eq $b : !defined $b; }

# Returns the status that a session has because of its parents, whether this
# transaction has revoked the one that ended, and the lowest level.
sub lineage
{
	my ($m, $c, $s) = @_;
	my $level = $s->{level};
	my $child = $s;
	for (my $i = 0; defined $child->{parent}; $i++)
	{
		my $parent = $m->row($c, "S$child->{parent}");
		return ('revoked', 0, $level)
		  if $i == GENERATIONS || !$parent || $parent->{created} > $child->{created};
		my $maker = defined $child->{actor} ? same($parent->{user}, $child->{actor}) :
		  same($parent->{user}, $child->{user}) && same($parent->{tenant}, $child->{tenant}) &&
		  same($parent->{role}, $child->{role});
		return ('revoked', 0, $level) unless $maker;
		$level = min($level, $parent->{level});
		my $life = $m->life_alone($c, $parent);
		return ($life, $m->is_ours($c, "S$parent->{sid}") && defined $parent->{reason}, $level)
		  if $life ne 'active';
		$child = $parent;
	}
	return ('active', 0, $level);
}

sub life
{
	my ($m, $c, $s) = @_;
	my $life = $m->life_alone($c, $s);
	return $life if $life ne 'active';
	return ($m->lineage($c, $s))[0];
}

sub status
{
	my ($m, $c, $s) = @_;
	my $life = $m->life($c, $s);
	my $rules = $m->rules($c, $s->{tenant}, $s->{role});
	return $life if $life ne 'active';
	return $m->now >= cap_at_rules($s, $rules, $s->{expires}) ? 'expired' : 'active';
}

sub level { my ($m, $c, $s) = @_; return ($m->lineage($c, $s))[2]; }

# Returns amr, which is forgotten with a level that a parent lowers.
sub amr
{
	my ($m, $c, $s) = @_;
	return $m->level($c, $s) < $s->{level} ? undef : $s->{amr};
}

# Returns when the token expires, as functions show it.
sub deadline
{
	my ($m, $c, $s) = @_;
	my $rules = $m->rules($c, $s->{tenant}, $s->{role});
	my @idle = grep { $_ } $s->{idle}, $rules->{idle};
	my @ends = cap_at_rules($s, $rules, $s->{expires});
	push @ends, $m->last_seen($s) + min(@idle) if @idle;
	for (my $child = $s; defined $child->{parent};)
	{
		my $parent = $m->row($c, "S$child->{parent}") or last;
		push @ends, $m->end_alone($c, $parent);
		$child = $parent;
	}
	return min(@ends);
}

sub end_alone
{
	my ($m, $c, $s) = @_;
	my $rules = $m->rules($c, $s->{tenant}, $s->{role});
	my @idle = grep { $_ } $s->{idle}, $rules->{idle};
	my $end = cap_at_rules($s, $rules, own_deadline($s));
	return @idle ? min($end, $m->last_seen($s) + min(@idle)) : $end;
}

#
# Tokens: a session, the number of its key, and the generation.
#

sub find
{
	my ($m, $c, $token) = @_;
	my $s = $token && $m->row($c, "S$token->{sid}");
	return undef unless $s && $s->{epoch} == $token->{epoch};
	return undef if !$token->{refresh} && $s->{generation} != $token->{generation};
	return $s;
}

sub token_status
{
	my ($m, $c, $token) = @_;
	return 'malformed' if $token->{refresh};
	my $s = $m->find($c, $token);
	return $s ? $m->status($c, $s) : 'unknown';
}

# Returns the active session of a session token, undef if there is none.
sub active
{
	my ($m, $c, $token) = @_;
	return undef unless $token && $m->token_status($c, $token) eq 'active';
	return $m->find($c, $token);
}

sub issue
{
	my ($m, $s) = @_;
	$s->{epoch} = ++$m->{epoch};
	$s->{generation} = defined $s->{refresh_expires} ? ($s->{refreshable} // 0) + 1 : 0;
	$s->{refreshable} = $s->{generation} if defined $s->{refresh_expires};
	$s->{rotated} = undef if defined $s->{refresh_expires};
	return;
}

# What a call that gives tokens returns.
sub given
{
	my ($m, $s) = @_;
	my %token = map { $_ => $s->{$_} } qw(sid epoch generation);
	return {
		sid => $s->{sid},
		token => {%token},
		refresh => defined $s->{refresh_expires} ? { %token, refresh => 1 } : undef,
	};
}

#
# Making sessions
#

sub cap
{
	my ($s, $deadline) = @_;
	return min(grep { defined } $deadline, $s->{max_expires}, $s->{refresh_expires});
}

# Sets all times of a session but created.
sub open_times
{
	my ($m, $c, $s, %o) = @_;
	my $set = $m->{set};
	my $now = creation($m->rules($c, $s->{tenant}, $s->{role}), $o{now} // $m->now);
	my $lifetime = $o{lifetime} // ($o{refreshable} ? $set->{access} : $set->{lifetime});
	my $idle = $o{idle} // $set->{idle};

	@$s{qw(last_seen refreshed reason rotated refresh_expires)} = ($now);
	$s->{authenticated} = defined $s->{user} ? $now : undef;
	$s->{max_expires} = $set->{max_lifetime} ? $now + $set->{max_lifetime} : undef;
	$s->{expires} = $now + $lifetime;
	if ($o{refreshable})
	{
		$s->{refresh_expires} = cap($s, $now + $set->{refresh});
	}
	elsif ($o{sliding} // $set->{sliding})
	{
		$idle = $idle ? min($idle, $lifetime) : $lifetime;
		$s->{expires} = NEVER;
	}
	$s->{expires} = cap($s, $s->{expires});
	$s->{idle} = $idle;
	return $now;
}

sub limit
{
	my ($m, $c, $tenant, $role, $asked) = @_;
	my $ruled = $m->rules($c, $tenant, $role)->{max_sessions};
	return $ruled // $m->{set}{max_sessions} unless defined $asked;
	return $asked unless $ruled;
	return $asked ? min($asked, $ruled) : $ruled;
}

# Returns the sessions that must end so that a user may have one more.
sub surplus
{
	my ($m, $c, $user, $tenant, $limit, $kept) = @_;
	return () unless $limit && defined $user;
	my @live = grep {
		!defined $_->{parent} && same($_->{user}, $user) && same($_->{tenant}, $tenant) &&
		  !same($_->{sid}, $kept) && $m->life($c, $_) eq 'active'
	} $m->sessions($c);
	return () if @live < $limit;
	$m->fail('53400') if $m->{set}{on_limit} eq 'reject';
	@live = sort {
		$b->{created} <=> $a->{created} || ($m->{ids}{ $b->{sid} } // '') cmp ($m->{ids}{ $a->{sid} } // '')
	} @live;
	return @live[ $limit - 1 .. $#live ];
}

sub descendants
{
	my ($m, $c, @sids) = @_;
	my %known = map { $_ => 1 } @sids;
	my @found;
	for (1 .. GENERATIONS)
	{
		my @more = grep { defined $_->{parent} && $known{ $_->{parent} } && !$known{ $_->{sid} } }
		  $m->sessions($c);
		$known{ $_->{sid} } = 1 for @more;
		push @found, @more;
	}
	return @found;
}

# Returns the sessions that end now: they are alive, or were until this
# transaction has revoked one that they were made of.
sub ending
{
	my ($m, $c, @sessions) = @_;
	return grep {
		my ($status, $ours) = $m->lineage($c, $_);
		$m->life_alone($c, $_) eq 'active' && ($status eq 'active' || $ours)
	} @sessions;
}

# Ends the live ones of some sessions and their descendants; returns how many.
sub end
{
	my ($m, $c, $reason, @sessions) = @_;
	my @ending = $m->ending($c, @sessions);
	my $evicted = $reason eq 'evicted';
	for my $s (@ending)
	{
		my $row = $m->write_row($c, "S$s->{sid}");
		$row->{reason} = $reason;
		$row->{revoked_day} = $m->{day};
		$m->event($c, $evicted ? 'evicted' : 'revoked', $row);
	}
	my @more = $m->descendants($c, map { $_->{sid} } @sessions);
	$m->end($c, 'parent', @more) if @more && $reason ne 'parent';
	return scalar @ending;
}

sub new_session
{
	my ($m, $c, %o) = @_;
	my $s = { sid => ++$m->{born}, data => $o{data} // {}, map { $_ => $o{$_} } qw(user tenant role) };
	$s->{level} = defined $s->{user} ? $o{level} // 1 : 0;
	$s->{amr} = $o{amr};
	$s->{created} = $m->open_times($c, $s, %o);
	return $s;
}

# Returns a session after it was written, and its tokens.
sub add
{
	my ($m, $c, $s) = @_;
	$m->issue($s);
	$m->event($c, 'created', $m->write_row($c, "S$s->{sid}", $s));
	return $m->given($s);
}

sub check_account
{
	my ($m, %o) = @_;
	$m->fail('22023') if !defined $o{user} && (($o{level} // 1) > 1 || defined $o{amr});
	return;
}

sub create
{
	my ($m, $c, %o) = @_;
	$m->check_account(%o);
	my $limit = $m->limit($c, @o{qw(tenant role max_sessions)});
	$m->end($c, 'evicted', $m->surplus($c, @o{qw(user tenant)}, $limit));
	return $m->add($c, $m->new_session($c, %o));
}

sub login
{
	my ($m, $c, $token, %o) = @_;
	my $limit = $m->limit($c, @o{qw(tenant role max_sessions)});
	my $s = $m->find($c, $token);
	my $plan = 'alone';
	if ($s && $m->life($c, $s) eq 'active')
	{
		$plan = !defined $s->{parent} && $m->status($c, $s) eq 'active' &&
		  (!defined $s->{user} || $s->{user} eq $o{user}) ? 'keep' : 'end';
	}
	my @evicted = $m->surplus($c, @o{qw(user tenant)}, $limit, $plan eq 'alone' ? undef : $s->{sid});
	$m->end($c, 'login', $s) if $plan eq 'end';
	$m->end($c, 'evicted', @evicted);
	return $m->add($c, $m->new_session($c, %o)) if $plan ne 'keep';

	my $row = $m->write_row($c, "S$s->{sid}");
	$row->{data} = { %{ $row->{data} }, %{ $o{data} // {} } };
	@$row{qw(user tenant role amr)} = @o{qw(user tenant role amr)};
	$row->{level} = $o{level} // 1;
	$m->adopt_rules($c, $row, $s);
	$m->open_times($c, $row, %o);
	$row->{refreshed} = $row->{authenticated};
	$m->issue($row);
	$m->event($c, 'regenerated', $row);
	return $m->given($row);
}

sub adopt_rules
{
	my ($m, $c, $row, $before) = @_;
	return if has_ended($m->rules($c, @$before{qw(tenant role)}), $row->{created});
	$row->{created} = creation($m->rules($c, @$row{qw(tenant role)}), $row->{created});
	return;
}

sub add_child
{
	my ($m, $c, $parent, $s, %o) = @_;
	$s->{parent} = $parent->{sid};
	$s->{sid} = ++$m->{born};
	$s->{data} //= {};
	$s->{created} = $m->open_times($c, $s, lifetime => $o{lifetime}, sliding => 0, now => max($m->now, $parent->{created}));
	$s->{authenticated} = $parent->{authenticated};
	$s->{expires} = $s->{max_expires} = min($s->{expires}, own_deadline($parent));
	return $m->add($c, $s);
}

sub covers
{
	my ($has, $wanted) = @_;
	my %has = map { $_ => 1 } split / /, $has;
	return !grep { my ($group) = /^(\w+):/; !$has{$_} && !$has{'*'} && !$has{"$group:*"} } split / /, $wanted;
}

sub derive
{
	my ($m, $c, $token, %o) = @_;
	my $parent = $m->active($c, $token) or return undef;
	$m->note_use($parent);
	$m->fail('22023') unless defined $parent->{user};
	$m->fail('42501') if defined $parent->{actor};
	my $root = $parent;
	my $generation = 0;
	for (; defined $root->{parent}; $generation++)
	{
		$root = $m->row($c, "S$root->{parent}");
	}
	$m->fail('54000') if $generation >= GENERATIONS;
	$m->fail('42501') if defined $o{scopes} && defined $parent->{scopes} && !covers($parent->{scopes}, $o{scopes});
	my $live = grep { !defined $_->{actor} && $m->life($c, $_) eq 'active' } $m->descendants($c, $root->{sid});
	$m->fail('53400') if $live >= $m->{set}{max_derived};
	my %child = map { $_ => $parent->{$_} } qw(user tenant role);
	$child{level} = $m->level($c, $parent);
	$child{amr} = $m->amr($c, $parent);
	$child{scopes} = $o{scopes} // $parent->{scopes};
	$child{data} = $o{data};
	return $m->add_child($c, $parent, \%child, %o);
}

sub act_as
{
	my ($m, $c, $token, %o) = @_;
	my $parent = $m->active($c, $token) or return undef;
	$m->use_row($c, $parent);
	$m->fail('22023') unless defined $parent->{user};
	$m->fail('42501') if defined $parent->{parent};
	$m->fail('22023') if $parent->{user} eq $o{user} && same($parent->{tenant}, $o{tenant});
	return undef if $o{reason} eq 'refuse';
	$m->note_use($parent);
	my %child = map { $_ => $o{$_} } qw(user tenant role);
	$child{level} = min($parent->{level}, 1);
	$child{actor} = $parent->{user};
	return $m->add_child($c, $parent, \%child, %o);
}

#
# Using and changing sessions
#

# Returns what functions show of a session.
sub info
{
	my ($m, $c, $s) = @_;
	return {
		(map { $_ => $s->{$_} } qw(sid user tenant role parent actor scopes data)),
		level => $m->level($c, $s),
		amr => $m->amr($c, $s),
		life => $m->life($c, $s),
		deadline => $m->deadline($c, $s),
		last_seen => $m->last_seen($s),
	};
}

sub validate
{
	my ($m, $c, $token) = @_;
	my $s = $m->active($c, $token) or return undef;
	$m->use_row($c, $s);
	return $m->info($c, $s);
}

sub authenticate
{
	my ($m, $c, $token) = @_;
	my $info = $m->validate($c, $token);
	my $s = $info && $m->find($c, $token);
	$m->bind($c, $s && { %$s, level => $info->{level}, amr => $info->{amr} });
	return $s ? 't' : 'f';
}

sub touch
{
	my ($m, $c, $token) = @_;
	my $s = $m->active($c, $token) or return 'f';
	$m->write_row($c, "S$s->{sid}")->{last_seen} = $m->now;
	return 't';
}

# Starts the lifetime again.
sub extend
{
	my ($m, $s) = @_;
	my $start = max($s->{created}, $s->{refreshed} // -NEVER);
	$s->{expires} = cap($s, $m->now + $s->{expires} - $start) if $s->{expires} < NEVER / 2;
	$s->{refreshed} = $s->{last_seen} = $m->now;
	return;
}

sub refresh
{
	my ($m, $c, $token) = @_;
	my $now = $m->now;
	if (!$token->{refresh})
	{
		my $s = $m->active($c, $token);
		return undef if !$s || defined $s->{refresh_expires} || defined $s->{parent};
		my $row = $m->write_row($c, "S$s->{sid}");
		$m->extend($row);
		$m->event($c, 'refreshed', $row);
		return { given => $m->given($row) };
	}
	my $s = $m->find($c, $token);
	return undef unless $s && defined $s->{refresh_expires} && $m->life($c, $s) eq 'active';
	if ($token->{generation} >= $s->{generation})
	{
		my $row = $m->write_row($c, "S$s->{sid}");
		$row->{generation} = $row->{refreshable} = $token->{generation} + 1;
		$row->{rotated} = $now;
		$m->extend($row);
		$m->event($c, 'refreshed', $row);
		$m->conn($c)->{handed} = { sid => $s->{sid}, serial => $m->conn($c)->{frames}[-1]{serial} // 0 };
		return { given => $m->given($row) };
	}
	return { given => $m->given($s) }
	  if $token->{generation} + 1 == $s->{generation} && defined $s->{rotated} && $now < $s->{rotated} + GRACE;
	$m->end($c, 'refresh_reuse', $s);
	return undef;
}

sub check_change
{
	my ($m, $s, %o) = @_;
	$m->fail('22023') if defined $s->{user} && defined $o{user} && $s->{user} ne $o{user};
	return unless defined $s->{parent};
	$m->fail('22023')
	  if (defined $o{tenant} && !same($s->{tenant}, $o{tenant})) ||
	  (defined $o{role} && !same($s->{role}, $o{role})) ||
	  defined $o{amr} || (defined $o{level} && $o{level} != $s->{shown}) || defined $o{lifetime};
	return;
}

sub regenerate
{
	my ($m, $c, $token, %o) = @_;
	my $s = $m->active($c, $token) or return undef;
	$m->check_change({ %$s, shown => $m->level($c, $s) }, %o);
	my $user = $o{user} // $s->{user};
	my $tenant = $o{tenant} // $s->{tenant};
	if ((defined $o{user} || defined $o{tenant}) && defined $user && !(same($s->{user}, $user) && same($s->{tenant}, $tenant)))
	{
		my $limit = $m->limit($c, $tenant, $o{role} // $s->{role});
		$m->end($c, 'evicted', $m->surplus($c, $user, $tenant, $limit, $s->{sid}));
	}
	my $row = $m->write_row($c, "S$s->{sid}");
	my $login = !defined $s->{user} && defined $o{user};
	@$row{qw(user level)} = ($o{user}, 1) if $login;
	$row->{tenant} = $tenant;
	$row->{role} = $o{role} // $row->{role};
	$m->adopt_rules($c, $row, $s);
	my $proves = !defined $row->{parent} && ($m->apply_proof($row, %o) || $login);
	$row->{authenticated} = $m->now if $proves;
	if ($proves) { $m->extend($row); }
	else { $row->{last_seen} = $m->now; }
	$m->relive($row, $o{lifetime}) if defined $o{lifetime};
	$m->issue($row);
	$m->event($c, 'regenerated', $row);
	return $m->given($row);
}

sub apply_proof
{
	my ($m, $row, %o) = @_;
	my $before = $row->{level};
	my $proves = 0;
	if (defined $o{level})
	{
		$m->fail('22023') if !defined $row->{user} && $o{level} > 0;
		$row->{level} = $o{level};
		$proves = defined $row->{user} && $o{level} >= $before;
	}
	$m->fail('22023') if !defined $row->{user} && defined $o{amr};
	if (defined $o{amr}) { $row->{amr} = $o{amr}; }
	elsif ($row->{level} < $before) { $row->{amr} = undef; }
	return $proves || ($row->{level} >= $before && defined $o{amr});
}

sub relive
{
	my ($m, $row, $lifetime) = @_;
	if (!defined $row->{refresh_expires} && ($m->{set}{sliding} || $row->{expires} > NEVER / 2))
	{
		my $idle = $m->{set}{idle};
		$row->{idle} = $idle ? min($idle, $lifetime) : $lifetime;
		$row->{expires} = cap($row, NEVER);
	}
	else { $row->{expires} = cap($row, $m->now + $lifetime); }
	$row->{refreshed} = $row->{last_seen} = $m->now;
	return;
}

sub revoke
{
	my ($m, $c, $token) = @_;
	my $s = $m->find($c, $token);
	return 'f' unless $s && $m->life($c, $s) eq 'active';
	return 'f' if $token->{refresh} && !defined $s->{refresh_expires};
	$m->end($c, 'logout', $s);
	return 't';
}

sub revoke_id
{
	my ($m, $c, $sid) = @_;
	my $s = $m->row($c, "S$sid");
	return 'f' unless $s && $m->life($c, $s) eq 'active';
	$m->end($c, 'admin', $s);
	return 't';
}

sub revoke_user
{
	my ($m, $c, $user, $tenant, $except) = @_;
	return $m->end($c, 'user', grep {
		same($_->{user}, $user) && (!defined $tenant || same($_->{tenant}, $tenant)) &&
		  !same($_->{sid}, $except)
	} $m->sessions($c));
}

sub revoke_tenant
{
	my ($m, $c, $tenant) = @_;
	return $m->end($c, 'tenant', grep { same($_->{tenant}, $tenant) } $m->sessions($c));
}

sub revoke_others
{
	my ($m, $c) = @_;
	my $identity = $m->identity($c);
	return 0 unless $identity && defined $identity->{user};
	my $own = $m->row($c, "S$identity->{sid}");
	# This asks for more than what keeps an identity: the same token.
	return 0 unless $m->status($c, $own) eq 'active' && $own->{epoch} == $identity->{epoch} &&
	  $own->{generation} == $identity->{generation};
	my %except = ($own->{sid} => 1);
	for (my $s = $own; defined $s->{parent}; $s = $m->row($c, "S$s->{parent}"))
	{
		$except{ $s->{parent} } = 1;
	}
	my @of = grep { same($_->{user}, $identity->{user}) && same($_->{tenant}, $identity->{tenant}) } $m->sessions($c);
	@of = $m->descendants($c, $own->{sid}) if defined $identity->{scopes} || defined $identity->{actor};
	return $m->end($c, 'user', grep { !$except{ $_->{sid} } } @of);
}

sub revoke_all
{
	my ($m, $c, $tenant, $ago) = @_;
	my $key = 'P' . ($tenant // '') . '|';
	my $at = defined $ago ? $m->now - $ago : $m->now;
	my $row = $m->write_row($c, $key, $m->row($c, $key) // {});
	$row->{valid_after} = max($row->{valid_after} // -NEVER, $at);
	return 't';
}

sub policy_set
{
	my ($m, $c, %o) = @_;
	my $key = 'P' . ($o{tenant} // '') . '|' . ($o{role} // '');
	my $old = $m->row($c, $key) // {};
	$m->write_row($c, $key, { valid_after => $old->{valid_after}, map { $_ => $o{$_} } qw(lifetime idle max_sessions) });
	return '';
}

sub policy_drop
{
	my ($m, $c, %o) = @_;
	my $key = 'P' . ($o{tenant} // '') . '|' . ($o{role} // '');
	my $old = $m->row($c, $key) or return 'f';
	return 'f' unless grep { defined $old->{$_} } qw(lifetime idle max_sessions);
	$m->write_row($c, $key, { valid_after => $old->{valid_after} });
	return 't';
}

#
# Data
#

sub copy
{
	my $value = shift;
	return { map { $_ => copy($value->{$_}) } keys %$value } if ref $value eq 'HASH';
	return [ map { copy($_) } @$value ] if ref $value eq 'ARRAY';
	return $value;
}

# Returns a value as jsonb prints it.  Keys are short, so they sort by length.
sub json
{
	my $value = shift;
	return 'null' unless defined $value;
	return '{' . join(', ', map { "\"$_\": " . json($value->{$_}) } sort keys %$value) . '}' if ref $value eq 'HASH';
	return '[' . join(', ', map { json($_) } @$value) . ']' if ref $value eq 'ARRAY';
	return $value;
}

sub data
{
	my ($m, $c, $token) = @_;
	my $s = $m->active($c, $token) or return undef;
	$m->use_row($c, $s);
	return json($s->{data});
}

# Writes data that a function has changed.
sub change_data
{
	my ($m, $c, $token, $change) = @_;
	my $s = $m->active($c, $token) or return undef;
	my $data = copy($s->{data});
	my $result = $change->($data);
	if (json($data) eq json($s->{data})) { $m->note_use($s); }
	else
	{
		my $row = $m->write_row($c, "S$s->{sid}");
		$row->{data} = $data;
		$row->{last_seen} = $m->now;
	}
	return $result;
}

sub data_set
{
	my ($m, $c, $token, $key, $value) = @_;
	return $m->change_data($c, $token, sub { shift->{$key} = copy($value); 't' }) // 'f';
}

sub data_delete
{
	my ($m, $c, $token, $key) = @_;
	return $m->change_data($c, $token, sub { delete shift->{$key}; 't' }) // 'f';
}

sub data_pop
{
	my ($m, $c, $token, $key) = @_;
	return $m->change_data($c, $token, sub { my $d = shift; exists $d->{$key} ? json(delete $d->{$key}) : undef });
}

sub data_clear
{
	my ($m, $c, $token) = @_;
	return $m->change_data($c, $token, sub { %{ $_[0] } = (); 't' }) // 'f';
}

sub data_save
{
	my ($m, $c, $token, $data) = @_;
	return $m->change_data($c, $token, sub { %{ $_[0] } = %{ copy($data) }; 't' }) // 'f';
}

sub patch
{
	my ($data, $patch) = @_;
	for my $key (keys %$patch)
	{
		if (!defined $patch->{$key}) { delete $data->{$key}; }
		elsif (ref $patch->{$key} eq 'HASH')
		{
			$data->{$key} = {} unless ref $data->{$key} eq 'HASH';
			patch($data->{$key}, $patch->{$key});
		}
		else { $data->{$key} = copy($patch->{$key}); }
	}
	return;
}

sub data_merge
{
	my ($m, $c, $token, $patch) = @_;
	return $m->change_data($c, $token, sub { patch(shift, $patch); 't' }) // 'f';
}

sub data_append
{
	my ($m, $c, $token, $key, $value) = @_;
	return $m->change_data(
		$c, $token,
		sub {
			my $data = shift;
			$data->{$key} = [] unless exists $data->{$key};
			$m->fail('22023') unless ref $data->{$key} eq 'ARRAY';
			push @{ $data->{$key} }, copy($value);
			return 't';
		}) // 'f';
}

sub data_replace
{
	my ($m, $c, $token, $key, $expected, $value) = @_;
	return $m->change_data(
		$c, $token,
		sub {
			my $data = shift;
			return 'f' if exists $data->{$key} ? !defined $expected || json($data->{$key}) ne json($expected) : defined $expected;
			if (defined $value) { $data->{$key} = copy($value); }
			else { delete $data->{$key}; }
			return 't';
		}) // 'f';
}

#
# What the whole of it looks like
#

# Returns the live sessions of a user, newest first.
sub list
{
	my ($m, $c, $user) = @_;
	my @live = grep { same($_->{user}, $user) && $m->life($c, $_) eq 'active' } $m->sessions($c);
	return join ' ', sort { $a <=> $b } map { $_->{sid} } @live;
}

# Returns the users that a call on some sessions claims: those of the sessions,
# and of all that they were made of and that were made of them.
sub claims_of
{
	my ($m, $c, @sids) = @_;
	my %seen;
	my %keys;
	while (@sids)
	{
		my $s = $m->row($c, 'S' . shift @sids) // next;
		next if $seen{ $s->{sid} }++;
		$keys{ defined $s->{user} ? "user $s->{user}" : "session $s->{sid}" } = 1;
		push @sids, $s->{parent} if defined $s->{parent};
		push @sids, map { $_->{sid} } grep { same($_->{parent}, $s->{sid}) } $m->sessions($c);
	}
	return keys %keys;
}

sub claims_of_user
{
	my ($m, $c, $user) = @_;
	return ("user $user", $m->claims_of($c, map { $_->{sid} } grep { same($_->{user}, $user) } $m->sessions($c)));
}

# Claims keys for a connection; returns false if another transaction has one.
sub claim
{
	my ($m, $c, @keys) = @_;
	for my $other (grep { $_ ne $c } keys %{ $m->{conns} })
	{
		return 0 if grep { $m->{conns}{$other}{claims}{$_} } @keys;
	}
	if ($m->in_transaction($c))
	{
		$m->conn($c)->{claims}{$_} = 1 for @keys;
	}
	return 1;
}

1;
