#!/usr/bin/env bash
# Build the Dockerfile without a Docker engine, a registry or a GPU, and use the image: buildah on a base that
# mmdebstrap makes of Debian's packages. Takes its commands to run in the image as arguments, each one string;
# without any: the doctor. What /opt/bitledger/reports/runs holds afterwards is copied to $OUT where that is set.
#
#   scripts/check-image.sh 'make test' 'make bench PRESET=smoke'
#
# Mirrors, proxies and certificates are those of this machine: apt's sources, pip's configuration, the environment.
# As root, on Debian or a relative with the packages buildah and mmdebstrap. Where no image can be built at all (no root, no
# such package, no mirror, no container): exit code 3, with the reason. Any other failure is one of this project.
set -euo pipefail
cd "$(dirname "$0")/.."
name=bitledger-check
suite=${SUITE:-bookworm}

if [ "$(id -u)" != 0 ] || ! command -v buildah >/dev/null || ! command -v mmdebstrap >/dev/null; then
    echo "check-image needs root, and Debian's buildah and mmdebstrap: apt-get install buildah mmdebstrap" >&2
    exit 3
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bitledger-image.XXXXXX")
# Storage of its own, in a folder that goes again: nothing is left on the machine.
export BUILDAH_ISOLATION=chroot TMPDIR=$scratch/tmp
mkdir -p "$TMPDIR"
storage=(--root "$scratch/storage" --runroot "$scratch/run" --storage-driver "${STORAGE_DRIVER:-overlay}")
container=
leave() {
    [ -z "$container" ] || buildah "${storage[@]}" rm "$container" >/dev/null 2>&1 || true
    buildah "${storage[@]}" rmi --all --force >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap leave EXIT
cannot() {
    echo "check-image: no image can be built here: $1" >&2
    exit 3
}
say() { printf '\n== %s (after %d s)\n' "$1" "$SECONDS"; }

say "a base of Debian $suite"
# The sources of this machine, so that its mirror serves; the tarball becomes an image without any registry.
find /etc/apt -maxdepth 2 \( -name '*.sources' -o -name '*.list' \) -exec cat {} + |
    mmdebstrap --quiet --variant=minbase "$suite" "$scratch/base.tar" - || cannot "mmdebstrap made no base"
import=$(buildah "${storage[@]}" from scratch) || cannot "buildah makes no container"
buildah "${storage[@]}" add --quiet "$import" "$scratch/base.tar" / >/dev/null || cannot "buildah unpacks no base"
buildah "${storage[@]}" run "$import" -- /bin/true || cannot "buildah runs nothing"
buildah "${storage[@]}" commit --quiet --rm "$import" "localhost/$name-base" >/dev/null
rm "$scratch/base.tar"

say "the image"
# pip's settings as a secret, which leaves no trace in the image, and the local folders they name as mounts.
python3 -m pip config list | python3 deploy/pip_settings.py "$scratch/pip.conf" >"$scratch/mounts"
mapfile -t mounts <"$scratch/mounts"
commit=${GIT_COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
buildah "${storage[@]}" build --quiet --layers=false --pull-never --secret "id=pip.conf,src=$scratch/pip.conf" \
    "${mounts[@]}" --build-arg "BASE_IMAGE=localhost/$name-base" --build-arg PROFILERS=optional \
    --build-arg "GIT_COMMIT=$commit" --format docker --tag "localhost/$name" . >/dev/null
digest=$(buildah "${storage[@]}" inspect --type image --format '{{.FromImageDigest}}' "localhost/$name")
echo "image $digest of commit $commit"

container=$(buildah "${storage[@]}" from --pull-never "localhost/$name")
for command in "${@:-python -m bench doctor}"; do
    say "$command"
    # buildah run leaves the entry point out: it is part of what is checked.
    buildah "${storage[@]}" run --env "BITLEDGER_IMAGE_DIGEST=$digest" "$container" -- \
        /opt/bitledger/deploy/entrypoint.sh bash -c "$command"
done
if [ -n "${OUT:-}" ]; then
    mkdir -p "$OUT"
    cp -r "$(buildah "${storage[@]}" mount "$container")/opt/bitledger/reports/runs/." "$OUT/"
fi
say "done"
