#!/usr/bin/env bash
# golangci-lint at the pinned version, and no change left by gofmt and go mod tidy.
set -euo pipefail
cd "$(dirname "$0")/.."
linter=${1:?module of the linter with its version}
fmt=$(gofmt -l $(git ls-files '*.go'))
[ -z "$fmt" ] || { echo "gofmt would change:"; echo "$fmt"; exit 1; }
go mod tidy -diff
go vet ./...
go vet -tags integration ./...
# A cache of this clone's own: what is shared between clones keeps the other's
# paths, and then path exclusions miss.
export GOLANGCI_LINT_CACHE="$PWD/.cache/golangci-lint"
go run "$linter" run --timeout 15m ./...
