#!/usr/bin/perl
# Writes docs/coverage.md from what lcov has captured; see scripts/coverage.
#
#   report.pl INFO TREE PAGE
#
# Lines count as gcov counts them. Branches count where the source decides:
#
#   - the line has if, for, while, switch, case, &&, || or ?: other branches are
#     in macros and inline functions of the server, such as DatumGetTextPP
#   - it is not part of ereport, elog or Assert, and has no CHECK_FOR_INTERRUPTS,
#     PG_TRY, PG_CATCH, PG_FINALLY, PG_END_TRY or foreach
#   - it does not only lead to a line that is not covered and has a reason
#
# A run of lines that are not covered has a reason if one line of it, or the line
# before it, matches a pattern of reasons.txt. An elog needs none. The goal for
# lines is one for those that can be reached.
use strict;
use warnings;
use File::Basename qw(dirname);

die "usage: report.pl INFO TREE PAGE\n" unless @ARGV == 3;
my ($info, $tree, $page) = @ARGV;
use constant { LINES => 99, BRANCHES => 90 };

sub slurp
{
	my ($name) = @_;
	open my $in, '<', $name or die "$name: $!\n";
	local $/;
	return scalar <$in>;
}

#
# What lcov has captured
#

my (%lines, %branches);
my $file = '';
for (split /\n/, slurp($info))
{
	if (/^SF:(.*)/) { $file = $1 =~ s{^\Q$tree\E/}{}r; }
	elsif ($file !~ m{^src/}) { next; }
	elsif (/^DA:(\d+),(\d+)/) { $lines{$file}{$1} += $2; }
	elsif (/^BRDA:(\d+),(\d+),(\d+),(\S+)/) { $branches{$file}{$1}{"$2.$3"} += $4 eq '-' ? 0 : $4; }
}

# The reasons: a line that is not indented, and below it, indented, a pattern of
# files and one of lines.
my @reasons;
my $reason;
for (split /\n/, slurp(dirname(__FILE__) . '/reasons.txt'))
{
	next if /^#/ || /^\s*$/;
	if (/^\S/) { $reason = $_; next; }
	my ($glob, $pattern) = /^\s+(\S+)\s+(.*\S)/ or die "reasons.txt: $_\n";
	my $files = join '.*', map { quotemeta } split /\*/, $glob, -1;
	push @reasons, { files => qr/^$files$/, lines => qr/$pattern/, reason => $reason, used => 0, text => $_ };
}

#
# Sources
#

