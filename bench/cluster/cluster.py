"""What to ask Slurm for, from a small TOML file and the command line, and how it is asked: through submitit.

submitit writes the batch script, submits the blocks as a job array and starts each on its node. How a block ends is
ours: before its time is up, or when the node is wanted back, Slurm sends SIGUSR2, the attempt keeps what it measured
and leaves with AGAIN, and the batch script, which runs outside any container, puts the job back into the queue.
"""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bench.commandline import MANY
from bench.record.errors import MachineError, StorageError, UsageError
from bench.record.store import remedy, why

# sysexits.h's EX_TEMPFAIL: "the user is invited to retry".
AGAIN = 75
# Slurm's own default of MaxArraySize is 1001, indices from 0.
LARGEST_ARRAY = 1000


@dataclass(frozen=True)
class Cluster:
    """Options of the jobs. ``time``: minutes per block. ``memory``: GB per node. ``at_once``: blocks that run at the
    same time. ``image``: an Apptainer image. ``exclusive``: the node for this block alone. ``setup``: shell lines
    before the measurement, such as "module load python". ``extra``: any other option of sbatch, by name."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodelist: str | None = None
    exclude: str | None = None
    gpus: int = 1
    cpus: int = 8
    memory: float | None = None
    time: int = 60
    at_once: int = 256
    image: str | None = None
    python: str | None = None
    exclusive: bool = False
    setup: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def options_of(file: Path | None, given: Mapping[str, Any]) -> Cluster:
    """The options in a TOML file, changed by those given on the command line (None: not given).

    Raises UsageError for a file that cannot be read, an unknown name, or a value of a wrong kind.
    """
    found = _read(file) if file else {}
    found |= {name: value for name, value in given.items() if value is not None and name in _KINDS}
    for name, value in found.items():
        _check(name, value, file)
    if isinstance(found.get("setup"), list):
        found["setup"] = tuple(map(str, found["setup"]))
    return replace(Cluster(), **found)


_LEAST = {"time": 1, "cpus": 1, "at_once": 1, "gpus": 0}
_KINDS: dict[str, tuple[type, ...]] = {
    item.name: {
        "str | None": (str,), "int": (int,), "float | None": (int, float), "bool": (bool,),
        "tuple[str, ...]": (list, tuple), "Mapping[str, Any]": (dict,),
    }[str(item.type)]
    for item in fields(Cluster)
}  # fmt: skip


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise UsageError(f"cannot read the cluster's options in {file}: {why(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no TOML: {error}") from error


def _check(name: str, value: object, file: Path | None) -> None:
    where = f"{file}: " if file else ""
    if name not in _KINDS:
        raise UsageError(f"{where}unknown option {name!r} of the cluster: choose from {', '.join(_KINDS)}")
    kinds = _KINDS[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise UsageError(f"{where}{name} must be {_WORDS[kinds[0]]}, not {value!r}")
    if name in _LEAST and isinstance(value, int) and not _LEAST[name] <= value <= MANY:
        least = f"at least {_LEAST[name]}" if _LEAST[name] else "0 or more"
        which = least if value < _LEAST[name] else f"at most {MANY}"
        raise UsageError(f"{where}{name} must be {which}, not {value}")
    if name == "memory" and isinstance(value, int | float) and not 0 < value <= MANY:
        raise UsageError(f"{where}memory must be more than 0 GB and at most {MANY}, not {value}")
    if name == "setup" and isinstance(value, list) and not all(isinstance(line, str) for line in value):
        raise UsageError(f"{where}setup must be a list of shell lines")


_WORDS: dict[type, str] = {
    str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table",
}  # fmt: skip


def submit(folder: Path, cluster: Cluster, calls: Sequence[Callable[[], int]]) -> Iterator[list[str]]:
    """Hand over one job per call, array by array, and give Slurm's numbers of each array's, such as "1234_7".

    ``folder`` must be seen by all nodes; scripts and logs go there. Raises MachineError where there is no Slurm,
    UsageError where Slurm refuses the options, StorageError where the folder cannot be written.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise MachineError("no Slurm here (sbatch is not found): run this where jobs are submitted, or use --on local")
    import submitit

    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # because what the jobs unpickle lies there
        executor = submitit.SlurmExecutor(folder, max_num_timeout=0, python=_python(cluster, folder))
        executor.update_parameters(**parameters(cluster))
        for first in range(0, len(calls), LARGEST_ARRAY):
            # submitit repeats what sbatch says; it is told here, in one line
            with contextlib.redirect_stderr(io.StringIO()), executor.batch():
                jobs = [executor.submit(call) for call in calls[first : first + LARGEST_ARRAY]]
            yield [str(job.job_id) for job in jobs]
    except submitit.core.utils.FailedJobError as error:
        last_line = _last_line(str(error))
        raise UsageError(
            f"Slurm did not take the jobs: {last_line}; the plan is kept: try again with --resume and other options"
        ) from error
    except ValueError as error:
        raise UsageError(f"submitit did not take the options: {_last_line(str(error))}") from error
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {why(error)}; {remedy(error)}") from error


