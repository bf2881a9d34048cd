"""The files that are read: what each begins with, as names lie, and what reads it, which is imported then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bench.record.errors import RecordError
from bench.record.packed import MAGIC as GZIP
from bench.record.packed import Unpacking
from bench.record.timeline import Timeline
from profiling.export import BEGINNING

from .forms import HEAD, NSYS_REPORT, begins_json, head_of
from .others import refuse_others
from .sqlite_columns import MAGIC as SQLITE


@dataclass(frozen=True)
class FileFormat:
    """``is_it``: whether a file with these first bytes, unpacked, is of it. ``module``: of this room; ``read``: its
    function that makes a Timeline of a path, "" for what holds none. ``kernels``: one that reads the kernels alone."""

    name: str
    is_it: Callable[[bytes, Path], bool]
    module: str
    read: str = ""
    kernels: str = ""

    def timeline(self, path: Path, *, kernels: bool = False) -> Timeline:
        """What the file holds. Raises RecordError for damage, and for what holds no timeline; MachineError."""
        if not self.read:
            raise RecordError(f"{path}: holds counters, not a timeline")
        function = (self.kernels if kernels else "") or self.read
        found: Timeline = getattr(import_module(f".{self.module}", __package__), function)(path)
        return found


def _begins(magic: bytes) -> Callable[[bytes, Path], bool]:
    return lambda head, _: head.startswith(magic)


def _is_counters(_: bytes, path: Path) -> bool:
    """Of the file itself, because a profiled program may print a lot before its table."""
    from .ncu import looks_like_counters

    return looks_like_counters(path)


COUNTERS = FileFormat("counters", _is_counters, "ncu")
CHROME = FileFormat("chrome trace", lambda head, _: begins_json(head), "kineto", "read_kineto")
FORMATS = (
    FileFormat("nsys sqlite", _begins(SQLITE), "nsys", "read_nsys", "read_nsys_kernels"),
    FileFormat("nsys report", _begins(NSYS_REPORT), "nsys", "read_nsys_rep"),
    CHROME,
    COUNTERS,
)


def format_of(path: Path) -> FileFormat:
    """Raises RecordError where the file is missing, empty, or nothing that this program reads."""
    head = _head(path)
    if head.startswith(BEGINNING):
        raise RecordError(f"{path}: an export of this program, to look at: give the trace that it was made from")
    for each in FORMATS:
        if each.is_it(head, path):
            if each is CHROME:
                refuse_others(path, head, json=True)
            return each
    refuse_others(path, head)
    raise RecordError(
        f"{path}: not a file this program reads (nsys .sqlite or .nsys-rep, Kineto .json or .json.gz,"
        " .ncu-rep, ncu CSV), or cut off in its first bytes"
    )


def _head(path: Path) -> bytes:
    """The first bytes, unpacked where they are gzip."""
    head = head_of(path)
    if not head.startswith(GZIP):
        return head
    try:
        with path.open("rb") as file:
            return Unpacking(file, path.stat().st_size).read(HEAD)
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: truncated or corrupt gzip file ({error}); copy or record it again") from error
