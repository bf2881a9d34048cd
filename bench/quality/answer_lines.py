"""What a box has told so far, line by line, and whether it may tell more: never more than a right answer could need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Over = Literal["", "output", "long"]
# The last line holds the seconds of each call, or the name of an exception.
_END, _END_PER_ANSWER = 256, 32


@dataclass(frozen=True)
class Caps:
    """Bounds of what one set of inputs may bring out. ``answers``: B of each answer's line, None for any length;
    ``total``: B in all."""

    answers: Sequence[int | None]
    total: int

    def of(self, place: int) -> int:
        """B of the line at this place, its kind not yet known."""
        end = _END + _END_PER_ANSWER * len(self.answers)
        if place >= len(self.answers):
            return end
        return max(self.answers[place] or self.total, end)


class AnswerLines:
    """The whole lines of inside.py, as they come. A set of inputs ends with the first one that is no answer."""

    def __init__(self, caps: Caps) -> None:
        self.lines: list[bytes] = []
        self.over: Over = ""
        self._caps = caps
        self._rest = bytearray()
        self._size = 0

    def add(self, part: bytes) -> bool:
        """Whether there may be more after this part."""
        self._size += len(part)
        self._rest += part
        if b"\n" in part:
            whole = self._rest.split(b"\n")
            self._rest = whole.pop()
            for line in whole:
                if not self._line(line):
                    return False
        if self._size > self._caps.total:
            self.over = "output"
        elif len(self._rest) > self._caps.of(len(self.lines)):
            self._too_long()
        return not self.over

    def _line(self, line: bytearray) -> bool:
        is_answer = line.startswith(b"v")
        is_one_more = is_answer and len(self.lines) >= len(self._caps.answers)
        if is_one_more or len(line) > self._caps.of(len(self.lines)):
            self._too_long()
            return False
        self.lines.append(bytes(line))
        return is_answer

    def _too_long(self) -> None:
        """More answers than inputs are too much; an answer that is longer than any right one is just wrong."""
        self.over = "output" if len(self.lines) >= len(self._caps.answers) else "long"