def scripts(folder: Path, cluster: Cluster, jobs: int) -> Iterator[str]:
    """The batch scripts with which ``submit`` would hand over so many jobs, one for each array. Writes nothing, needs
    no Slurm. Raises UsageError where submitit does not take the options."""
    import submitit

    class Foretold(submitit.SlurmExecutor):
        """An executor that needs no Slurm, because it only says what it would submit."""

        @classmethod
        def affinity(cls) -> int:
            return 1

    try:
        executor = Foretold(folder, max_num_timeout=0, python=_python(cluster, folder))
        executor.update_parameters(**parameters(cluster))
    except ValueError as error:
        raise UsageError(f"submitit did not take the options: {_last_line(str(error))}") from error
    for first in range(0, jobs, LARGEST_ARRAY):
        count = min(LARGEST_ARRAY, jobs - first)
        if count > 1:
            executor.parameters["map_count"] = count
        else:
            executor.parameters.pop("map_count", None)
        yield executor._make_submission_file_text(executor._submitit_command_str, "")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"


def parameters(cluster: Cluster) -> dict[str, Any]:
    """The options under submitit's names. A job comes back to the queue when its node fails."""
    given = {
        "partition": cluster.partition,
        "account": cluster.account,
        "qos": cluster.qos,
        "constraint": cluster.constraint,
        "nodelist": cluster.nodelist,
        "exclude": cluster.exclude,
        "mem": None if cluster.memory is None else f"{cluster.memory * 1024:.0f}MB",
        "exclusive": cluster.exclusive or None,
        "gpus_per_node": cluster.gpus or None,
    }
    return {
        "job_name": "bitledger",
        "time": cluster.time,
        "cpus_per_task": cluster.cpus,
        "array_parallelism": cluster.at_once,
        "signal_delay_s": _warning_s(cluster),
        "additional_parameters": {"requeue": True, **cluster.extra},
        "setup": ["export HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1}", *cluster.setup],
        "teardown": _TEARDOWN,
        **{name: value for name, value in given.items() if value is not None},
    }


def _warning_s(cluster: Cluster) -> int:
    """Slurm sends SIGUSR2 so many seconds before the end: ending the process that measures takes up to ten."""
    return min(60, cluster.time * 60 // 2)


# The exit code is that of the line before, the measurement's. A whole array has the number of one of its jobs, so that
# one is named by its place in it.
_TEARDOWN = [
    "code=$?",
    "job=$SLURM_JOB_ID",
    '[ -z "${SLURM_ARRAY_JOB_ID:-}" ] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID',
    f'[ "$code" != {AGAIN} ] || scontrol requeue "$job"',
    'exit "$code"',
]


def _python(cluster: Cluster, folder: Path) -> str | None:
    """The command that starts Python on the node: in the image where one is given, with the sweep's folder in it."""
    if cluster.image is None:
        return cluster.python
    image = Path(cluster.image).expanduser()
    if not image.exists():
        raise UsageError(f"no image at {image}: build it as docs/hosts.md says, or leave --image out")
    shared = folder.resolve().parent
    nvidia = ["--nv"] if cluster.gpus else []
    words = ["apptainer", "exec", *nvidia, "--bind", f"{shared}:{shared}", str(image.resolve())]
    return f"{shlex.join(words)} {cluster.python or 'python'}"