# Returns the text with comments and strings blanked.
sub mask
{
	my ($text) = @_;
	$text =~ s{(/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')}{ $1 =~ s/[^\n]/ /gr }gse;
	return $text;
}

# Marks the lines of statements that raise errors, with their names, and those
# that only assert.
sub raising
{
	my ($masked) = @_;
	my @of;
	while ($masked =~ /\b(ereport|elog|Assert|AssertMacro)\s*(\()/g)
	{
		my ($name, $at, $depth) = ($1, $-[1], 0);
		my $i = $-[2];
		for (; $i < length $masked; $i++)
		{
			my $c = substr $masked, $i, 1;
			$depth++ if $c eq '(';
			last if $c eq ')' && --$depth == 0;
		}
		my $first = 1 + (substr($masked, 0, $at) =~ tr/\n//);
		my $last = 1 + (substr($masked, 0, $i) =~ tr/\n//);
		$of[$_] = $name for $first .. $last;
	}
	return @of;
}

my (%sum, @missing, %untaken, @without, %by_reason);
for my $file (sort keys %lines)
{
	my $text = slurp("$tree/$file");
	my @source = ('', split /\n/, $text);
	my @masked = ('', split /\n/, mask($text));
	my @raises = raising(mask($text));
	my ($folder) = $file =~ m{^src/(\w+)/};
	$folder //= '.';
	my $of = $sum{$folder} //= { lines => 0, covered => 0, unreachable => 0, branches => 0, taken => 0 };
	my @numbers = sort { $a <=> $b } keys %{ $lines{$file} };
	$of->{lines} += @numbers;
	$of->{covered} += grep { $lines{$file}{$_} > 0 } @numbers;

	# Runs of lines that are not covered.
	my (%excused, @run);
	my $before = 0;
	for my $n (@numbers, 0)
	{
		if ($n && $lines{$file}{$n} == 0) { push @run, $n; next; }
		if (@run)
		{
			my $from = $before ? $before : $run[0];
			my @found = grep { $file =~ $_->{files} && join("\n", @source[ $from .. $run[-1] ]) =~ $_->{lines} } @reasons;
			my @left = grep { ($raises[$_] // '') ne 'elog' } @run;
			my $why = @found ? $found[0]{reason} : @left == 0 ? '* An elog reports what cannot happen.' : undef;
			$found[0]{used}++ if @found;
			my $where = { file => $file, from => $run[0], to => $run[-1], count => scalar @run, source => $source[ $run[0] ] =~ s/^\s+|\s+$//gr };
			$of->{unreachable} += @run if defined $why && $why =~ /^\*/;
			if (defined $why) { push @{ $by_reason{$why} }, $where; $excused{$_} = 1 for @run; }
			else { push @without, $where; }
			@run = ();
		}
		$before = $n;
	}

	for my $n (sort { $a <=> $b } keys %{ $branches{$file} })
	{
		my $line = $masked[$n] // '';
		next unless $line =~ /\b(?:if|for|while|switch|case)\b|&&|\|\||\?/;
		next if $raises[$n] || $line =~ /\b(?:CHECK_FOR_INTERRUPTS|PG_TRY|PG_CATCH|PG_FINALLY|PG_END_TRY|foreach\w*)\b/;
		my ($next) = grep { $_ > $n } @numbers;
		my $leads = defined $next && $excused{$next};
		for my $taken (values %{ $branches{$file}{$n} })
		{
			next if !$taken && ($leads || $excused{$n});
			$of->{branches}++;
			$of->{taken}++ if $taken;
			$untaken{$file}{$n}++ unless $taken;
		}
	}
}

#
# The page
#

sub percent { my ($part, $all) = @_; return $all ? sprintf '%.1f %%', 100 * $part / $all : ''; }

my %all;
for my $of (values %sum) { $all{$_} += $of->{$_} for keys %$of; }
my @date = gmtime;
my $out = sprintf <<'END', $date[5] + 1900, $date[4] + 1, $date[3], percent($all{covered}, $all{lines}), percent($all{covered}, $all{lines} - $all{unreachable}), percent($all{taken}, $all{branches});
# What the tests cover

`scripts/coverage` has written this page on %d-%02d-%02d. It runs the unit,
regression, isolation and TAP tests with gcov, and counts what backends, workers
and standbys run. Of `test/faults`, it runs what loses the master key.

| of | covered | goal |
|---|---|---|
| the lines of `src/` | %s | |
| those that can be reached | %s | 99 %% |
| the branches that can be reached | %s | 90 %% |

A branch counts on a line whose source decides: one with `if`, `for`, `while`,
`switch`, `case`, `&&`, `||` or `?`. It does not count in `ereport`, `elog` and
`Assert`, in macros of the server, and where it only leads to a line that cannot
be reached. The `-O0` build has both results of each part of a condition.

What covers a line need not notice a mistake in it. `scripts/mutate` breaks
sampled lines and reports which mistakes the tests notice, in
[test/mutation](../test/mutation/README.md).

| folder | lines | covered | | of those that can be reached | branches | taken | |
|---|---|---|---|---|---|---|---|
END
for my $folder (sort keys %sum)
{
	my $of = $sum{$folder};
	$out .= sprintf "| `%s` | %d | %d | %s | %s | %d | %d | %s |\n", $folder eq '.' ? 'src' : "src/$folder", $of->{lines}, $of->{covered}, percent($of->{covered}, $of->{lines}),
	  percent($of->{covered}, $of->{lines} - $of->{unreachable}),
	  $of->{branches}, $of->{taken}, percent($of->{taken}, $of->{branches});
}
$out .= sprintf "| all | %d | %d | %s | %s | %d | %d | %s |\n", $all{lines}, $all{covered}, percent($all{covered}, $all{lines}), percent($all{covered}, $all{lines} - $all{unreachable}), $all{branches}, $all{taken}, percent($all{taken}, $all{branches});
$out .= "\n## Lines that are not covered\n\nThe reasons are those of `test/coverage/reasons.txt`. Where a reason says so,\nno test can reach the lines.\n";
sub where { my $w = shift; return "$w->{file}:$w->{from}" . ($w->{to} > $w->{from} ? "-$w->{to}" : ''); }
for my $why (sort { lc $a cmp lc $b } keys %by_reason)
{
	my $count = 0;
	$count += $_->{count} for @{ $by_reason{$why} };
	$out .= "\n" . wrapped(($why =~ s/^\* //r) . ($why =~ /^\*/ ? ' Cannot be reached.' : '') . " Lines: $count.") . "\n";
	$out .= "| line | source |\n|---|---|\n";
	$out .= sprintf "| %s | `%s` |\n", where($_), $_->{source} =~ s/\|/\\|/gr for @{ $by_reason{$why} };
}
if (@without)
{
	$out .= "\nNo reason:\n\n| line | source |\n|---|---|\n";
	$out .= sprintf "| %s | `%s` |\n", where($_), $_->{source} =~ s/\|/\\|/gr for @without;
}
$out .= <<'END';

## Branches that are not taken

A line has as many branches as results of the parts of its condition. The number
in brackets is how many of them are not taken, if it is more than one. Most of
these are the second half of a check that another one makes first: a value that
is NULL or too long where no caller passes one, the end of a list that is never
empty, an allocation or a call of OpenSSL that does not fail.

| file | lines |
|---|---|
END
for my $file (sort keys %untaken)
{
	$out .= "| $file | " . join(', ', map { $untaken{$file}{$_} > 1 ? "$_ ($untaken{$file}{$_})" : $_ } sort { $a <=> $b } keys %{ $untaken{$file} }) . " |\n";
}

sub wrapped
{
	my ($text) = @_;
	my ($line, $result) = ('', '');
	for my $word (split / /, $text)
	{
		if ($line ne '' && length("$line $word") > 79) { $result .= "$line\n"; $line = $word; }
		else { $line = $line eq '' ? $word : "$line $word"; }
	}
	return "$result$line\n";
}
open my $to, '>', $page or die "$page: $!\n";
print $to $out;
close $to or die "$page: $!\n";

printf "lines: %s of %d, %s of those that can be reached, branches: %s of %d\n", percent($all{covered}, $all{lines}), $all{lines}, percent($all{covered}, $all{lines} - $all{unreachable}), percent($all{taken}, $all{branches}), $all{branches};
print "no reason: ", where($_), " $_->{source}\n" for @without;
print "unused: $_->{text}\n" for grep { !$_->{used} } @reasons;
exit(@without || $all{covered} < LINES / 100 * ($all{lines} - $all{unreachable}) || $all{taken} < BRANCHES / 100 * $all{branches} ? 1 : 0);
