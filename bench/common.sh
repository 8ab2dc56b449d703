# Functions that all bench/*/run share: options, a server of their own, pgbench,
# ratios with their spread, and the file of what was measured. This file is
# sourced, not run.
#
# A bench sets the default of each of its options in a variable of the same
# name, and those of --quick in the variable "quick", and then calls
#
#   options "rows rounds" "$@"
#   prepare                     packages, the build, a directory to work in
#   start_server <<END          with settings of its own
#   ...                         measures
#   series KEY UNIT             for each series of values, one for each round
#   figure LABEL EXPRESSION '<=' TARGET
#   finish                      the number of missed targets; the exit status
#
# Every bench has the options --quick, --output FILE (write what was measured),
# --build DIRECTORY (use what build_in built there) and --keep (keep the working
# directory).
#
# The file of --output has comments that say how it was measured, and one line
# for each series: KEY UNIT VALUE..., with one value for each round. Rounds have
# the same order in all series, so that ratios of a round can be computed. A
# comment "figure: EXPRESSION OPERATOR TARGET LABEL" names each figure that was
# printed; the operator and the target are "-" if there is none. An expression
# is KEY, KEY/KEY or KEY-KEY, and the label of a ratio is "WHAT / AGAINST". A
# comment "missing: TEXT" names what could not be measured.
# bench/run and scripts/charts read these files.

. "$(dirname "$0")/../../scripts/common.sh"
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
command="bench/${here##*/}/run${*:+ $*}"
quick=${quick-}
output=
build=
keep=
work=
misses=0
port=5432

#
# Start and end
#

# options "NAME..." ARGUMENT...: sets the variable NAME for each --NAME VALUE.
options() {
	accepted=" $1 output build "
	usage="usage: bench/${here##*/}/run [--quick]$(printf ' [--%s VALUE]' $accepted) [--keep]"
	shift
	case " $* " in *" --quick "*) eval "$quick" ;; esac
	while [ $# -gt 0 ]; do
		case $1 in
			--quick) ;;
			--keep) keep=1 ;;
			--*)
				name=${1#--}
				case $accepted in *" $name "*) ;; *) die "$usage" ;; esac
				[ $# -gt 1 ] || die "$usage"
				eval "$name=\$2"
				shift ;;
			*) die "$usage" ;;
		esac
		shift
	done
}

