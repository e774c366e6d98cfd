# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the lanes compose, lint, modules and crc share: results as KTAP lines.

. "${BASH_SOURCE[0]%/*}/../series/lib.sh"

tap_number=0
tap_failed=0

# tap NAME COMMAND...: runs it, its output becomes comment lines.
tap()
{
	local name=$1 output status=0

	shift
	# Not in a condition: "set -e" would be off inside of the command.
	set +e
	trap - ERR
	output=$(set -e; "$@" 2>&1)
	status=$?
	trap 'on_error $? $LINENO "$BASH_COMMAND"' ERR
	set -e
	tap_number=$((tap_number + 1))
	[ -z "$output" ] || printf '%s\n' "$output" | sed 's/^/# /'
	if [ "$status" = 0 ]; then
		printf 'ok %d %s\n' "$tap_number" "$name"
	else
		printf 'not ok %d %s\n' "$tap_number" "$name"
		tap_failed=$((tap_failed + 1))
	fi
}

tap_skip()
{
	tap_number=$((tap_number + 1))
	printf 'ok %d %s # SKIP %s\n' "$tap_number" "$1" "$2"
}

tap_end()
{
	printf '1..%d\n' "$tap_number"
	[ "$tap_failed" = 0 ] || exit 1
	exit 0
}
