#!/bin/sh
# evalplus beside which benchmarks/evaluation.py runs: its rules need few of the packages that it asks for.
set -eu
[ -x "$1/bin/evalplus.evaluate" ] && exit 0
python3 -m venv "$1"
"$1/bin/pip" install -q --no-deps evalplus==0.3.1
"$1/bin/pip" install -q wget tempdir multipledispatch appdirs tqdm termcolor fire tree-sitter tree-sitter-python \
    stop-sequencer numpy psutil rich openai anthropic datasets transformers
