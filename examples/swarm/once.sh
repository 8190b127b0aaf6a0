#!/bin/sh
# Runs a container once on a Docker Swarm: a service of its own, with the logs, the
# exit code, and nothing left behind. Run it on a manager.
#
#   once.sh [--timeout TIME] [--no-logs] [--keep] [OPTION...] IMAGE [ARGUMENT...]
#   once.sh --prune
#   once.sh --help
#
#   --timeout TIME   stop the container after this time: 90, 90s, 30m, 2h (default 1h)
#   --no-logs        do not show the logs of the container
#   --keep           keep the service at the end
#   OPTION           any option of `docker service create`: --network, --env, --env-file,
#                    --secret, --config, --mount, --constraint, --with-registry-auth, …
#   --prune          remove the services of earlier calls that were killed (kill -9) or
#                    that were kept, once their time is over
#
# It ends with the exit code of the container; with 124 if the time was over; with 125
# if Docker could not start the container, or lost it; with 129, 130 or 143 after a
# signal.
set -eu

say() { echo "once.sh: $*" >&2; }
usage() {
    say "usage: once.sh [--timeout TIME] [--no-logs] [--keep] [OPTION...] IMAGE [ARGUMENT...], or once.sh --prune"
    exit 2
}

# The comment at the top of this file.
help() { sed -n -e '/^#!/d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$0"; }

# Every service has this label, and two more: which call created it, and until when
# that call needs it.
label=esnap.once

prune() {
    # Not "docker …" in the list of "for": its failure would be lost.
    all=$(docker service ls -q --filter "label=$label")
    for id in $all; do
        end=$(docker service inspect -f "{{index .Spec.Labels \"$label.until\"}}" "$id" 2>/dev/null) || continue
        if [ "$(date +%s)" -gt "$end" ]; then
            docker service rm "$id" >/dev/null
            say "removed the service $id"
        fi
    done
}

limit=1h
logs=yes
keep=
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h)
        help
        exit 0
        ;;
    --prune)
        [ $# -eq 1 ] || usage
        prune
        exit 0
        ;;
    --timeout)
        [ $# -ge 2 ] || usage
        limit=$2
        shift
        ;;
    --no-logs) logs= ;;
    --keep) keep=yes ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || usage

number=${limit%[smh]}
case $number in
'' | *[!0-9]* | 0* | ????????*)
    say "invalid time \"$limit\"; examples: 90s, 30m, 2h"
    exit 2
    ;;
esac
case $limit in
*h) seconds=$((number * 3600)) ;;
*m) seconds=$((number * 60)) ;;
*) seconds=$number ;;
esac

# How long the container may take to end after SIGTERM. esnap writes its report then.
grace=60
start=$(date +%s)
run=$start-$$
service=
follower=
code=125
dir=$(mktemp -d)
: >"$dir/out"
: >"$dir/err"
out=0
err=0

# Removes what this call created, also if the reply of `docker service create` was lost.
finish() {
    trap '' INT TERM HUP
    [ -z "$follower" ] || kill "$follower" 2>/dev/null || true
    rm -rf "$dir"
    [ -z "$keep" ] || exit "$code"
    for try in 1 2 3 4 5; do
        if left=$(docker service ls -q --filter "label=$label.run=$run"); then
            [ -n "$left" ] || exit "$code"
            # shellcheck disable=SC2086 # a list of ids
            docker service rm $left >/dev/null || true
        fi
        [ "$try" = 5 ] || sleep 1
    done
    say "cannot remove the service; later: once.sh --prune"
    exit "$code"
}

