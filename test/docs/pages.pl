#!/usr/bin/perl
# Tests README.md, docs/ and the other pages: runs every SQL block, compares
# the output that is shown, and checks the links.  Prints TAP.
#
#   pages.pl BINDIR DATA WORK [PAGE...]
#   pages.pl --first PAGE            prints the page's first SQL block, with the
#                                    SQL that a comment says to run before it
#   pages.pl --compare PAGE FILE     fails unless FILE has the output that the
#                                    page shows for its first SQL block
#
# The last two are for scripts/package-test, which has a server of its own.
#
# BINDIR has the server's programs, DATA is a data directory that initdb has
# made and that nothing uses, and WORK is an empty directory.  Reads the
# checkout that it is part of.  With PAGEs, tests the SQL of these only.
#
# Each page has a server of its own, a copy of DATA, with the library
# preloaded, the database "shop" and the roles "shop" and "shop_backoffice".
# One psql runs all blocks of the page that are marked ```sql, in order, as the
# superuser "postgres" and connected to "shop".  The page stops at the first
# statement that fails.
#
# A ```text block is the output of the ```sql block before it, as psql prints
# it.  No heading and no other block may be between the two.  In a comparison
#   * runs of spaces and of dashes count as one, and empty lines do not count
#   * tokens, uuids and timestamps count as equal
#   * "(1 row)" and the like need not be shown
#   * "..." stands for anything within a line, and for any lines if it is alone
#
# A comment in front of a block, which a reader does not see, says what to do
# with it (several may follow each other):
#   <!-- test: $1=:'cookie' $2='192.0.2.1' -->   what its parameters are
#   <!-- test: error 42501 -->    its last statement fails with this SQLSTATE
#   <!-- test: skip REASON -->    do not run it
#   <!-- test: fresh -->          run it, and what follows, in a new database
#   <!-- test: sql                run this SQL first; its output is not shown,
#   SELECT ... -->                and its end is the end of the comment
#
# Blocks in other languages are tested by programs.pl.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Find qw(find);
use File::Spec;
use FindBin;
use lib $FindBin::Bin;
use Page;

my $first = @ARGV && $ARGV[0] =~ /^--(first|compare)$/ ? $1 : '';
shift if $first;
my ($bin, $data, $work, @pages) = @ARGV;
die "usage: pages.pl BINDIR DATA WORK [PAGE...]\n"
  . "       pages.pl --first PAGE\n"
  . "       pages.pl --compare PAGE FILE\n"
  unless $first ? @ARGV == ($first eq 'first' ? 1 : 2) : defined $work;
my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');
chdir $root or die "$root: $!\n" unless $first;
binmode STDOUT, ':encoding(UTF-8)';

#
# SQL
#

# Puts the SQL blocks of a page together: what to run before it, what the
# block is after its parameters have values, and what it shows.
sub blocks
{
	my $file = shift;
	my (@blocks, @tests, $last, $program, @problems);
	for my $piece (pieces($file))
	{
		if ($piece->{kind} eq 'test') { push @tests, $piece; }
		elsif ($piece->{kind} eq 'program')
		{
			$program = 1;
		}
		elsif ($piece->{kind} eq 'heading') { undef $last; }
		elsif ($piece->{kind} eq 'prose')
		{
			push @problems, "line $_->{line}: no SQL block follows" for @tests;
			@tests = ();
		}
		elsif ($piece->{language} eq 'sql')
		{
			$last = { line => $piece->{line}, sql => $piece->{text}, before => '' };
			for my $test (map { $_->{text} } @tests)
			{
				if ($test =~ /^sql\n(.*)/s) { $last->{before} .= "$1\n"; }
				elsif ($test =~ /^skip \S/) { $last->{skip} = 1; }
				elsif ($test =~ /^error (\w{5})$/) { $last->{error} = $1; }
				elsif ($test eq 'fresh')
				{
					$last->{before} .= "\\c postgres\n"
					  . "DROP DATABASE shop WITH (FORCE);\n"
					  . "CREATE DATABASE shop OWNER shop;\n\\c shop\n";
				}
				elsif ($test =~ /^\$1=/)
				{
					my %value = $test =~ /\$(\d+)=(\S+)/g;
					$last->{sql} =~ s/\$(\d+)/$value{$1} \/\/ "\$$1"/ge;
				}
				else { push @problems, "line $piece->{line}: unknown: $test"; }
			}
			@tests = ();
			push @blocks, $last;
		}
		elsif ($piece->{language} eq 'text')
		{
			if (!$last || defined $last->{shown})
			{
				push @problems, "line $piece->{line}: a text block that is no output";
				next;
			}
			$last->{shown} = $piece->{text};
		}
		# The output of a program is compared by programs.pl.
		else { $last = $program ? {} : undef; }
		undef $program if $piece->{kind} eq 'fence';
	}
	return (\@blocks, \@problems);
}

