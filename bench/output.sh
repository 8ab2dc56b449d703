# Functions of bench/*/run that write what was measured to the file of the
# option --output. This file is sourced, not run.
#
# The file has comments that say how it was measured, and one line for each
# series: KEY UNIT VALUE..., with one value for each round. Rounds have the
# same order in all series, so that ratios of a round can be computed.
# scripts/charts reads these files.

output=

# output_start COMMAND: starts the file. Later functions do nothing without the
# option --output.
output_start() {
	commit=$(git -C "$root" log -1 --format=%h -- src sql session.control 2>/dev/null || :)
	[ -z "$commit" ] || git -C "$root" diff --quiet HEAD -- src sql session.control ||
		commit="$commit, changed"
	cat >"$work/output" <<-END
		# command: $(printf '%s\n' "$1" | sed 's/ --output [^ ]*//')
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

# column FILE NUMBER FACTOR: prints a column of a file with one line a round,
# in another unit.
column() {
	awk -v a="$2" -v factor="$3" '{ printf "%.6g\n", $a * factor }' "$1"
}

# output_end: writes the file.
output_end() {
	[ -z "$output" ] || cat "$work/output" >"$output"
}
