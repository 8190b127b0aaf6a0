#!/usr/bin/env bash
# The integration scenarios on every server named, two servers at a time (JOBS), and a
# table server × scenario: matrix.sh es670 os2110 …
# Fails when a scenario fails, or is skipped for another reason than the server's.
set -uo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { echo "usage: $0 FLAVOUR..." >&2; exit 2; }
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
broken=0
one() {
  local flavour=$1 start=$SECONDS
  if ESNAP_TEST_FLAVOURS=$flavour ESNAP_TEST_LARGE=1 ESNAP_REQUIRE_SERVERS=1 \
    go test -tags integration -count=1 -timeout 60m -parallel 16 -v -skip '^Test(Fault|Soak)' ./integration/ >"$logs/$flavour" 2>&1; then
    echo "== $flavour passed in $((SECONDS - start)) s"
  else
    echo "== $flavour failed after $((SECONDS - start)) s"
    grep -vE '^ *(=== |--- (PASS|SKIP))' "$logs/$flavour" | cut -c1-2000 | tail -n 200
    return 1
  fi
}
running=()
for flavour in "$@"; do
  while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do sleep 1; done
  one "$flavour" &
  running+=($!)
done
for pid in "${running[@]}"; do wait "$pid" || broken=1; done
awk '
  FNR == 1 { n = split(FILENAME, path, "/"); flavour = path[n]; order[++columns] = flavour }
  /^--- (PASS|FAIL|SKIP): / { note($3, $2) }
  /^    --- (PASS|FAIL|SKIP): / {
    split($3, part, "/")
    if (part[2] == flavour) note(part[1], $2)
  }
  # The reason of a skip is logged by the test that runs, before its own end.
  /^ *=== (RUN|CONT|NAME)/ { current = $3 }
  /_test\.go:[0-9]+: / {
    split(current, part, "/")
    text = $0
    if (sub(/^.*not applicable: /, "", text)) { reason[flavour, part[1]] = text; explained[flavour, current] = 1 }
  }
  /^ *--- SKIP: / { if (!((flavour, $3) in explained)) unexplained[++skips] = flavour ": " $3 }
  function note(test, what) {
    what = substr(what, 1, 4)
    if (!(test in row)) { row[test] = ++rows; name[rows] = test }
    # A test with a subtest for the server says SKIP or FAIL there.
    if (cell[flavour, test] == "" || cell[flavour, test] == "PASS") cell[flavour, test] = what
  }
  END {
    width = 10
    for (r = 1; r <= rows; r++) if (length(name[r]) > width) width = length(name[r])
    printf "\n%-" width "s", "scenario"
    for (c = 1; c <= columns; c++) printf "  %-8s", order[c]
    print ""
    for (r = 1; r <= rows; r++) {
      printf "%-" width "s", name[r]
      for (c = 1; c <= columns; c++) {
        key = order[c] SUBSEP name[r]
        text = tolower(cell[key])
        if (text == "skip" && key in reason) {
          why = reason[key]
          if (!(why in number)) { number[why] = ++reasons; list[reasons] = why }
          text = "n/a (" number[why] ")"
        } else if (text == "" || text == "skip" || text == "fail") {
          text = toupper(text == "" ? "none" : text)
          bad = 1
        }
        printf "  %-8s", text
      }
      print ""
    }
    for (r = 1; r <= reasons; r++) printf "(%d) not applicable: %s\n", r, list[r]
    for (s = 1; s <= skips; s++) { print "skipped without a reason of the server: " unexplained[s]; bad = 1 }
    exit bad
  }
' "${@/#/$logs/}" || broken=1
exit $broken
