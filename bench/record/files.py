"""Where files of a run go, how they are written, and what a user names for output.

A file is replaced as a whole: what is written stands beside it until it is complete. A reader sees the old content or
the new one, whatever stops meanwhile, and no writer can damage what it reads, whichever name (a link, another path) it
was given for it.

Nothing that is there already may be lost by writing where a user said. A file is written where there is none, or an
empty one, or an earlier one of the same command. A folder is taken for a new run where no name that a run writes is in
it. What is refused is refused before anything is measured or judged.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import IO

from .errors import StorageError, UsageError

# Where a run folder is made for which nobody chose a place.
RUNS = Path("reports/runs")
ARTIFACTS = "artifacts"
# Beside a trace or a file of counters: its sums.
SUMMARY = "summary.json"
# What a run, a sweep or a report writes into its folder, beside its records.
_OF_A_RUN = frozenset(
    ("plan.json", "left-out.json", "anonymous.json", "sweep.json", "jobs.jsonl", "cancelled", "blocks", "slurm",
     ARTIFACTS, "figures", "report.md", "report.html", "study.md", "study.html")
)  # fmt: skip
# Records in whatever form they are kept: records.jsonl, records.jsonl.gz, …
_RECORDS = ("records", "as-measured")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 200


def artifact_folder(run_folder: Path, *parts: object) -> Path:
    """A folder below the run's artifacts, named after ``parts``: letters, digits, and . _ - between them.

    Parts come from schemes, models and plans, and a plan may come from elsewhere: whatever they hold, nothing is
    written outside the run folder.
    """
    name = _UNSAFE.sub("_", "-".join(map(str, parts)))[:_LONGEST]
    return run_folder / ARTIFACTS / (name.lstrip(".") or "unnamed")


@contextlib.contextmanager
def replacing(file: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """A stream whose content takes the place of ``file`` at the end of the block; an error leaves ``file`` as it was.

    ``durable``: also when the machine stops in the next moment. A terminal or a pipe is written to as it is. Raises
    OSError where the file cannot be written.
    """
    if file.exists() and not file.is_file() and not file.is_dir():
        with file.open("wb") as stream:
            yield stream
        return
    new = file.with_name(f".{file.name[:60]}.{os.getpid()}.new")
    mode = _mode(file)
    new.unlink(missing_ok=True)
    try:
        with new.open("xb") as stream:
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            yield stream
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(file.parent)


def _mode(file: Path) -> int | None:
    """The permissions of the file that is there, which stay; None where there is none."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return None
    if not os.access(file, os.W_OK):  # renaming asks the folder alone, and would take a protected file's place
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
    return mode


def replace_bytes(file: Path, content: bytes) -> None:
    """Write ``content`` in the place of what the file held. Raises OSError where it cannot be written."""
    with replacing(file) as stream:
        stream.write(content)


def replace_text(file: Path, text: str | Iterable[str]) -> None:
    """Write ``text``, or its pieces, in the place of what the file held, to last. Raises OSError where it cannot be
    written."""
    with replacing(file, durable=True) as stream:
        for piece in (text,) if isinstance(text, str) else text:
            stream.write(piece.encode())


def sync_folder(folder: Path) -> None:
    """Make the names of new files last: syncing a file alone does not. Some file systems cannot, and need not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_file(file: Path, *inputs: Path | None, begins: bytes | None = None) -> Path:
    """The file to write for the name that a user gave, which may be a link.

    ``inputs``: what is read, files or run folders. ``begins``: how the files begin that the same command writes, packed
    or not; None where they cannot be told from others. Raises UsageError where something would be lost, StorageError
    where the file cannot be written.
    """
    file = _followed(file)
    if file.exists() and not file.is_dir() and not file.is_file():
        return file  # a terminal, a pipe, /dev/null
    if file.is_dir():
        raise UsageError(f"{file} is a folder: give the name of a file")
    for known in inputs:
        if known is not None and _is_part(file, known):
            raise UsageError(f"{file} is read by this command and would be lost: give another name for the output")
    if file.exists() and file.stat().st_size and not (begins is not None and _start(file, len(begins)) == begins):
        raise UsageError(f"{file} is there already, and nothing that this command wrote: remove it, or give another")
    if not file.parent.is_dir():
        raise StorageError(f"cannot write {file}: its folder is not there; make it first")
    if why := _why_not(file) or _why_not(file.parent):  # a new file takes its place there
        raise StorageError(f"cannot write {file}: {why}; give another name")
    return file


def _followed(file: Path) -> Path:
    """Where a link leads, because the name is to stay one."""
    try:
        return file.resolve() if file.is_symlink() else file
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, up to Python 3.12
        raise StorageError(f"cannot write {file}: {getattr(error, 'strerror', None) or error}") from error


def _is_part(file: Path, known: Path) -> bool:
    """Whether it is the input itself, under whichever name, or a file of the folder that is the input."""
    if not file.exists() or not known.exists():
        return False
    return file.samefile(known) or (known.is_dir() and file.resolve().is_relative_to(known.resolve()))


def _start(file: Path, count: int) -> bytes:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            return bytes(stream.read(count))
    except (OSError, EOFError, zlib.error):
        return b""


def refuse_taken(folder: Path) -> None:
    """For a new run. Raises UsageError where the folder holds a run, or what one would write over, and StorageError
    where it cannot be written."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: give a folder for the run with --out")
    held = next(_names_of_a_run(folder), None)
    if held is not None:
        if is_run(folder):
            raise UsageError(f"{folder} already holds a run: add --resume to finish it, or choose another --out")
        raise UsageError(f"{folder} holds {held}, which a run would write over: choose another --out")
    if why := _why_not(folder):
        raise StorageError(f"cannot write to {folder}: {why}; choose another folder with --out")


def refuse_foreign(folder: Path) -> None:
    """For what is added to a run, or makes a folder for itself. Raises as ``refuse_taken``, but for a run."""
    if not is_run(folder):
        refuse_taken(folder)


def unused(folder: Path) -> Path:
    """The folder, or the first of its numbered names that no run has: a clock that was set back gives a name twice."""
    names = (folder if number == 1 else folder.with_name(f"{folder.name}-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def is_run(folder: Path) -> bool:
    """Whether a plan, or records in whatever form, are in the folder."""
    return (folder / "plan.json").exists() or any(map(is_records, _names_of_a_run(folder)))


def is_records(name: str) -> bool:
    """Whether a file of this name holds records, in whatever form they are kept."""
    return name.casefold().startswith(_RECORDS)


def is_no_trace(name: str) -> bool:
    """Whether a run has a file of this name that is not what a profiler wrote."""
    return name.casefold() in (*_OF_A_RUN, SUMMARY)


def _names_of_a_run(folder: Path) -> Iterator[str]:
    """The names in the folder that a run has, less what an attempt leaves that ended before it began: empty ones."""
    try:
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = entry.name.casefold()  # as some disks take it
            if (name in _OF_A_RUN or is_records(name)) and _filled(entry):
                yield entry.name
    except OSError as error:
        raise StorageError(f"cannot look into {folder}: {error.strerror}; choose another --out") from error


def _filled(entry: Path) -> bool:
    return any(entry.iterdir()) if entry.is_dir() else entry.is_symlink() or entry.stat().st_size > 0


def _why_not(path: Path) -> str:
    """Why ``path`` cannot be made or written, found before hours of work and not after; "" where it can."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
        if place.is_file():
            return os.strerror(errno.ENOTDIR)
    return "" if os.access(place, os.W_OK) else "no permission, or a read-only disk"
