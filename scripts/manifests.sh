#!/usr/bin/env bash
# Decodes the Kubernetes manifests of examples/ strictly into the API types of the
# versions that each set is for, and wants other versions to refuse them.
set -euo pipefail
cd "$(dirname "$0")/../examples/kubesphere"
program=../../scripts/manifests
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT

# types VERSION: the program with the API types of that Kubernetes version.
types() {
  local mod=$1.mod
  [ "$1" != newest ] || mod=go.mod
  [ -x "$bin/$1" ] || ${GO:-go} -C "$program" build -buildvcs=false -modfile="$mod" -o "$bin/$1" .
}
accepts() {
  types "$1"
  "$bin/$1" "${@:2}" && echo "$1 accepts $(($# - 1)) manifests"
}
refuses() {
  types "$1"
  ! "$bin/$1" "$2" 2>/dev/null || { echo "$1 accepts $2"; return 1; }
}

both=(claim.yaml configmap.yaml ../testdata/kubesphere/statefulsets.yaml+path-repo-patch.yaml)
old=(kubernetes-1.15-1.20/{*job,serve}.yaml kubernetes-1.15-1.20/*/*.yaml "${both[@]}")
base=(cronjob.yaml check-cronjob.yaml drill-cronjob.yaml serve.yaml job.yaml restore-job.yaml audit-cluster/*.yaml ../testdata/kubesphere/statefulsets.yaml+../s3/keystore-patch.yaml "${both[@]}")
patch=cronjob.yaml+cronjob-1.27-patch.yaml

for version in v1.15 v1.18; do accepts $version "${old[@]}"; done
for version in v1.22 v1.27 newest; do accepts $version "${base[@]}"; done
for version in v1.27 newest; do accepts $version "$patch"; done

# The sets differ for a reason, and this program sees it.
for version in v1.15 v1.18; do
  for file in cronjob.yaml job.yaml audit-cluster/statefulset.yaml; do refuses $version $file; done
done
refuses v1.22 "$patch"
