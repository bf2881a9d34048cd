#!/usr/bin/env bash
# Are the lower bounds in pyproject.toml true? Installs the lowest versions that it declares, and runs a chosen set of tests
# and a tiny run with them. About five minutes on two cores; part of .ci/run.
#
#   scripts/lowest.sh [FOLDER]      the environment's folder (default: a temporary one, which goes again)
#
# The extra quality is left out: evalplus brings a package "tests", which would hide this folder.
# torch is the build of .venv, because that of another version takes gigabytes: LOWEST_TORCH=yes for the declared one.
# Exit code 3: the packages cannot be had here.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -gt 0 ]; then
    folder=$1
    mkdir -p "$folder"
else
    folder=$(mktemp -d "${TMPDIR:-/tmp}/bitledger-lowest.XXXXXX")
    trap 'rm -rf "$folder"' EXIT
fi
python=${PYTHON:-.venv/bin/python}
cannot() {
    echo "lowest: the packages cannot be had here: $1" >&2
    exit 3
}

[ -x "$folder/uv/bin/uv" ] || { "$python" -m venv "$folder/uv" && "$folder/uv/bin/pip" install -q --disable-pip-version-check uv; } ||
    cannot "no uv"
uv=$folder/uv/bin/uv
# What pip finds beside the index, such as a folder of wheels.
UV_FIND_LINKS=${UV_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}
[ -n "$UV_FIND_LINKS" ] && export UV_FIND_LINKS || unset UV_FIND_LINKS
: >"$folder/override.txt"
if [ "${LOWEST_TORCH:-}" != yes ]; then
    "$python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >"$folder/override.txt"
fi
"$uv" pip compile -q --python "$python" --resolution lowest-direct --override "$folder/override.txt" --extra measure --extra energy \
    --extra cluster --extra tables pyproject.toml -o "$folder/lowest.txt" || cannot "no resolution"
"$uv" venv -q --clear --python "$python" "$folder/venv"
# What tests with is not what is tested: the pinned versions.
"$uv" pip install -q --python "$folder/venv/bin/python" -r "$folder/lowest.txt" \
    $(grep -E '^(pytest|pytest-xdist|hypothesis|jsonschema)==' constraints.txt) || cannot "no wheels"
echo "lowest: installed after $SECONDS s"

lowest=$folder/venv/bin/python
PYTHONPATH=$PWD "$lowest" -m pytest -q -n 2 -p no:cacheprovider \
    tests/record/test_schema.py tests/record/test_flat.py tests/test_command.py tests/test_python_api.py tests/test_json_schemas.py \
    tests/cluster/test_cluster_options.py tests/instruments tests/workloads/test_annotate.py \
    tests/workloads/test_shapes.py::test_the_seed_makes_the_weights tests/models/test_saved.py tests/profiling/test_kineto.py
PYTHONPATH=$PWD "$lowest" -m bitledger run --preset smoke --device cpu --schemes fp16,int8,nf4 --calls 1 --new-tokens 6 --repeats 1 \
    --energy-seconds 0.1 --tasks 0 --matmul-m 1 --matmul-seconds 0.01 --no-tries --out "$folder/run"
PYTHONPATH=$PWD "$lowest" -m bitledger verify "$folder/run"
echo "lowest: the declared lower bounds hold, after $SECONDS s"
