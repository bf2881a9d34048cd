"""Stack samples of py-spy ("raw" folded stacks, or speedscope JSON) → one normal form in columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.record.errors import RecordError
from bench.record.packed import unpacked

_PYTHON_FILE = re.compile(r"\.py\b|^<")
_LINE = re.compile(r":\d+$")
# Seconds and counts lie far within; shares of sums beyond would be no numbers.
_LEAST, _MOST = 1e-100, 1e100
# A stack or function takes some 300 bytes of memory and, in a real file, about as many of text: so many of any length,
# and then one for so many characters.
_ANY, _EACH = 50_000, 40
_DEEPEST = 100_000


@dataclass(frozen=True, slots=True)
class Frame:
    """A function and where it is: a Python file, a shared library, or ""."""

    function: str
    place: str

    @property
    def is_python(self) -> bool:
        return _PYTHON_FILE.search(self.place) is not None

    def __str__(self) -> str:
        return f"{self.function} ({self.place})" if self.place else self.function


@dataclass(frozen=True)
class Samples:
    """``stacks``: distinct stacks as indices into ``frames``, outermost first; ``weights``: how much of each,
    in ``unit`` ("samples" or "seconds")."""

    frames: tuple[Frame, ...]
    stacks: tuple[tuple[int, ...], ...]
    weights: NDArray[np.float64]
    unit: str

    def inside(self, loop: str) -> Samples:
        """The stacks from the outermost function on that the regular expression ``loop`` matches.

        Raises RecordError if there is none.
        """
        matches = [re.search(loop, frame.function) is not None for frame in self.frames]
        starts = [next((at for at, index in enumerate(stack) if matches[index]), None) for stack in self.stacks]
        kept = [
            (stack[at:], float(weight))
            for stack, at, weight in zip(self.stacks, starts, self.weights, strict=True)
            if at is not None
        ]
        if not kept:
            raise RecordError(
                f"no sample is inside a function that matches {loop!r}: sample longer, or name the loop's function"
            )
        return Samples(self.frames, tuple(stack for stack, _ in kept), np.array([w for _, w in kept]), self.unit)

    def folded(self) -> str:
        """The samples as folded stacks, one per line."""
        lines = []
        for stack, weight in zip(self.stacks, self.weights, strict=True):
            names = (str(self.frames[index]).replace(";", ",").replace("\n", " ") for index in stack)
            lines.append(f"{';'.join(names)} {weight:g}")
        return "\n".join(lines) + "\n"


def read_samples(path: Path | str) -> Samples:
    """Samples from a file of py-spy, whichever of the two forms it has.

    Raises RecordError if it cannot be read, is damaged, or holds no sample.
    """
    try:
        text = unpacked(Path(path).read_bytes()).decode("utf-8", errors="replace")
    except ValueError as error:
        raise RecordError(f"{path} is a damaged gzip file ({error}): copy or record it again") from error
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    try:
        samples = parse_speedscope(text) if text.lstrip().startswith("{") else parse_folded(text)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error
    return samples


class _Stacks:
    """Stacks under construction, as places of their frames, because a long stack's names are many objects."""

    def __init__(self, size: int) -> None:
        """``size``: characters of the text that they are read from."""
        self._most = _ANY + size // _EACH
        self._frames: dict[Frame, int] = {}
        self._known: dict[str, int] = {}
        self._weights: dict[tuple[int, ...], float] = {}

    def add(self, names: Sequence[str], weight: float) -> None:
        """``names``: of frames, outermost first. Lines of one function are one frame: their numbers are left out."""
        key = tuple(map(self.place, names))
        if weight > 0:
            self._weights[key] = self._weights.get(key, 0.0) + weight
        if max(len(self._frames), len(self._weights)) > self._most:
            raise RecordError("its stacks are too many and too short to be py-spy's: sample again")

    def place(self, name: str) -> int:
        """Which frame this is."""
        if name not in self._known:
            self._known[name] = self._frames.setdefault(parse_frame(name), len(self._frames))
        return self._known[name]

    def samples(self, unit: str) -> Samples:
        """All of them. Raises RecordError where there is none, or no sum of them."""
        if not self._weights:
            raise RecordError("holds no samples: let the program run longer, or sample at a higher rate")
        weights = np.array(list(self._weights.values()), dtype=np.float64)
        if not _LEAST < weights.sum() < _MOST:
            raise RecordError("its weights are no numbers of samples and no times: record it again")
        return Samples(tuple(self._frames), tuple(self._weights), weights, unit)


def parse_folded(text: str) -> Samples:
    """Samples from folded stacks: "outer;…;inner count" per line. Raises RecordError, naming the line."""
    stacks = _Stacks(len(text))
    for number, line in enumerate(_lines(text), 1):
        if not line.strip():
            continue
        names, blank, count = line.rstrip("\r").rpartition(" ")
        if not blank or not re.fullmatch(r"\d{1,15}(\.\d{1,15})?", count, re.ASCII):
            raise RecordError(
                f"line {number} is not a folded stack ('frame;frame count'): sample again with py-spy -f raw"
            )
        if names.count(";") > _DEEPEST:
            raise RecordError(f"line {number} holds a stack of more than {_DEEPEST} frames: sample again")
        # A thread without Python frames has an empty stack: it counts, but it is inside nothing.
        stacks.add(names.split(";") if names else (), float(count))
    return stacks.samples("samples")


def _lines(text: str) -> Iterator[str]:
    """One after the other, because a list of all would be the text once more."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def parse_frame(text: str) -> Frame:
    """The frame in py-spy's "function (file.py:12)" or "function (library.so)"; the line number is left out."""
    if not text.endswith(")") or " (" not in text:
        return Frame(text, "")
    function, _, place = text[:-1].rpartition(" (")
    return Frame(function, _LINE.sub("", place))


class _Frame(msgspec.Struct, gc=False):
    name: str
    file: str | None = None


class _Profile(msgspec.Struct, gc=False):
    type: str
    unit: str
    samples: list[list[int]]
    weights: list[float]


class _Shared(msgspec.Struct):
    frames: list[_Frame]


class _Speedscope(msgspec.Struct):
    shared: _Shared
    profiles: list[_Profile]


def parse_speedscope(text: str) -> Samples:
    """Samples of all threads of a speedscope document with sampled profiles. Raises RecordError."""
    stacks, unit = _Stacks(len(text)), "samples"
    try:
        # A stack takes more memory than its text where it is all but empty; real ones hold dozens of frames.
        if text.count("[") > len(text) // 16 + 4096:
            raise ValueError("its stacks are empty")
        document = msgspec.json.decode(text, type=_Speedscope)
        names = [f"{frame.name} ({frame.file})" if frame.file else frame.name for frame in document.shared.frames]
        for profile in document.profiles:
            unit = "seconds" if profile.unit == "seconds" else "samples"
            _add_profile(profile, names, stacks)
    except (ValueError, IndexError, RecursionError) as error:
        raise RecordError(f"not a speedscope document ({error}): sample again with py-spy -f speedscope") from error
    return stacks.samples(unit)


def _add_profile(profile: _Profile, names: list[str], stacks: _Stacks) -> None:
    if profile.type != "sampled":
        raise ValueError(f"profile of type {profile.type!r}")
    for sample, weight in zip(profile.samples, profile.weights, strict=True):
        if weight < 0 or len(sample) > _DEEPEST or any(index < 0 for index in sample):
            raise ValueError("a weight, a frame's index or a stack's depth out of range")
        stacks.add([names[index] for index in sample], weight)
