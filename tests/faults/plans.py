"""The plan that the faults strike: four Records in two blocks, or as many as a test wants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import presets
from bench.record.schema import Case
from bench.run.plan import Block, Request
from bench.run.planfile import Run, read_plan, write_plan
from bench.workloads.sources import Source, resolve

INSTRUMENTS = ("generation", "energy")
OPTIONS = {"calls": 1, "warmup_calls": 0, "threads": 1, "country": "DEU", "energy_seconds": 0.01, "energy_windows": 2}
# A run that plans for itself.
FRESH = ("run", "--preset", "smoke", "--schemes", "fp16", "--matmul-m", "", "--tasks", "0", "--no-report",
         "--repeats", "1", "--device", "cpu")  # fmt: skip
SCHEMES = ("fp16", "int8", "nf4")


def plan(
    folder: Path,
    *,
    repeats: int = 1,
    limit_s: float = 20.0,
    device: str = "cpu",
    schemes: Sequence[str] = SCHEMES,
    instruments: Sequence[str] = INSTRUMENTS,
    batches: Sequence[int] = (1,),
    model: str = "smoke",
) -> None:
    """Write a run's plan into ``folder``: per repeat and scheme a block, with each instrument on each batch size."""
    source = resolve(model)
    blocks = tuple(
        Block("generation", source, repeat, _requests(source, scheme, device, instruments, batches), OPTIONS, limit_s)
        for repeat in range(repeats)
        for scheme in schemes
    )
    folder.mkdir(parents=True)
    write_plan(folder, Run("run-of-the-faults", presets.preset("smoke"), source, device, 0, blocks))


def _requests(
    source: Source, scheme: str, device: str, instruments: Sequence[str], batches: Sequence[int]
) -> tuple[Request, ...]:
    cases = [
        Case("generation", source.name, source.revision, scheme, device, 0, batch_size=batch, prompts="humaneval",
             new_tokens=8, cache="dynamic", stop="length")
        for batch in batches
    ]  # fmt: skip
    return tuple(Request(case, instrument) for case in cases for instrument in instruments)


def planned(folder: Path) -> list[tuple[str, str, int]]:
    """The keys of all Records that the plan in ``folder`` asks for."""
    return [request.key(block.repeat) for block in read_plan(folder).blocks for request in block.requests]
