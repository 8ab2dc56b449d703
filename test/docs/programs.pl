#!/usr/bin/perl
# Tests the programs in README.md and under docs/: runs them against a server,
# and compares the output that is shown.  Prints TAP, one line a program.
#
#   programs.pl BINDIR DATA WORK [PAGE...]
#
# The arguments are as in pages.pl.  node_modules beside this file has the
# packages of package.json.
#
# A block is a program if a comment that a reader does not see is in front of
# it.  It runs as it is, in the language of the block: js, python, php, ruby, java
# or go.  The ```text block that follows it, before the next heading, is its
# output and is compared as in pages.pl.
#   <!-- program: run -->     the block is a program that must succeed
#   <!-- program: serve -->   it is a web application: it prints its address
#                             and then answers requests.  See drive().
#   <!-- program: run in FILE -->   it is a part of a program: it takes the
#                             place of the line BLOCK of a file in around/
#   <!-- program: class NAME -->   it is a class of Java, which javac must
#                             compile, or a file of Go, which gofmt must leave
#                             as it is; the programs after it can use it
#   <!-- program: sql -->     in front of a ```sql block: run that SQL, too
#
# Each page has a database "shop", in which the schema auth has the extension
# and the role "shop" has the level "app".  The variables of libpq lead there
# as the role shop, and JDBC_URL with a password over TCP.  COOKIE has the
# header "Cookie" of a request of the user "ada", with a new session.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Find qw(find);
use File::Spec;
use FindBin;
use HTTP::Tiny;
use IO::Socket::INET;
use lib $FindBin::Bin;
use Page;

my ($bin, $data, $work, @pages) = @ARGV;
die "usage: programs.pl BINDIR DATA WORK [PAGE...]\n" unless defined $work;
my $here = File::Spec->rel2abs(dirname(__FILE__));
chdir "$here/../.." or die "$here: $!\n";
binmode STDOUT, ':encoding(UTF-8)';

# The file that a program is written to, and the command that runs it.  The
# packages of Debian are for the interpreters of Debian.
my $jdbc = '/usr/share/java/postgresql.jar';
my %language = (
	js => [ 'program.mjs', 'node' ],
	python => [ 'program.py', '/usr/bin/python3' ],
	php => [ 'program.php', '/usr/bin/php' ],
	ruby => [ 'program.rb', '/usr/bin/ruby' ],
	java => [ 'Program.java', '/usr/bin/java', '-cp', "$jdbc:$work/run",
		'-XX:TieredStopAtLevel=1' ],
	go => [ 'program.go', '/usr/bin/go', 'run' ]);

sub spew
{
	my ($file, $text) = @_;
	open my $out, '>:encoding(UTF-8)', $file or die "$file: $!\n";
	print $out $text;
	close $out or die "$file: $!\n";
}

# A port of the loopback interface that nothing listens on.
sub free_port
{
	return IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
}

# Runs SQL as the superuser and returns what it prints.
sub sql
{
	my ($database, $text) = @_;
	spew("$work/script.sql", $text);
	local $ENV{PGUSER} = 'postgres';
	my $output = `$bin/psql -XqAt -v ON_ERROR_STOP=1 -d $database <$work/script.sql 2>&1`;
	die $output if $?;
	chomp $output;
	return $output;
}

# Takes the programs out of a page.  Each has what to do (run or serve), the
# language, the code and the SQL before it.
sub programs
{
	my $page = shift;
	my (@programs, $last, %next);
	my $sql = '';
	for my $piece (pieces($page))
	{
		if ($piece->{kind} eq 'program')
		{
			if ($piece->{text} =~ /^class (\w+)$/)
			{
				%next = (class => $1);
				next;
			}
			my ($word, $around) = $piece->{text} =~ /^(run|serve|sql)(?: in (\S+))?$/
			  or die "$page:$piece->{line}: unknown: $piece->{text}\n";
			$next{$word} = $around ? slurp("$here/around/$around") : "BLOCK\n";
		}
		elsif ($piece->{kind} eq 'heading') { undef $last; }
		elsif ($piece->{kind} ne 'fence') { next; }
		elsif ($piece->{language} eq 'text' && $last)
		{
			$last->{shown} //= $piece->{text};
		}
		elsif (exists $next{sql})
		{
			$sql .= "$piece->{text}\n";
			%next = ();
		}
		elsif (%next)
		{
			my $language = $piece->{language};
			die "$page:$piece->{line}: no language: $language\n"
			  unless $language{$language};
			my ($word, $around) = %next;
			if ($word eq 'class')
			{
				push @programs, { title => "$page:$piece->{line} ($language)",
					language => $language, class => $around, code => $piece->{text} };
				%next = ();
				undef $last;
				next;
			}
			$around =~ s/^BLOCK\n/$piece->{text}/m or die "$page: no line BLOCK\n";
			$last = { title => "$page:$piece->{line} ($language)", sql => $sql,
				serve => $word eq 'serve', language => $language, code => $around };
			push @programs, $last;
			$sql = '';
			%next = ();
		}
		else { undef $last; }
	}
	return @programs;
}

