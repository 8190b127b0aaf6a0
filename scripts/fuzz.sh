#!/usr/bin/env bash
# Every fuzz test for a number of inputs, each found by the go command itself: fuzz.sh [100000x]
# It counts inputs, not seconds: when a time runs out in the wrong moment, Go 1.26 fails
# with "context deadline exceeded", and with no input that crashed.
# What crashes one is left in testdata/fuzz of its package: keep it there, as a test.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
export CGO_ENABLED=0
list=$(mktemp)
trap 'rm -f "$list"' EXIT
# With -json each line names its package. Most packages have no fuzz test, and print
# no name.
"$go" test -json -run '^$' -list '^Fuzz' ./... >"$list" || { cat "$list" >&2; exit 1; }
targets=$(sed -n 's/.*"Package":"\([^"]*\)".*"Output":"\(Fuzz[A-Za-z0-9_]*\)\\n".*/\1 \2/p' "$list" | sort -u)
[ -n "$targets" ] || { echo "there is no fuzz test" >&2; exit 1; }
broken=
while read -r package name; do
  echo "== $package $name"
  timeout 600 "$go" test -run '^$' -fuzz "^$name\$" -fuzztime "${1:-100000x}" -fuzzminimizetime 1000x "$package" </dev/null || broken="$broken $package.$name"
done <<<"$targets"
[ -z "$broken" ] || { echo "failed:$broken" >&2; exit 1; }
echo "$(wc -l <<<"$targets") fuzz tests passed"
