# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script of tools/{setup,series,build,lint} needs: where things
# are, how to speak and how to fail. Source it first:
#
#	. "$(dirname "$0")/../build/lib.sh"

set -euo pipefail

# Whoever sources this uses them.
# shellcheck disable=SC2034
{
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# BUILD can be moved, a scratch copy of the project then stays small.
BUILD=${BUILD:-$TOP/build}
KERNEL=$BUILD/kernel
TREE=$BUILD/tree
FLAVOURS="amd64 rt-amd64"
MODULES="kvm kvm-amd kvm-intel"
JOBS=${JOBS:-$(nproc)}
}

export LC_ALL=C

# Nothing ends without a word about where and why.
on_error()
{
	printf "%s: error: line %s: status %s: %s\n" "${0##*/}" "$2" "$1" "$3" >&2
}
trap 'on_error $? $LINENO "$BASH_COMMAND"' ERR
set -E

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# die WHAT-FAILED-AND-WHY [WHAT-TO-DO]
die()
{
	printf '%s: error: %s\n' "${0##*/}" "$1" >&2
	[ $# -lt 2 ] || printf '%s: to do: %s\n' "${0##*/}" "$2" >&2
	exit 1
}

need()
{
	command -v "$1" >/dev/null 2>&1 ||
		die "the program $1 is missing" "run: make setup"
}

# Replace $2 by $1 only if the bytes differ: an unchanged file keeps its time
# and nothing is built again because of it.
put()
{
	if cmp -s "$1" "$2"; then
		rm -f "$1"
	else
		mv -f "$1" "$2"
	fi
}

# As root a build step that "writes a file" named /dev/null can replace the
# device; every later apt-get then fails for a reason nobody guesses.
guard_dev_null()
{
	[ -c /dev/null ] && [ "$(stat -c %a:%t:%T /dev/null)" = 666:1:3 ] &&
		return
	[ "$(id -u)" = 0 ] ||
		die "/dev/null is damaged" "as root: rm -f /dev/null; mknod -m 666 /dev/null c 1 3"
	say "/dev/null is damaged (by a build step that ran as root): repaired"
	rm -f /dev/null
	mknod -m 666 /dev/null c 1 3
}

# One run of a script at a time on the same thing; the others wait.
lock()
{
	mkdir -p "$BUILD"
	exec 9>"$BUILD/.lock-$1"
	flock -n 9 || {
		say "waiting for another run on $1"
		flock 9
	}
}

# The user's own git configuration must not change what is composed.
git_plain()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
		git -c core.autocrlf=false -c core.fileMode=true \
		-c commit.gpgSign=false -c gc.auto=0 "$@"
}
