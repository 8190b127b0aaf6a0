#!/usr/bin/env bash
# Every fuzz test for a while: fuzz.sh 10s
set -euo pipefail
cd "$(dirname "$0")/.."
for dir in $(grep -rl --include=*_test.go '^func Fuzz' . | xargs -n1 dirname | sort -u); do
  for name in $(grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do
    echo "$dir $name"
    CGO_ENABLED=0 go test -run '^$' -fuzz "^$name\$" -fuzztime "${1:-10s}" "$dir"
  done
done
