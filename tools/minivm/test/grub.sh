# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Sessions with GRUB, sourced: expects $MINIVM, $GRUB and a directory $tmp.

# Its output without colours and cursor movements.
plain() {
	sed "s/$(printf '\033')\\[[0-9;?]*[A-Za-z]//g" | tr -d '\r'
}

# until_true COMMAND...: false if it is not after a minute.
until_true() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || return 1
		usleep 50000
	done
}

# Has GRUB started for the $1th time, and shows its prompt?
started() {
	awk -v n="$1" 'BEGIN { RS = "GNU GRUB" }
		NR > n && /grub>/ { found = 1 }
		END { exit !found }' "$raw"
}

# session TYPED OPTIONS...: what is typed waits until GRUB reads it; ~ waits
# for the prompt after one more start.
session() {
	typed=$1
	starts=0
	raw=$tmp/raw
	shift
	: >"$raw"
	{
		while [ "$typed" != "${typed#*~}" ]; do
			# \n in it is meant.
			# shellcheck disable=SC2059
			printf "${typed%%~*}"
			starts=$((starts + 1))
			until_true started $starts || return
			typed=${typed#*~}
		done
		# shellcheck disable=SC2059
		printf "$typed"
	} | timeout 120 "$MINIVM" run "$@" "$GRUB" >"$raw"
	ended=$?
	plain <"$raw"
	return $ended
}

# Is this the $1th prompt, with nothing typed at it?  What shows progress leaves
# it in the middle of a line.
prompted() {
	plain <"$raw" | awk -v n="$1" '
		{ prompts += gsub(/grub> /, "&"); last = $0 }
		END { exit !(prompts >= n && last ~ /grub> $/) }'
}

says() {
	plain <"$raw" | grep -q -e "$1"
}

# A line each of: "wait PATTERN" in its output, "key TEXT" typed at once, "do
# COMMAND" here, or a command typed at a prompt of its own, as some commands
# read what is typed ahead.  What does not come ends the VM.
speak() {
	prompts=0
	while read -r word rest; do
		case $word in
		wait) until_true says "$rest" || break ;;
		key)
			# shellcheck disable=SC2059
			printf "$rest"
			;;
		do) $rest >&3 ;;
		*)
			prompts=$((prompts + 1))
			until_true prompted $prompts || break
			printf '%s\n' "$word $rest"
			;;
		esac
	done
	[ -z "$word" ] || printf '\001x'
}

# dialogue NAME LINES OPTIONS...: its output in $tmp/NAME.raw meanwhile; what
# "do" commands say is in $tmp/NAME.did.
dialogue() {
	raw=$tmp/$1.raw
	did=$tmp/$1.did
	lines=$2
	shift 2
	: >"$raw"
	echo "$lines" | speak 3>"$did" |
		timeout 200 "$MINIVM" run "$@" "$GRUB" >"$raw"
	ended=$?
	plain <"$raw"
	return $ended
}
