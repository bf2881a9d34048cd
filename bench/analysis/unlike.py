"""In what nodes differ that a timing depends on: hardware, driver, and the packages that decide which kernels run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.record.origin import node_of
from bench.record.schema import Environment, Record

from .machines import DECISIVE_PACKAGES, PEERS, hardware_fields, value_text

HARDWARE = ("CPU", "usable cores", "GPUs", "GPU power limit (W)")


@dataclass(frozen=True)
class Difference:
    """One fact that is not the same everywhere: each value with the nodes that have it, the commonest first."""

    fact: str
    values: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def hardware(self) -> bool:
        """Whether times of the nodes may not be set against each other at all."""
        return self.fact in HARDWARE


def differences(records: Sequence[Record]) -> tuple[Difference, ...]:
    """Every such fact with more than one value."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for record in records:
        name = node_of(record.environment)
        for fact, value in _facts(record.environment):
            found.setdefault(fact, {}).setdefault(value, {})[name] = None
    return tuple(
        Difference(fact, tuple(sorted(((v, tuple(n)) for v, n in values.items()), key=lambda item: -len(item[1]))))
        for fact, values in found.items()
        if len(values) > 1
    )


def _facts(environment: Environment) -> Iterator[tuple[str, str]]:
    for name, value in hardware_fields(environment):
        yield name, value_text(value)
    yield "GPU driver", value_text(tuple(dict.fromkeys(str(gpu.get("driver", "unknown")) for gpu in environment.gpus)))
    for package in (*DECISIVE_PACKAGES, *PEERS):
        yield package, environment.packages.get(package, "absent")
