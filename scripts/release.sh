#!/usr/bin/env bash
# What is published of a version: release.sh vX.Y.Z writes dist/esnap-X.Y.Z-linux-*.tar.gz,
# each with the licences of all that is in the binary, and dist/SHA256SUMS. The same commit
# gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:?tag, such as v0.1.0}
version=${tag#v}
go=${GO:-go}
fail() { echo "release: $1" >&2; exit 1; }

[[ $tag =~ ^v[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "$tag is not a tag such as v0.1.0"
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed"
[ "$(git rev-parse "$tag^{commit}" 2>/dev/null)" = "$(git rev-parse HEAD)" ] || fail "$tag is not the tag of this commit"
grep -q "^## $version$" CHANGELOG.md || fail "CHANGELOG.md has no section $version"
grep -q "^appVersion: \"\?$version\"\?$" charts/esnap/Chart.yaml || fail "appVersion in charts/esnap/Chart.yaml is not $version"

rm -rf dist
make dist VERSION="$version"
{
  echo "esnap contains the following modules and the library of Go."
  "$go" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/esnap | sort -u |
    while read -r path at folder; do
      for file in "$folder"/LICEN[CS]E* "$folder"/COPYING* "$folder"/NOTICE*; do
        if [ -f "$file" ]; then
          printf '\n==== %s %s: %s\n\n' "$path" "$at" "$(basename "$file")"
          cat "$file"
        fi
      done
    done
  printf '\n==== Go %s\n\n' "$("$go" env GOVERSION)"
  cat "$("$go" env GOROOT)/LICENSE"
} > dist/LICENCES-OF-MODULES.txt
for arch in amd64 arm64; do
  name=esnap-$version-linux-$arch
  mkdir "dist/$name"
  mv "dist/esnap-linux-$arch" "dist/$name/esnap"
  cp LICENSE README.md CHANGELOG.md dist/LICENCES-OF-MODULES.txt "dist/$name/"
  tar --sort=name --owner=0 --group=0 --numeric-owner --mode='u+rw,go=rX' --mtime="@$(git log -1 --format=%ct)" -C dist -cf - "$name" |
    gzip -n -9 > "dist/$name.tar.gz"
  rm -r "dist/$name"
done
rm dist/LICENCES-OF-MODULES.txt
(cd dist && sha256sum -- *.tar.gz > SHA256SUMS && cat SHA256SUMS)
