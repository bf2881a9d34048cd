#!/usr/bin/env bash
# A real Nsight Systems capture of the smoke model on a machine without a GPU, and a check of what arrived: one
# prefill, the observed decode_steps, and every layer and Linear by name as often as it must have run.
#
# usage: scripts/nsys-cpu-check.sh [--no-install]
#
# It installs what is missing, unless told not to (then it exits with 77 and says what is missing):
#   - nsys: Debian's nsight-systems from non-free (as root). The system's own list of sources is left as it is.
#   - nvtx up to 0.2.11, where nsys is of 2023 or older: of later nvtx packages it records nothing. It goes into a
#     folder of its own in the user's cache, in front of the installed one for this capture only.
# Environment: PYTHON (default .venv/bin/python where it is there), SCHEME (default nf4), OUT (default: a folder that
# is removed at the end).
set -euo pipefail
cd "$(dirname "$0")/.."

install=yes
[ "${1:-}" = "--no-install" ] && install=no
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
scheme=${SCHEME:-nf4}
steps=4
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=${OUT:-$scratch/run}

missing() { # what, and how to get it
  echo "nsys-cpu-check: $1"
  exit 77
}

install_nsys() {
  . /etc/os-release
  [ "${ID:-}" = debian ] || missing "nsys is not installed: get Nsight Systems from NVIDIA for this system"
  [ "$(id -u)" = 0 ] || missing "nsys is not installed: run this script as root, or install nsight-systems"
  mkdir -p "$scratch/lists/partial"
  # The mirror is the one that this system is set up with.
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | sort -u | head -n 1)
  [ -n "$mirror" ] || missing "apt has no lists yet: run apt-get update first"
  echo "deb $mirror $VERSION_CODENAME main contrib non-free" > "$scratch/sources.list"
  local from=(-o "Dir::Etc::SourceList=$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$scratch/lists")
  apt-get "${from[@]}" update -qq
  DEBIAN_FRONTEND=noninteractive apt-get "${from[@]}" install -y -qq --no-install-recommends nsight-systems > "$scratch/apt.log" 2>&1 \
    || { tail -5 "$scratch/apt.log"; exit 1; }
}

if ! command -v nsys > /dev/null; then
  [ $install = yes ] || missing "nsys is not installed: run scripts/nsys-cpu-check.sh"
  install_nsys
fi
year=$(nsys --version | grep -oE '20[0-9]{2}' | head -1)
echo "nsys-cpu-check: $(nsys --version | tail -1)"

if [ "${year:-0}" -le 2023 ] && "$python" -c '
import re, sys
from importlib.metadata import version
sys.exit(tuple(map(int, re.findall(r"\d+", version("nvtx"))[:3])) <= (0, 2, 11))'; then
  overlay=${XDG_CACHE_HOME:-$HOME/.cache}/bitledger/nvtx-0.2.11-$("$python" -c 'import sys; print(sys.implementation.cache_tag)')
  if [ ! -d "$overlay/nvtx" ]; then
    [ $install = yes ] || missing "this nsys needs nvtx <= 0.2.11: run scripts/nsys-cpu-check.sh once"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$overlay" 'nvtx<=0.2.11'
  fi
  export PYTHONPATH="$overlay${PYTHONPATH:+:$PYTHONPATH}"
  echo "nsys-cpu-check: nvtx 0.2.11 or older for this capture"
fi

"$python" -m profiling nsys --preset smoke --scheme "$scheme" --device cpu --steps $steps --out "$out"
"$python" - "$out/records.jsonl" $steps <<'PY'
import json
import sys

records, steps = [json.loads(line) for line in open(sys.argv[1])], int(sys.argv[2])
setup = next(r for r in reversed(records) if r["instrument"] == "nsys" and r["status"] == "ok")["setup"]
layers, found = setup["model"]["layers"], setup["counted_ranges"]
each = layers * (steps + 1)  # the prefill runs every layer once, and each step does
linears = ("q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj")
wanted = {"prefill": 1, "decode_step": steps, "layer": each, "lm_head": steps + 1} | dict.fromkeys(linears, each)
assert found == wanted, f"ranges that arrived: {found}; wanted: {wanted}"
print(f"nsys-cpu-check: ok, {sum(found.values())} ranges of {len(found)} names, {layers} layers, {steps} decode steps")
PY
