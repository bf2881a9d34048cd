"""Records parted by machine, because the joules and seconds of two machines are not one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.instruments import QUALITY, SAMPLES
from bench.record.origin import block_of
from bench.record.schema import Record

from .machines import hardware_fields, value_text


@dataclass(frozen=True)
class Part:
    """Records of one hardware, by a name that no other part of the run has."""

    name: str
    records: tuple[Record, ...]


def unlike_parts(records: Sequence[Record]) -> tuple[Part, ...]:
    """A sweep's Records by hardware, the most first; all other runs' as one part, since those are of one machine."""
    parts = by_machine(records) if any(map(block_of, records)) else (tuple(records),)
    named = [Part(name, part) for name, part in zip(machine_names(parts), parts, strict=True)]
    return tuple(sorted(named, key=lambda part: -len(part.records)))


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


def machine_names(parts: Sequence[Sequence[Record]], device: str | None = None) -> tuple[str, ...]:
    """A name per part of ``by_machine``, each another: where two machines have one name, with what tells them apart,
    as in "NVIDIA H100, 500 W". ``device``: what it is named after (None: the GPU that was used)."""
    bases = [machine_name(part, device or _device(part)) for part in parts]
    return tuple(
        base if bases.count(base) == 1 else f"{base}, {_differing_fields(part, parts, bases, base)}"
        for base, part in zip(bases, parts, strict=True)
    )


_WORDS = {"CPU": "{}", "usable cores": "{} usable cores", "GPUs": "GPUs {}", "GPU power limit (W)": "{} W"}


def _device(records: Sequence[Record]) -> str:
    return next((record.case.device for record in records if record.case.device != "cpu"), "cpu")


def _differing_fields(own: Sequence[Record], parts: Sequence[Sequence[Record]], bases: Sequence[str], base: str) -> str:
    """The fields of its hardware in which machines of one name differ."""
    namesakes = [_facts(part) for part, name in zip(parts, bases, strict=True) if name == base]
    facts = _facts(own)
    differing = [name for name in facts if any(other[name] != facts[name] for other in namesakes)]
    return ", ".join(_WORDS[name].format(value_text(facts[name])) for name in differing)


def _facts(records: Sequence[Record]) -> dict[str, object]:
    """Those of the machine that measured: a judgement may come from another."""
    measured = next((record for record in records if record.instrument != QUALITY), records[0])
    return dict(hardware_fields(measured.environment))
