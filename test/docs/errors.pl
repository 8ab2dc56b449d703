#!/usr/bin/perl
# Compares the error texts in docs/faq.md with those in src/ and sql/: a text
# that the page quotes must be in the sources, and the page must quote each
# text of an ereport.  Reads text only.  Prints TAP.
#
#   errors.pl [DIRECTORY]      DIRECTORY contains src/ and docs/; default: this
#                              tree
#
# The texts that count are in the part of the page between the comments
# <!-- errors --> and <!-- end of errors -->: the code spans of the first
# column of its tables, and the lines of its text blocks that begin with
# ERROR, WARNING, DETAIL or HINT.  "..." stands for a part that the extension
# fills in.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Find qw(find);
use FindBin;
use lib $FindBin::Bin;
use Page;

my $root = shift // dirname(__FILE__) . '/../..';
chdir $root or die "$root: $!\n";
my $page = 'docs/faq.md';

binmode STDOUT, ':encoding(UTF-8)';

# Texts in which the parts that printf fills in are "...".
sub normal
{
	my $text = shift;
	$text =~ s/%(?:ll|z|l)?[sdumc]/.../g;
	$text =~ s/\s+/ /g;
	return $text;
}

#
# The sources
#

my @files;
find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.[ch]$/; } }, 'src');

# Every string of the sources, and the texts of errmsg() and of the functions
# that refuse something.
my (%literal, %message);
for my $file (sort @files)
{
	my $code = slurp($file);
	$code =~ s{("(?:\\.|[^"\\\n])*")|'(?:\\.|[^'\\\n])*'|/\*.*?\*/}{$1 // ' '}gse;
	$code =~ s/(?<!\\)"\s+"//g;
	while ($code =~ /"((?:\\.|[^"\\\n])*)"/g)
	{
		my ($text, $before) = ($1, substr $code, 0, $-[0]);
		$text = normal($text =~ s/\\n/ /gr =~ s/\\(.)/$1/gr);
		$literal{$text} = 1;
		$message{$text} = $file
		  if $before =~ /\berrmsg\(\s*\z/ || $before =~ /\bGUC_check_errmsg\(\s*\z/;
	}
}
my $sql = join "\n", map { slurp($_) } glob 'sql/*.sql';

# A text with a "..." matches whatever the sources put there, but only with a
# string of the sources or with another "...".
sub exists_in_sources
{
	my $text = shift;
	return 1 if $literal{$text} || index($sql, $text) >= 0;
	# A string that only a format of nothing but parts makes whole.
	return 1 if $text =~ /^\.\.\. (.+)/ && $literal{$1};
	for my $known (keys %literal)
	{
		# A text that is only "..." would match everything.
		next unless index($known, '...') >= 0 && $known =~ /[a-z]{4}/;
		my $pattern = join '(.+)', map { quotemeta } split /\.\.\./, $known, -1;
		my @filled = $text =~ /\A$pattern\z/ or next;
		return 1 unless grep { $_ ne '...' && !$literal{$_} } @filled;
	}
	return 0;
}

#
# The page
#

my @quoted;
my ($part, $fence, $line) = (0, 0, 0);
for my $text (split /\n/, slurp($page))
{
	$line++;
	if ($text =~ /^<!-- (end of )?errors -->/) { $part = !$1; next; }
	next unless $part;
	if ($text =~ /^```/) { $fence = !$fence; next; }
	if ($fence)
	{
		push @quoted, [ $line, $1 ]
		  if $text =~ /^(?:ERROR|WARNING|DETAIL|HINT):\s+(.*)/;
	}
	elsif ($text =~ /^\|([^|]*)\|/)
	{
		my $cell = $1;
		push @quoted, [ $line, $1 ] while $cell =~ /`([^`]+)`/g;
	}
}

my @problems = $part ? ("$page: errors do not end") : ();
push @problems, "$page has no errors" unless @quoted;
my %quoted;
for my $quote (@quoted)
{
	my ($where, $text) = @$quote;
	$quoted{$text} = 1;
	push @problems, "line $where: not in src/ or sql/: $text"
	  unless exists_in_sources(normal($text));
}
result("$page: the texts of errors are those of the sources", @problems);

# A text that begins with "..." may be quoted with that part filled in.
@problems = ();
for my $text (sort keys %message)
{
	next unless $text =~ /[a-z]{4}/;
	next if $quoted{$text};
	my $pattern = join '.+', map { quotemeta } split /\.\.\./, $text, -1;
	push @problems, "$message{$text}: $text"
	  unless grep { /\A$pattern\z/ } keys %quoted;
}
result("$page: every error of the sources is on the page", @problems);
finish();
