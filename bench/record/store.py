"""Records on disk: one JSON line each, appended and synced at once, so that a crash loses nothing written.

A run folder is locked while a run writes to it. A last line without a newline (a crash in the middle of
a write) is dropped with a finding; any other damage is an error that names the line.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.record.suggested import quoted

from . import chain, plausible
from .anonymous import of_folder
from .anonymous_files import clean, why_not
from .errors import RecordError, StorageError
from .files import sync_folder
from .lines import LONGEST, Decoder, ReadBefore, RecordLines, no_garbage
from .logs import mask_leftover
from .packed import too_heavy
from .schema import SCHEMA_VERSION, Artifact, Finding, Record, from_json, to_json
from .secrets import mask_record

RECORDS = "records.jsonl"
PACKED = f"{RECORDS}.gz"
_BEGINNING = b'{"run_id": "'
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Loaded:
    """The records of a file in order, and what was noticed on reading."""

    records: tuple[Record, ...]
    findings: tuple[Finding, ...] = ()


_READ_BEFORE: ReadBefore[Loaded] = ReadBefore(4)


def load(path: Path, damaged: Callable[[RecordError], None] | None = None) -> Loaded:
    """Read a run folder or a records file. ``damaged`` is told of each bad line, which is then left out.

    Raises RecordError if it is missing, unreadable, empty of records, or damaged before its last line, and, unless
    ``damaged`` is given, where a key has two results: each would count as a repeat of its own.
    """
    file = records_file(path)
    return _load(file, damaged) if damaged else _READ_BEFORE.get(file, lambda: _load(file, None))


def _load(file: Path, damaged: Callable[[RecordError], None] | None) -> Loaded:
    lines = RecordLines(file)
    with no_garbage(file):
        records = tuple(_parsed(lines, file, damaged))
    if damaged is None:
        _refuse_twice(records, file)
    return Loaded(records, (_truncated(file),) if lines.partial else ())


def check_chain(folder: Path) -> chain.Chain:
    """Whether each line of the run folder's records follows the one before it. Raises RecordError as ``load``."""
    lines = (line or b"(too long)" for _, line in RecordLines(records_file(folder)))
    return chain.check(lines, (chain.seed(folder), ""))


def _refuse_twice(records: Iterable[Record], file: Path) -> None:
    """Only what failed or was skipped may stand again, as it was measured again."""
    done: set[tuple[str, str, int]] = set()
    for record in records:
        if record.status != "ok":
            continue
        if record.key in done:
            raise RecordError(
                f"{file} holds two results of {record.instrument} of {record.case.scheme}, repeat {record.repeat} "
                f"(case_id {record.case_id}): remove the line that does not belong to this run (different runs are set "
                f"against each other with {quoted('compare')}); {quoted('verify')} lists all such keys"
            )
        done.add(record.key)


def _parsed(lines: RecordLines, file: Path, damaged: Callable[[RecordError], None] | None) -> Iterator[Record]:
    decoder = Decoder()
    for number, line in lines:
        if line is not None and not line.strip():
            continue
        try:
            yield _parse(line, file, number, decoder)
        except RecordError as error:
            if damaged is None:
                raise
            damaged(error)


def records_file(path: Path) -> Path:
    """A run folder's records: as written, or gzipped to be kept in a repository. Raises RecordError for what is no
    file: a pipe would be waited for."""
    if not path.is_dir():
        return path
    file = path / (PACKED if _only_packed(path) else RECORDS)
    _refuse_no_file(file)
    return file


def _refuse_no_file(file: Path) -> None:
    if file.exists() and not file.is_file():
        raise RecordError(f"{file} is no file: choose another folder")


def run_id_of(folder: Path) -> str | None:
    """The run that the folder's records are of: the last one's; None where there are none. Raises as ``load``."""
    if not (folder / RECORDS).exists():
        return None
    records = load(folder).records
    return records[-1].run_id if records else None


def _only_packed(folder: Path) -> bool:
    """Whether the records are in the gzipped file: there is no other, or only an empty one."""
    file = folder / RECORDS
    return (folder / PACKED).exists() and not (file.exists() and file.stat().st_size)


