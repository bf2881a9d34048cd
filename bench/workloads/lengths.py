"""Which attention shapes a process has met. An attention library may do work on the host for each shape that it meets
for the first time (cuDNN builds a plan; docs/h100.md), so steps at new lengths and steps at seen ones are told apart.

A decode step attends with one query to all the tokens in the cache: its *key-value length*. With a dynamic cache that
is one more at every step; a static cache has one length for all of them, that of its largest call so far. A length is
met at one batch size: at another it is new again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.schema import Case

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Visit:
    """One generate call. ``new_prompt``: its prefill met a new shape; ``lengths``: the key-value length of each decode
    step; ``new``: whether the process met it there for the first time."""

    new_prompt: bool = False
    lengths: tuple[int, ...] = ()
    new: tuple[bool, ...] = ()

    def first(self, steps: Sequence[float]) -> list[float]:
        """Those of ``steps``, one value per decode step, that met a new length."""
        return [step for step, new in zip(steps, self.new, strict=True) if new]

    def seen(self, steps: Sequence[float]) -> list[float]:
        """Those that met a length seen before."""
        return [step for step, new in zip(steps, self.new, strict=True) if not new]


class Lengths:
    """The shapes that one process has met: (batch size, queries, key-value length). ``first_visits``: how many decode
    steps met a new one."""

    def __init__(self) -> None:
        self.first_visits = 0
        self._met: set[Shape] = set()
        self._static = 0

    def visit(self, case: Case, prompt: int, steps: int, new_tokens: int | None = None) -> Visit:
        """A generate call was made: what its prefill and each of its decode ``steps`` met.

        ``prompt``: its length in tokens, padding included; ``new_tokens``: asked for (None: as many as came), which
        sizes a static cache.
        """
        prefill, decode = self._shapes(case, prompt, steps, new_tokens or steps + 1)
        lengths = tuple(keys for _, _, keys in decode)
        new = tuple(self._new(shape) for shape in decode)
        self.first_visits += sum(new)
        return Visit(self._new(prefill), lengths, new)

    def to_meet(self, case: Case, prompt: int) -> int:
        """How many new tokens a call with this prompt needs to meet what a full call would meet for the first time;
        0: nothing there is new."""
        prefill, decode = self._shapes(case, prompt, (case.new_tokens or 1) - 1, case.new_tokens or 1, dry=True)
        new = [place for place, shape in enumerate(decode) if shape not in self._met]
        if new and case.cache == "static":
            return case.new_tokens or 1  # a shorter call would have a smaller cache
        return new[-1] + 2 if new else int(prefill not in self._met)

    def longest(self, batch_size: int) -> int:
        """The largest key-value length met at this batch size; 0: none."""
        return max((keys for batch, _, keys in self._met if batch == batch_size), default=0)

    def _new(self, shape: Shape) -> bool:
        new = shape not in self._met
        self._met.add(shape)
        return new

    def _shapes(
        self, case: Case, prompt: int, steps: int, new_tokens: int, *, dry: bool = False
    ) -> tuple[Shape, tuple[Shape, ...]]:
        batch = case.batch_size or 1
        prefill = (batch, prompt, prompt)
        if case.cache != "static":
            return prefill, tuple((batch, 1, prompt + 1 + step) for step in range(steps))
        size = max(self._static, prompt + new_tokens - 1)  # transformers never makes its static cache smaller
        if not dry:
            self._static = size
        return prefill, ((batch, 1, size),) * steps
