#!/usr/bin/perl
# Writes docs/reference/ from the catalog of a server and the hand-written
# notes in docs/reference/notes/.
#
#   reference.pl [--check]
#
# Connects with psql as the environment says (PGHOST and the like), as a
# superuser, to a server that has the extension's files and the library
# preloaded, and makes and drops the database "session_reference".
# scripts/reference does all of that.  With --check it writes nothing, and
# prints TAP: one test for each page, and one for the notes.
#
# Notes:
#   functions.md   "# Heading" starts a group, "## name" a function.  There,
#                  "- argument: meaning" and "- SQLSTATE: when" come first, and
#                  what follows is copied: facts that are too long for a
#                  COMMENT, and an example.  The group "# arguments" has the
#                  meaning of arguments that many functions have.
#   settings.md    "# Heading" starts a group, "- setting: more" adds to what
#                  pg_settings says.
#   views.md       "# Heading" starts a group, "## session.name" a view or
#                  table, with more about it.
#   events.md      copied; the kinds in its first table are compared with the
#                  COMMENT of session.events.kind.
# Every function, argument, setting and view must be in the notes, and nothing
# that does not exist.
use strict;
use warnings;
use File::Basename qw(dirname);
use JSON::PP;

my $check = @ARGV && $ARGV[0] eq '--check';
my $folder = dirname(__FILE__) . '/../docs/reference';
my (@problems, %pages);

sub problem { push @problems, "@_"; }

sub slurp
{
	my $file = shift;
	open my $in, '<:encoding(UTF-8)', $file or return '';
	local $/;
	return scalar <$in>;
}

sub psql
{
	my ($database, $sql) = @_;
	open my $out, '-|', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $database, '-c', $sql
	  or die "psql: $!\n";
	local $/;
	my $text = <$out>;
	close $out or die "psql failed: $sql\n";
	return $text;
}

# What the catalog says.  Types of the server are without their schema, and so
# are ours.
$ENV{PGOPTIONS} = '-c client_min_messages=warning';
psql('postgres', $_) for 'DROP DATABASE IF EXISTS session_reference', 'CREATE DATABASE session_reference';
psql('session_reference', 'CREATE SCHEMA auth; CREATE EXTENSION session SCHEMA auth');
my $catalog = decode_json(psql('session_reference', <<'SQL'));
SET search_path = auth, pg_catalog;
WITH member AS (
    SELECT d.classid, d.objid
    FROM pg_depend d JOIN pg_extension e
      ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'session' AND d.deptype = 'e')