def refuse_packed(folder: Path) -> None:
    """Raises StorageError where the folder's records are gzipped: a second file of records would hide them."""
    if _only_packed(folder):
        raise StorageError(f"the records of {folder} are packed: unpack them first, gunzip {folder / PACKED}")


def _parse(line: bytes | None, file: Path, number: int, decoder: Decoder) -> Record:
    if line is None:
        raise RecordError(
            f"{file}, line {number}: not a record: it is longer than {LONGEST >> 20} MiB: remove the line"
        )
    if too_heavy(line):
        raise RecordError(f"{file}, line {number}: not a record: it is little but brackets and quotes")
    try:
        document = decoder.document(line)
        if isinstance(document, dict):
            document.pop(chain.FIELD, None)  # of the file, and not of the Record
        record = from_json(document)
        plausible.check_counts(record)
        return record
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"{file}, line {number}: not valid JSON ({error}): remove the line or restore the file"
        ) from error
    except RecordError as error:
        how = "; remove the line or restore the file" if str(error).startswith("malformed") else ""
        raise RecordError(f"{file}, line {number}: {error}{how}") from error


def _truncated(file: Path) -> Finding:
    return Finding(
        "truncated-last-line",
        "warning",
        f"the last line of {file.name} is incomplete and was left out",
        remedy="run again with --resume: the Case that was being written is repeated",
    )


def as_lines(records: Iterable[Record], folder: Path) -> Iterator[str]:
    """The lines of a new file of records in ``folder``."""
    documents = (to_json(record) | {"schema_version": SCHEMA_VERSION} for record in records)
    lines = (json.dumps(document, ensure_ascii=False, allow_nan=False).encode() for document in documents)
    return (line.decode() for line in chain.relinked(lines, chain.seed(folder)))


class Writer:
    """Appends records to a run folder. Use ``open_run``. ``findings``: what was noticed when it was opened."""

    def __init__(self, folder: Path, stream: io.FileIO, findings: tuple[Finding, ...] = ()) -> None:
        self.folder = folder
        self.findings = findings
        self._stream = stream
        self._last: str | None = None

    def append(self, record: Record) -> None:
        """Write one line, less secrets of the environment (bench/record/secrets.py), and sync it to disk.

        Raises StorageError if it cannot be written whole; the file is then cut back to its last whole line.
        """
        document = mask_record(to_json(record)) | {"schema_version": SCHEMA_VERSION}
        names = of_folder(self.folder)
        document = names.record(document, identity=False) if names else document
        line = json.dumps(document, ensure_ascii=False, allow_nan=False)
        # The name of a file on the command line may hold what is no text: it becomes "?", as no reader would take it.
        content, made = chain.linked(line.encode("utf-8", "replace"), self._previous_hash())
        end = os.fstat(self._stream.fileno()).st_size
        try:
            _write_all(self._stream.fileno(), content + b"\n")
            os.fsync(self._stream.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._stream.fileno(), end)
            raise StorageError(
                f"cannot write {self.folder / RECORDS}: {why(error)}; "
                f"everything measured before is kept: {remedy(error)}, then run again with --resume"
            ) from error
        self._last = made
        self.check()

    def _previous_hash(self) -> str:
        """The hash that the next line follows."""
        if self._last is None:
            self._last = chain.last(self._stream, chain.seed(self.folder))
        return self._last

    def check(self) -> None:
        """See that the folder is still where it was: what is written to a file without a name is lost at its closing.

        Raises StorageError where it was moved, or was removed; its records are then saved beside it.
        """
        held = os.fstat(self._stream.fileno())
        with contextlib.suppress(OSError):
            if os.path.samestat(held, (self.folder / RECORDS).stat()):
                return
        now = self._place_now()
        if held.st_nlink and now.name == RECORDS:
            raise StorageError(
                f"{self.folder} was moved while this run wrote to it; everything measured is kept: run again with "
                f"--resume --out {now.parent}"
            )
        raise StorageError(
            f"{self.folder} was removed while this run wrote to it; everything measured is saved in {self._rescue()}: "
            f"{quoted('report')} reads it"
        )

    def _place_now(self) -> Path:
        """The name that the open file has now. On NFS a file that was removed while it is open has one, .nfs and a
        number, until it is closed."""
        try:
            return Path(f"/proc/self/fd/{self._stream.fileno()}").readlink()
        except OSError:
            return Path()

    def _rescue(self) -> Path:
        """The records, which only this process can still read, in a new folder beside the old one, or elsewhere."""
        self._stream.seek(0)
        content, name = self._stream.read(), self.folder.name
        try:
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-saved-", dir=self.folder.absolute().parent))
        except OSError:
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-saved-"))
        with (folder / RECORDS).open("wb", buffering=0) as stream:
            _write_all(stream.fileno(), content)
            os.fsync(stream.fileno())
        return folder

    def artifact(self, path: Path, description: str) -> Artifact:
        """An Artifact for a file inside the run folder."""
        return artifact(self.folder, path, description)


