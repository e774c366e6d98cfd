# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The two shapes of the series and the way between their names.
#
# In the repo: patches/series says in order which patch comes and which new
# files land with it; patches/ holds hooks only, each new file lives once at
# its kernel path (selftests excepted). In build/tree: Linux with one commit
# per patch on top of the pristine one.

. "${BASH_SOURCE[0]%/*}/../build/lib.sh"

# The compose lane tries wounded ones.
PATCHES=${PATCHES:-$TOP/patches}
# What compose left: its last commit, and every input with its hash.
COMPOSED=refs/composed/head
INPUTS=$TREE/.git/composed-inputs

tree_git()
{
	git_plain -C "$TREE" "$@"
}

kernel_version()
{
	[ -s "$KERNEL/stamp" ] ||
		die "no kernel source in ${KERNEL#"$TOP/"}" "run: make setup"
	cat "$KERNEL/version"
}

# A version as git allows it in a name.
pristine_tag()
{
	printf 'linux/%s\n' "$(tr '~:' '__' <<<"$1")"
}

# repo path -> kernel path
kernel_path()
{
	case $1 in
	selftests/kvm/*)
		printf 'tools/testing/%s\n' "$1" ;;
	arch/*|virt/*|include/*|Documentation/*)
		printf '%s\n' "$1" ;;
	*)
		return 1 ;;
	esac
}

# kernel path -> repo path
repo_path()
{
	case $1 in
	tools/testing/selftests/kvm/*)
		printf '%s\n' "${1#tools/testing/}" ;;
	arch/*|virt/*|include/*|Documentation/*)
		printf '%s\n' "$1" ;;
	*)
		return 1 ;;
	esac
}

# All lines of patches/series without comments.
series_lines()
{
	[ -f "$PATCHES/series" ] || die "patches/series is missing" \
		"list the patches there: NNNN-name.patch [new-file ...]"
	sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$PATCHES/series"
}

# Every file of the repo that belongs into the kernel.
repo_files()
{
	cd "$TOP" || return
	if [ -e .git ]; then
		git ls-files -co --exclude-standard -- \
			arch virt include Documentation selftests
	else
		find . -path ./build -prune -o -type f -print | sed -nE \
			's,^\./((arch|virt|include|Documentation|selftests)/),\1,p'
	fi | while read -r file; do
		[ ! -f "$file" ] || printf '%s\n' "$file"
	done | sort -u
}

# "HASH PATH" of everything compose reads.
inputs()
{
	local files

	cd "$TOP" || return
	files=$({
		echo patches/series
		series_lines | awk '{ print "patches/" $1
			for (i = 2; i <= NF; i++) print $i }'
	} | sort)
	while read -r file; do
		[ -f "$file" ] ||
			die "patches/series names $file, which does not exist" \
			"add the file or mend the line"
	done <<<"$files"
	git hash-object --no-filters --stdin-paths <<<"$files" |
		paste -d ' ' - <(printf '%s\n' "$files")
}

# Paths (and states) of what differs in build/tree from its last commit.
tree_changes()
{
	tree_git status --porcelain --untracked-files=normal
}

# Was build/tree edited since compose left it? Says how.
tree_edits()
{
	local composed head

	composed=$(tree_git rev-parse -q --verify "$COMPOSED") || return 0
	head=$(tree_git rev-parse HEAD)
	[ "$head" = "$composed" ] || tree_git log --oneline --no-decorate \
		"$composed..$head" | sed 's/^/commit /'
	[ "$head" = "$composed" ] ||
		[ -n "$(tree_git rev-list -1 "$composed..$head")" ] ||
		echo "commits were removed"
	tree_changes
}

# Was the repo edited since compose read it? Says what.
repo_edits()
{
	local now

	[ -f "$INPUTS" ] || return 0
	now=$(inputs) || exit 1
	{ diff "$INPUTS" <(printf '%s\n' "$now") || true; } |
		sed -n 's/^[<>] [0-9a-f]* //p' | sort -u
}
