"""Are records from like machines? Unlike ones are refused, and nodes are told apart by what a timing depends on:
hardware, driver, and the packages that decide which kernels run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.errors import MachineError
from bench.record.origin import node_of
from bench.record.schema import Environment, Finding, Record

# Packages that decide which kernels run; others cannot change a timing and would only be noise here.
DECISIVE_PACKAGES = ("torch", "transformers", "bitsandbytes", "accelerate", "triton", "numpy", "safetensors")
# The same of schemes that few have installed: told of where they are.
PEERS = ("hqq", "optimum-quanto", "torchao")


def hardware_differences(a: Environment, b: Environment) -> tuple[str, ...]:
    """One text per field of ``Environment.hardware()`` that differs, such as "usable cores: 2 ≠ 16"."""
    pairs = zip(hardware_fields(a), hardware_fields(b), strict=True)
    return tuple(
        f"{name}: {value_text(left)} ≠ {value_text(right)}" for (name, left), (_, right) in pairs if left != right
    )


def hardware_fields(environment: Environment) -> tuple[tuple[str, Any], ...]:
    """``Environment.hardware()`` by name."""
    cpu, cores, gpus = environment.hardware()
    names = tuple(name for name, _ in gpus)
    limits = tuple(limit for _, limit in gpus)
    return (("CPU", cpu), ("usable cores", cores), ("GPUs", names), ("GPU power limit (W)", limits))


def value_text(value: Any) -> str:
    """A field of the hardware in words, without the zeros of a whole number of watts."""
    if isinstance(value, tuple):
        return " + ".join(map(value_text, value)) if value else "none"
    return "unknown" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def check_machines(a: Sequence[Record], b: Sequence[Record], *, force: bool = False) -> tuple[Finding, ...]:
    """Nothing where all records come from like machines.

    Raises MachineError that lists the differing fields; with ``force`` they become a finding instead.
    """
    first = a[0].environment
    unlike = [record.environment for record in (*a, *b) if record.environment.hardware() != first.hardware()]
    if not unlike:
        return ()
    listed = "; ".join(hardware_differences(first, unlike[0]))
    if not force:
        raise MachineError(
            f"unlike machines ({listed}): compare runs of one machine, or pass --force to compare anyway"
        )
    remedy = "measure both on one machine before you trust the ratio"
    return (Finding("unlike-machines", "error", "the two sides ran on unlike machines", listed, remedy),)


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
