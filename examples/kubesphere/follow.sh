#!/bin/sh
# Follows a Job to its end: waits until its pod has started, shows the log, and
# ends with 0 if the Job completed and with 1 if it failed.
#
#   ./follow.sh JOB
#   ./follow.sh "$(kubectl create -f restore-job.yaml -o name)"
#
# Ctrl-C ends only this script. The Job goes on.
set -eu

# shellcheck source=settings.sh
. "$(dirname "$0")/settings.sh"
job=${1#*/}

# state prints Complete, Failed, Deleted or Active.
state() {
    # If the API server does not answer, the Job may still be running.
    seen=$(kubectl -n "$NS" get job "$job" --ignore-not-found \
        -o 'jsonpath=Job {.status.conditions[?(@.status=="True")].type} ') || seen='Job '
    case $seen in
    '') echo Deleted ;;
    *' Complete '*) echo Complete ;;
    *' Failed '*) echo Failed ;;
    *) echo Active ;;
    esac
}

# pod prints this part of the status of the Job's pods.
pod() {
    kubectl -n "$NS" get pods -l "job-name=$job" -o "jsonpath={.items[*].status.$1}" || true
}

# There is no log before the container has started.
last=
until pod phase | grep -q -e Running -e Succeeded -e Failed; do
    [ "$(state)" = Active ] || break
    why=$(pod 'containerStatuses[*].state.waiting.reason')
    why=${why:-$(pod 'conditions[?(@.status=="False")].message')}
    [ -n "$why$(pod phase)" ] || why="no pod yet; if it stays so: kubectl -n $NS describe job $job"
    [ -z "$why" ] || [ "$why" = "$last" ] || echo "waiting for the pod of $job: $why" >&2
    last=$why
    sleep 1
done

kubectl -n "$NS" logs -f "job/$job" || true

while end=$(state); [ "$end" = Active ]; do
    sleep 1
done
case $end in
Complete) echo "$job completed" >&2 ;;
Failed)
    echo "$job failed: $(kubectl -n "$NS" get job "$job" -o 'jsonpath={.status.conditions[?(@.type=="Failed")].message}')" >&2
    exit 1
    ;;
*)
    echo "$job was deleted before its end was seen" >&2
    exit 1
    ;;
esac
