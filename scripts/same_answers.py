"""What the committed runs and sample traces say, before and after a change of structure or of speed.

python scripts/same_answers.py dump BEFORE      every verb's JSON, the pages and the terminal's text, as files
python scripts/same_answers.py traces BEFORE [FOLDER…]      summaries of the traces in these folders: the committed
                                                ones, those of ../shared/samples where they are, and those named
python scripts/same_answers.py compare BEFORE AFTER      what differs, a line each; exit code 1 where anything does
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
VERBS = ("show --json", "explain --json", "tradeoff --json", "verify", "explain", "show", "rerun --json", "list --json")
TRACES = (ROOT / "docs" / "traces", ROOT / "reports" / "runs", ROOT.parent / "shared" / "samples")
SUMMARIES = ("", "--tables", "--kernels")
MOST = 200  # differences that are printed


def dump(out: Path) -> None:
    """Run every verb on a copy of every committed run, and keep what it printed."""
    out.mkdir(parents=True, exist_ok=True)
    for run in sorted(path.parent for path in (ROOT / "reports" / "runs").glob("*/plan.json")):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / run.name
            shutil.copytree(run, copy)
            for verb in (*VERBS, "report"):
                name, *options = verb.split()
                text = _said("bench", name, str(copy), *options)
                (out / f"{run.name}.{verb.replace(' --', '.')}").write_text(text.replace(folder, "FOLDER"))
            for page in ("report.html", "report.md"):
                if (copy / page).exists():
                    text = (copy / page).read_text().replace(folder, "FOLDER")
                    (out / f"{run.name}.{page}").write_text(text)
        print(f"{run.name}: written", flush=True)


def traces(out: Path, folders: Sequence[Path]) -> None:
    """Summarise every file of these folders in each way, refusals included."""
    out.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and _may_be_trace(path)):
            name = str(file.relative_to(folder.parent)).replace("/", "_")
            for option in SUMMARIES:
                text = _said("profiling", "summarize", str(file), "--json", *option.split())
                (out / f"{name}.summary{option.replace('--', '.')}").write_text(text.replace(str(folder), folder.name))
        print(f"{folder}: written", flush=True)


def _may_be_trace(path: Path) -> bool:
    return path.suffix in {".sqlite", ".json", ".gz", ".csv", ".ncu-rep", ".nsys-rep"} and path.stem not in _NO_TRACES


_NO_TRACES = ("summary", "plan", "left-out", "records.jsonl")


def _said(*command: str) -> str:
    """What a command prints; where it refuses, its exit code and why."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
    )
    return f"exit code {done.returncode}\n{done.stderr}" if done.returncode == 2 else done.stdout


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ: a path and both values each."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if key not in before or key not in after:
                yield f"{path}/{key}: only {'after' if key in after else 'before'}"
            else:
                yield from differences(before[key], after[key], f"{path}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{path}/{place}")
    elif before != after:
        yield f"{path}: {str(before)[:90]!r} -> {str(after)[:90]!r}"


def of_file(before: Path, after: Path) -> Iterator[str]:
    """The same of two files: by value where both hold JSON, else line by line."""
    if not before.exists() or not after.exists():
        yield "only after" if after.exists() else "only before"
        return
    texts = before.read_text(), after.read_text()
    try:
        yield from differences(json.loads(texts[0]), json.loads(texts[1]))
    except ValueError:
        yield from differences(*({str(line): text for line, text in enumerate(each.splitlines(), 1)} for each in texts))


def compare(before: Path, after: Path) -> int:
    """Print what differs between two dumps; 1 where anything does."""
    names = sorted({file.name for folder in (before, after) for file in folder.iterdir()})
    found = [f"{name} {line}" for name in names for line in of_file(before / name, after / name)]
    for line in found[:MOST]:
        print(line)
    print(f"{len(names)} files compared, {len(found)} differences")
    return 1 if found else 0


def main(arguments: list[str]) -> int:
    """The exit code of the one of the two."""
    match arguments:
        case ["dump", out]:
            dump(Path(out))
            return 0
        case ["traces", out, *more]:
            traces(Path(out), [folder for folder in (*TRACES, *map(Path, more)) if folder.is_dir()])
            return 0
        case ["compare", before, after] if Path(before).is_dir() and Path(after).is_dir():
            return compare(Path(before), Path(after))
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
