"""A run beside the run that it repeats: what differs around them, and whether the models gave the same tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.schema import Environment, Record

from .machines import hardware_differences

# Nobody's measurement depends on these; they would be told on every machine but the first, and of every job.
_UNTOLD = frozenset(
    ("bitledger", "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT", "SLURMD_NODENAME")
)


def differences(then: Environment, now: Environment) -> tuple[str, ...]:
    """What is not as it was, one text each, such as "torch 2.12.0 → 2.13.0"."""
    found = [text.replace(" ≠ ", " → ") for text in hardware_differences(then, now)]
    found += _changed({"driver": _drivers(then)}, {"driver": _drivers(now)})
    found += _changed({"python": then.python, "system": then.os}, {"python": now.python, "system": now.os})
    found += _changed(then.packages, now.packages)
    found += _changed(_code(then), _code(now))
    found += _changed(then.variables, now.variables)
    return tuple(found)


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [name for name in dict.fromkeys((*then, *now)) if name not in _UNTOLD]
    return [
        f"{name} {then.get(name) or 'none'} → {now.get(name) or 'none'}"
        for name in names
        if (then.get(name) or None) != (now.get(name) or None)
    ]


def _drivers(environment: Environment) -> str:
    return ", ".join(dict.fromkeys(str(gpu.get("driver", "unknown")) for gpu in environment.gpus))


def _code(environment: Environment) -> dict[str, str]:
    source = environment.source
    commit = str(source.get("commit", ""))[:12] + (" with changes" if source.get("dirty") else "")
    return {"commit": commit, "image": str(source.get("image_digest", ""))}


@dataclass(frozen=True)
class Outputs:
    """Records of both runs whose output can be compared: how many gave the same, and which did not. ``untold``: how
    many Records of the earlier run do not say what came out."""

    same: int
    other: tuple[str, ...]
    untold: int


def outputs(then: Sequence[Record], now: Sequence[Record]) -> Outputs:
    """Greedy decoding has one answer per Case: another one means that the arithmetic was another."""
    earlier = {record.key: record for record in then if record.status == "ok"}
    same, other, untold = 0, [], 0
    for record in now:
        before = earlier.get(record.key)
        if before is None or record.status != "ok" or record.instrument not in _OUTPUTS:
            continue
        name = _OUTPUTS[record.instrument]
        if name not in before.setup or name not in record.setup:
            untold += 1
        elif list(before.setup[name]) == list(record.setup[name]):
            same += 1
        else:
            other.append(f"{record.instrument} of {_case(record)}")
    return Outputs(same, tuple(other), untold)


# instrument → where its setup says what came out
_OUTPUTS = {"generation": "tokens_sha256", "samples": "tokens"}


def _case(record: Record) -> str:
    case = record.case
    return f"{case.model} {case.scheme}, batch {case.batch_size}, repeat {record.repeat + 1}"


def other_commands(records: Iterable[Record], planned: Iterable[tuple[str, str, int]]) -> tuple[tuple[str, ...], ...]:
    """The command lines that added to the run what was not in its plan, in order: interventions, captures."""
    wanted = frozenset(planned)
    found = dict.fromkeys(record.argv for record in records if record.key not in wanted)
    return tuple(argv for argv in found if not {"run", "rerun"} & set(argv[3:4]))
