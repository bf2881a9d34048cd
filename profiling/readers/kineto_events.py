"""Streams the events of a Chrome trace: blocks of the file, cut between events, decoded into typed structs.

A document of hundreds of megabytes never exists as a whole, neither as text nor as objects. The cut between two
events is guessed from the text and proven by the decoder: what lies before it must be a complete JSON array.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
import numpy as np

from bench.record.errors import RecordError
from bench.record.packed import MAGIC, Unpacking

from .forms import AFTER_GZIP

_BLOCK = 1 << 20
# The longest header, event or trailer; real ones hold kilobytes.
_LONGEST = 32 << 20
# What is put right value by value becomes Python objects in between, 25 times its size: so not more at once than this.
_LENIENT = 2 << 20
_TRIES = 16
# An event that says when and what has 50 bytes or more; this many may be empty in one piece of text.
_EMPTY_EVENTS = 1 << 16

UNCLOSED = "its list of events has no end, as where its writer stopped: the last events may be missing"

_OPENING = re.compile(rb'"traceEvents"\s*:\s*\[')
_BARE_LIST = re.compile(rb"\s*\[")
_BETWEEN = re.compile(rb'\}\s*,\s*(?=\{\s*")')
# Where one document ends and another begins.
_SECOND = re.compile(rb'[}\]]\s*(?:\{\s*"(?:schemaVersion|traceEvents|displayTimeUnit|deviceProperties)"|\[\s*\{\s*")')
_BASE_TIME = re.compile(rb'"baseTimeNanoseconds"\s*:\s*"?(-?\d+)')
# Python's and Kineto's spellings of what JSON has no number for. A quote inside a string has a backslash before it.
_NOT_A_NUMBER = re.compile(rb'((?<!\\)"\s*:\s*)[-+]?(?:[Nn]a[Nn]|[Ii]nf(?:inity)?)(?=\s*[,}\]])')


class Args(msgspec.Struct, gc=False):
    """The arguments of an event that the normal form needs."""

    correlation: int | None = None
    stream: int | None = None
    device: int | None = None
    bytes: int | None = None
    graph_node: int | None = msgspec.field(name="graph node id", default=None)


class Event(msgspec.Struct, gc=False):
    """One complete event; ``ts`` and ``dur`` are microseconds."""

    ph: str = ""
    cat: str | None = None
    name: str | None = None
    pid: int | str | None = None
    tid: int | str | None = None
    ts: int | float | None = None
    dur: int | float | None = None
    args: Args | None = None


class _Rest(msgspec.Struct):
    traceEvents: list[Event]  # noqa: N815 (the trace's own spelling)
    baseTimeNanoseconds: int | None = None  # noqa: N815


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass
class EventStream:
    """Iterate for lists of events; ``base_ns`` is what the header or the trailer tells, once the end is reached;
    ``header``: the text before the events, ``trailer``: what stands after them, less what is long; ``notes``: what is
    odd about its form."""

    path: Path
    base_ns: int | None = None
    notes: tuple[str, ...] = ()
    header: bytes = field(default=b"", repr=False)
    trailer: dict[str, msgspec.Raw] = field(default_factory=dict, repr=False)
    _buffer: bytes = field(default=b"", repr=False)

    def __iter__(self) -> Iterator[list[Event]]:
        with _opened(self.path) as file:
            bare, enough = self._skip_header(file), 0
            for block in iter(lambda: file.read(_BLOCK), b""):
                self._buffer += block
                self._check_length()
                if len(self._buffer) < enough:
                    continue
                events = self._complete_events()
                if events:
                    yield events
                # Looking again only in twice as much keeps the time in proportion to the text.
                enough = 0 if events else 2 * len(self._buffer)
            yield self._remaining_events(bare)
            if getattr(file, "after", False):
                self.notes += (AFTER_GZIP,)

    def _check_length(self) -> None:
        if len(self._buffer) > _LONGEST:
            raise RecordError(
                f"{self.path}: not a trace of torch.profiler: more than {_LONGEST >> 20} MiB of it are not events"
            )

    def _skip_header(self, file: _Readable) -> bool:
        """Read up to the first event. True where the document is a bare list of events."""
        self._buffer = file.read(_BLOCK)
        if opening := _BARE_LIST.match(self._buffer):
            self._buffer = self._buffer[opening.end() :]
            return True
        while not (opening := _OPENING.search(self._buffer)):
            block = file.read(_BLOCK)
            if not block:
                raise RecordError(f'{self.path}: not a Chrome trace: it has no "traceEvents" list')
            self._buffer += block
            self._check_length()
        if base := _BASE_TIME.search(self._buffer, 0, opening.start()):
            self.base_ns = int(base.group(1))
        self.header = self._buffer[: min(opening.start(), _BLOCK)]
        self._buffer = self._buffer[opening.end() :]
        return False

    def _complete_events(self) -> list[Event]:
        """Decode up to the last boundary between two events that proves to be one; keep the rest."""
        for cut, start in _last_boundaries(self._buffer):
            try:
                events = decode_events(b"".join((b"[", memoryview(self._buffer)[:cut], b"]")))
            except msgspec.DecodeError:
                continue
            self._buffer = self._buffer[start:]
            return events
        return []

    def _remaining_events(self, bare: bool) -> list[Event]:
        """The last events and the trailer."""
        text = b'{"traceEvents":[' + self._buffer + (b"}" if bare else b"")
        events, self._buffer = self._buffer, b""
        try:
            rest = _decode(text, _Rest)
        except msgspec.DecodeError as error:
            if _SECOND.search(text):
                raise RecordError(
                    f"{self.path}: several JSON documents one after the other: give a file of one of them"
                ) from error
            if bare and (unclosed := _unclosed(events)):
                self.notes += (UNCLOSED,)
                return unclosed
            raise RecordError(f"{self.path}: truncated or corrupt Chrome trace ({error}); record it again") from error
        self.trailer = _short_values(text)
        if rest.baseTimeNanoseconds is not None:
            self.base_ns = rest.baseTimeNanoseconds
        return list(rest.traceEvents)


def _unclosed(events: bytes) -> list[Event]:
    """The events of a list that nothing closes, which the format allows; none where the last one is not whole."""
    try:
        return decode_events(b"[" + events.rstrip().removesuffix(b",") + b"]")
    except msgspec.DecodeError:
        return []


def _short_values(text: bytes) -> dict[str, msgspec.Raw]:
    try:
        found = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:  # said by who reads the events of it
        return {}
    return {name: value for name, value in found.items() if name != "traceEvents" and len(value) <= _BLOCK}


@contextmanager
def _opened(path: Path) -> Iterator[_Readable]:
    try:
        raw = path.open("rb")
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error})") from error
    with raw:
        packed = raw.read(2) == MAGIC
        raw.seek(0)
        yield _Packed(path, raw) if packed else raw


class _Packed(Unpacking):
    def __init__(self, path: Path, raw: IO[bytes]) -> None:
        super().__init__(raw, path.stat().st_size)
        self._path = path

    def read(self, size: int) -> bytes:
        """The next bytes. Raises RecordError where there are none for another reason than the end."""
        try:
            return super().read(size)
        except ValueError as error:
            message = f"{self._path}: truncated or corrupt gzip file ({error}); copy or record it again"
            raise RecordError(message) from error


def _last_boundaries(buffer: bytes) -> Iterator[tuple[int, int]]:
    """(end of one event, start of the next) guesses, the last first."""
    end = len(buffer)
    for _ in range(_TRIES):
        found = _last_between(buffer, end)
        if found is None:
            return
        yield found.start() + 1, found.end()
        end = found.start() + 1


def _last_between(buffer: bytes, end: int) -> re.Match[bytes] | None:
    """The last boundary before ``end``, looked for in ever larger windows: a pattern only searches forwards."""
    size = 4096
    while True:
        start = max(end - size, 0)
        found = list(_BETWEEN.finditer(buffer, start, end))
        if found or start == 0:
            return found[-1] if found else None
        size *= 8


def decode_events(text: bytes) -> list[Event]:
    """A JSON array of events. Raises msgspec.DecodeError where it is not one."""
    return list(_decode(text, list[Event]))


def _decode(text: bytes, kind: Any) -> Any:
    """Strict and fast first; then with what real files get wrong put right, one thing after the other."""
    # A sum of equal bytes: bytes.count stops at each of them, which takes four times as long.
    if np.count_nonzero(np.frombuffer(text, np.uint8) == ord("{")) > _EMPTY_EVENTS + len(text) // 16:
        raise msgspec.DecodeError("its events are empty")
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        return _leniently(text, kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        repaired = _NOT_A_NUMBER.sub(rb"\1null", text).decode("utf-8", "replace").encode()
        if repaired == text:
            raise msgspec.DecodeError("not valid JSON") from None
        return _leniently(repaired, kind)


class _LooseRest(msgspec.Struct):
    traceEvents: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815 (the trace's own spelling; immutable)
    baseTimeNanoseconds: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815


def _leniently(text: bytes | msgspec.Raw, kind: Any) -> Any:
    """Values of an unexpected type (a stream as text, a fraction of a byte) become None, not an error."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        pass
    if kind is _Rest:
        rest = msgspec.json.decode(text, type=_LooseRest)
        base = _loose(rest.baseTimeNanoseconds)
        return _Rest(_loose_events(_loose(rest.traceEvents)), base if isinstance(base, int) else None)
    return _loose_events(_loose(text))


