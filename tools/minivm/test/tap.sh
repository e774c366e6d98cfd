# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# TAP for the tool's tests, sourced: expects $MINIVM and a directory $tmp.

count=0
failures=0

result() { # OK NAME
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count $2"
		return
	fi
	failures=$((failures + 1))
	echo "not ok $count $2"
	sed 's/^/# stdout: /' "$tmp/out"
	sed 's/^/# stderr: /' "$tmp/err"
}

# expect NAME CODE PATTERN COMMAND...: exit code, and one line of its output
# or errors that matches PATTERN (either empty: whatever).
expect() {
	name=$1 code=$2 pattern=$3
	shift 3
	rc=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || rc=$?
	ok=0
	if [ -n "$code" ] && [ "$rc" != "$code" ]; then
		ok=1
		echo "# exit code $rc, not $code: $*"
	elif [ -n "$pattern" ] &&
	     ! cat "$tmp/out" "$tmp/err" | grep -q -e "$pattern"; then
		ok=1
		echo "# no line matches '$pattern': $*"
	fi
	result $ok "$name"
}

# Errors are one line that starts with the tool's name.
expect_error() {
	expect "$@"
	if [ "$ok" = 0 ] && { [ "$(wc -l <"$tmp/err")" != 1 ] ||
	     ! grep -q '^minivm: ' "$tmp/err"; }; then
		echo "# not one line of error: $*"
		result 1 "$name, on one line"
	fi
}

finish() {
	echo "1..$count"
	[ "$failures" = 0 ]
}
