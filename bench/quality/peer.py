"""EvalPlus's own judge on the same samples, for a cross-check. Needs evalplus (the extra "quality").

It runs programs with the rights of whoever started it, so it is started within bubblewrap: no network, no file of the
user's, a folder of its own. Programs could still write its result file, and no filter of system calls is there: our own
judge stays the one whose verdicts count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.record.errors import MachineError, MeasurementError, UsageError
from bench.workloads.prompts import lines_of

from .against import Verdict, read_verdicts
from .samples import Sample
from .sanitise import version
from .tasks import PlusTask

# Ours → (evalplus's name, the variable that names a file in the place of its own).
DATASETS = {"humanevalplus": ("humaneval", "HUMANEVAL_OVERRIDE_PATH"), "mbppplus": ("mbpp", "MBPP_OVERRIDE_PATH")}
_SAMPLES, _RESULT, _DATA = "samples.jsonl", "samples_eval_results.json", "data.jsonl"
_INSIDE = "/judging"
_SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")


def verdicts(
    samples: Sequence[Sample], dataset: str, data: Path, workers: int, bubblewrap: str
) -> Mapping[str, Verdict]:
    """Task → EvalPlus's verdict on its first sample. ``data``: the dataset's file; ``bubblewrap``: its path.

    Raises UsageError where evalplus is not installed, MachineError without bubblewrap, MeasurementError where EvalPlus
    fails.
    """
    version()
    if not bubblewrap:
        raise MachineError("EvalPlus's judge is started in bubblewrap only: install it, or leave --judge out")
    with tempfile.TemporaryDirectory(prefix="bitledger-evalplus-") as name:
        folder = Path(name)
        wanted = {sample.task_id for sample in samples}
        _write(folder / _SAMPLES, ({"task_id": one.task_id, "solution": one.program} for one in samples))
        kept = (line for _, line in lines_of(data, dataset) if str(json.loads(line).get("task_id")) in wanted)
        (folder / _DATA).write_text("".join(f"{line.strip()}\n" for line in kept), encoding="utf-8")
        done = subprocess.run(
            command(folder, dataset, workers, bubblewrap), capture_output=True, text=True, errors="replace", check=False
        )
        result = folder / _RESULT
        if done.returncode or not result.is_file():
            lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise MeasurementError(f"EvalPlus's judge failed: {lines[-1] if lines else f'exit {done.returncode}'}")
        return read_verdicts(result, _SAMPLES)


def _write(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def command(folder: Path, dataset: str, workers: int, bubblewrap: str) -> list[str]:
    """bubblewrap, and in it evalplus.evaluate on the files of ``folder``, which is all that can be written there."""
    name, variable = DATASETS[dataset]
    # The names of links too: /lib is one on most systems, and the interpreter may be found by several.
    binds = [path for path in (*_SYSTEM, *_environment()) if Path(path).exists()]
    inside = {
        "HOME": _INSIDE, "XDG_CACHE_HOME": f"{_INSIDE}/cache", "PATH": os.defpath, "PYTHONUTF8": "1",
        "PYTHONPATH": os.pathsep.join(_packages()), "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
        variable: f"{_INSIDE}/{_DATA}",
    }  # fmt: skip
    return [
        bubblewrap, "--unshare-all", "--uid", "65534", "--gid", "65534", "--die-with-parent", "--new-session",
        "--clearenv", *(word for pair in inside.items() for word in ("--setenv", *pair)),
        # First, because an environment may lie in there.
        "--tmpfs", "/tmp",  # noqa: S108
        *(word for path in binds for word in ("--ro-bind", path, path)),
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm",  # noqa: S108 - the box's own
        "--bind", str(folder), _INSIDE, "--chdir", _INSIDE,
        sys.executable, "-m", "evalplus.evaluate", "--dataset", name, "--samples", f"{_INSIDE}/{_SAMPLES}",
        "--parallel", str(workers),
    ]  # fmt: skip


def _environment() -> list[str]:
    """The interpreter and its packages."""
    return list(dict.fromkeys([sys.base_prefix, sys.prefix, *_packages()]))


def _packages() -> list[str]:
    """Folders of installed packages that Python looks in, and no folder of the user's."""
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return [place for place in sys.path if place in installed or Path(place).name in ("site-packages", "dist-packages")]


def mbpp_plus_of_evalplus(only: Iterable[str] = ()) -> tuple[PlusTask, ...]:
    """MBPP+ as evalplus loads it, which fetches the file when it has none yet. ``only``: these tasks, by id.

    Raises UsageError where evalplus is not installed or for an unknown id, MachineError where it cannot load them.
    """
    from .mbpp import rule_of

    version()
    try:
        from evalplus.data import get_mbpp_plus

        found = get_mbpp_plus()
    except Exception as error:  # whatever its own download, archive or parser raises
        raise MachineError(
            f"evalplus cannot load MBPP+ ({type(error).__name__}): give --data MbppPlus.jsonl.gz"
        ) from error
    wanted = set(only)
    if unknown := wanted - set(found):
        raise UsageError(f"MBPP+ has no task {min(unknown)!r}")
    return tuple(
        PlusTask(
            task_id, task["prompt"], task["canonical_solution"], task["entry_point"], float(task["atol"]),
            tuple(task["base_input"]), tuple(task["plus_input"]), rule_of(task["entry_point"]),
        )
        for task_id, task in found.items() if not wanted or task_id in wanted
    )  # fmt: skip
