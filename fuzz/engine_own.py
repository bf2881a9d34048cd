"""Without atheris: inputs made and mutated from seeds; what gave a new kind of outcome is mutated further."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .memory import TRACED
from .tally import Tally
from .target import Target

_POOL, _NOTED = 400, 10_000


def fuzz(target: Target, tally: Tally, inputs: int, seed: int, noted: Callable[[], None] = lambda: None) -> None:
    """Give ``inputs`` inputs to the target. The same seed gives the same inputs. ``noted`` is called now and then."""
    pool = list(target.reader.seeds())
    for number in range(inputs):
        rng = Random(f"{seed}/{target.reader.name}/{number}")
        data = _input(target, pool, number, rng)
        if tally.add(data, target.reader.size(data), target.run(data, number % TRACED == 0)):
            pool.append(data)
        elif rng.random() < 0.01:
            pool[rng.randrange(len(pool))] = data
        del pool[_POOL:]
        if number % _NOTED == _NOTED - 1:
            noted()


def _input(target: Target, pool: list[bytes], number: int, rng: Random) -> bytes:
    if number < len(pool):
        return pool[number]
    if rng.random() < 0.3:
        return target.reader.make(rng)
    return target.reader.mutate(rng.choice(pool), rng)
