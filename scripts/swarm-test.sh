#!/usr/bin/env bash
# examples/swarm on a real Docker Swarm of one node: swarm-test.sh IMAGE
#   IMAGE                an image of esnap that the Docker engine has
#   ELASTICSEARCH_IMAGE  the cluster (default docker.elastic.co/elasticsearch/elasticsearch-oss:6.7.0)
# The Docker engine must not be part of a Swarm: this makes one, and leaves it at the end.
set -euo pipefail
cd "$(dirname "$0")/../examples/swarm"
export STACK_IMAGE=${1:?an image of esnap}
elasticsearch=${ELASTICSEARCH_IMAGE:-docker.elastic.co/elasticsearch/elasticsearch-oss:6.7.0}
[ "$(docker info -f '{{.Swarm.LocalNodeState}}')" = inactive ] || { echo "this Docker engine is part of a Swarm" >&2; exit 2; }
work=$(mktemp -d)
# shellcheck disable=SC2317 # it is called by the trap
cleanup() {
  docker service ls -q | xargs -r docker service rm >/dev/null
  for _ in $(seq 60); do
    [ -n "$(docker ps -q -f label=com.docker.swarm.task)" ] || break
    sleep 0.5
  done
  docker swarm leave --force >/dev/null
  rm -rf "$work"
}
docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1 >/dev/null
trap cleanup EXIT

failed=0
# is WHAT GOT WANT
is() {
  if [ "$2" = "$3" ]; then echo "ok   $1: $2"; else echo "FAIL $1: '$2', not '$3'"; failed=1; fi
}
# has WHAT TEXT: in what the last command has written
has() {
  if grep -qF -- "$2" "$work/out" "$work/err"; then echo "ok   $1: $2"; else echo "FAIL $1: no '$2'"; cat "$work/out" "$work/err"; failed=1; fi
}
# code WANT WHAT COMMAND ARGS...: the exit code, and no service is left.
code() {
  local want=$1 what=$2 got=0
  shift 2
  "$@" >"$work/out" 2>"$work/err" || got=$?
  is "$what" "$got" "$want"
  is "$what, services left" "$(docker service ls -q --filter label=esnap.once | wc -l)" 0
}
# ended SERVICE: the state of its newest task, once it has ended.
ended() {
  local state=
  for _ in $(seq 120); do
    state=$(docker service ps --format '{{.CurrentState}}' "$1" | head -n 1)
    case $state in Complete* | Failed* | Rejected*) break ;; esac
    sleep 0.5
  done
  echo "${state%% *}"
}

docker network create -d overlay --attachable elasticsearch >/dev/null
printf 'canary-7f3a' | docker secret create esnap-password - >/dev/null
docker service create -q --detach --no-resolve-image --name elasticsearch --network elasticsearch --endpoint-mode dnsrr \
  -e discovery.type=single-node -e path.repo=/backup -e 'ES_JAVA_OPTS=-Xms256m -Xmx256m' \
  --mount type=tmpfs,dst=/backup,tmpfs-mode=1777 "$elasticsearch" >/dev/null
for _ in $(seq 120); do
  es=$(docker ps -q -f name=elasticsearch.1)
  [ -n "$es" ] && docker exec "$es" curl -sf 'localhost:9200/_cluster/health?wait_for_status=yellow&timeout=1s' >/dev/null && break
  sleep 1
done
docker exec "$es" curl -sf -XPUT localhost:9200/logs-1/_doc/1 -H 'Content-Type: application/json' -d '{"a":1}' >/dev/null

echo "== the stack"
docker stack deploy --resolve-image never --detach=true -c docker-stack.yml esnap >/dev/null
is "once" "$(ended esnap_once)" Complete
docker service logs --raw esnap_once >"$work/out" 2>"$work/err"
has "once" "created snapshot night-"
docker service update --force --detach --quiet esnap_once >/dev/null
sleep 2
is "once, again" "$(ended esnap_once)" Complete
if docker run --rm --network none "$STACK_IMAGE" serve --help 2>/dev/null | grep -q -- --schedule; then
  for _ in $(seq 60); do
    running=$(docker service ps --filter desired-state=running --format '{{.CurrentState}}' esnap_serve | grep -c '^Running [1-9][0-9] seconds') || true
    [ "$running" = 2 ] && break
    sleep 1
  done
  is "replicas of serve that run" "$running" 2
else
  echo "     this image has no esnap serve"
fi

echo "== exit codes"
export STACK_TIME=60s
options=(--no-resolve-image --network elasticsearch)
code 0 "status" ./esnap.sh status
has "status" "cluster docker-cluster"
code 0 "dry run" ./esnap.sh run --dry-run -o name /etc/esnap/action_file.yml
is "dry run, stdout" "$(cat "$work/out")" "snapshot/logs-1"
code 1 "no such repository" ./esnap.sh repository show none
code 2 "a wrong flag" ./esnap.sh status --nonsense
code 3 "unreachable" ./once.sh --timeout 60 "${options[@]}" --env ESNAP_URL=http://127.0.0.1:9 "$STACK_IMAGE" status
code 125 "no such image" ./once.sh --timeout 60 "${options[@]}" nosuch.invalid/image:1
code 127 "no such program" ./once.sh --timeout 60 "${options[@]}" --entrypoint /nosuch "$STACK_IMAGE"
code 124 "no node fits" ./once.sh --timeout 3 "${options[@]}" --constraint node.labels.nosuch==1 "$STACK_IMAGE" status
has "no node fits" "no suitable node"

echo "== a run that waits for its cluster"
waits=(./once.sh --timeout 100 "${options[@]}" --env ESNAP_URL=http://127.0.0.1:9 --config "source=esnap-action-file-1,target=/a.yml" "$STACK_IMAGE" run --connect-timeout 5m /a.yml)
code 124 "time-out" "${waits[@]/#100/5}"
has "time-out" "the time of 5 is over"
for signal in TERM HUP; do
  "${waits[@]}" >"$work/out" 2>"$work/err" &
  pid=$!
  for _ in $(seq 60); do
    grep -q 'waiting for the cluster' "$work/err" && break
    sleep 0.5
  done
  kill -$signal $pid
  got=0
  wait $pid || got=$?
  is "$signal" "$got" $((128 + $(kill -l $signal)))
  has "$signal" "nothing new was started"
  is "$signal, services left" "$(docker service ls -q --filter label=esnap.once | wc -l)" 0
done

echo "== kill -9, then --prune"
"${waits[@]/#100/1}" >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 60); do
  [ -n "$(docker service ls -q --filter label=esnap.once)" ] && break
  sleep 0.5
done
kill -KILL $pid
wait $pid 2>/dev/null || true
./once.sh --prune
is "too early to prune" "$(docker service ls -q --filter label=esnap.once | wc -l)" 1
sleep 123
./once.sh --prune
is "pruned" "$(docker service ls -q --filter label=esnap.once | wc -l)" 0

echo "== the secret"
docker service inspect esnap_once esnap_serve >"$work/out"
docker service logs esnap_once >>"$work/out" 2>&1
is "secrets in the service and its logs" "$(grep -c canary-7f3a "$work/out" || true)" 0
[ "$failed" = 0 ] && echo passed
exit $failed
