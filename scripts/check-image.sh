#!/usr/bin/env bash
# Build the Dockerfile without a Docker engine, a registry or a GPU, and use the image (scripts/debian.sh says how, and where
# it cannot be done). Takes its commands to run in the image as arguments, each one string; without any: the doctor. What
# /opt/bitledger/reports/runs holds afterwards is copied to $OUT where that is set. $GO, where that is set: a file that is
# waited for between building the image and using it, so that it may be built beside something else.
#
#   scripts/check-image.sh 'make test' 'make bench PRESET=smoke'
set -euo pipefail
cd "$(dirname "$0")/.."
WHO=check-image
. scripts/debian.sh
name=bitledger-check
# A copy of what git knows or would add, so that what other checks write here meanwhile does not come between.
context=.
if git rev-parse --git-dir >/dev/null 2>&1; then
    context=$scratch/context
    mkdir "$context"
    git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from=- --ignore-failed-read --file=- 2>/dev/null | tar --extract --directory="$context"
fi
make_base "localhost/$name-base"

say "the image"
find_pip_settings # as a secret, which leaves no trace in the image
commit=${GIT_COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}
buildah "${storage[@]}" build --quiet --layers=false --pull-never --secret "id=pip.conf,src=$scratch/pip.conf" \
    "${mounts[@]}" --build-arg "BASE_IMAGE=localhost/$name-base" --build-arg PROFILERS=optional \
    --build-arg "GIT_COMMIT=$commit" --format docker --tag "localhost/$name" "$context" >/dev/null
digest=$(buildah "${storage[@]}" inspect --type image --format '{{.FromImageDigest}}' "localhost/$name")
echo "image $digest of commit $commit"

container=$(buildah "${storage[@]}" from --pull-never "localhost/$name")
[ -z "${GO:-}" ] || until [ -e "$GO" ]; do sleep 1; done
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
