#!/usr/bin/env bash
# README's lines pasted one after the other on an empty Debian, in a fresh clone, as a new user would: each must end with 0.
# scripts/readme_lines.py says which, and what stands for the names that README leaves open, for hours, gigabytes and a GPU.
# scripts/debian.sh says where it cannot be done (exit code 3). Part of .ci/run.
set -euo pipefail
cd "$(dirname "$0")/.."
WHO=check-readme
. scripts/debian.sh
git rev-parse --git-dir >/dev/null 2>&1 || cannot "this folder is no git checkout, so that there is nothing to clone"
make_base localhost/empty-debian

git clone --quiet --no-hardlinks . "$scratch/bitledger"
python3 scripts/readme_lines.py >"$scratch/lines.sh"
find_pip_settings
container=$(buildah "${storage[@]}" from --pull-never localhost/empty-debian)
buildah "${storage[@]}" add --quiet "$container" "$scratch/bitledger" /srv/bitledger >/dev/null
buildah "${storage[@]}" add --quiet "$container" "$scratch/lines.sh" /srv/lines.sh >/dev/null
[ -s "$scratch/pip.conf" ] && buildah "${storage[@]}" add --quiet "$container" "$scratch/pip.conf" /etc/pip.conf >/dev/null
say "README's lines"
buildah "${storage[@]}" run --workingdir /srv/bitledger --env DEBIAN_FRONTEND=noninteractive \
    "${mounts[@]}" "$container" -- bash /srv/lines.sh
say "shown: every line of README ended with 0"
