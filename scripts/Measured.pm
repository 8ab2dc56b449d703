package Measured;

# Reads what bench/*/run --output wrote, and makes one JSON file and one table
# of it. bench/common.sh describes the files, bench/README.md the JSON.
use strict;
use warnings;
use File::Basename qw(basename);
use JSON::PP ();
use Exporter qw(import);
our @EXPORT = qw(slurp number spread);

# The version of the JSON's schema.
use constant FORMAT => 1;

sub slurp
{
	my $name = shift;
	open my $in, '<', $name or die "$name: $!\n";
	local $/;
	return scalar <$in>;
}

# Writes a number with that many decimals, and commas from 10000 on.
sub number
{
	my ($x, $decimals) = @_;
	my $text = sprintf '%.*f', $decimals, $x;
	$text =~ s/^-(?=[0.]+$)//;
	1 while abs $x >= 10000 && $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
	return $text;
}

# Returns the value below which that share of the sorted values is.
sub quantile
{
	my ($share, @x) = @_;
	my $at = $share * $#x;
	my $i = int $at;
	return $x[$i] if $i == $#x;
	return $x[$i] + ($at - $i) * ($x[ $i + 1 ] - $x[$i]);
}

# Returns the median, the least and the largest.
sub spread
{
	my @x = sort { $a <=> $b } @_;
	return (quantile(0.5, @x), $x[0], $x[-1]);
}

# new(DIRECTORY): reads all files of a directory.
sub new
{
	my ($class, $directory) = @_;
	my $self = bless { directory => $directory, about => {}, series => {}, unit => {}, figures => {}, missing => {}, runs => {} }, $class;
	$self->read_file($_) for sort glob "$directory/*.txt";
	if (-e "$directory/runs")
	{
		for (split /\n/, slurp("$directory/runs"))
		{
			my ($name, $status, $seconds, $reason) = split ' ', $_, 4;
			$self->{runs}{$name} = { status => $status, seconds => $seconds, reason => $reason };
		}
	}
	return $self;
}

