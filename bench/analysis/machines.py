"""Are two sets of records from like machines? Unlike ones are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.record.errors import MachineError
from bench.record.schema import Environment, Finding, Record

# Packages that decide which kernels run; others cannot change a timing and would only be noise here.
DECISIVE_PACKAGES = ("torch", "transformers", "bitsandbytes", "accelerate", "triton", "numpy", "safetensors")
# The same of schemes that few have installed: told of where they are.
PEERS = ("hqq", "optimum-quanto", "torchao")


def hardware_differences(a: Environment, b: Environment) -> tuple[str, ...]:
    """One text per field of ``Environment.hardware()`` that differs, such as "usable cores: 2 ≠ 16"."""
    pairs = zip(hardware_fields(a), hardware_fields(b), strict=True)
    return tuple(f"{name}: {_text(left)} ≠ {_text(right)}" for (name, left), (_, right) in pairs if left != right)


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


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " + ".join(str(item) for item in value) if value else "none"
    return "unknown" if value is None else str(value)


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
