"""Runs a script in a process in which no model library can be imported, as on a machine without any."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCKED = ("torch", "transformers", "bitsandbytes", "pynvml", "accelerate", "codecarbon", "tokenizers")
_BLOCK = f"""
import sys
BLOCKED = {BLOCKED!r}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocker())
code = 0
"""
_END = """
assert not set(BLOCKED) & set(sys.modules)
sys.exit(code)
"""


def run_script(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """How ``script`` ended, whose sys.argv are the arguments. One that has imported a library all the same fails."""
    argv = [sys.executable, "-c", _BLOCK + script + _END, *map(str, arguments)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)


def run_verb(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same of a command of ``python -m bench``."""
    return run_script("from bench.cli import main\ncode = main(sys.argv[1:])", *arguments)
