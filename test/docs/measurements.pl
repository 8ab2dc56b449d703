#!/usr/bin/perl
# Checks that docs/measurements/measurements.json has the schema that
# bench/README.md describes.  Prints TAP.
#
#   measurements.pl [FILE]
use strict;
use warnings;
use File::Basename qw(dirname);
use JSON::PP;

my $root = dirname(__FILE__) . '/../..';
my $file = shift // "$root/docs/measurements/measurements.json";
open my $in, '<', $file or die "$file: $!\n";
my $json = decode_json(do { local $/; <$in> });

my (@wrong, $failures);
sub result
{
	my $title = shift;
	print @wrong ? 'not ok' : 'ok', " - $title\n", map { "# $_\n" } @wrong;
	$failures += @wrong;
	@wrong = ();
	return;
}

sub expect($$) { push @wrong, $_[1] unless $_[0]; return; }

# The members of an object are exactly these.
sub members
{
	my ($object, $what, @names) = @_;
	my ($is, $is_to_be) = map { join ' ', sort @$_ } [ keys %$object ], \@names;
	expect($is eq $is_to_be, "$what has the members $is instead of $is_to_be");
	return;
}

sub is_number { my $x = shift; return defined $x && $x =~ /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i; }

members($json, 'the file', qw(format command date machine postgresql commit benches));
expect($json->{format} == 1, "the format is $json->{format}");
expect(length($json->{$_} // ''), "no $_") for qw(command date machine postgresql commit);
result('measurements.json says where and how it was measured');

my ($figures, $ratios) = (0, 0);
for my $bench (@{ $json->{benches} })
{
	my $name = $bench->{name};
	members($bench, $name, qw(name status reason missing seconds command date machine postgresql commit figures));
	expect($bench->{status} =~ /^(measured|failed|slow)$/, "$name: the status is $bench->{status}");
	expect(ref $bench->{missing} eq 'ARRAY', "$name: missing is no array");
	if ($bench->{status} eq 'measured')
	{
		expect(length($bench->{$_} // ''), "$name: no $_") for qw(command date machine postgresql commit);
		expect($bench->{command} =~ m{^bench/\Q$name\E/run}, "$name: the command is $bench->{command}");
	}
	else
	{
		expect(length($bench->{reason} // ''), "$name: no reason");
		expect(!@{ $bench->{figures} }, "$name: it was not measured, but has figures");
	}
	for my $figure (@{ $bench->{figures} })
	{
		my $of = "$name, $figure->{name}";
		$figures++;
		members($figure, $of, qw(name against expression unit rounds median low high quartile_1 quartile_3 operator target met));
		expect(is_number($figure->{$_}), "$of: $_ is no number") for qw(rounds median low high quartile_1 quartile_3);
		my @sorted = @$figure{qw(low quartile_1 median quartile_3 high)};
		expect(!(grep { $sorted[$_] > $sorted[ $_ + 1 ] } 0 .. 3), "$of: @sorted are not in order");
		my $is_ratio = $figure->{expression} =~ m{/};
		$ratios++ if $is_ratio;
		expect($is_ratio == ($figure->{unit} eq 'ratio'), "$of: the unit is $figure->{unit}");
		expect(!$is_ratio || length($figure->{against} // ''), "$of: a ratio to what?");
		my $operator = $figure->{operator};
		if (!defined $operator)
		{
			expect(!defined $figure->{target} && !defined $figure->{met}, "$of: a target without an operator");
			next;
		}
		expect(is_number($figure->{target}), "$of: the target is no number");
		my $met = $operator eq '<=' ? $figure->{median} <= $figure->{target} : $figure->{median} >= $figure->{target};
		expect($operator =~ /^[<>]=$/ && JSON::PP::is_bool($figure->{met}) && !$met == !$figure->{met}, "$of: met is wrong");
	}
}
result("measurements.json has the schema of bench/README.md, with $ratios ratios in $figures figures");
exit($failures ? 1 : 0);
