#!/usr/bin/env bash
# Tests charts/esnap: its suites with helm-unittest; then lints and renders it with Helm as a library, for several
# versions of Kubernetes, and tests what comes out:
#   chart.sh [FLAG...]  the suites and the tests; flags are those of go test
#   chart.sh readme     the table of values in charts/esnap/README.md, from the comments in values.yaml
#   chart.sh render VERSION VALUES...
set -euo pipefail
cd "$(dirname "$0")/.."
export CHART=$PWD/charts/esnap
go=${GO:-go}
case ${1-} in
readme | render)
  # -C changes the folder, so the names of files become absolute.
  for ((i = 3; i <= $#; i++)); do set -- "${@:1:i-1}" "$(realpath "${!i}")" "${@:i+1}"; done
  exec "$go" -C scripts/chart run -buildvcs=false . "$@"
  ;;
esac
bin=$(mktemp -d)
# helm-unittest leaves an empty folder for snapshots, which no suite has.
trap 'rmdir "$CHART/tests/__snapshot__" 2>/dev/null || true; rm -rf "$bin"' EXIT
"$go" -C scripts/chart tool helm-unittest --strict "$CHART"
# esnap must take each command line and each file of the chart, and each version of Kubernetes each object.
"$go" build -buildvcs=false -o "$bin/esnap" ./cmd/esnap
for version in v1.18 v1.20 v1.22 v1.27; do
  "$go" -C scripts/manifests build -buildvcs=false -modfile="$version.mod" -o "$bin/$version" .
done
"$go" -C scripts/manifests build -buildvcs=false -o "$bin/newest" .
CHART_BIN=$bin "$go" -C scripts/chart test -vet=off -count=1 "$@" ./...
