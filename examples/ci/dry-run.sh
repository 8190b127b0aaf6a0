#!/bin/sh
# What would a change to an action file do differently tonight?
#
#   dry-run.sh BASE FILE      e.g.  dry-run.sh origin/main night.yml
#
# It runs the file of BASE and the file of this branch dry, against the same
# cluster and at the same time of day, and prints the difference. Lines with +
# are new, lines with - no longer happen. Nothing is changed in the cluster.
#
# It ends with the exit code of the new file's dry run.
set -eu

base=$1
file=$2

# One moment for both, or an index may get too old between the two runs.
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

: >"$dir/before"
if git show "$base:$file" >"$dir/before.yml" 2>/dev/null; then
    # The old file may fail. That must not hide what the new one does.
    esnap run --dry-run -o name --now "$now" "$dir/before.yml" >"$dir/before" ||
        echo "note: the file of $base ends with exit code $?" >&2
else
    echo "note: $base has no $file" >&2
fi

code=0
esnap run --dry-run -o name --now "$now" "$file" >"$dir/after" || code=$?

if diff -U0 "$dir/before" "$dir/after" >"$dir/diff"; then
    echo "Nothing changes tonight: $(wc -l <"$dir/after") items, as before."
else
    sed -n '3,$p' "$dir/diff" | grep '^[-+]'
fi
exit "$code"
