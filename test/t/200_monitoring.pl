# The files in docs/monitoring: the queries run as a member of pg_monitor, they
# return the metrics that they describe and every column of session.stats, and
# the dashboard and the alerts use no other metrics.

use strict;
use warnings;
use CPAN::Meta::YAML;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = 'docs/monitoring';

# Returns the content of a file of the folder.
sub content
{
	return PostgreSQL::Test::Utils::slurp_file("$folder/" . shift);
}

sub yaml
{
	my $yaml = CPAN::Meta::YAML->read_string(content(shift));
	return $yaml->[0];
}

my $queries = yaml('prometheus.yml');
my $rules = yaml('alerts.yml');
my $dashboard = JSON::PP->new->decode(content('grafana.json'));
is(ref $queries, 'HASH', 'prometheus.yml can be parsed');
is(ref $rules->{groups}, 'ARRAY', 'alerts.yml can be parsed');
is(ref $dashboard->{panels}, 'ARRAY', 'grafana.json can be parsed');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'session'\n");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE SCHEMA auth;
	CREATE EXTENSION session SCHEMA auth;
	CREATE ROLE exporter LOGIN;
	GRANT pg_monitor TO exporter;
	CREATE DATABASE other;
	SELECT FROM auth.session_create('ada')});
$node->safe_psql('other', 'CREATE EXTENSION session');

# Runs a query as the role of the exporter. Returns the names of the columns,
# and a hash for each row.
sub run_query
{
	my $query = shift;
	my ($out, $err) = ('', '');

	$query =~ s/;?\s*\z//;
	my $status = $node->psql(
		'postgres',
		"SELECT row_to_json(q) FROM ($query) AS q",
		stdout => \$out,
		stderr => \$err,
		extra_params => [ '-U', 'exporter' ]);
	return ($err) if $status != 0;
	# row_to_json gives the names in the order of the columns.
	return ('', map { JSON::PP->new->decode($_) } split /\n/, $out);
}

