#!/bin/sh
# One backup of etcd: save, verify, upload, expire.
#
#   esnap serve --schedule '0 0 * * * *' --listen :18080 -- /usr/local/bin/etcd-backup.sh
#
# Variables, besides those of etcdctl (ETCDCTL_ENDPOINTS with one address, ETCDCTL_CACERT,
# ETCDCTL_CERT, ETCDCTL_KEY):
#
#   BACKUP_DIR     folder of the copies (default /backup)
#   KEEP_DAYS      delete copies that are older than this (default 7), but never the newest
#   VERIFY         restore (default): also restore the copy for a test, into BACKUP_DIR.
#                  status: do not, if there is no room; damage is not always found then
#   SAVE_SECONDS   how long etcdctl may take to save (default 600)
#   RCLONE_REMOTE  upload with rclone to this place, such as s3:backups/etcd
#   MC_TARGET      upload with mc to this place, such as minio/backups/etcd
#
# It ends with 0 only if all of it worked. A copy that could not be verified is deleted.
# If the upload fails, no copy is deleted, and the next run uploads what is missing.
set -eu

dir=${BACKUP_DIR:-/backup}
days=${KEEP_DAYS:-7}
verify=${VERIFY:-restore}
limit=${SAVE_SECONDS:-600}
fail() {
    echo "etcd-backup: $*" >&2
    exit 1
}
case $days in
'' | *[!0-9]* | 0* | ?????*) fail "KEEP_DAYS is \"$days\"; it must be a number of days, at least 1" ;;
esac
case $limit in
'' | *[!0-9]* | 0*) fail "SAVE_SECONDS is \"$limit\"; it must be a number of seconds" ;;
esac
case $verify in
restore | status) ;;
*) fail "VERIFY is \"$verify\"; it must be restore or status" ;;
esac
[ -d "$dir" ] || fail "there is no folder $dir"

# The copy contains every secret of the cluster.
umask 077
# What a killed run left.
find "$dir" -maxdepth 1 -name '.etcd-backup.*' -mmin +1440 -exec rm -rf {} +
work=$(mktemp -d "$dir/.etcd-backup.XXXXXX")
trap 'rm -rf "$work"' EXIT
# A signal ends the program that runs now, too. The shell alone would wait for it.
child=
run() {
    "$@" &
    child=$!
    code=0
    wait "$child" || code=$?
    child=
    return "$code"
}
stop() {
    [ -z "$child" ] || ! kill "$child" 2>/dev/null || wait "$child" || true
    exit "$1"
}
trap 'stop 143' TERM
trap 'stop 130' INT
trap 'stop 129' HUP

name=etcd-$(date -u +%Y%m%dT%H%M%SZ).db
[ ! -e "$dir/$name" ] || fail "$dir/$name exists already"

# Without a limit, etcdctl waits for ever for a server that does not answer.
etcdctl endpoint health || fail "etcd does not answer"
run timeout "$limit" etcdctl snapshot save "$work/$name" || fail "the snapshot could not be saved within $limit s"
[ -s "$work/$name" ] || fail "etcdctl has written nothing"

# The status shows that the file can be read. Only a restore compares the checksum.
status=$(etcdutl snapshot status "$work/$name") || fail "the snapshot cannot be read; it is deleted"
if [ "$verify" = restore ]; then
    run etcdutl snapshot restore "$work/$name" --data-dir "$work/restored" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "the snapshot cannot be restored; it is deleted"
    }
    rm -rf "$work/restored"
fi
# From here on the copy is complete. It never had this name before.
mv "$work/$name" "$dir/$name"
echo "saved $dir/$name (hash, revision, keys, size: $status)"

# All copies that are missing there, also those of earlier runs. No other files.
copies='etcd-????????T??????Z.db'
if [ -n "${RCLONE_REMOTE:-}" ]; then
    run rclone copy "$dir" "$RCLONE_REMOTE" --max-depth 1 --include "$copies" --immutable || fail "rclone could not upload"
    run rclone check "$dir" "$RCLONE_REMOTE" --max-depth 1 --include "$copies" --one-way || fail "the uploaded copies differ"
    echo "uploaded to $RCLONE_REMOTE"
fi
if [ -n "${MC_TARGET:-}" ]; then
    for file in "$dir"/$copies; do
        there=$MC_TARGET/${file##*/}
        mc stat "$there" >/dev/null 2>&1 || run mc cp "$file" "$there" || fail "mc could not upload $file"
        mc stat "$there" >/dev/null || fail "$there is missing"
    done
    echo "uploaded to $MC_TARGET"
fi

# Not the newest, even if the clock is wrong.
find "$dir" -maxdepth 1 -type f -name "$copies" ! -name "$name" -mmin "+$((days * 1440))" |
    while IFS= read -r old; do
        rm "$old"
        echo "deleted $old"
    done
