#!/bin/sh
# Runs one esnap command on the Swarm, as a service of its own: ./once.sh with the
# configs, the secret and the network of docker-stack.yml.
#
#   ./esnap.sh status
#   ./esnap.sh run --dry-run /etc/esnap/action_file.yml
#   STACK_TIME=6h ./esnap.sh run /etc/esnap/action_file.yml
#
# The variables are those of docker-stack.yml. It ends with the exit code of esnap, or
# with one of once.sh.
set -eu

here=$(dirname "$0")
if [ $# -eq 0 ]; then
    echo "usage: $0 COMMAND [ARGUMENT...]    for example: $0 status" >&2
    exit 2
fi
revision=${STACK_REVISION:-1}
exec "$here/once.sh" --timeout "${STACK_TIME:-1h}" \
    --network "${STACK_NETWORK:-elasticsearch}" \
    --env ESNAP_CONFIG=/etc/esnap/config.yml \
    --config "source=esnap-config-$revision,target=/etc/esnap/config.yml" \
    --config "source=esnap-action-file-$revision,target=/etc/esnap/action_file.yml" \
    --secret "source=${STACK_SECRET:-esnap-password},target=esnap_password,uid=16,gid=16,mode=0400" \
    --with-registry-auth --read-only --cap-drop ALL --limit-memory 256M \
    "${STACK_IMAGE:-esnap:latest}" "$@"