# Starts a command that prints to a handle, and returns its process id.  It is
# the leader of a process group, so its children can be killed with it.
sub start
{
	my ($out, @command) = @_;
	my $pid = fork // die "fork: $!\n";
	return $pid if $pid;
	setpgrp;
	open STDIN, '<', '/dev/null';
	open STDOUT, '>&', $out;
	open STDERR, '>&', $out;
	exec @command or die "$command[0]: $!\n";
}

# Makes the requests of one visit: a wrong password, a login, a page with the
# cookie, a second login, which ends the first session, the logout, and the
# cookie again, which must not be good any more.
# The application has
#   POST /login    name and password as a form; 401 if they are wrong
#   GET /me        answers with the user's name; 401 if nobody is logged in
#   POST /logout
# Returns what went wrong.
sub drive
{
	my $url = shift;
	my $http = HTTP::Tiny->new(max_redirect => 0, timeout => 20);
	my @problems;
	my $check = sub {
		my ($title, $response, $status, $content) = @_;
		my $text = $response->{content} // '';
		push @problems, "$title: status $response->{status}\n$text"
		  unless $response->{status} =~ $status && $text =~ $content;
	};
	my @form = (name => 'ada', password => 'analytical engine');
	my $me = sub { $http->get("$url/me", { headers => { Cookie => shift } }) };

	$check->('a wrong password', $http->post_form("$url/login",
		[ @form[ 0 .. 2 ], 'x' ]), qr/^401$/, qr//);
	$check->('a page without a cookie', $http->get("$url/me"), qr/^401$/, qr//);
	my $response = $http->post_form("$url/login", \@form);
	$check->('log in', $response, qr/^(20|30)\d$/, qr//);
	my ($line, @more) = map { ref ? @$_ : $_ } $response->{headers}{'set-cookie'} // '';
	my ($cookie) = $line =~ /^(__Host-session=st_[\w-]{64}); Path=\/(?=.*; Secure)(?=.*; HttpOnly)/;
	return (@problems, "log in: Set-Cookie: $line @more") if !$cookie || @more;
	$check->('a page', $me->("theme=dark; $cookie"), qr/^200$/, qr/ada/);
	$check->('a forged cookie', $me->($cookie =~ s/.$/-/r . 'x'), qr/^401$/, qr//);
	$response = $http->post_form("$url/login", \@form, { headers => { Cookie => $cookie } });
	my $old = $cookie;
	($cookie) = ($response->{headers}{'set-cookie'} // '') =~ /^(__Host-session=st_[\w-]{64});/;
	return (@problems, 'a second login gives no cookie') if !$cookie;
	$check->('the cookie after a second login', $me->($old), qr/^401$/, qr//);
	$response = $http->request('POST', "$url/logout", { headers => { Cookie => $cookie } });
	$check->('log out', $response, qr/^(20|30)\d$/, qr//);
	$line = $response->{headers}{'set-cookie'} // '';
	push @problems, "log out: Set-Cookie: $line"
	  unless $line =~ /^__Host-session=;.*Max-Age=0/;
	$check->('the cookie after the logout', $me->($cookie), qr/^401$/, qr//);
	return @problems;
}

# Starts a web application, which prints its address when it listens, and makes
# the requests of drive().  Returns what went wrong.
sub serve
{
	my @command = @_;
	pipe my $printed, my $in or die "pipe: $!\n";
	my $pid = start($in, @command);
	close $in;
	my ($log, $url) = ('');
	local $SIG{ALRM} = sub { kill KILL => -$pid };
	alarm 300;
	while (!$url && defined(my $line = <$printed>))
	{
		$log .= $line;
		($url) = $line =~ m{(http://127\.0\.0\.1:\d+)};
	}
	alarm 0;
	my @problems = $url ? drive($url) : 'it does not start';
	kill KILL => -$pid;
	waitpid $pid, 0;
	push @problems, $log . join '', <$printed> if @problems;
	return @problems;
}

# Compiles a class of Java and tests that.
sub compile
{
	my $program = shift;
	my $file = "$work/run/$program->{class}.java";
	spew($file, $program->{code});
	my $said = `/usr/bin/javac -cp $jdbc -d $work/run $file 2>&1`;
	result($program->{title}, $? ? ('javac refuses it', $said) : ());
}

# Tests whether a file of Go is formatted as gofmt does it.  Returns what is not.
sub formatting
{
	my $file = shift;
	my $said = `/usr/bin/gofmt -d $file 2>&1`;
	return $? || $said ne '' ? ('gofmt changes it', $said) : ();
}

# Adds a file of Go to the programs after it.
my @go_files;

sub add_file
{
	my $program = shift;
	my $file = "$work/run/$program->{class}.go";
	spew($file, $program->{code});
	push @go_files, $file;
	result($program->{title}, formatting($file));
}

# Runs a program and tests it.
sub test_program
{
	my $program = shift;
	my $is_go = $program->{language} eq 'go';
	return $is_go ? add_file($program) : compile($program) if $program->{class};
	my ($file, @command) = @{ $language{ $program->{language} } };
	my @problems;
	push @command, @go_files if $is_go;
	sql('shop', $program->{sql});
	$ENV{COOKIE} = 'theme=dark; __Host-session=' . sql('shop', <<'SQL');
SELECT token FROM session_create('ada', data => '{"cart": ["tea"]}', ip => '198.51.100.7');
SQL
	spew("$work/run/$file", $program->{code});
	if ($program->{serve})
	{
		push @command, '-S', '127.0.0.1:' . free_port()
		  if $program->{language} eq 'php';
		@problems = serve(@command, "$work/run/$file");
	}
	else
	{
		my $output = "$work/output";
		open my $out, '>', $output or die "$output: $!\n";
		waitpid start($out, @command, "$work/run/$file"), 0;
		my $real = slurp($output);
		push @problems, 'it fails', $real if $?;
		push @problems, "shown:\n$program->{shown}real:\n$real"
		  if defined $program->{shown} && !matches($real, $program->{shown});
	}
	push @problems, formatting("$work/run/$file") if $is_go;
	result($program->{title}, @problems);
}

if (!@pages)
{
	@pages = ('README.md');
	find({ no_chdir => 1, wanted => sub { push @pages, $_ if /\.md$/ } }, 'docs');
	@pages = sort @pages;
}
my $port = free_port();
run('cp', '-R', $data, "$work/data");
spew("$work/data/pg_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
open my $conf, '>>', "$work/data/postgresql.conf" or die $!;
print $conf "unix_socket_directories = '$work'\nlisten_addresses = '127.0.0.1'\nport = $port\n";
close $conf;
run("$bin/pg_ctl", '-D', "$work/data", '-l', "$work/server.log", '-w', '-s', 'start');
END
{
	my $status = $?;
	system("$bin/pg_ctl", '-D', "$work/data", '-s', '-m', 'immediate', 'stop')
	  if defined $work && -e "$work/data/postmaster.pid";
	$? = $status;
}
mkdir "$work/run";
symlink "$here/node_modules", "$work/run/node_modules";
# Go without modules, with the packages of Debian.
@ENV{qw(GO111MODULE GOPATH GOCACHE)} = ('off', '/usr/share/gocode', "$work/go");
my $password = join '', map { ('a' .. 'z')[ rand 26 ] } 1 .. 20;
@ENV{qw(PGHOST PGPORT PGUSER PGDATABASE PGTZ)} = ($work, $port, 'shop', 'shop', 'UTC');
$ENV{JDBC_URL} = "jdbc:postgresql://127.0.0.1:$port/shop?user=shop&password=$password";
sql('postgres', "CREATE ROLE shop LOGIN PASSWORD '$password'; CREATE ROLE shop_backoffice;");
for my $page (@pages)
{
	my @programs = programs($page) or next;
	@go_files = ();
	sql('postgres', "DROP DATABASE IF EXISTS shop WITH (FORCE);\nCREATE DATABASE shop OWNER shop;\n");
	sql('shop', <<'SQL');
CREATE SCHEMA auth;
CREATE EXTENSION session SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO PUBLIC;
ALTER DATABASE shop SET search_path = public, auth;
SET search_path = public, auth;
SELECT session_grant('shop', 'app');
SQL
	test_program($_) for @programs;
}
finish();
