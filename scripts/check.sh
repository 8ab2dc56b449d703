# Counts tests that are shell commands. This file is sourced, not run.
#
# Rules: the caller sets output to the name of a file that can be written, and
# passed and failed to 0.

# check NAME COMMAND...: runs the command and counts one test. The output is in
# the file $output, and is shown if the command fails.
check() {
	name=$1
	shift
	if "$@" >"$output" 2>&1; then
		passed=$((passed + 1))
		echo "ok   $name" >&2
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
