"""What else than the thing compared may make two sides differ: each such condition of a pair of Cases, on both sides.

A ratio answers "which is faster" only where all else is alike. What is not alike is refused, unless the user names it
as the question (a new version of a package) or forces the comparison. What a side does not tell is unknown: it is
shown, but no reason to refuse (docs/adr/0019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record.errors import UsageError
from bench.record.schema import Environment, Finding, Record, Severity
from bench.record.setups import part_of
from bench.schemes import is_unquantised
from bench.schemes.variants import compiles

from .machines import DECISIVE_PACKAGES, PEERS

# Codes of bench/instruments/fitness.py.
_BUSY, _HELD = frozenset(("cpu-busy", "gpu-in-use")), frozenset(("gpu-throttled", "gpu-hot"))
# Code of bench/run/child.py.
_PAUSED = frozenset(("process-stopped",))
# A quarter of the cores, as in fitness.
_BUSY_SHARE = 0.25
# NVML's reasons that are no complaint: nothing to do, and clocks that somebody set (nvml.h).
HARMLESS = frozenset(("gpu_idle", "applications_clocks_setting", "display_clock_setting"))


def busy(record: Record) -> bool:
    """Other processes kept a quarter of the cores busy, or were on the GPU."""
    cores = record.environment.cpu.get("usable_cores") or 1
    others = any((state.get("busy_others_cores") or 0.0) > _BUSY_SHARE * cores for state in _states(record))
    return others or any(gpu.get("other_processes") for gpu in _gpus(record)) or _has_finding(record, _BUSY)


def held_back(record: Record) -> bool:
    """The GPU gave a reason for lower clocks, or was about to."""
    return any(set(gpu.get("throttle_reasons") or ()) - HARMLESS for gpu in _gpus(record)) or _has_finding(
        record, _HELD
    )


def paused(record: Record) -> bool:
    """The measuring process was stopped, and went on."""
    return _has_finding(record, _PAUSED)


def _has_finding(record: Record, codes: frozenset[str]) -> bool:
    return any(finding.code in codes for finding in record.findings)


def _states(record: Record) -> Iterator[Mapping[str, Any]]:
    yield from (record.environment.before, record.environment.after)


def _gpus(record: Record) -> Iterator[Mapping[str, Any]]:
    """The states of the GPUs that the Record used."""
    if record.case.device == "cpu":
        return
    for state in _states(record):
        found = state.get("gpus")
        yield from (gpu for gpu in found or () if isinstance(gpu, Mapping))


Sides = tuple[Sequence[Record], Sequence[Record]]
UNKNOWN = "unknown"
# A disturbance in so much more of one side's records than of the other's is not chance that repeats would show.
MUCH_MORE = 0.5
# Which job or node it was: told apart by the host, and of no effect on a timing.
_NAMES = ("SLURMD_NODENAME", "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT")
_ASIDE = (*_NAMES, "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "BITLEDGER_IMAGE_DIGEST")


@dataclass(frozen=True)
class Condition:
    """One condition as it was on either side. ``alike``: None where a side does not tell."""

    name: str
    a: str
    b: str
    alike: bool | None

    @property
    def text(self) -> str:
        return f"{self.name}: {self.a}" if self.a == self.b else f"{self.name}: {self.a} ≠ {self.b}"


def conditions(pairs: Sequence[Sides], *, one_run: bool = False) -> tuple[Condition, ...]:
    """Every condition of these pairs of Cases; where they are not alike in all pairs, as in the first that is not.

    ``one_run``: both sides are of one run, in which ``pairing`` sees to it that only Records of one host are compared.
    """
    return tuple(
        _over_all([_condition(name, read, sides) for sides in pairs])
        for name, read in _READ.items()
        if not (one_run and name == "host")
    )


def check(found: Sequence[Condition], *, allow: Sequence[str] = (), force: bool = False) -> tuple[Finding, ...]:
    """A Finding for each condition that differs. Raises UsageError for an ``allow`` that is no condition, and where one
    differs that ``allow`` does not name, unless ``force``."""
    unknown = [name for name in allow if name not in NAMES]
    if unknown:
        raise UsageError(f"--allow {', '.join(unknown)}: no such condition; there are {', '.join(NAMES)}")
    differing = [item for item in found if item.alike is False]
    refused = [item for item in differing if item.name not in allow]
    if refused and not force:
        names = ",".join(item.name for item in refused)
        raise UsageError(
            f"the two sides differ in more than what is compared ({'; '.join(item.text for item in refused)}): measure "
            f"both alike; where the difference is what you ask about, say --allow '{names}'; --force compares anyway"
        )
    return tuple(_finding(item, item in refused) for item in differing)


def _finding(item: Condition, forced: bool) -> Finding:
    remedy = "measure both alike before you trust the ratio" if forced else "the ratio holds what this makes, too"
    severity: Severity = "error" if forced else "warning"
    return Finding("unlike-conditions", severity, f"the two sides differ in {item.name}", item.text, remedy)


def _over_all(found: Sequence[Condition]) -> Condition:
    # A layer product has no tokens: what neither side of a pair tells is told by the others, if by any.
    found = [item for item in found if (item.a, item.b) != (UNKNOWN, UNKNOWN)] or found
    for alike in (False, None):
        for item in found:
            if item.alike is alike:
                return item
    a, b = (", ".join(dict.fromkeys(getattr(item, side) for item in found)) for side in "ab")
    return Condition(found[0].name, a, b, True)


def _condition(name: str, read: Callable[[Sides], Condition], sides: Sides) -> Condition:
    found = read(sides)
    return Condition(name, found.a, found.b, found.alike)


def _values(take: Callable[[Record], object]) -> Callable[[Sides], Condition]:
    """Alike where both sides hold the same values. ``take`` gives None for what a Record does not tell."""

    def read(sides: Sides) -> Condition:
        a, b = ({str(value) for record in side if (value := take(record)) is not None} for side in sides)
        texts = [" and ".join(sorted(known)) or UNKNOWN for known in (a, b)]
        return Condition("", texts[0], texts[1], a == b if a and b else None)

    return read


def _named(take: Callable[[Record], Mapping[str, object] | None]) -> Callable[[Sides], Condition]:
    """Alike where both sides hold the same value under every name; shown are those that differ."""

    def read(sides: Sides) -> Condition:
        known = [[values for record in side if (values := take(record)) is not None] for side in sides]
        if not all(known):
            return Condition("", UNKNOWN, UNKNOWN, None)
        names = dict.fromkeys(name for side in known for values in side for name in values)
        held = [{name: {str(values.get(name, "none")) for values in side} for name in names} for side in known]
        differing = [name for name in names if held[0][name] != held[1][name]]
        shown = differing or list(names)
        a, b = (", ".join(f"{name} {'/'.join(sorted(side[name]))}" for name in shown) or "none" for side in held)
        return Condition("", a, b, not differing)

    return read


def _share(disturbed: Callable[[Record], bool]) -> Callable[[Sides], Condition]:
    def read(sides: Sides) -> Condition:
        counts = [sum(map(disturbed, side)) for side in sides]
        shares = [count / len(side) for count, side in zip(counts, sides, strict=True)]
        texts = [f"in {n} of {len(side)} records" if n else "none" for n, side in zip(counts, sides, strict=True)]
        return Condition("", texts[0], texts[1], abs(shares[0] - shares[1]) < MUCH_MORE)

    return read


def _threads(record: Record) -> object:
    return record.setup.get("threads")


def _tokens(record: Record) -> object:
    """Of each call; the range where calls differ."""
    values = record.values("tokens_generated")
    if not values:
        return None
    low, high = min(values), max(values)
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def _dtype(sides: Sides) -> Condition:
    """Two unquantised schemes are compared for their dtypes; else the dtype should be one."""
    schemes = {record.case.scheme for side in sides for record in side}
    found = _values(lambda record: part_of(record.setup, "arm").get("dtype"))(sides)
    asked = len(schemes) > 1 and all(is_unquantised(part_of(record.setup, "arm")) for side in sides for record in side)
    return Condition("", found.a, found.b, found.alike or asked)


def _arm(sides: Sides) -> Condition:
    """All facts that both sides tell, but of two schemes only what their schemes do not decide."""
    one = len({record.case.scheme for side in sides for record in side}) == 1
    known = [set.intersection(*(set(_facts(record, one)) for record in side)) for side in sides]
    common = known[0] & known[1]
    if not common:
        return Condition("", UNKNOWN, UNKNOWN, None)
    found = _named(lambda record: {k: v for k, v in _facts(record, one).items() if k in common})(sides)
    return Condition("", "alike", "alike", True) if found.alike else found


_OF_COMPILING = ("compiled", "disable_compile", "compile_config")


def _facts(record: Record, one_scheme: bool) -> dict[str, object]:
    arm, model = part_of(record.setup, "arm"), part_of(record.setup, "model")
    off = arm.get("disable_compile")
    compiled = {"compiled": None if off is None else not off}
    facts = {**part_of(record.setup, "generate"), "attention": model.get("attention"), **compiled}
    if not one_scheme and compiles(record.case.scheme):  # its name says so
        facts = {name: value for name, value in facts.items() if name not in _OF_COMPILING}
    if one_scheme:
        facts |= {name: value for name, value in arm.items() if name not in ("name", "description", "dtype")}
        facts["linears"] = model.get("linears")
    return {name: value for name, value in facts.items() if value is not None}


def _variables(record: Record) -> dict[str, object]:
    return {name: value for name, value in record.environment.variables.items() if name not in _ASIDE}


def versions(environment: Environment) -> dict[str, object]:
    """Of the packages that decide which kernels run, of Python, and of the GPU's driver."""
    packages = environment.packages
    named: dict[str, object] = {name: packages.get(name, "absent") for name in DECISIVE_PACKAGES}
    named |= {name: packages[name] for name in sorted(packages) if name.startswith("nvidia-") or name in PEERS}
    drivers = dict.fromkeys(str(gpu["driver"]) for gpu in environment.gpus if "driver" in gpu)
    return named | {"Python": environment.python} | ({"driver": ", ".join(drivers)} if drivers else {})


