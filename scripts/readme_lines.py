"""README's lines in the order in which a new user pastes them, for a test and for scripts/check-readme.sh.

    python scripts/readme_lines.py      a bash script of them, which ends with the first that fails

What is left out of a line, so that it ends within minutes: hours of measuring, gigabytes of weights, a GPU, and the
tests, which .ci/run runs elsewhere.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
TRACES = "docs/traces"
_SMALL = (
    "--schemes fp16,nf4 --calls 1 --new-tokens 6 --repeats 1 --energy-seconds 0.1 --tasks 0 --matmul-m '' --no-tries"
)
# What stands for the names that README leaves open, and for what takes long.
STANDS_FOR = (
    ("bitledger run --preset smoke", f"bitledger run --preset smoke --device cpu {_SMALL} --out reports/runs/RUN"),
    (
        "intervene --out reports/runs/RUN",
        "intervene --out reports/runs/RUN --schemes nf4 --only bare-op --calls 1 --repeats 1",
    ),
    ("compare RUN_A RUN_B", "compare reports/runs/RUN reports/runs/RUN"),
    ("--reference A --candidate B", "--reference TRACES/bf16.json.gz --candidate TRACES/awq.json.gz"),
    (" FILE", " TRACES/awq.json.gz"),
    ("make bench PRESET=quick", "make -n bench PRESET=quick"),
)
_WHOLE = {
    "make bench": f'make bench PRESET=smoke OUT=reports/runs/first ARGS="--device cpu {_SMALL}"',
    "make test": "make -n test",
}


def lines() -> list[str]:
    """As README has them: what it says to install first, then the two commands at its top, then the three doors."""
    text = README.read_text(encoding="utf-8")
    top = text.partition("\n## ")[0]
    return [
        line for part in (_section(text, "Install"), top, _section(text, "Three doors")) for line in _commands(part)
    ]


def _section(text: str, name: str) -> str:
    return text.partition(f"## {name}\n")[2].partition("\n## ")[0]


def _commands(part: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]


def pasted(line: str, traces: str = TRACES) -> str:
    """What is run in place of a line of README. ``traces``: the folder of the two traces."""
    if line in _WHOLE:
        return _WHOLE[line]
    for said, meant in STANDS_FOR:
        line = line.replace(said, meant)
    return line.replace("TRACES", traces)


def script() -> str:
    """All of them for one bash, because a line may change the shell for those after it."""
    parts = [f"{_told(line)}\n{pasted(line)} || exit\n" for line in lines()]
    return "set -u\n" + "".join(parts)


def _told(line: str) -> str:
    return f"printf '\\n$ %s   (after %d s)\\n' {shlex.quote(line)} $SECONDS"


if __name__ == "__main__":
    print(script(), end="")
