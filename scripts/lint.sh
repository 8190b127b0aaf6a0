#!/usr/bin/env bash
# golangci-lint at the pinned version, and no change left by gofmt and go mod tidy: lint.sh LINTER
set -euo pipefail
cd "$(dirname "$0")/.."
linter=${1:?module of the linter with its version}
# A cache of this clone's own: what is shared between clones keeps the other's
# paths, and then path exclusions miss.
export GOLANGCI_LINT_CACHE="$PWD/.cache/golangci-lint"
fmt=$(gofmt -l $(git ls-files '*.go'))
[ -z "$fmt" ] || { echo "gofmt would change:"; echo "$fmt"; exit 1; }
go mod tidy -diff
go vet ./...
go vet -tags integration ./...
go vet -tags k8s ./integration
go run "$linter" run --timeout 15m --allow-serial-runners ./...
# The tags k8s and integration exclude each other: of the files of k8s, the lines.
go run "$linter" run --timeout 15m --allow-serial-runners --build-tags k8s --enable-only lll ./integration