# Runs the blocks of a page and tests each.
sub test_page
{
	my $page = shift;
	my ($blocks, $problems) = blocks($page);
	result("$page: blocks and comments belong together", @$problems);
	return unless grep { !$_->{skip} } @$blocks;

	my $script = "$work/script.sql";
	open my $out, '>:encoding(UTF-8)', $script or die "$script: $!\n";
	print $out "\\set ON_ERROR_STOP 1\n\\pset pager off\n";
	for my $i (0 .. $#$blocks)
	{
		my $block = $blocks->[$i];
		next if $block->{skip};
		print $out "\\echo '=====' before $i\n$block->{before}\n"
		  . ($block->{error} ? "\\set ON_ERROR_STOP 0\n" : '')
		  . "\\echo '=====' block $i\n$block->{sql}\n"
		  . "\\echo '=====' state :LAST_ERROR_SQLSTATE :ERROR\n\\set ON_ERROR_STOP 1\n";
	}
	print $out "\\echo '=====' done\n";
	close $out;

	run('cp', '-R', $data, "$work/data");
	open my $conf, '>>', "$work/data/postgresql.conf" or die $!;
	print $conf "unix_socket_directories = '$work'\n";
	close $conf;
	run("$bin/pg_ctl", '-D', "$work/data", '-l', "$work/server.log", '-w', '-s', 'start');
	my $output = eval {
		local $ENV{PGHOST} = $work;
		local $ENV{PGUSER} = 'postgres';
		local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
		local $ENV{PGTZ} = 'UTC';
		run("$bin/psql", '-Xqd', 'postgres', '-c', 'CREATE ROLE shop LOGIN',
			'-c', 'CREATE ROLE shop_backoffice LOGIN',
			'-c', 'CREATE DATABASE shop OWNER shop');
		`$bin/psql -X -q -d shop <$script 2>&1`;
	};
	my $error = $@;
	run("$bin/pg_ctl", '-D', "$work/data", '-s', '-m', 'immediate', 'stop');
	run('rm', '-rf', "$work/data");
	die $error if $error;
	utf8::decode($output);

	my %part;
	my @parts = split /^===== (.*)\n/m, $output;
	shift @parts;
	while (my ($name, $text) = splice @parts, 0, 2)
	{
		if ($name =~ /^state (\S+) (\S+)/)
		{
			$part{state}[ $part{last} ] = $2 eq 'true' ? $1 : '00000';
		}
		$part{$name} = $text;
		$part{last} = $1 if $name =~ /^block (\d+)/;
	}
	for my $i (0 .. $#$blocks)
	{
		my $block = $blocks->[$i];
		next if $block->{skip};
		my $title = "$page:$block->{line}";
		my $state = $part{state}[$i];
		if (!defined $state)
		{
			result("$title: runs", $part{"block $i"} // $part{"before $i"} // 'the page ended before it');
			last;
		}
		if ($block->{error})
		{
			result("$title: fails with $block->{error}",
				$state eq $block->{error} ? () : "SQLSTATE $state\n" . $part{"block $i"});
		}
		else { result("$title: runs"); }
		result("$title: shows its output",
			matches($part{"block $i"}, $block->{shown}) ? () :
			"shown:\n$block->{shown}real:\n" . $part{"block $i"})
		  if defined $block->{shown};
	}
}

# Prints the first SQL block of a page, or compares its output.
sub first_block
{
	my ($page, $file) = @_;
	my ($blocks) = blocks($page);
	my $block = $blocks->[0] or die "$page: no SQL block\n";
	if (!defined $file) { print "$block->{before}$block->{sql}"; }
	elsif (defined $block->{shown} && !matches(slurp($file), $block->{shown}))
	{
		die "$page:$block->{line}: shown:\n$block->{shown}real:\n" . slurp($file);
	}
}
if ($first)
{
	first_block(@ARGV);
	exit;
}

#
# Links
#

# The name that a heading has in a link.
sub anchor
{
	my $text = lc shift;
	$text =~ s/\[([^]]*)\]\([^)]*\)/$1/g;
	$text =~ s/[^\w\- ]//g;
	$text =~ s/ /-/g;
	return $text;
}

my %anchors;

# The anchors of a page.
sub anchors
{
	my $page = shift;
	return $anchors{$page} //= do {
		my (%seen, %all);
		for my $piece (pieces($page))
		{
			if ($piece->{kind} eq 'heading')
			{
				my $name = anchor($piece->{text});
				my $times = $seen{$name}++;
				$all{ $times ? "$name-$times" : $name } = 1;
			}
			next unless $piece->{kind} eq 'prose';
			$all{$_} = 1 for $piece->{text} =~ /<a (?:id|name)="([^"]+)"/g;
		}
		\%all;
	};
}