def _loose(text: bytes | msgspec.Raw) -> Any:
    if len(memoryview(text)) > _LENIENT:
        raise msgspec.DecodeError("too many of its values are of a wrong type")
    return msgspec.json.decode(text)


def _loose_events(events: Any) -> list[Event]:
    if not isinstance(events, list):
        raise msgspec.DecodeError("its events are not a list")
    return [_loose_event(event) for event in events if isinstance(event, dict)]


def _loose_event(event: dict[str, Any]) -> Event:
    args = event.get("args")
    return Event(
        _value_kept(event.get("ph"), str) or "",
        _value_kept(event.get("cat"), str),
        _value_kept(event.get("name"), str),
        _value_kept(event.get("pid"), int, str),
        _value_kept(event.get("tid"), int, str),
        _number(event.get("ts")),
        _number(event.get("dur")),
        Args(*(_whole_number(args.get(key)) for key in _ARGS)) if isinstance(args, dict) else None,
    )


_ARGS = ("correlation", "stream", "device", "bytes", "graph node id")


def _value_kept(value: Any, *kinds: type) -> Any:
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None


def _number(value: Any) -> float | int | None:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return _value_kept(value, int, float)  # type: ignore[no-any-return]


def _whole_number(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and abs(number) < 2**62 and number == int(number) else None
