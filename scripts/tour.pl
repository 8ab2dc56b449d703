#!/usr/bin/perl
# Makes the script for psql from scripts/tour.sql, which says how it is
# written. psql then prints each section: heading, what happens, and each
# statement followed by its output.
#
#   tour.pl FILE          the whole tour
#   tour.pl --pause FILE  the same, and waits for Enter after each section
#
# A statement with parameters is run with PREPARE and EXECUTE, as an
# application's driver does.
use strict;
use warnings;

my $pause = @ARGV && $ARGV[0] eq '--pause' && shift;
my @sections;
while (my $line = <>)
{
	if ($line =~ /^-- # (.*)/) { push @sections, { title => $1, lines => [] }; }
	elsif (@sections) { push @{ $sections[-1]{lines} }, $line; }
}

# Prints the command that prints a line. The line is quoted, so psql replaces
# no variable in it.
sub show
{
	my $line = shift;
	$line =~ s/\s+$//;
	$line =~ s/\\/\\\\/g;
	$line =~ s/'/''/g;
	print "\\echo '$line'\n";
}

# Runs a statement, with values for its parameters.
sub execute
{
	my ($statement, $values) = @_;
	return print $statement unless defined $values;
	my ($sql, $end) = $statement =~ /\A(.*?)(;.*|\\g.*)\z/s;
	$values =~ s/\$\d+ = //g;
	print "PREPARE tour AS $sql;\nEXECUTE tour ($values) $end", "DEALLOCATE tour;\n";
}

# Lets the reader go on, go on without pauses, or leave. The end of the input
# counts as Enter.
sub wait_for_enter
{
	print <<'END';
\if :pause
\set key ''
\set ON_ERROR_STOP 0
\prompt '-- Press Enter to go on (s: no more pauses, q: end of tour) ' key
\set ON_ERROR_STOP 1
SELECT lower(:'key') = 'q' AS leave, lower(:'key') <> 's' AS pause \gset
\if :leave
\q
\endif
\endif
END
}

printf "\\set pause %s\n", $pause ? 'on' : 'off';
my $number = 0;
for my $section (@sections)
{
	$number++;
	wait_for_enter() if $number > 1;
	show($_) for '', "=== $number. $section->{title} ===";
	my ($statement, $values) = ('');
	my $explained = 0;
	for my $line (@{ $section->{lines} })
	{
		if ($line =~ /^-- (.*)/ && !$explained++) { show($_) for $1, ''; next; }
		next if $line =~ /^\s*$/;
		show($line);
		if ($line =~ /^-- (\$1 = .*)/) { $values = $1; }
		elsif ($line =~ /^\\/) { print $line; }
		elsif ($line !~ /^--/)
		{
			$statement .= $line;
			if ($line =~ /(;(\s*--.*)?|\\g\w+)\s*$/)
			{
				execute($statement, $values);
				($statement, $values) = ('');
			}
		}
	}
	die "the last statement of \"$section->{title}\" does not end\n" if $statement;
}
