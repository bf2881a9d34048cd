#!/usr/bin/env bash
# An empty Debian in a container, without a Docker engine, a registry or a GPU: buildah on a base that mmdebstrap makes of
# Debian's packages. Sourced by the scripts that check something there, with WHO, the script's name, set.
#
# Mirrors, proxies and certificates are those of this machine: apt's sources, pip's configuration, the environment.
# As root, on Debian or a relative with the packages buildah and mmdebstrap. Where no container can be made at all (no root,
# no such package, no mirror, no container): exit code 3, with the reason. Any other failure is one of this project.
suite=${SUITE:-bookworm}

if [ "$(id -u)" != 0 ] || ! command -v buildah >/dev/null || ! command -v mmdebstrap >/dev/null; then
    echo "$WHO needs root, and Debian's buildah and mmdebstrap: apt-get install buildah mmdebstrap" >&2
    exit 3
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bitledger-$WHO.XXXXXX")
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
    echo "$WHO: no container can be made here: $1" >&2
    exit 3
}
say() { printf '\n== %s (after %d s)\n' "$1" "$SECONDS"; }

# The image $1 of an empty Debian.
make_base() {
    say "a base of Debian $suite"
    # The sources of this machine, so that its mirror serves; the tarball becomes an image without any registry.
    find /etc/apt -maxdepth 2 \( -name '*.sources' -o -name '*.list' \) -exec cat {} + |
        mmdebstrap --quiet --variant=minbase "$suite" "$scratch/base.tar" - || cannot "mmdebstrap made no base"
    local import
    import=$(buildah "${storage[@]}" from scratch) || cannot "buildah makes no container"
    buildah "${storage[@]}" add --quiet "$import" "$scratch/base.tar" / >/dev/null || cannot "buildah unpacks no base"
    buildah "${storage[@]}" run "$import" -- /bin/true || cannot "buildah runs nothing"
    buildah "${storage[@]}" commit --quiet --rm "$import" "$1" >/dev/null
    rm "$scratch/base.tar"
}

# pip's settings as a file for the container, $scratch/pip.conf, and in the array mounts the local folders they name.
find_pip_settings() {
    python3 -m pip config list | python3 deploy/pip_settings.py "$scratch/pip.conf" >"$scratch/mounts"
    mapfile -t mounts <"$scratch/mounts"
}