def artifact(folder: Path, path: Path, description: str) -> Artifact:
    """An Artifact for a file inside the run folder ``folder``, which is made anonymous first where the run is. Raises
    StorageError where it cannot be."""
    names = of_folder(folder)
    if names:
        reason = why_not(path)
        try:
            if not reason:
                clean(path, path, names)
        except ValueError as error:
            reason = f"it cannot be read: {error}"
        if reason:
            raise StorageError(f"{path.name} cannot be kept in an anonymous run: {reason}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Artifact(path.resolve().relative_to(folder.resolve()).as_posix(), digest, description)


def _write_all(descriptor: int, data: bytes) -> None:
    """os.write may write a part only (a disk that fills up); the next call then says why."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def why(error: OSError) -> str:
    """In plain words what the disk did not do."""
    return "no space left on the device" if error.errno == errno.ENOSPC else str(error.strerror or error)


def remedy(error: OSError) -> str:
    """What to do before the run can go on."""
    known = {
        errno.ENOSPC: "free space",
        errno.EDQUOT: "free space",
        errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
        errno.EROFS: "make the disk writable",
        errno.EIO: "check the disk",
    }
    return known.get(error.errno or 0, "make the folder writable")


@contextlib.contextmanager
def open_run(folder: Path) -> Iterator[Writer]:
    """Create or reopen a run folder for appending, locked against other runs.

    A truncated last line is cut off first, and logs that a killed run left are masked. Raises StorageError if the
    folder cannot be written or is in use, or its records are gzipped; RecordError where its file of records is
    another program's. Some file systems of clusters have no locks: then the writer's findings say so.
    """
    refuse_packed(folder)
    _refuse_foreign(folder / RECORDS)
    try:
        (folder / "artifacts").mkdir(parents=True, exist_ok=True)
        stream = (folder / RECORDS).open("a+b", buffering=0)
        sync_folder(folder)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {why(error)}; choose another folder with --out") from error
    with stream:
        unlocked = _lock(stream, folder)
        if not unlocked:
            mask_leftover(folder)
        yield Writer(folder, stream, (*unlocked, *_cut_partial_line(folder / RECORDS)))


def _lock(stream: IO[bytes], folder: Path) -> tuple[Finding, ...]:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StorageError(f"{folder} is in use by another run: wait for it, or choose another --out") from None
    except OSError as error:
        message = f"the file system of {folder} has no locks ({error.strerror}): see that no other run writes there"
        return (Finding("no-lock", "warning", message),)
    return ()


def _refuse_foreign(file: Path) -> None:
    """Raises RecordError where the first line is no record: nothing is added to such a file, and nothing cut off."""
    if not file.exists():
        return
    _refuse_no_file(file)
    with file.open("rb") as stream:
        line = stream.readline(LONGEST)
    if line.endswith(b"\n") and line.strip():
        _parse(line, file, 1, Decoder())
    elif line.strip() and not line.startswith(_BEGINNING[: len(line)]):
        raise RecordError(f"{file} holds something else than records: choose another folder with --out")


def _cut_partial_line(file: Path) -> tuple[Finding, ...]:
    with file.open("rb") as stream:
        end = at = stream.seek(0, os.SEEK_END)
        while at:
            at = max(0, at - _BLOCK)
            stream.seek(at)
            found = stream.read(_BLOCK).rfind(b"\n") + 1
            at += found
            if found:
                break
    if at == end:
        return ()
    os.truncate(file, at)
    return (_truncated(file),)
