"""Stack samples of py-spy ("raw" folded stacks, or speedscope JSON) → one normal form in columns."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.record.errors import RecordError

_PYTHON_FILE = re.compile(r"\.py\b|^<")
_LINE = re.compile(r":\d+$")
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
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
        content = Path(path).read_bytes()
        text = (gzip.decompress(content) if content[:2] == GZIP else content).decode("utf-8", errors="replace")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordError(f"{path} is a damaged gzip file ({error}): copy or record it again") from error
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    try:
        samples = parse_speedscope(text) if text.lstrip().startswith("{") else parse_folded(text)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error
    return samples


def parse_folded(text: str) -> Samples:
    """Samples from folded stacks: "outer;…;inner count" per line. Raises RecordError, naming the line."""
    stacks: dict[tuple[str, ...], float] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        names, blank, count = line.rstrip("\r").rpartition(" ")
        if not blank or not re.fullmatch(r"\d{1,15}(\.\d+)?", count, re.ASCII):
            raise RecordError(
                f"line {number} is not a folded stack ('frame;frame count'): sample again with py-spy -f raw"
            )
        # A thread without Python frames has an empty stack: it counts, but it is inside nothing.
        key = tuple(names.split(";")) if names else ()
        stacks[key] = stacks.get(key, 0.0) + float(count)
    return _samples({key: weight for key, weight in stacks.items() if weight > 0}, "samples")


def _samples(stacks: dict[tuple[str, ...], float], unit: str) -> Samples:
    if not stacks:
        raise RecordError("holds no samples: let the program run longer, or sample at a higher rate")
    # Lines of one function are one frame: the line numbers are left out.
    parsed = {text: parse_frame(text) for stack in stacks for text in stack}
    index = {frame: place for place, frame in enumerate(dict.fromkeys(parsed.values()))}
    merged: dict[tuple[int, ...], float] = {}
    for stack, weight in stacks.items():
        key = tuple(index[parsed[text]] for text in stack)
        merged[key] = merged.get(key, 0.0) + weight
    return Samples(tuple(index), tuple(merged), np.array(list(merged.values()), dtype=np.float64), unit)


def parse_frame(text: str) -> Frame:
    """The frame in py-spy's "function (file.py:12)" or "function (library.so)"; the line number is left out."""
    if not text.endswith(")") or " (" not in text:
        return Frame(text, "")
    function, _, place = text[:-1].rpartition(" (")
    return Frame(function, _LINE.sub("", place))


def parse_speedscope(text: str) -> Samples:
    """Samples of all threads of a speedscope document with sampled profiles. Raises RecordError."""
    try:
        document = json.loads(text)
        frames = document["shared"]["frames"]
        names = [_frame_text(frame) for frame in frames]
        stacks: dict[tuple[str, ...], float] = {}
        unit = "samples"
        for profile in document["profiles"]:
            unit = "seconds" if profile["unit"] == "seconds" else "samples"
            _add_profile(profile, names, stacks)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise RecordError(f"not a speedscope document ({error}): sample again with py-spy -f speedscope") from error
    return _samples(stacks, unit)


def _frame_text(frame: Any) -> str:
    name, place = str(frame["name"]), frame.get("file") or ""
    return f"{name} ({place})" if place else name


def _add_profile(profile: Any, names: list[str], stacks: dict[tuple[str, ...], float]) -> None:
    if profile["type"] != "sampled":
        raise ValueError(f"profile of type {profile['type']!r}")
    for sample, weight in zip(profile["samples"], profile["weights"], strict=True):
        if not 0 <= float(weight) < float("inf") or any(index < 0 for index in sample):
            raise ValueError("a weight or a frame's index out of range")
        key = tuple(names[index] for index in sample)
        if weight:
            stacks[key] = stacks.get(key, 0.0) + float(weight)