SELECT json_build_object(
    'functions', (
        SELECT json_object_agg(
            CASE WHEN n.nspname = 'auth' THEN '' ELSE n.nspname || '.' END || p.proname,
            json_build_object(
                'comment', obj_description(p.oid, 'pg_proc'),
                'level', (SELECT json_agg(level ORDER BY level)
                          FROM session.session_levels() l
                          WHERE l.classid = 'pg_proc'::regclass AND l.objid = p.oid),
                'result', pg_get_function_result(p.oid),
                'volatility', p.provolatile,
                'arguments', (
                    SELECT coalesce(json_agg(json_build_object(
                        'name', a.name, 'mode', coalesce(p.proargmodes[a.i], 'i'),
                        'type', format_type(a.type, NULL),
                        'default', pg_get_function_arg_default(p.oid, a.i::int)) ORDER BY a.i), '[]')
                    FROM unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]))
                         WITH ORDINALITY AS a (name, type, i)
                    WHERE a.name IS NOT NULL)))
        FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
        JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prorettype <> 'trigger'::regtype),
    'relations', (
        SELECT json_object_agg(
            CASE WHEN n.nspname = 'auth' THEN '' ELSE n.nspname || '.' END || c.relname,
            json_build_object(
                'kind', c.relkind,
                'comment', CASE c.relkind WHEN 'c' THEN obj_description(c.reltype, 'pg_type')
                                          ELSE obj_description(c.oid, 'pg_class') END,
                'level', (SELECT json_agg(level ORDER BY level)
                          FROM session.session_levels() l
                          WHERE l.classid = 'pg_class'::regclass AND l.objid = c.oid),
                'columns', (
                    SELECT json_agg(json_build_object(
                        'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                        'null', NOT a.attnotnull,
                        'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum)
                    FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
        FROM member m
        JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('r', 'v')
             OR m.classid = 'pg_type'::regclass AND c.reltype = m.objid AND c.relkind = 'c'
        JOIN pg_namespace n ON n.oid = c.relnamespace),
    'settings', (
        SELECT json_object_agg(s.name, json_build_object(
            'type', vartype, 'unit', unit, 'context', context, 'min', min_val, 'max', max_val,
            'values', enumvals, 'short', short_desc, 'extra', extra_desc,
            'default', CASE WHEN vartype IN ('integer', 'real') AND unit IS NOT NULL AND boot_val <> '0'
                            THEN CASE unit
                                 WHEN 'B' THEN pg_size_pretty(boot_val::int8)
                                 ELSE (boot_val || unit)::interval::text END
                            ELSE boot_val END))
        FROM pg_settings s WHERE s.name LIKE 'session.%'))
SQL
psql('postgres', 'DROP DATABASE session_reference');

# A cell of a table.
sub cell { return join ' ', map { s/\|/\\|/gr } split /\s+/, shift // ''; }

# A line of a table.
sub row { return '| ' . join(' | ', map { cell($_) } @_) . " |\n"; }

sub table
{
	my ($head, @rows) = @_;
	return row(@$head) . '|' . '---|' x @$head . "\n" . join('', map { row(@$_) } @rows) . "\n";
}

# A COMMENT as Markdown: names of settings, functions and columns in code
# style, and its lines as paragraphs.
sub prose
{
	my $text = shift // '';
	$text =~ s/([.?])  /$1 /g;
	$text =~ s/(?<![`\w.])(session\.[a-z_0-9]+(?:\(\))?|session_[a-z_0-9]+(?:\(\))?)(?![`\w])/`$1`/g;
	$text =~ s/"(`[^`]*`)"/$1/g;
	$text =~ s/\*/\\*/g;
	$text =~ s/</&lt;/g;
	return join "\n\n", split /\n/, $text;
}

# A file of notes, as a list of groups: heading, text, and entries with name,
# a list of "- name: meaning", and text.
sub notes
{
	my $file = shift;
	my @groups;
	my $fence = 0;
	for my $line (split /\n/, slurp("$folder/notes/$file"))
	{
		my $group = $groups[-1];
		my $entry = $group && @{ $group->{entries} } ? $group->{entries}[-1] : undef;
		my $place = $entry // $group;
		if (!$fence && $line =~ /^# (.*)/)
		{
			push @groups, { heading => $1, text => '', items => [], entries => [] };
		}
		elsif (!$fence && $line =~ /^## (.*)/)
		{
			push @{ $group->{entries} }, { name => $1, text => '', items => [] };
		}
		elsif (!$fence && $place && $place->{text} !~ /\S/ && $line =~ /^- (\S+?)(?:: (.*))?$/)
		{
			push @{ $place->{items} }, [ $1, $2 // '' ];
		}
		elsif (!$fence && $place && $place->{text} !~ /\S/ && @{ $place->{items} } && $line =~ /^  (\S.*)/)
		{
			$place->{items}[-1][1] .= " $1";
		}
		elsif ($place)
		{
			$fence = !$fence if $line =~ /^```/;
			$place->{text} .= "$line\n";
		}
	}
	for my $place (map { ($_, @{ $_->{entries} }) } @groups)
	{
		$place->{text} =~ s/^\n+|\n+$//g;
		$place->{text} .= "\n\n" if $place->{text} ne '';
	}
	return @groups;
}

my $made = "<!-- Made by scripts/reference. Do not edit: see docs/reference/notes/. -->\n\n";

#
# Functions
#

my %levels = (
	public => 'public: every role may call it',
	app => '`app`',
	admin => '`admin`',
	'admin, monitor' => '`admin`, and members of `pg_monitor`',
	monitor => 'members of `pg_monitor`',
	'' => 'the owner of the extension',
);

# Returns the text of a default as people write it.
sub default_value
{
	my $value = shift;
	return undef unless defined $value;
	$value =~ s/::[a-z ]+$//;
	$value =~ s/^'00:(\d\d):00'$/"'" . ($1 + 0) . " min'"/e;
	return $value;
}

sub signature
{
	my ($name, $function) = @_;
	my (@in, @out);
	for my $argument (@{ $function->{arguments} })
	{
		my $default = default_value($argument->{default});
		if ($argument->{mode} eq 'i')
		{
			push @in, "$argument->{name} $argument->{type}"
			  . (defined $default ? " = $default" : '');
		}
		else { push @out, "$argument->{name} $argument->{type}"; }
	}
	my $result = $function->{result};
	$result = ($result =~ /^SETOF/ ? 'SETOF ' : '') . '(' . join(', ', @out) . ')' if @out;
	my $line = "$name(" . join(', ', @in) . ") -> $result";
	return $line if length $line <= 79 || !@in && @out <= 10;
	return "$name() -> SETOF record" if !@in;
	return ( @in ? "$name(\n    " . join(",\n    ", @in) . ')' : "$name()" )
	  . ' -> ' . (length $result < 60 ? $result : ($result =~ s/\(/(\n    /r =~ s/, /,\n    /gr));
}

sub function_text
{
	my ($name, $entry, $common) = @_;
	my $function = $catalog->{functions}{$name};
	my ($about, $errors) = split /\nErrors: /, $function->{comment}, 2;
	my $level = join ', ', @{ $function->{level} // [] };
	my (%known, %meaning, @errors);
	my $text = "### $name\n\n```\n" . signature($name, $function) . "\n```\n\n";

	$text .= prose($about) . "\n\n";
	problem("$name: the level \"$level\" is not one that the generator knows") unless $levels{$level};
	$text .= "Level: $levels{$level}.\n\n";

	for my $item (@{ $entry->{items} })
	{
		if ($item->[0] =~ /^[0-9A-Z]{5}$/) { push @errors, $item; }
		else { $meaning{ $item->[0] } = $item->[1]; }
	}
	my @arguments = grep { $_->{mode} eq 'i' } @{ $function->{arguments} };
	my @rows;
	for my $argument (@arguments)
	{
		my $told = delete $meaning{ $argument->{name} } // $common->{ $argument->{name} };
		problem("$name: argument $argument->{name} has no meaning") unless defined $told;
		my $default = default_value($argument->{default});
		push @rows, [ "`$argument->{name}`", $argument->{type},
			defined $default ? "`$default`" : 'required', $told ];
	}
	$text .= table([qw(argument type default meaning)], @rows) if @rows;

	@rows = ();
	# The columns of a function that is behind a view are told there.
	my @columns = grep { $_->{mode} ne 'i' } @{ $function->{arguments} };
	for my $argument (@columns > 12 ? () : @columns)
	{
		my $told = delete $meaning{ $argument->{name} } // $common->{ $argument->{name} };
		problem("$name: column $argument->{name} has no meaning") unless defined $told;
		push @rows, [ "`$argument->{name}`", $argument->{type}, $told ];
	}
	$text .= table([ 'result', 'type', 'meaning' ], @rows) if @rows;
	problem("$name has no argument $_") for sort keys %meaning;

	$known{ $_->[0] } = 1 for @errors;
	my @named = ($errors // '') =~ /\b([0-9A-Z]{2}\d[0-9A-Z]{2})\b/g;
	problem("$name: error $_ of its COMMENT is not in the notes")
	  for grep { !$known{$_} && $_ ne '' } @named;
	$text .= table([ 'error', 'when' ], map { [ "`$_->[0]`", $_->[1] ] } @errors) if @errors;
	problem("$name has no example") unless $entry->{text} =~ /```sql/;
	$text .= $entry->{text};
	return $text;
}

sub functions_page
{
	my @groups = notes('functions.md');
	my %common;
	my %left = %{ $catalog->{functions} };
	my ($index, $body) = ('', '');
	for my $group (@groups)
	{
		if ($group->{heading} eq 'arguments')
		{
			%common = map { @$_ } @{ $group->{items} };
			next;
		}
		$body .= "## $group->{heading}\n\n$group->{text}";
		$index .= "**$group->{heading}**: "
		  . join(', ', map { "[$_->{name}](#" . ($_->{name} =~ s/\.//r) . ')' } @{ $group->{entries} })
		  . "\n\n";
		for my $entry (@{ $group->{entries} })
		{
			if (!delete $left{ $entry->{name} })
			{
				problem("functions.md: there is no function $entry->{name}");
				next;
			}
			$body .= function_text($entry->{name}, $entry, \%common);
		}
	}
	problem("functions.md: function $_ is missing") for sort keys %left;
	return "# Functions\n\n$made" . slurp("$folder/notes/functions.intro.md") . "\n$index$body";
}

#
# Types, views and tables
#

sub columns_table
{
	my $relation = shift;
	return table([qw(column type meaning)],
		map { [ "`$_->{name}`", $_->{type}, prose($_->{comment}) ] } @{ $relation->{columns} });
}

sub types_page
{
	my $text = "# Types\n\n$made";
	for my $name (sort grep { $catalog->{relations}{$_}{kind} eq 'c' } keys %{ $catalog->{relations} })
	{
		my $relation = $catalog->{relations}{$name};
		$text .= "## $name\n\n" . prose($relation->{comment}) . "\n\n" . columns_table($relation);
	}
	return $text;
}

sub views_page
{
	my $text = "# Views and tables\n\n$made";
	my %left = map { $_ => 1 }
	  grep { $catalog->{relations}{$_}{kind} ne 'c' } keys %{ $catalog->{relations} };
	for my $group (notes('views.md'))
	{
		$text .= "## $group->{heading}\n\n$group->{text}";
		for my $entry (@{ $group->{entries} })
		{
			my $relation = $catalog->{relations}{ $entry->{name} };
			if (!delete $left{ $entry->{name} })
			{
				problem("views.md: there is no $entry->{name}");
				next;
			}
			my %may = map { $_ => 1 } @{ $relation->{level} // [] };
			my @readers = ('the owner of the extension',
				($may{admin} ? 'administrators (`session_grant`)' : ()),
				($may{monitor} ? 'members of `pg_monitor`' : ()));
			$text .= "### $entry->{name}\n\n" . prose($relation->{comment}) . "\n\n"
			  . 'Readable by ' . join(' and ', join(', ', @readers[ 0 .. $#readers - 1 ]) || (), $readers[-1])
			  . ".\n\n" . columns_table($relation) . $entry->{text};
		}
	}
	problem("views.md: $_ is missing") for sort keys %left;
	return $text;
}

#
# Settings
#

my %contexts = (
	superuser => 'session',
	sighup => 'reload',
	postmaster => 'restart',
);

# The default of a setting, and the values that it can have.
sub setting_values
{
	my $setting = shift;
	my %units = (s => 'seconds', B => 'bytes');
	return join ', ', map { "`$_`" } @{ $setting->{values} } if $setting->{values};
	return '`on`, `off`' if $setting->{type} eq 'bool';
	return 'text' if $setting->{type} eq 'string';
	return "$setting->{min} to $setting->{max}"
	  . ($setting->{unit} ? " $units{ $setting->{unit} }" : '');
}

sub readable_default
{
	my $value = shift // '';
	return '*empty*' if $value eq '';
	$value =~ s{^(\d+):00:00$}{$1 >= 48 && $1 % 24 == 0 ? $1 / 24 . 'd' : $1 * 1 . 'h'}e if $value !~ /^00:/;
	$value =~ s/^(\d+):(\d\d):(\d\d)$/$1 * 1 ? $1 * 1 . 'h' : $2 * 1 ? $2 * 1 . 'min' : $3 * 1 . 's'/e;
	$value =~ s/^(\d+) days?$/${1}d/;
	return "`$value`";
}

sub settings_page
{
	my $text = "# Settings\n\n$made" . slurp("$folder/notes/settings.intro.md") . "\n";
	my %left = %{ $catalog->{settings} };
	for my $group (notes('settings.md'))
	{
		my @rows;
		for my $item (@{ $group->{items} })
		{
			my ($name, $more) = @$item;
			my $setting = delete $left{$name};
			if (!$setting)
			{
				problem("settings.md: there is no setting $name");
				next;
			}
			push @rows, [ "`$name`", readable_default($setting->{default}), setting_values($setting),
				$contexts{ $setting->{context} } // $setting->{context},
				join(' ', prose($setting->{short}), prose($setting->{extra}), $more) ];
		}
		$text .= "## $group->{heading}\n\n"
		  . table([ 'setting', 'default', 'values', 'change', 'meaning' ], @rows) . $group->{text};
	}
	problem("settings.md: setting $_ is missing") for sort keys %left;
	return $text;
}

#
# Events
#

sub events_page
{
	my $notes = slurp("$folder/notes/events.md");
	my ($columns) = columns_table($catalog->{relations}{'session.events'});
	my ($kinds) = grep { $_->{name} eq 'kind' } @{ $catalog->{relations}{'session.events'}{columns} };
	my %real = map { $_ => 1 } $kinds->{comment} =~ /\b([a-z]+(?:_[a-z]+)*)\b(?=,| or|\.)/g;
	$real{$1} = 1 if $kinds->{comment} =~ /or (\w+)\.$/;
	my ($table) = $notes =~ /(^\| event .*?\n\n)/ms;

	my %told;
	for my $line (split /\n/, $table // '')
	{
		my ($kinds) = $line =~ /^\| ([^|]*)/;
		$told{$_} = 1 for ($kinds // '') =~ /`(\w+)`/g;
	}
	problem("events.md: event $_ is missing") for sort grep { !$told{$_} } keys %real;
	problem("events.md: there is no event $_") for sort grep { !$real{$_} } keys %told;
	return "# Events\n\n$made" . ($notes =~ s/^COLUMNS\n/$columns/mr);
}

$pages{'functions.md'} = functions_page();
$pages{'types.md'} = types_page();
$pages{'views.md'} = views_page();
$pages{'settings.md'} = settings_page();
$pages{'events.md'} = events_page();

# The name of the schema that the extension is in here is not part of it.
for (values %pages)
{
	s/\bauth\.(session_)/$1/g;
	s/\n{3,}/\n\n/g;
	s/\n*\z/\n/;
}

if (!$check)
{
	for my $page (sort keys %pages)
	{
		open my $out, '>:encoding(UTF-8)', "$folder/$page" or die "$folder/$page: $!\n";
		print $out $pages{$page};
		close $out or die "$folder/$page: $!\n";
	}
	print STDERR map { "$_\n" } @problems;
	exit(@problems ? 1 : 0);
}

binmode STDOUT, ':encoding(UTF-8)';
my ($count, $failures) = (0, 0);
for my $page (sort keys %pages)
{
	my $same = slurp("$folder/$page") eq $pages{$page};
	$failures++ unless $same;
	$count++;
	print $same ? 'ok' : 'not ok', " $count - docs/reference/$page is what scripts/reference writes\n";
}
$count++;
$failures++ if @problems;
print @problems ? 'not ok' : 'ok', " $count - the notes of the reference are about what exists, and about all of it\n";
print map { "# $_\n" } @problems;
print "1..$count\n";
exit($failures ? 1 : 0);