# The state of the task and its exit code, such as "complete 0". Empty: Docker did not
# reply, or there is no task yet.
look() {
    task=$(docker service ps -q --no-trunc "$service" 2>/dev/null) || task=
    task=${task%%
*}
    state=
    exited=
    [ -n "$task" ] || return 0
    status=$(docker inspect --type task -f \
        '{{.Status.State}} {{with .Status.ContainerStatus}}{{.ExitCode}}{{end}}' "$task" 2>/dev/null) || return 0
    state=${status%% *}
    exited=${status#* }
}

# The container writes while it runs: the logs are followed from its start. The follower
# does not end with the container.
follow() {
    [ -n "$logs" ] && [ -z "$follower" ] && [ -n "$task" ] || return 0
    docker service logs --raw --follow "$task" >>"$dir/out" 2>>"$dir/err" &
    follower=$!
}

# Shows what was written since the last call. stdout and stderr stay apart. The end is
# read first: the follower may write more meanwhile.
show() {
    now=$(wc -c <"$dir/out")
    tail -c "+$((out + 1))" "$dir/out" | head -c "$((now - out))"
    out=$now
    now=$(wc -c <"$dir/err")
    tail -c "+$((err + 1))" "$dir/err" | head -c "$((now - err))" >&2
    err=$now
}

# Shows the rest: all logs are read again, and what was shown already is left out.
drain() {
    [ -n "$logs" ] && [ -n "$task" ] || return 0
    if [ -n "$follower" ]; then
        kill "$follower" 2>/dev/null || true
        wait "$follower" 2>/dev/null || true
        follower=
    fi
    if docker service logs --raw "$task" >"$dir/all.out" 2>"$dir/all.err"; then
        mv "$dir/all.out" "$dir/out"
        mv "$dir/all.err" "$dir/err"
    fi
    show
}

reason() {
    docker inspect --type task -f '{{.Status.Message}} {{.Status.Err}}' "$task" 2>/dev/null || true
}

# Stops the container with SIGTERM, so that it can end properly, and shows how.
stop() {
    [ -n "$service" ] || return 0
    docker service update --detach --quiet --replicas 0 "$service" >/dev/null 2>&1 || return 0
    for _ in $(seq "$grace"); do
        [ -n "$task" ] || return 0
        state=$(docker inspect --type task -f '{{.Status.State}}' "$task" 2>/dev/null) || break
        case $state in
        complete | failed | rejected | shutdown | orphaned | remove) break ;;
        esac
        show
        sleep 1
    done
    drain
}

interrupted() {
    trap '' INT TERM HUP
    say "interrupted: stopping the container"
    code=$1
    stop
    exit "$code"
}

trap 'finish' EXIT
trap 'interrupted 130' INT
trap 'interrupted 143' TERM
trap 'interrupted 129' HUP

# --restart-condition none: the container runs once, whatever its exit code is. The
# caller's options come last: they win, for example a --name.
task=
service=$(docker service create --quiet --detach --name "once-$run" --stop-grace-period "${grace}s" \
    --label "$label=yes" --label "$label.run=$run" --label "$label.until=$((start + seconds + 2 * grace))" \
    --restart-condition none "$@")
case $service in
'' | *[!0-9A-Za-z]*) # for example because of --help after another option
    [ -z "$service" ] || echo "$service" >&2
    service=
    say "docker service create did not reply with the id of a service"
    exit 125
    ;;
esac

while :; do
    look
    case $state in
    running)
        follow
        show
        ;;
    complete | failed)
        drain
        code=${exited:-125}
        # A container that never started has failed, too, and has the exit code 0.
        if [ "$state" = failed ] && [ "$code" -eq 0 ]; then
            code=125
        fi
        why=$(reason)
        case $why in
        *"task: non-zero exit ($code)"* | 'finished '*) ;; # it ended by itself
        *) say "$state: $why" ;;
        esac
        exit "$code"
        ;;
    rejected | orphaned | shutdown | remove)
        say "$state: $(reason)"
        exit 125
        ;;
    '')
        if [ -z "$task" ] && docker service ls -q >/dev/null 2>&1 && ! docker service inspect "$service" >/dev/null 2>&1; then
            say "the service was removed by somebody else"
            exit 125
        fi
        ;;
    esac
    if [ $(($(date +%s) - start)) -ge "$seconds" ]; then
        say "the time of $limit is over (task: ${state:-none} $([ -z "$task" ] || reason))"
        code=124
        stop
        exit "$code"
    fi
    sleep 1
done
