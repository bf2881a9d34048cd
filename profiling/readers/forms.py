"""Forms in which a trace comes: packed, in UTF-16, in a folder, through a pipe; and outputs of tools that are no trace.

What can be unpacked is, into a temporary file; what cannot be read is refused with what it is and what to give instead.
"""

from __future__ import annotations

import bz2
import lzma
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.record.errors import BitledgerError, RecordError
from bench.record.files import ARTIFACTS, is_no_trace
from bench.record.packed import MAGIC as GZIP
from bench.record.packed import SMALL, TIMES, Unpacking

HEAD = 4096
_BLOCK = 1 << 20
NSYS_REPORT, _ZIP = b"NVIDIA Tegra Profiler Report", b"PK\x03\x04"
_TRACES = ("*.json", "*.json.gz", "*.sqlite", "*.sqlite.gz", "*.nsys-rep", "*.ncu-rep", "*.csv", "*.zip")
_NAMED = 5
AFTER_GZIP = "what follows the end of the gzip stream was left out"
_TEXT, _LOOKED_AT = frozenset(b"\t\n\r" + bytes(range(0x20, 0x7F))), 16
# RuntimeError: of an archive with a password, or in a form that this Python does not unpack.
_DAMAGED = (OSError, EOFError, ValueError, RuntimeError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Plain:
    """A file as the readers take it. ``notes``: what is odd about the one that it was made from."""

    path: Path
    notes: tuple[str, ...] = ()


@contextmanager
def plain(path: Path) -> Iterator[Plain]:
    """The file, or its content as a plain file that lasts as long as the block.

    Raises RecordError, naming the user's file, for what cannot be read, for a folder, a pipe and an archive of several
    files. Errors about the plain file name the user's.
    """
    _check_kind(path)
    head = head_of(path)
    with tempfile.TemporaryDirectory(prefix="bitledger-") as folder:
        made = _unpacked(path, head, Path(folder) / "plain")
        try:
            yield made
        except BitledgerError as error:
            if made.path == path:
                raise
            raise type(error)(str(error).replace(str(made.path), str(path))) from error


def _check_kind(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise RecordError(f"{path}: cannot be read ({told})") from error
    if stat.S_ISDIR(mode):
        raise RecordError(f"{path}: a folder: {_inside(path)}")
    if not stat.S_ISREG(mode):
        raise RecordError(f"{path}: a pipe or a device, and a trace is read more than once: write it to a file first")


def _inside(folder: Path) -> str:
    """Which traces are in a folder, also in that of a run, whose plan and records are none."""
    places = (place for pattern in _TRACES for place in (pattern, f"{ARTIFACTS}/*/{pattern}"))
    try:
        files = {file for place in places for file in folder.glob(place)}
        found = sorted(str(file.relative_to(folder)) for file in files if not is_no_trace(file.name))
    except OSError:
        found = []
    if not found:
        return "give one trace file; there is none in it"
    more = f" or one of {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"give one of its traces: {', '.join(str(folder / name) for name in found[:_NAMED])}{more}"


def head_of(path: Path) -> bytes:
    """The first bytes. Raises RecordError where there are none."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not head:
        raise RecordError(f"{path}: the file is empty")
    return head


def _unpacked(path: Path, head: bytes, out: Path) -> Plain:
    """``path`` itself where it is plain, or what its reader unpacks as it goes."""
    try:
        if head.startswith(_ZIP):
            return _from_zip(path, out)
        if head.startswith((b"BZh", b"\xfd7zXZ\x00")):
            with (bz2 if head.startswith(b"B") else lzma).open(path) as packed:
                return Plain(_copied(packed, out, path.stat().st_size, path))
        if head.startswith(GZIP):
            return _from_gzip(path, out)
        if _is_utf16(head):
            return Plain(_from_utf16(path, head, out))
    except _DAMAGED as error:
        raise RecordError(f"{path}: truncated or corrupt archive ({error}); copy or pack it again") from error
    return Plain(path)


def _from_gzip(path: Path, out: Path) -> Plain:
    """The reader of Chrome traces unpacks them itself, without a file; the others need one."""
    with path.open("rb") as raw:
        stream = Unpacking(raw, path.stat().st_size)
        first = stream.read(HEAD)
        if begins_json(first):
            return Plain(path)
        with out.open("wb") as file:
            file.write(first)
            for block in iter(lambda: stream.read(_BLOCK), b""):
                file.write(block)
    made = _from_utf16(out, first, out.with_name("utf8")) if _is_utf16(first) else out
    return Plain(made, (AFTER_GZIP,) if stream.after else ())


def begins_json(head: bytes) -> bool:
    """Whether a file with these first bytes begins as JSON does."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") and not _is_utf16(head)


def _from_zip(path: Path, out: Path) -> Plain:
    with zipfile.ZipFile(path) as archive:
        files = [item for item in archive.infolist() if not item.is_dir() and not item.filename.startswith("__MACOSX")]
        if len(files) != 1:
            named = ", ".join(item.filename for item in files[:_NAMED])
            raise RecordError(
                f"{path}: an archive of {len(files)} files ({named}): unpack it, and give one of its traces"
            )
        with archive.open(files[0]) as packed:
            made = _copied(packed, out, path.stat().st_size, path)
    head = head_of(made)
    return _unpacked(made, head, made.with_name("inner")) if not head.startswith(_ZIP) else Plain(made)


def _copied(packed: object, out: Path, size: int, path: Path) -> Path:
    left = max(SMALL, TIMES * size)
    with out.open("wb") as file:
        for block in iter(lambda: packed.read(_BLOCK), b""):  # type: ignore[attr-defined]
            left -= len(block)
            if left < 0:
                raise RecordError(f"{path}: it unpacks to more than {TIMES} times its size, as no trace does")
            file.write(block)
    return out


def _is_utf16(head: bytes) -> bool:
    """UTF-16 with its mark, as PowerShell writes it, or without: then the text begins with ASCII."""
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return False  # that is UTF-32
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or any(_TEXT.issuperset(each) for each in _halves(head))


def _halves(head: bytes) -> Iterator[bytes]:
    """The low bytes of the first characters, as either byte order has them, where the high ones are 0."""
    first = head[:_LOOKED_AT]
    if len(first) >= 2:
        yield from (low for low, high in ((first[::2], first[1::2]), (first[1::2], first[::2])) if not any(high))


def _from_utf16(path: Path, head: bytes, out: Path) -> Path:
    """Text in UTF-8. Tables of ncu are read in UTF-16 as they are, and not more slowly here."""
    code = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le" if head[1:2] == b"\x00" else "utf-16-be"
    with (
        path.open(encoding=code, errors="replace", newline="") as text,
        out.open("w", encoding="utf-8", newline="") as file,
    ):
        for block in iter(lambda: text.read(_BLOCK), ""):
            file.write(block)
    return out