sub read_file
{
	my ($self, $file) = @_;
	my $name = basename($file, '.txt');
	for (split /\n/, slurp($file))
	{
		if (/^# figure: (\S+) (\S+) (\S+) (.*)/)
		{
			push @{ $self->{figures}{$name} }, { expression => $1, operator => $2, target => $3, label => $4 };
		}
		elsif (/^# missing: (.*)/) { push @{ $self->{missing}{$name} }, $1; }
		elsif (/^# (\w+): (.*)/) { $self->{about}{$name}{$1} = $2; }
		else
		{
			my ($key, $unit, @values) = split ' ';
			die "$file: $key has no value\n" unless @values;
			$self->{series}{$name}{$key} = \@values;
			$self->{unit}{$name}{$key} = $unit;
		}
	}
	return;
}

# The names of the files.
sub names { return sort keys %{ shift->{about} }; }

# The values of all rounds of an expression.
sub values_of
{
	my ($self, $file, $expression) = @_;
	my ($left, $operator, $right) = $expression =~ m{^([\w.]+)(?:([-/])([\w.]+))?$}
	  or die "$file: what is $expression\n";
	my ($a, $b) = map { defined ? $self->{series}{$file}{$_} // die "$file has no $_\n" : undef } $left, $right;
	return @$a unless $operator;
	die "$file: $expression: other rounds\n" unless @$a == @$b;
	return map { $operator eq '/' ? $a->[$_] / $b->[$_] : $a->[$_] - $b->[$_] } 0 .. $#$a;
}

# Returns a number with six significant digits.
sub short { return 0 + sprintf '%.6g', shift; }

# Returns whether a median meets a target, and undef if there is none.
sub met
{
	my ($median, $operator, $target) = @_;
	return undef if $operator eq '-';
	return $operator eq '<=' ? $median <= $target : $median >= $target;
}

# The figures of a file, as the JSON has them.
sub figures
{
	my ($self, $file) = @_;
	my @figures;
	for my $figure (@{ $self->{figures}{$file} // [] })
	{
		my ($expression, $operator, $target) = @$figure{qw(expression operator target)};
		my @x = sort { $a <=> $b } $self->values_of($file, $expression);
		my $is_ratio = $expression =~ m{/};
		my ($name, $against) = $expression =~ m{[-/]} && $figure->{label} =~ m{^(.*) [-/] (.*)$} ? ($1, $2) : ($figure->{label}, undef);
		my ($key) = $expression =~ /^([\w.]+)/;
		my $met = met(quantile(0.5, @x), $operator, $target);
		push @figures, {
			name => $name, against => $against, expression => $expression,
			unit => $is_ratio ? 'ratio' : $self->{unit}{$file}{$key}, rounds => scalar @x,
			median => short(quantile(0.5, @x)), low => short($x[0]), high => short($x[-1]),
			quartile_1 => short(quantile(0.25, @x)), quartile_3 => short(quantile(0.75, @x)),
			operator => $operator eq '-' ? undef : $operator, target => $target eq '-' ? undef : 0 + $target,
			met => !defined $met ? undef : $met ? JSON::PP::true : JSON::PP::false };
	}
	return @figures;
}

# Returns whether a figure of a file meets its target, by its expression.
sub is_met
{
	my ($self, $file, $expression) = @_;
	my ($figure) = grep { $_->{expression} eq $expression && defined $_->{met} } $self->figures($file);
	die "$file has no target for $expression\n" unless $figure;
	return $figure->{met};
}

# What is known of all benches that were measured or failed.
sub benches
{
	my $self = shift;
	my %names = map { $_ => 1 } $self->names, keys %{ $self->{runs} };
	return map {
		my $run = $self->{runs}{$_} // { status => 'measured' };
		my $about = $run->{status} eq 'measured' ? $self->{about}{$_} // {} : {};
		+{
			name => $_, status => $run->{status}, reason => $run->{reason},
			seconds => defined $run->{seconds} ? 0 + $run->{seconds} : undef,
			missing => %$about ? $self->{missing}{$_} // [] : [],
			(map { $_ => $about->{$_} } qw(command date commit postgresql machine)),
			figures => %$about ? [ $self->figures($_) ] : [] }
	} sort keys %names;
}

# The text of the JSON file.
sub json
{
	my $self = shift;
	my @benches = $self->benches;
	my ($newest) = sort { $b->{date} cmp $a->{date} } grep { $_->{date} } @benches;
	return JSON::PP->new->canonical->pretty->indent_length(1)->encode({
		format => FORMAT, command => 'bench/run', benches => \@benches,
		map { $_ => $newest->{$_} } qw(date machine postgresql commit) });
}

# Returns a number with as many decimals as a reader needs.
sub readable
{
	my $x = shift;
	return number($x, $x == int $x || abs $x >= 1000 ? 0 : abs $x >= 100 ? 1 : abs $x >= 1 ? 2 : 3);
}

sub cells { return '| ' . join(' | ', map { s/\|/\\|/gr } @_) . " |\n"; }

# One line of a table for each figure; with a true argument, only those with a
# target.
sub rows
{
	my ($bench, $only_targets) = @_;
	return map {
		my $f = $_;
		cells($f->{name}, $f->{against} // '', readable($f->{median}) . ($f->{unit} eq 'ratio' ? '' : " $f->{unit}"),
			$f->{rounds} > 1 ? join ' to ', map { readable($f->{$_}) } qw(low high) : '',
			$only_targets ? () : $f->{rounds} > 1 ? join ' to ', map { readable($f->{$_}) } qw(quartile_1 quartile_3) : '',
			defined $f->{target} ? ($f->{operator} eq '<=' ? 'at most ' : 'at least ') . $f->{target} : '',
			!defined $f->{met} ? '' : $f->{met} ? 'met' : '**missed**')
	} grep { !$only_targets || defined $_->{target} } @{ $bench->{figures} };
}

# The text of the page with the tables of all figures.
sub page
{
	my $self = shift;
	my $page = "# What was measured\n\n" .
	  "Written by `scripts/charts` from the files beside this one; do not edit it.\n" .
	  "[measurements.json](measurements.json) has the same figures. A figure is the\n" .
	  "median of the rounds of one run. Both ranges are those of the rounds: all of\n" .
	  "them, and the middle half.\n";
	$page .= "[runs](runs) says how long each bench took, in seconds.\n" if %{ $self->{runs} };
	for my $bench ($self->benches)
	{
		$page .= "\n## $bench->{name}\n\n";
		if ($bench->{status} ne 'measured') { $page .= "Not measured: " . ($bench->{reason} // $bench->{status}) . "\n"; next; }
		$page .= "`$bench->{command}`, $bench->{date}, PostgreSQL $bench->{postgresql}, commit\n" .
		  "$bench->{commit}.\n$bench->{machine}. The rounds are in [$bench->{name}.txt]($bench->{name}.txt).\n";
		$page .= "Not measured: $_\n" for @{ $bench->{missing} };
		$page .= "\n| | against | median | range | middle half | target | |\n|---|---|---|---|---|---|---|\n" . join '', rows($bench)
		  if @{ $bench->{figures} };
	}
	return $page;
}

# The table of all figures that have a target.
sub targets
{
	my $self = shift;
	return "| bench | | against | median | range | target | |\n|---|---|---|---|---|---|---|\n" .
	  join '', map { my $name = $_->{name}; map { "| $name $_" } rows($_, 1) } $self->benches;
}

# Prints which targets were met and missed. Returns an exit status: 0 if all
# were met, 1 if one was missed, 2 if something could not be measured.
sub summary
{
	my ($self, @names) = @_;
	my %wanted = map { $_ => 1 } @names;
	my $status = 0;
	my ($count, $missed) = (0, 0);
	for my $bench (grep { $wanted{ $_->{name} } } $self->benches)
	{
		if ($bench->{status} ne 'measured')
		{
			printf "%-12s NOT MEASURED (%s): %s\n", $bench->{name}, $bench->{status}, $bench->{reason} // '';
			$status = 2;
			next;
		}
		my @targets = grep { defined $_->{met} } @{ $bench->{figures} };
		my @missed = grep { !$_->{met} } @targets;
		$count += @targets;
		$missed += @missed;
		printf "%-12s %d of %d targets met, %d s\n", $bench->{name}, @targets - @missed, scalar @targets, $bench->{seconds} // 0;
		printf "    MISSED   %s: %s, target %s %s\n", join(' / ', $_->{name}, $_->{against} // ()),
		  readable($_->{median}), $_->{operator}, $_->{target}
		  for @missed;
		for (@{ $bench->{missing} }) { print "    NOT MEASURED   $_\n"; $status = 2; }
	}
	printf "\n%d of %d targets met\n", $count - $missed, $count;
	return $status || ($missed ? 1 : 0);
}

1;
