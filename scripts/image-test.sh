#!/usr/bin/env bash
# Builds the images with a Docker engine and starts them the way CronJobs do: image-test.sh TAG
#   IMAGE_FLAGS     more words for docker build, such as --build-arg BUSYBOX=registry.example.com/busybox:stable
#   ESNAP_TEST_URL  a cluster for dry runs of KubeSphere's stock files; containers get the host's network. Without it
#                   the command lines are tried as far as they go without a cluster.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=${1:?name of the image to build}
url=${ESNAP_TEST_URL:-}
files=$PWD/integration/testdata/kubesphere/3.3
work=$(mktemp -d)
container=
cleanup() {
  [ -z "$container" ] || docker rm "$container" >/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# The shell stage is named; the image without a shell must be what no --target gives.
# shellcheck disable=SC2086 # a list of words
docker build ${IMAGE_FLAGS:-} --build-arg VERSION=test -t "$tag" .
# shellcheck disable=SC2086
docker build ${IMAGE_FLAGS:-} --build-arg VERSION=test --target shell -t "$tag-shell" .

# contents IMAGE: its files in $work/have, all there is in $work/all, and in $size the bytes of its files. Not the size
# that the engine tells: it is that of packed files, of unpacked ones or of both, depending on where images are stored.
contents() {
  container=$(docker create "$1")
  docker export "$container" | tar -tvf - >"$work/list"
  docker rm "$container" >/dev/null
  container=
  size=$(awk '{ sum += $3 } END { printf "%d", sum }' "$work/list")
  awk '{ print substr($0, index($0, $6)) }' "$work/list" | LC_ALL=C sort >"$work/all"
  # The engine's own: mount points, and folders.
  grep -vE '/$|^(\.dockerenv|etc/(hostname|hosts|resolv\.conf|mtab -> .*)|dev/console)$' "$work/all" >"$work/have"
  echo "== $1 has $size bytes, in these files"
  cat "$work/have"
}

cat >"$work/want" <<'EOF'
curator/curator -> /usr/local/bin/esnap
etc/ssl/certs/ca-certificates.crt
usr/bin/curator -> /usr/local/bin/esnap
usr/bin/curator_cli -> /usr/local/bin/esnap
usr/bin/es_repo_mgr -> /usr/local/bin/esnap
usr/local/bin/esnap
EOF
contents "$tag"
[ "$size" -lt 17000000 ] || fail "$tag is larger than 17 MB"
diff "$work/want" "$work/have" || fail "$tag holds something else"
! grep -qE '^tmp/' "$work/all" || fail "$tag has a /tmp"

# The same from files that were made elsewhere; here they come out of the image.
arch=$(docker image inspect -f '{{.Architecture}}' "$tag")
mkdir -p "$work/context/dist"
container=$(docker create "$tag")
docker cp "$container:/usr/local/bin/esnap" "$work/context/dist/esnap-linux-$arch"
docker cp "$container:/etc/ssl/certs/ca-certificates.crt" "$work/context/dist/"
docker rm "$container" >/dev/null
container=
scripts/image-links.sh "$work/context/dist/links"
docker build -t "$tag-prebuilt" -f examples/kubesphere/Dockerfile.prebuilt "$work/context"
whole=$size
contents "$tag-prebuilt"
diff "$work/want" "$work/have" || fail "$tag-prebuilt holds something else"
[ "$size" = "$whole" ] || fail "$tag-prebuilt has $size bytes, $tag $whole"

for image in "$tag" "$tag-shell" "$tag-prebuilt"; do
  said=$(docker image inspect -f '{{.Config.User}} {{.Config.Entrypoint}} {{.Config.Cmd}}' "$image")
  case $said in
  "16:16 [/usr/local/bin/esnap] []") ;;
  *) fail "$image has user, entrypoint and command $said" ;;
  esac
done

# start CODE IMAGE COMMAND ARGS...: as a pod of a CronJob, with the least there can be. COMMAND is one word; - is the
# image's own ENTRYPOINT. What it says is in $work/out.
start() {
  local code=$1 image=$2 command=$3 got=0
  shift 3
  local flags=(--rm --read-only --cap-drop ALL --security-opt no-new-privileges -v "$files:/etc/es-curator:ro")
  if [ -n "$url" ]; then
    flags+=(--network host -e "ESNAP_URL=$url")
  else
    flags+=(--network none -e ESNAP_URL=http://127.0.0.1:9 -e ESNAP_CONNECT_TIMEOUT=1s)
  fi
  [ "$command" = - ] || flags+=(--entrypoint "$command")
  docker run "${flags[@]}" "$image" "$@" >"$work/out" 2>&1 || got=$?
  echo "$image: $command $*: exit code $got"
  [ "$got" = "$code" ] || { cat "$work/out"; fail "exit code $got instead of $code"; }
}

says() { grep -qF -- "$1" "$work/out" || { cat "$work/out"; fail "it does not say: $1"; }; }

stock=(--config /etc/es-curator/config.yml /etc/es-curator/action_file.yml)

# night IMAGE COMMAND ARGS...: a dry run of the stock files.
night() {
  if [ -z "$url" ]; then
    start 1 "$@"
    says '127.0.0.1:9'
    return
  fi
  start 0 "$@"
  says 'DRY-RUN MODE'
  says 'Job completed.'
  grep -oE 'DRY-RUN: .*' "$work/out" >"$work/lines" || true
  [ -e "$work/first" ] || cp "$work/lines" "$work/first"
  diff "$work/first" "$work/lines" || fail "the forms of the command line do not select the same"
}

for image in "$tag" "$tag-shell" "$tag-prebuilt"; do
  echo "== $image"
  start 0 "$image" - version
  says 'esnap test '
  start 0 "$image" - validate /etc/es-curator/action_file.yml
  start 0 "$image" curator/curator --version
  says 'curator, version test'
  start 0 "$image" curator --version
  says 'curator, version test'
  for command in curator/curator curator -; do
    night "$image" "$command" --dry-run "${stock[@]}"
  done
done
start 0 "$tag-shell" sh -c 'id -u; id -g; touch /x /tmp/x || echo read-only; curator --version'
[ "$(head -n 2 "$work/out" | xargs)" = "16 16" ] || fail "the shell is not user and group 16"
says read-only
says 'curator, version test'
night "$tag-shell" sh -c "curator --dry-run ${stock[*]}"
start 127 "$tag" sh -c true # no shell in the other

[ -z "$url" ] || echo "$(wc -l <"$work/first") DRY-RUN lines in each form"
echo "passed: $tag, $tag-shell, $tag-prebuilt"
