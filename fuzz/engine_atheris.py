"""With atheris (libFuzzer): coverage of the readers' Python code leads, and the reader's own mutators help.

Atheris is no dependency of this project: ``pip install atheris`` where the fuzzer is to use it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import atheris

from . import results
from .memory import TRACED
from .tally import Tally

_LONGEST = 1 << 17


def fuzz(name: str, folder: Path, tally: Tally, inputs: int, seed: int, finish: Callable[[], None]) -> None:
    """Give ``inputs`` inputs to a reader, call ``finish``, and end the process: libFuzzer never returns."""
    with atheris.instrument_imports(include=["profiling", "bench.record", "bench.quality.evaluate"]):
        from .readers import reader

        known = reader(name)
    from .target import Target

    target = Target(known, folder / f"input{known.suffix}")
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(known.seeds()):
        target.run(data)  # what is imported or compiled once belongs to no input
        (corpus / str(number)).write_bytes(data)

    results.begin()

    def one(data: bytes) -> None:
        tally.add(data, known.size(data), target.run(data, tally.inputs % TRACED == 0))
        if tally.inputs >= inputs:
            finish()
            sys.stdout.flush()
            _remove(folder)
            os._exit(int(bool(tally.faults)))

    def mutator(data: bytes, longest: int, number: int) -> bytes:
        rng = Random(number)
        chance = rng.random()
        if chance < 0.25:
            return known.make(rng)[:longest]
        if chance < 0.6:
            return known.mutate(data, rng)[:longest]
        return bytes(atheris.Mutate(data, longest))

    options = [
        f"-seed={seed}",
        f"-max_len={_LONGEST}",
        "-timeout=0",
        "-rss_limit_mb=0",
        "-detect_leaks=0",
        "-verbosity=0",
    ]
    # 4 times as many, because libFuzzer counts in its own way and our count ends it.
    atheris.Setup(["fuzz", *options, f"-runs={4 * inputs}", str(corpus)], one, custom_mutator=mutator)
    atheris.Fuzz()


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
