#!/usr/bin/env bash
# Builds the image of this machine's platform of a binary, without a daemon, and prints its name.
#   image.sh <binary> <addon> <name:tag>     Needs buildah.
set -euo pipefail
binary=$1
addon=$2 # libSQL's, inside of the binary
name=$3

folder=$(mktemp -d)
root=$folder/root
container=
trap '[ -z "$container" ] || buildah rm "$container" > /dev/null; rm -rf "$folder"' EXIT
sh "$(dirname "$0")/../../../test/examples/production/container-root.sh" "$binary" "$addon" "$root"
mkdir -p "$folder/owned/data"

container=$(buildah from scratch)
buildah copy --quiet "$container" "$root" / > /dev/null
buildah copy --quiet --chown 65532:65532 "$container" "$folder/owned" / > /dev/null
buildah config --user 65532:65532 --workingdir /data --volume /data --port 4000 \
  --env KILDE_HOST=0.0.0.0 --env KILDE_BEHIND_PROXY=true --env KILDE_DATABASE_URL=file:/data/kilde.db \
  --entrypoint '["/kilde"]' --cmd serve \
  --label org.opencontainers.image.title=kilde --label org.opencontainers.image.licenses=Apache-2.0 "$container"
buildah commit --quiet "$container" "$name" > /dev/null
echo "$name"