# Stops the servers and removes the directory. A bench that starts other
# programs defines at_end, which ends them.
clean_up() {
	if command -v at_end >/dev/null; then at_end; fi
	for pid_file in "$work"/*/postmaster.pid; do
		[ ! -f "$pid_file" ] || stop_server "$(basename "${pid_file%/postmaster.pid}")"
	done
	if [ -n "$keep" ]; then say "kept: $work"; else rm -rf "$work"; fi
}

# prepare [FUNCTION]: installs missing packages, with those that the function
# names by calling need; makes the directory $work, and builds a copy of the
# checkout in $tree, unless there is a build.
prepare() {
	more_packages=${1:-:}
	bench_packages() {
		need postgresql-client-"$major" test -x "$pg_lib/bin/psql"
		$more_packages
	}
	ensure_packages bench_packages
	work=$(mktemp -d /tmp/session-bench.XXXXXX)
	home=$work
	trap clean_up EXIT
	trap 'exit 1' HUP INT TERM
	tree=${build:-$work/tree}
	[ -n "$build" ] || copy_tree "$tree"
	if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$work"; fi
	chmod a+rx "$work"
	[ -n "$build" ] || build_in "$tree"
	[ -d "$tree/install" ] || die "nothing is installed in $tree"
	output_start
}

# finish: writes the file, prints the number of missed targets, and returns
# whether all were met.
finish() {
	[ -z "$output" ] || cat "$work/output" >"$output"
	echo
	echo "$misses missed"
	[ $misses = 0 ]
}

#
# The server
#

# start_server [NAME [PORT]]: makes a cluster in $work/NAME with the settings
# that are read, which come last, and starts it. It listens on a socket in
# $work.
start_server() {
	as_user "$pg_lib/bin/initdb" -D "$work/${1:-data}" -A trust -U postgres \
		--no-sync -E UTF8 --locale=C >"$work/initdb.log"
	{
		install_settings "$tree"
		cat <<-END
			listen_addresses = ''
			unix_socket_directories = '$work'
			port = ${2:-5432}
			fsync = off
			autovacuum = off
		END
		cat
	} >>"$work/${1:-data}/postgresql.conf"
	as_user "$pg_lib/bin/pg_ctl" -D "$work/${1:-data}" -l "$work/${1:-data}.log" -w start >/dev/null ||
		{ cat "$work/${1:-data}.log" >&2; die "the server did not start"; }
}

# stop_server [NAME]: stops it without a checkpoint.
stop_server() {
	as_user "$pg_lib/bin/pg_ctl" -D "$work/${1:-data}" -m immediate stop >/dev/null || :
}

# sql DATABASE PSQL-ARGUMENT...: runs psql as the superuser, on the server with
# the port $port. Columns are separated by a space.
sql() {
	database=$1
	shift
	"$pg_lib/bin/psql" -h "$work" -p "$port" -U postgres -d "$database" -X -q -A -t -F ' ' \
		-v ON_ERROR_STOP=1 "$@"
}

# ran PID: prints the user time and the system time of a process so far, in
# microseconds. The kernel counts them in steps of 10 ms.
ran() {
	awk -v tick="$(getconf CLK_TCK)" '{
		sub(/.*\) /, "")
		printf "%.0f %.0f\n", $12 / tick * 1e6, $13 / tick * 1e6 }' "/proc/$1/stat"
}

#
# pgbench
#

# run_pgbench ROLE DATABASE ARGUMENT...: runs pgbench -M prepared in $work. What
# it prints is in $work/pgbench.out.
run_pgbench() {
	pgbench_role=$1
	pgbench_database=$2
	shift 2
	(cd "$work" && "$pg_lib/bin/pgbench" -h "$work" -p "$port" -U "$pgbench_role" \
		-n -M prepared -r "$@" "$pgbench_database") \
		>"$work/pgbench.out" 2>"$work/pgbench.err" ||
		{ cat "$work/pgbench.err" >&2; die "pgbench failed"; }
}

# latencies PATTERN COUNT: prints a line with the mean latency of a repetition,
# in microseconds, in each script of the last run_pgbench. The statements that
# match the pattern count; each script repeats them, one or more, COUNT times,
# because pgbench prints whole microseconds.
latencies() {
	awk -v pattern="$1" -v count="$2" '
		/statement latencies/ { n++ }
		n && /^ +[0-9]+\.[0-9]+ / && $0 ~ pattern { total[n] += $1; times[n]++; failed += $2 }
		END {
			for (i = 1; i <= n; i++) {
				if (times[i] == 0 || times[i] % count != 0 || !(total[i] > 0)) failed++
				else printf "%.6g ", total[i] / count * 1000
			}
			print ""
			exit n == 0 || failed > 0
		}' "$work/pgbench.out" || die "pgbench timed nothing, or transactions failed"
}

#
# Figures
#

# spread: prints the median, the least and the largest of the numbers that are
# read, one a line.
spread() {
	sort -g | awk '{ x[NR] = $1 }
		END { print (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2, x[1], x[NR] }'
}

# column FILE NUMBER FACTOR: prints a column of a file with one line a round,
# in another unit.
column() {
	awk -v a="$2" -v factor="$3" '{ printf "%.6g\n", $a * factor }' "$1"
}

# ratio FILE COLUMN COLUMN: prints the spread of the ratios of two columns.
ratio() {
	awk -v a="$2" -v b="$3" '{ print $a / $b }' "$1" | spread
}

# verdict LABEL "MEDIAN [LEAST MOST]" [OPERATOR TARGET]: prints a figure. The
# operator is <= or >=. Counts a missed target.
verdict() {
	awk -v label="$1" -v figures="$2" -v op="${3-}" -v target="${4-}" 'BEGIN {
		n = split(figures, x, " ")
		met = x[1] ~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/ &&
			(op == "<=" ? x[1] + 0 <= target + 0 : x[1] + 0 >= target + 0)
		format = "%.0f"
		for (i = 1; i <= n; i++) if (x[i] != int(x[i])) format = "%.3f"
		range = n > 1 && x[2] != x[3] ? sprintf(format ".." format, x[2], x[3]) : ""
		line = sprintf("  %-60s %9s  %-15s", label, sprintf(format, x[1]), range)
		if (op != "") line = line sprintf(" %s %-5s %s", op, target, met ? "PASS" : "MISS")
		sub(/ +$/, "", line)
		print line
		exit op != "" && !met }' || misses=$((misses + 1))
}

# latency LABEL KEY: prints the spread of a series.
latency() {
	values_of "$2" >/dev/null
	unit=$(awk -v key="$2" '$1 == key { print $2 }' "$work/output")
	spread <"$work/values" | awk -v label="$1" -v unit="$unit" '{
		format = $1 < 10 ? "%.3f" : "%.1f"
		range = $2 == $3 ? "" : sprintf("  " format ".." format, $2, $3)
		printf "  %-60s %9s %s%s\n", label, sprintf(format, $1), unit, range }'
}

# values_of EXPRESSION: prints the value of each round.
values_of() {
	awk -v expression="$1" '
		BEGIN { n = split(expression, key, "[-/]") }
		{ for (i = 1; i <= n; i++) if ($1 == key[i]) { count[i] = NF - 2; line[i] = $0 } }
		END {
			if (!count[1] || n > 1 && count[1] != count[2]) exit 1
			split(line[1], a, " ")
			split(line[n], b, " ")
			for (i = 3; i <= count[1] + 2; i++)
				print n == 1 ? a[i] : expression ~ "-" ? a[i] - b[i] : a[i] / b[i]
		}' "$work/output" >"$work/values" || die "$1 was not measured"
	cat "$work/values"
}

# figure LABEL EXPRESSION [OPERATOR TARGET]: prints a figure of series that were
# added before, and adds it to the output.
figure() {
	values_of "$2" >/dev/null
	verdict "$1" "$(spread <"$work/values")" "${3-}" "${4-}"
	echo "# figure: $2 ${3:--} ${4:--} $1" >>"$work/output"
}

# not_measured TEXT: says which part of the bench this machine cannot measure,
# and why.
not_measured() {
	echo "  NOT MEASURED: $1"
	echo "# missing: $1" >>"$work/output"
}

#
# Output
#

# output_start: starts the file that becomes that of --output.
output_start() {
	commit=$(git -C "$root" log -1 --format=%h -- src sql session.control 2>/dev/null || :)
	[ -z "$commit" ] || git -C "$root" diff --quiet HEAD -- src sql session.control ||
		commit="$commit, changed"
	cat >"$work/output" <<-END
		# command: $(printf '%s\n' "$command" | sed -E 's/ --(output|build) [^ ]*//g')
		# date: $(date -u '+%Y-%m-%d %H:%M') UTC
		# commit: ${commit:-unknown} (the last one that changed the extension)
		# postgresql: $("$pg_lib/bin/postgres" --version | sed 's/.*) //')
		# machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors, $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GB of memory, Linux $(uname -r | sed 's/-.*//')
	END
}

# series KEY UNIT: adds the values that are read, one a line.
series() {
	awk -v key="$1" -v unit="$2" '
		{ values = values " " $1 }
		END { if (values == "") exit 1; print key, unit values }' >>"$work/output" ||
		die "nothing was measured for $1"
}

# columns FILE UNIT FACTOR KEY...: adds the columns of a file with one line a
# round.
columns() {
	file=$1
	unit=$2
	factor=$3
	shift 3
	number=0
	for key; do
		number=$((number + 1))
		column "$file" $number "$factor" | series "$key" "$unit"
	done
}

# conditions TEXT: prints where this was measured.
conditions() {
	echo "$(sql postgres -c 'SHOW server_version'), $(nproc) processors, $*"
}
