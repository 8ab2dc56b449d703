# Counts tests that are shell commands. This file is sourced, not run.
#
# Rules: the caller sets output to the name of a file that can be written, and
# passed and failed to 0.

# check NAME COMMAND...: runs the command and counts one test. The output is in
# the file $output, and is shown if the command fails. Says how long it took if
# that is 5 seconds or more.
check() {
	name=$1
	shift
	check_begun=$(date +%s)
	if "$@" >"$output" 2>&1; then
		passed=$((passed + 1))
		check_took=$(($(date +%s) - check_begun))
		[ $check_took -ge 5 ] && check_took=" ($check_took s)" || check_took=
		echo "ok   $name$check_took" >&2
	else
		failed=$((failed + 1))
		cat "$output" >&2
		echo "FAIL $name" >&2
	fi
}

# printed TEXT COMMAND...: succeeds if the command succeeds and prints a line
# that contains the text.
printed() {
	text=$1
	shift
	"$@" >"$output.text" 2>&1 || { cat "$output.text"; return 1; }
	cat "$output.text"
	grep -qF -e "$text" "$output.text"
}
