#!/usr/bin/env bash
# What `make image` does: builds the image NAME. With a running docker from source; without, with buildah and
# from the static binary BINARY, which needs no base image and no network, into dist/image.tar: an archive
# for `docker load`, `podman load` and `kind load image-archive`.
#
#   deploy/image.sh NAME [BINARY]       with BINARY always the second way
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NAME=$1
readonly BINARY=${2-}
readonly DIST=dist
readonly UNAVAILABLE=69
# The version of the package, which stands first in its manifest.
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
readonly version

say() { printf 'image: %s\n' "$*" >&2; }

# Needs no rights beyond files, and no daemon: the image has no RUN.
build_with_buildah() {
    local store
    store=$(mktemp -d)
    # shellcheck disable=SC2064 # expanded now
    trap "rm -rf '$store'" EXIT
    local buildah=(buildah --storage-driver vfs --root "$store/root" --runroot "$store/run")
    mkdir -p "$DIST"
    # Line tables are three quarters of the binary; the names of functions stay.
    strip --strip-debug -o "$DIST/steadfast.image" "$1"
    "${buildah[@]}" build --quiet --isolation chroot --format docker --target prebuilt \
        --build-arg "BINARY=$DIST/steadfast.image" --build-arg "VERSION=$version" --tag "$NAME" . >&2
    rm -f "$DIST/image.tar"
    "${buildah[@]}" push --quiet "$NAME" "docker-archive:$DIST/image.tar:$NAME"
    rm -f "$DIST/steadfast.image"
    say "$DIST/image.tar has the image $NAME"
}

if [ -z "$BINARY" ] && docker info >/dev/null 2>&1; then
    exec docker build --target release --build-arg "VERSION=$version" --tag "$NAME" .
fi
if ! command -v buildah >/dev/null; then
    say "there is no docker that runs, and no buildah"
    exit "$UNAVAILABLE"
fi
if [ -z "$BINARY" ]; then
    make static
fi
build_with_buildah "${BINARY:-$DIST/steadfast}"