def commit(environment: Environment) -> str | None:
    """The commit of this program's code; None where it is not known."""
    known = environment.source.get("commit")
    return f"{known[:12]}{' with changes' if environment.source.get('dirty') else ''}" if known else None


_READ: dict[str, Callable[[Sides], Condition]] = {
    "threads": _values(_threads),
    "dtype": _dtype,
    "tokens": _values(_tokens),
    "arm": _arm,
    "throttling": _share(held_back),
    "other processes": _share(busy),
    "pauses": _share(paused),
    "variables": _named(_variables),
    "versions": _named(lambda record: versions(record.environment)),
    "commit": _values(lambda record: commit(record.environment)),
    "host": _values(lambda record: record.environment.hostname),
}
NAMES = tuple(_READ)


def mixed(records: Iterable[Record]) -> tuple[Finding, ...]:
    """One Finding where not all records of a run were made with the same versions and by the same code."""
    held: dict[str, dict[str, int]] = {}
    for record in records:
        told = versions(record.environment) | {"commit": commit(record.environment) or UNKNOWN}
        for name, value in told.items():
            held.setdefault(name, {}).setdefault(str(value), 0)
            held[name][str(value)] += 1
    texts = [
        f"{name} {' and '.join(f'{value} ({count} records)' for value, count in values.items())}"
        for name, values in held.items()
        if len(values) > 1
    ]
    if not texts:
        return ()
    return (
        Finding(
            "mixed-versions", "warning", "the run was made with more than one version of its software: its arms may "
            "not be comparable", "; ".join(texts), "measure again, in a new run, with one version of everything",
        ),
    )  # fmt: skip
