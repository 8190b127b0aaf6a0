#!/usr/bin/env bash
# golangci-lint at the pinned version, and no change left by gofmt and go mod tidy: lint.sh LINTER
# lint.sh LINTER REVISION: only the length of the lines that are new since its merge base.
set -euo pipefail
cd "$(dirname "$0")/.."
linter=${1:?module of the linter with its version}
# A cache of this clone's own: what is shared between clones keeps the other's
# paths, and then path exclusions miss.
export GOLANGCI_LINT_CACHE="$PWD/.cache/golangci-lint"
if [ $# -gt 1 ]; then
  exec go run "$linter" run --timeout 15m --allow-serial-runners --enable-only lll --new-from-merge-base "$2" ./...
fi
fmt=$(gofmt -l $(git ls-files '*.go'))
[ -z "$fmt" ] || { echo "gofmt would change:"; echo "$fmt"; exit 1; }
go mod tidy -diff
go vet ./...
go vet -tags integration ./...
go vet -tags k8s ./integration
go run "$linter" run --timeout 15m --allow-serial-runners ./...
