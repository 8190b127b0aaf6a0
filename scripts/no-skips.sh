#!/usr/bin/env bash
# Fails when the output of go test -v has a skipped test without a reason that lies
# in the server ("not applicable: …"): no-skips.sh LOG
set -euo pipefail
skipped=$(grep -c -- '--- SKIP' "$1" || true)
reasons=$(grep -c 'not applicable: ' "$1" || true)
grep -h 'not applicable: ' "$1" | sed 's/^ *[^ ]*: //' | sort | uniq -c || true
if [ "$skipped" -gt "$reasons" ]; then
  echo "$skipped tests were skipped, $reasons of them for a reason that lies in the server:"
  grep -- '--- SKIP' "$1"
  exit 1
fi
