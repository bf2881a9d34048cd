"""The lines of a file of records, one at a time, so that a large file is never in memory as a whole, and their JSON.

Records of a run have much in common: the machine, the software, the arm. Such a part is read once and is one object in
all Records that have it, in less than half of the time and memory.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import msgspec

from . import packed
from .errors import RecordError
from .schema import Case, Environment, case_of, environment_of
from .setups import check_machine
from .suggested import quoted

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")

# Records are of kilobytes, those of generated programs of megabytes.
LONGEST = 64 << 20
_MADE = frozenset(("case", "environment", "setup"))
_OF_RUN = frozenset(("run_id", "instrument", "status", "argv"))
_OF_SETUP = frozenset(("arm", "model", "generate", "options"))
# Beyond so many different ones they are no part in common, and keeping them would cost what it is to save.
_MOST = 20_000
# Bytes of a file of more than about ten thousand Records.
_LARGE = 32 << 20
# The size of a gzipped file says little of what is in it: runs that are kept in a repository have 1 to 2 MB.
_MOST_BYTES = 32 << 20
_MOST_PACKED = 4 << 20
_State = tuple[str, int, int, str]
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RecordLines:
    """The whole lines of a file, plain or gzipped by its name, with their numbers; None for one that is longer than 64
    MiB. Once they were read, ``partial`` says whether a part of a line follows them.

    Iterating raises RecordError where the file is missing, unreadable, or a damaged gzip file.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.partial = False

    def __iter__(self) -> Iterator[tuple[int, bytes | None]]:
        try:
            with _opened(self._file) as stream:
                yield from self._of(stream)
        except FileNotFoundError:
            raise RecordError(f"{self._file} does not exist: give a run folder made by {quoted('run')}") from None
        except OSError as error:
            raise RecordError(f"cannot read {self._file}: {error.strerror}") from error

    def _of(self, stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
        number = 0
        while line := self._read(stream):
            number += 1
            whole, short, blank = line.endswith(b"\n"), True, not line.strip()
            while not whole and (more := self._read(stream)):
                whole, short, blank = more.endswith(b"\n"), False, blank and not more.strip()
            if whole:
                yield number, line if short else None
            else:
                self.partial = not blank

    def _read(self, stream: IO[bytes]) -> bytes:
        try:
            return stream.readline(LONGEST + 1)
        except ValueError as error:
            raise RecordError(f"{self._file} is a damaged gzip file ({error}): restore it") from error


def _opened(file: Path) -> IO[bytes]:
    return packed.opened(file) if file.suffix == ".gz" else file.open("rb")


class Decoder:
    """Makes the documents of lines for ``from_json``: plain JSON, but for Case and Environment, made already."""

    def __init__(self) -> None:
        self._cases: dict[bytes, Case] = {}
        self._environments: dict[tuple[tuple[str, bytes], ...], Environment] = {}
        self._parts: dict[bytes, Any] = {}
        self._latest: tuple[bytes, Environment | None] = b"", None

    def document(self, line: bytes) -> Any:
        """Stricter than json: no NaN, no infinity, no text that cannot be written again. Raises ValueError, or
        RecursionError where it is nested too deeply."""
        try:
            parts = _PARTS.decode(line)
            made = {name: self._part(name, part) for name, part in parts.items() if name not in _MADE}
            return made | {
                "case": self._case(parts["case"]),
                "environment": self._environment(parts["environment"]),
                "setup": self._setup(parts["setup"]),
            }
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, RecordError):
            return msgspec.json.decode(line)  # whose reader says what is amiss, and where

    def _part(self, name: str, part: msgspec.Raw) -> Any:
        if name in _OF_RUN:
            return _kept(self._parts, bytes(part), partial(msgspec.json.decode, part))
        return msgspec.json.decode(part)

    def _case(self, part: msgspec.Raw) -> Case:
        return _kept(self._cases, bytes(part), lambda: case_of(msgspec.json.decode(part)))

    def _environment(self, part: msgspec.Raw) -> Environment:
        """That of the line before where it is the same: of hundreds of products within a second it is."""
        raw = bytes(part)
        before, latest = self._latest
        if latest is None or before != raw:
            latest = self._with_states(part)
            self._latest = raw, latest
        return latest

    def _with_states(self, part: msgspec.Raw) -> Environment:
        parts = _PARTS.decode(part)
        states: dict[str, Any] = {
            name: msgspec.json.decode(parts.pop(name)) for name in ("before", "after") if name in parts
        }
        key = tuple((name, bytes(raw)) for name, raw in parts.items())
        made = _kept(
            self._environments,
            key,
            lambda: environment_of({name: msgspec.json.decode(raw) for name, raw in parts.items()}),
        )
        check_machine(states)
        return replace(made, **states)

    def _setup(self, part: msgspec.Raw) -> dict[str, Any]:
        return {
            name: _kept(self._parts, bytes(raw), partial(msgspec.json.decode, raw))
            if name in _OF_SETUP
            else msgspec.json.decode(raw)
            for name, raw in _PARTS.decode(part).items()
        }


def _kept(known: dict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
    made = known.get(key)
    if made is None:
        made = make()
        if len(known) < _MOST:
            known[key] = made
    return made


@contextlib.contextmanager
def no_garbage(file: Path) -> Iterator[None]:
    """For making the Records of a file: they refer to nothing in a circle, and Python would look through all of them
    for circles again and again; through those of a large file it then never looks."""
    large = file.exists() and file.stat().st_size > _LARGE
    before = gc.isenabled()
    if large:
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if large:
            gc.freeze()
        if before:
            gc.enable()


class ReadBefore(Generic[Made]):
    """What this process read of the last ``most`` files, by their content: a notebook asks of one run again and again.

    What was read is frozen, so that it can be handed out again; a file that was changed has another digest, and is read
    anew. Large files are not kept, for their Records may fill the memory.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: dict[_State, Made] = {}

    def get(self, file: Path, read: Callable[[], Made]) -> Made:
        """What ``read`` gives of the file, or gave of the same bytes. Raises as ``read`` does."""
        state = _state(file)
        if state is None:
            return read()
        found = self._made.pop(state, None)
        made = read() if found is None else found
        # Not of a file that was written to meanwhile.
        if found is not None or _state(file) == state:
            self._made[state] = made
        while len(self._made) > self._most:
            del self._made[next(iter(self._made))]
        return made


def _state(file: Path) -> _State | None:
    """Its name as it is told in messages, size, time and digest; None for a file that is large or cannot be read."""
    try:
        facts = file.stat()
        if not file.is_file() or facts.st_size > (_MOST_PACKED if file.suffix == ".gz" else _MOST_BYTES):
            return None
        return str(file), facts.st_size, facts.st_mtime_ns, hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None