my %made;
for my $name (sort keys %$queries)
{
	my ($err, @rows) = run_query($queries->{$name}{query});
	is($err, '', "query $name runs as a member of pg_monitor");
	cmp_ok(scalar @rows, '>', 0, "query $name returns rows");
	next unless @rows;

	my %usage = map { my ($column) = keys %$_; $column => $_->{$column}{usage} }
	  @{ $queries->{$name}{metrics} };
	is_deeply(
		[ sort keys %usage ],
		[ sort keys %{ $rows[0] } ],
		"query $name describes each of its columns");
	is( join(' ', grep { $usage{$_} !~ /^(?:LABEL|GAUGE|COUNTER)\z/ } sort keys %usage),
		'', "query $name has a usage for each of its columns");

	# Two rows with the same labels would be the same metric twice.
	my @labels = grep { $usage{$_} eq 'LABEL' } sort keys %usage;
	my %seen;
	$seen{ join "\t", map { $_ // '' } @$_{@labels} }++ for @rows;
	is(scalar(keys %seen), scalar @rows, "query $name returns each set of labels once");
	my @texts = grep {
		my $column = $_;
		$usage{$column} ne 'LABEL'
		  && grep { defined $_->{$column} && $_->{$column} !~ /^-?[\d.]+(?:e[-+]?\d+)?\z/ } @rows
	} sort keys %usage;
	is("@texts", '', "query $name returns numbers but for its labels");
	$made{"${name}_$_"} = $usage{$_} for grep { $usage{$_} ne 'LABEL' } keys %usage;
}

# A query without the privileges of pg_monitor is an error: the test sees it.
like(
	(run_query('SELECT kid FROM session.keys'))[0],
	qr/permission denied/,
	'the role of the exporter cannot read the tables');

# The columns of session.stats and the metrics. Texts and times are exported in
# another form.
my %form = (
	master_key => 'master_key_ok',
	workers => 'workers_ok',
	round_started_at => 'round_started_at_seconds',
	round_duration => 'round_duration_seconds',
	round_rested => 'round_rested_seconds');
my @columns = split /\n/, $node->safe_psql(
	'postgres', q{
	SELECT attname FROM pg_attribute WHERE attrelid = 'session.stats'::regclass
	AND attnum > 0 AND NOT attisdropped AND attname <> 'database'});
cmp_ok(scalar @columns, '>', 30, 'session.stats has its columns');
is( join(' ', grep { !$made{ 'session_stats_' . ($form{$_} // $_) } } @columns),
	'', 'each column of session.stats is exported');

# Counters of session.stats never decrease while the server runs, and are
# described as such; the rest are gauges.
my %text = map { my ($name, $what) = split /\|/; $name => $what } split /\n/,
  $node->safe_psql(
	'postgres', q{
	SELECT attname || '|' || replace(col_description(attrelid, attnum), E'\n', ' ')
	FROM pg_attribute WHERE attrelid = 'session.stats'::regclass AND attnum > 0});
my @wrong;
for my $column (@columns)
{
	my $counts = $column =~
	  /^(?:checks_|sessions_|snapshots_|proofs_|refresh_reuses|rounds\z|round_errors)/
	  || $column =~ /(?:_dropped|_overflows)\z/;
	my $usage = $made{ 'session_stats_' . ($form{$column} // $column) } // '';
	push @wrong, $column if ($usage eq 'COUNTER') != !!$counts;
}
is("@wrong", '', 'counters of session.stats are counters, the rest are gauges');

# Returns the metrics of an expression.
sub metrics
{
	return shift =~ /\b(session_\w+)/g;
}

# Labels that an expression selects by are not metrics.
my %used;
my @rules = map { @{ $_->{rules} } } @{ $rules->{groups} };
cmp_ok(scalar @rules, '>', 10, 'alerts.yml has rules');
for my $rule (@rules)
{
	$used{$_} .= " $rule->{alert}" for metrics($rule->{expr});
	is( join(' ', grep { !defined $_ || !length $_ } $rule->{alert},
			$rule->{expr}, $rule->{labels}{severity}, @{ $rule->{annotations} }{qw(summary description)}),
		'',
		"alert $rule->{alert} is complete");
	ok(scalar metrics($rule->{expr}), "alert $rule->{alert} uses a metric");
}
my @targets = map { @{ $_->{targets} // [] } } @{ $dashboard->{panels} };
cmp_ok(scalar @targets, '>', 20, 'grafana.json has queries');
for my $panel (@{ $dashboard->{panels} })
{
	next if $panel->{type} eq 'row';
	my @metrics = map { metrics($_->{expr}) } @{ $panel->{targets} // [] };
	ok(scalar @metrics, "panel \"$panel->{title}\" uses a metric");
	$used{$_} .= " \"$panel->{title}\"" for @metrics;
}
$used{$_} .= ' the list of databases'
  for map { metrics($_->{definition} // '') } @{ $dashboard->{templating}{list} };
is_deeply([ map { "$_:$used{$_}" } grep { !$made{$_} } sort keys %used ],
	[], 'the alerts and the dashboard use metrics that the queries make');

# Alerts increase only counters.
my @gauges;
for my $expr ((map { $_->{expr} } @rules), (map { $_->{expr} } @targets))
{
	push @gauges, grep { ($made{$_} // '') ne 'COUNTER' }
	  $expr =~ /\b(?:rate|increase)\(\s*(session_\w+)/g;
}
is("@gauges", '', 'rates are of counters');

# The page about monitoring names each alert and each column.
my $page = slurp_file('docs/operations/monitoring.md');
is(join(' ', grep { index($page, "`$_`") < 0 } map { $_->{alert} } @rules),
	'', 'the page describes each alert');
is(join(' ', grep { index($page, "`$_`") < 0 } @columns),
	'', 'the page describes each column of session.stats');

done_testing();
