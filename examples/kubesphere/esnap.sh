#!/bin/sh
# Runs one esnap command in the cluster, as a Job of its own, and follows it.
#
#   ./esnap.sh status
#   ./esnap.sh snapshot list --holding ks-logstash-log-2026.11.03
#   ./esnap.sh restore ks-logstash-log-2026.11.03 --yes --keep-for 14d
#   ./esnap.sh -f audit-cluster/job.yaml repository list
#
# The Job is that of job.yaml (with -f: of FILE) with this command as its `args`.
# It ends with 0 if the Job completed and with 1 if the Job failed.
set -eu

here=$(dirname "$0")
# shellcheck source=settings.sh
. "$here/settings.sh"

file=$here/$SET/job.yaml
if [ "${1-}" = -f ] && [ $# -gt 1 ]; then
    file=$2
    shift 2
fi
if [ $# -eq 0 ] || [ "$1" = -f ]; then
    echo "usage: $0 [-f FILE] COMMAND [ARGUMENT...]    for example: $0 status" >&2
    exit 2
fi

# The words as a list in JSON.
args=
for word; do
    word=$(printf %s "$word" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')
    args="$args${args:+,}\"$word\""
done
name=esnap-$(printf %s "$1" | tr -cd a-z)-

job=$(kubectl patch --local -f "$file" --type json -o yaml -p "[
  {\"op\": \"replace\", \"path\": \"/metadata/generateName\", \"value\": \"$name\"},
  {\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/args\", \"value\": [$args]}
]" | kubectl create -f - -o name)
exec "$here/follow.sh" "$job"
