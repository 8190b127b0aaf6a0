# shellcheck shell=sh disable=SC2034 # read by README.md, esnap.sh and follow.sh
# What the commands in README.md, path-repo.md and audit-cluster/README.md need.
# Change the values here, once. Then, in every new shell:
#
#   . ./settings.sh

# The namespace of KubeSphere's Elasticsearch. The manifests name it too.
NS=kubesphere-logging-system

# The image of esnap: in your own registry, or the name that you imported.
IMAGE=esnap:latest

# The folder of the manifests. Kubernetes 1.21 and later: .
# Kubernetes 1.15 to 1.20: kubernetes-1.15-1.20
SET=.

# kubectl 1.18 and later: --dry-run=client    kubectl before 1.18: --dry-run
DRY=--dry-run=client

# kubectl 1.20 and later: --cascade=orphan    kubectl before 1.20: --cascade=false
ORPHAN=--cascade=orphan
