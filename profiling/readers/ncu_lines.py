"""The lines of a text, cut out when they are asked for: a list of short lines is many times the text."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload


class Lines(Sequence[str]):
    """What ``re.split(r"\\r?\\n", text)`` gives, less an empty last line; ``complete``: the last line has an end."""

    def __init__(self, text: str) -> None:
        self._text, self._starts = text, array("I" if len(text) < 2**32 else "Q", [0])
        at = text.find("\n")
        while at >= 0:
            self._starts.append(at + 1)
            at = text.find("\n", at + 1)
        self.complete = self._starts[-1] == len(text)
        if not self.complete:
            self._starts.append(len(text) + 1)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[str]:
        """The same as by place, and faster."""
        for start, end in pairwise(self._starts):
            line = self._text[start : end - 1]
            yield line[:-1] if line.endswith("\r") and end <= len(self._text) else line

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        """One line without its end, or several."""
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        end = self._starts[place + 1] - 1
        # Only a line end may have a carriage return before it that is not the line's.
        has_return = end < len(self._text) and self._text.startswith("\r", end - 1) and end > self._starts[place]
        return self._text[self._starts[place] : end - has_return]