# The links of a page to files: (line, file, anchor), and what is wrong with
# them.
sub links
{
	my $page = shift;
	my (@links, @problems);
	for my $piece (grep { $_->{kind} =~ /prose|heading/ } pieces($page))
	{
		my $text = $piece->{text} =~ s/`[^`]*`//gr;
		my @targets = $text =~ /\]\(\s*<?([^)\s>]+)/g;
		push @targets, $text =~ /^\s*\[[^]]+\]:\s*(\S+)/g;
		push @targets, $text =~ /(?:src|href|srcset)="([^"]+)"/g;
		for my $target (@targets)
		{
			next if $target =~ /^(https?|mailto):/;
			my ($file, $anchor) = $target =~ /^([^#]*)(?:#(.*))?$/;
			my $path = $page;
			if ($file ne '')
			{
				my $dir = dirname($page);
				$path = $dir eq '.' ? $file : "$dir/$file";
				1 while $path =~ s{(^|/)\./}{$1} || $path =~ s{(^|/)(?!\.\./)[^/]+/\.\./}{$1};
				$path =~ s{/$}{};
			}
			if (!-e $path)
			{
				push @problems, "line $piece->{line}: no file $path";
				next;
			}
			push @problems, "line $piece->{line}: no heading $target"
			  if defined $anchor && $path =~ /\.md$/ && !anchors($path)->{$anchor};
			push @links, $path;
		}
	}
	return (\@links, \@problems);
}

sub files
{
	my ($pattern, @where) = @_;
	my @found;
	find({ no_chdir => 1, wanted => sub {
		$File::Find::prune = 1 if m{/node_modules$};
		push @found, s{^\./}{}r if -f && $_ =~ $pattern;
	} }, @where);
	return sort @found;
}

my @all = (glob('*.md'), files(qr/\.md$/, grep { -d } qw(docs src examples bench clients test scripts)));
# What the generator of the reference merges is tested where it ends up.
my $notes = qr{^docs/reference/notes/};

if (!@pages)
{
	my (%targets, @open, %reached);
	for my $page (@all)
	{
		next if $page =~ $notes;
		my ($links, $problems) = links($page);
		$targets{$page} = $links;
		result("$page: links lead somewhere", @$problems);
	}
	@open = ('README.md');
	while (defined(my $page = shift @open))
	{
		next if $reached{$page}++;
		push @open, grep { -f } @{ $targets{$page} // [] };
	}
	result('every file under docs/ can be reached from README.md',
		grep { !$reached{$_} && $_ !~ $notes } files(qr/./, 'docs'));
	@pages = ('README.md', grep { m{^docs/} && $_ !~ $notes } @all);
}
test_page($_) for @pages;
finish();
