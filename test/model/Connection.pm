# A connection: a psql that stays, to which statements are written and from
# which their output is read.  That takes a tenth of the time of a psql for
# each statement.

package Connection;

use strict;
use warnings;
use IO::Select;
use IPC::Open3;

use constant SECONDS => 60;

# Arguments: the connection string of the database.
sub new
{
	my ($class, $connstr) = @_;
	my ($in, $out);
	my $pid = open3($in, $out, undef, 'psql', '-X', '-q', '-A', '-t', '-v', 'VERBOSITY=sqlstate',
		'-v', 'ON_ERROR_STOP=0', '-d', $connstr);
	my $self = bless { pid => $pid, in => $in, out => $out, select => IO::Select->new($out) }, $class;
	$in->autoflush(1);
	return $self;
}

# Runs statements, each of which ends with a semicolon.  Returns their output,
# with errors as "ERROR" and the SQLSTATE.
sub run
{
	my ($self, $sql) = @_;
	my $read = '';

	print { $self->{in} } "$sql\n\\echo -- end --\n" or die 'psql has ended';
	until ($read =~ s/^-- end --\n\z//m)
	{
		$self->{select}->can_read(SECONDS) or die "no answer to: $sql";
		sysread($self->{out}, $read, 65536, length $read) or die "psql has ended after: $sql\n$read";
	}
	$read =~ s/^.*ERROR:  (\w{5})$/ERROR $1/mg;
	$read =~ s/\n\z//;
	return $read;
}

sub close
{
	my $self = shift;
	close $self->{in};
	waitpid $self->{pid}, 0;
	return;
}

1;
