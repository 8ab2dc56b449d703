# What pages.pl and programs.pl share: TAP, the pieces of a page, and the
# comparison of an output with the one that a page shows.
package Page;
use strict;
use warnings;
use Exporter qw(import);
our @EXPORT = qw(result finish slurp pieces matches run);

our ($count, $failures) = (0, 0);

# Prints the result of one test, with what went wrong.
sub result
{
	my ($title, @problems) = @_;
	$count++;
	$failures++ if @problems;
	print @problems ? 'not ok' : 'ok', " $count - $title\n";
	print map { "# $_\n" } map { split /\n/ } @problems;
	return !@problems;
}

sub slurp
{
	my $file = shift;
	open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
	local $/;
	return scalar <$in>;
}

# Splits a page into pieces: fence (language, text), test and program
# (directives), heading and prose.
sub pieces
{
	my $file = shift;
	my (@pieces, $fence, $comment);
	my $line = 0;
	for my $text (split /\n/, slurp($file), -1)
	{
		$line++;
		if ($fence)
		{
			if ($text =~ /^\s*\Q$fence->{mark}\E\s*$/)
			{
				push @pieces, $fence;
				undef $fence;
				next;
			}
			$text =~ s/^\Q$fence->{indent}\E//;
			$fence->{text} .= "$text\n";
		}
		elsif ($comment)
		{
			$comment->{text} .= "\n" . ($text =~ s/\s*-->.*//sr);
			next unless $text =~ /-->/;
			push @pieces, $comment;
			undef $comment;
		}
		elsif ($text =~ /^(\s*)(```+)\s*(\w*)/)
		{
			$fence = { kind => 'fence', indent => $1, mark => $2,
				language => $3, line => $line, text => '' };
		}
		elsif ($text =~ /^\s*<!-- (test|program): (.*?)(?:\s*-->)?\s*$/)
		{
			my $piece = { kind => $1, line => $line, text => $2 };
			if ($text =~ /-->/) { push @pieces, $piece; }
			else { $comment = $piece; }
		}
		elsif ($text =~ /^(#+)\s+(.*?)\s*$/)
		{
			push @pieces, { kind => 'heading', text => $2, line => $line };
		}
		elsif ($text =~ /\S/)
		{
			push @pieces, { kind => 'prose', text => $text, line => $line };
		}
	}
	die "$file: a block or comment is not closed\n" if $fence || $comment;
	return @pieces;
}

# Prints the plan and ends the program.
sub finish
{
	print "1..$count\n";
	exit($failures ? 1 : 0);
}

# Makes lines comparable.
sub normal
{
	my $text = shift;
	for ($text)
	{
		s{\b(st|rt)_(?:[A-Za-z0-9_-]{64}|\.\.\.)}{<token>}g;
		s/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/<uuid>/g;
		s/\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:?\d\d)?|Z)?/<time>/g;
		s/-{3,}/---/g;
		s/[ \t]+/ /g;
		s/^ | $//mg;
		s/\n{2,}/\n/g;
		s/^\n+|\n+$//g;
	}
	# A rule of dashes depends on the width of the values.
	$text =~ s/^-*(\+-*)*$/$& =~ s{-+}{-}gr/mge;
	return $text;
}

# Returns whether output is what a page shows.
sub matches
{
	my ($output, $shown) = map { normal($_) } @_;
	$output =~ s/^\(\d+ rows?\)\n?//mg unless $shown =~ /^\(\d+ rows?\)$/m;
	$output =~ s/\n\z//;
	my $pattern = join '\n',
	  map { $_ eq '...' ? '(?:.*(?:\n.*)*)' : join '.*', map { quotemeta } split /\.\.\./, $_, -1 }
	  split /\n/, $shown;
	return $output =~ /\A$pattern\z/;
}

sub run
{
	system(@_) == 0 or die "@_ failed\n";
}

1;
