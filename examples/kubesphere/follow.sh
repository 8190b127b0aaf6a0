#!/bin/sh
# Follows a Job to its end: waits until its pod has started, shows the log (of each
# pod, if there were several tries), and ends with 0 if the Job completed and with 1
# if it failed. A Job that has ended before is shown in the same way.
#
#   ./follow.sh JOB
#   ./follow.sh "$(kubectl create -f restore-job.yaml -o name)"
#
# Ctrl-C ends only this script. The Job continues.
set -eu

# shellcheck source=settings.sh
. "$(dirname "$0")/settings.sh"
# No name, or an empty one: `kubectl create` in the call has failed, and has reported why.
job=${1-}
job=${job#*/}
if [ -z "$job" ]; then
    echo "no Job to follow. usage: $0 JOB    \`kubectl -n $NS get jobs\` lists them" >&2
    exit 2
fi

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

# pods lists the pods of the Job.
pods() {
    kubectl -n "$NS" get pods -l "job-name=$job" --sort-by=.metadata.creationTimestamp "$@" || true
}

shown=
last=
while :; do
    end=$(state)
    # A pod that is Pending has no log yet.
    for pod in $(pods --field-selector=status.phase!=Pending -o name); do
        case " $shown " in *" $pod "*) continue ;; esac
        echo "the log of $pod:" >&2
        kubectl -n "$NS" logs -f "$pod" || true
        shown="$shown $pod"
    done
    [ "$end" = Active ] || break
    why=$(pods -o 'jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}')
    why=${why:-$(pods -o 'jsonpath={.items[*].status.conditions[?(@.reason=="Unschedulable")].message}')}
    [ -n "$why$(pods -o name)" ] || why="no pod yet; if it stays so: kubectl -n $NS describe job $job"
    [ -z "$why" ] || [ "$why" = "$last" ] || echo "waiting for the pod of $job: $why" >&2
    last=$why
    sleep 1
done

case $end in
Complete) echo "$job completed" >&2 ;;
Failed)
    echo "$job failed: $(kubectl -n "$NS" get job "$job" -o 'jsonpath={.status.conditions[?(@.type=="Failed")].message}')" >&2
    exit 1
    ;;
*)
    echo "there is no Job $job in $NS: it was deleted, or this is not its name" >&2
    exit 1
    ;;
esac
