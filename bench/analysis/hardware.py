"""Records parted by machine, because the joules and seconds of two machines are not one sample."""

from __future__ import annotations

from collections.abc import Sequence

from bench.record.schema import Record

from .quality import QUALITY, SAMPLES


def by_machine(records: Sequence[Record]) -> tuple[tuple[Record, ...], ...]:
    """One tuple per hardware (``Environment.hardware``), in order of first appearance. A judgement belongs to the
    machine that wrote the programs, wherever they were judged."""
    wrote = {_programs(record): record.environment.hardware() for record in records if record.instrument == SAMPLES}
    found: dict[object, list[Record]] = {}
    for record in records:
        own = record.environment.hardware()
        judged = record.instrument == QUALITY
        found.setdefault(wrote.get(_programs(record), own) if judged else own, []).append(record)
    return tuple(tuple(part) for part in found.values())


def _programs(record: Record) -> tuple[str, str, int]:
    return record.run_id, record.case_id, record.repeat


def machine_name(records: Sequence[Record], device: str) -> str:
    """The GPU's name for what ran on one, else the CPU's model."""
    environment = next((r.environment for r in records if r.case.device == device), records[0].environment)
    gpus = [str(gpu.get("name") or "unnamed GPU") for gpu in environment.gpus]
    if device != "cpu" and gpus:
        return " + ".join(dict.fromkeys(gpus))
    return str(environment.cpu.get("model") or "unknown CPU")
