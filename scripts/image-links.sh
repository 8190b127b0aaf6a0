#!/bin/sh
# The names that Curator's images are called by, as links in the root of an image: image-links.sh ROOT
# esnap sees by which one it was called.
set -eu
root=${1:?folder that becomes the root of the image}
# `curator/curator` in KubeSphere's CronJob is relative to /.
for name in curator/curator usr/bin/curator usr/bin/curator_cli usr/bin/es_repo_mgr; do
	mkdir -p "$root/$(dirname "$name")"
	ln -sfn /usr/local/bin/esnap "$root/$name"
done
