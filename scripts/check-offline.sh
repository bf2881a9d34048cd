#!/usr/bin/env bash
# Show that a bundle works where there is no internet: make one for this Python and platform, then, in a network
# namespace that has none, unpack it into an empty folder and run 'make bench' and 'make test' from it.
#
# usage: scripts/check-offline.sh [--quick]
#   --quick    a shorter run of fewer schemes, and the tests of three folders instead of all
#
# The "host" is a virtual environment with torch and transformers alone, made before the network is taken away.
# Environment: PYTHON (default .venv/bin/python where it is there), HOST_PYTHON (one with torch and transformers,
# instead of making it), BUNDLE (an archive made with --dev, instead of making it), BUNDLE_WITH (further packages).
# Needs Linux; as another user than root, a kernel that lets users make namespaces.
set -euo pipefail

say() { printf '\n== offline check: %s (after %d s)\n' "$1" "$SECONDS"; }

inside() { # scratch folder, quick or full, the host's Python
  local scratch=$1 quick=$2 host=$3 name
  # A host without internet has its loopback; a new namespace's is down.
  "$host" - <<'PY'
import errno
import fcntl
import socket
import struct
import sys

with socket.socket() as raw:
    fcntl.ioctl(raw, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING
names = [name for _, name in socket.if_nameindex()]
try:
    socket.create_connection(("192.0.2.1", 443), timeout=5)  # TEST-NET-1, RFC 5737
except OSError as error:
    connection = error
else:
    sys.exit("a connection was made: this is no namespace without network")
try:
    socket.getaddrinfo("example.org", 443)
except socket.gaierror as error:
    lookup = error
else:
    sys.exit("a name was found: this is no namespace without network")
if names != ["lo"] or connection.errno != errno.ENETUNREACH:
    sys.exit(f"network interfaces {names}, connection: {connection}: this is no namespace without network")
print(f"interfaces: {names}; connection: {connection}; name: {lookup}")
PY
  say "unpacking into an empty folder"
  mkdir "$scratch/there"
  cd "$scratch/there"
  tar xf "$scratch"/archive/*.tar*
  cd ./*/
  name=$(basename "$PWD")
  say "make bench"
  local args='--tasks 0 --schemes fp16,int8,nf4 --repeats 1 --calls 2 --new-tokens 16 --matmul-m 1 --matmul-seconds 0.05 --energy-seconds 0.5'
  [ "$quick" = full ] && args='--tasks 0 --repeats 1 --calls 2'
  make bench PRESET=smoke OUT=reports/runs/offline ARGS="$args" PYTHON="$host"
  test -s reports/runs/offline/report.html
  local environment=.venv/bin/python
  "$environment" -m bench show reports/runs/offline --json | "$environment" -c '
import json, sys
cases = json.load(sys.stdin)["cases"]
done = [case for case in cases if case["status"] == "ok"]
schemes = sorted({case["scheme"] for case in done if case["workload"] == "generation"})
assert len(schemes) >= 3, schemes
assert all(case["status"] != "failed" for case in cases), [case for case in cases if case["status"] == "failed"]
print(f"run: {len(done)} Cases ok, schemes", *schemes)'
  "$environment" -c '
import bitsandbytes, torch, transformers
for module in (bitsandbytes, torch, transformers): print(module.__name__, module.__version__, module.__file__)' \
    2>/dev/null | sed "s|$scratch|…|"
  say "make test"
  if [ "$quick" = full ]; then
    make test
  else
    "$environment" -m pytest -n 2 --dist loadscope tests/record tests/instruments tests/bundle
  fi
  say "shown: $name installs, measures and passes its tests without a network"
}

if [ "${1:-}" = --inside ]; then
  inside "$2" "$3" "$4"
  exit
fi

cd "$(dirname "$0")/.."
quick=full
case "${1:-}" in
  --quick) quick=quick ;;
  '') ;;
  *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
[ "$(uname)" = Linux ] || { echo "check-offline needs Linux's network namespaces" >&2; exit 2; }
as=(unshare --net)
[ "$(id -u)" = 0 ] || as=(unshare --map-root-user --net)
"${as[@]}" true 2>/dev/null || { echo "check-offline: ${as[*]} is not permitted here" >&2; exit 2; }

python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bitledger-offline.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/archive" "$scratch/home"

say "a bundle for this Python and platform"
if [ -n "${BUNDLE:-}" ]; then
  cp "$BUNDLE" "$scratch/archive/"
else
  version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
  "$python" -m bundling --python "$version" --platform "$(uname -m)" --dev --level 1 \
    --with "${BUNDLE_WITH:-}" --out "$scratch/archive"
fi

if [ -n "${HOST_PYTHON:-}" ]; then
  host=$(realpath -s "$HOST_PYTHON")
else
  say "a host: Python with torch and transformers, and nothing else"
  "$python" -m venv "$scratch/host"
  host=$scratch/host/bin/python
  "$host" -m pip install --quiet --disable-pip-version-check -c constraints.txt torch transformers
fi

say "the network is taken away"
# Nothing of this shell's environment: neither mirrors and proxies, nor a cache of models.
"${as[@]}" env -i PATH="$PATH" HOME="$scratch/home" LANG=C.UTF-8 \
  bash "$PWD/scripts/check-offline.sh" --inside "$scratch" "$quick" "$host"
