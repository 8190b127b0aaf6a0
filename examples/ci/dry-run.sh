#!/bin/sh
# What would a change to an action file do differently tonight?
#
#   dry-run.sh BASE FILE      for example: dry-run.sh origin/main night.yml
#
# It makes a dry run of the file of BASE and of the file of this branch, against the
# same cluster and at the same time of day, and prints the difference. Lines with +
# are new, lines with - no longer happen. Nothing is changed in the cluster.
#
# It ends with the exit code of the new file's dry run. It says that nothing changes
# only if both dry runs succeeded.
set -eu

base=$1
file=$2

# One moment for both. Otherwise an index may get too old between the two runs.
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

git rev-parse --verify --quiet "$base^{commit}" >/dev/null || {
    echo "There is no commit $base here: fetch it first." >&2
    exit 2
}

: >"$dir/before"
old=0
if git cat-file -e "$base:$file" 2>/dev/null; then
    git show "$base:$file" >"$dir/before.yml"
    # The old file may fail. That must not hide what the new one does.
    esnap run --dry-run -o name --now "$now" "$dir/before.yml" >"$dir/before" || old=$?
else
    echo "$base has no $file: everything is new." >&2
fi

code=0
esnap run --dry-run -o name --now "$now" "$file" >"$dir/after" || code=$?

[ "$old" -eq 0 ] || echo "The dry run of $file in $base failed with exit code $old: its lines may be missing."
[ "$code" -eq 0 ] || echo "The dry run of the new $file failed with exit code $code: lines may be missing. The cause is in the log."
if diff -U0 "$dir/before" "$dir/after" >"$dir/diff"; then
    if [ "$old$code" = 00 ]; then
        echo "Nothing changes tonight: $(wc -l <"$dir/after") items, as before."
    else
        echo "Cannot tell what changes tonight."
    fi
else
    sed -n '3,$p' "$dir/diff" | grep '^[-+]'
fi
exit "$code"
