"""Is one faster than the other? A verdict from an interval, and two runs matched Case by Case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.record.errors import UsageError
from bench.record.schema import Case, Finding, Record
from bench.record.suggested import quoted

from .conditions import Condition, check, conditions
from .energy import comparable_per_token
from .event_overhead import less_overhead
from .generation import call_times
from .grouping import setting_of
from .machines import check_machines
from .matmul import has_bias
from .statistics import Estimate
from .statistics.pairing import Take, estimate_of, in_order, located, ratio_between, taking
from .statistics.several import anything_slower
from .statistics.verdict import MARGIN, Verdict, verdict
from .unpaired import of_comparison

__all__ = ["MARGIN", "QUANTITIES", "Comparison", "ComparisonRow", "Verdict", "compare", "verdict"]


@dataclass(frozen=True)
class ComparisonRow:
    """One quantity of one Case in A and in B. ``ratio`` is B over A; above 1 B takes more. Unit: SI."""

    case: Case
    label_a: str
    label_b: str
    quantity: str
    unit: str
    a: Estimate
    b: Estimate
    ratio: Estimate
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """The rows, what was noticed, the Cases that only one side has, and under which conditions either side was made."""

    rows: tuple[ComparisonRow, ...]
    findings: tuple[Finding, ...]
    only_a: tuple[Case, ...]
    only_b: tuple[Case, ...]
    conditions: tuple[Condition, ...] = ()
    margin: float = MARGIN

    @property
    def anything_slower(self) -> bool:
        """All rows together, wrong in at most 5 % where nothing is: a row alone may be SLOWER by chance."""
        return anything_slower([row.ratio for row in self.rows], self.margin)


def _joules(name: str) -> Take:
    return lambda record: comparable_per_token(record, name)


# instrument → (quantity, unit, how to take it from a Record)
QUANTITIES: dict[str, tuple[tuple[str, str, Take], ...]] = {
    "generation": (
        ("decode time per token", "s", call_times),
        ("time to first token", "s", taking("time_to_first_token")),
    ),
    "matmul": (("forward time", "s", taking("forward_time")),),
    "energy": (
        ("GPU energy per token", "J", _joules("energy_gpu")),
        ("CPU energy per token", "J", _joules("energy_cpu")),
    ),
}


def compare(
    records_a: Sequence[Record],
    records_b: Sequence[Record],
    *,
    scheme_a: str | None = None,
    scheme_b: str | None = None,
    margin: float = MARGIN,
    force: bool = False,
    allow: Sequence[str] = (),
) -> Comparison:
    """B against A, for every Case that both hold.

    Cases are matched by ``case_id``; where schemes are picked, by their coordinates less the scheme. Raises
    MachineError for unlike machines and UsageError for other unlike conditions (bench/analysis/conditions.py) unless
    ``force``, or ``allow`` names the condition; and UsageError where no Case matches.
    """
    records_a = _pick(less_overhead(records_a), scheme_a)
    records_b = _pick(less_overhead(records_b), scheme_b)
    findings = check_machines(records_a, records_b, force=force)
    key = _by_setting if scheme_a or scheme_b else _by_identity
    left, right = _index(records_a, key), _index(records_b, key)
    common = [name for name in left if name in right]
    if not common:
        raise UsageError("the two runs have no Case in common: compare runs of one preset and model, or pick schemes")
    findings += _bias_findings(left, right)
    alike = conditions([(left[k], right[k]) for k in common], one_run=_one_sweep(records_a, records_b))
    findings += check(alike, allow=allow, force=force)
    rows = [row for name in common for row in _rows(left[name], right[name], margin)]
    of_one_sweep = bool(scheme_a and scheme_b) and _one_sweep(records_a, records_b)
    alone = of_comparison(records_b, records_a) if of_one_sweep else ()
    ordered = _in_order([(left[name], right[name]) for name in common])
    return Comparison(
        tuple(rows), (*findings, *ordered, *alone), _cases(left[k] for k in left if k not in right),
        _cases(right[k] for k in right if k not in left), alike, margin,
    )  # fmt: skip


def _pick(records: Sequence[Record], scheme: str | None) -> tuple[Record, ...]:
    picked = [record for record in records if record.status == "ok" and scheme in (None, record.case.scheme)]
    if not picked:
        what = f"with scheme {scheme!r}" if scheme else "that succeeded"
        raise UsageError(f"a run has no record {what}: see {quoted('show')} for what it holds")
    return tuple(picked)


def _by_identity(case: Case) -> object:
    return case.case_id


def _by_setting(case: Case) -> object:
    return setting_of(case)


# (identity of the Case, instrument, whether a product's bias was added)
_Key = tuple[object, str, bool]


def _index(records: Iterable[Record], key: Callable[[Case], object]) -> dict[_Key, list[Record]]:
    index: dict[_Key, list[Record]] = {}
    for record in records:
        if record.instrument in QUANTITIES:
            index.setdefault((key(record.case), record.instrument, has_bias(record)), []).append(record)
    return index


def _bias_findings(left: Mapping[_Key, object], right: Mapping[_Key, object]) -> tuple[Finding, ...]:
    """Products that one side measured with the bias of the model's Linears and the other without are not compared."""
    count = sum((identity, instrument, not bias) in right for identity, instrument, bias in left)
    if not count:
        return ()
    message = "layer products with a bias and without are not compared: one run's version left the bias out"
    return (Finding("bias-differs", "warning", message, f"{count} products", "measure both with one version"),)


def _in_order(pairs: Iterable[tuple[Sequence[Record], Sequence[Record]]]) -> tuple[Finding, ...]:
    """That one side was measured before the other, as far as so many runs or processes show it."""
    takes = [(a, b, take) for a, b in pairs for _, _, take in QUANTITIES[a[0].instrument][:1]]
    count = sum(in_order(located(b, take), located(a, take)) for a, b, take in takes)
    if not count:
        return ()
    message = "one side was measured before the other: a drift of the machine would be a difference"
    evidence = f"{count} Cases, whose intervals allow for a straight trend"
    return (Finding("one-after-the-other", "warning", message, evidence, "measure them in turns: A, B, A, B, A, B"),)


def _rows(a: Sequence[Record], b: Sequence[Record], margin: float) -> Iterable[ComparisonRow]:
    for quantity, unit, take in QUANTITIES[a[0].instrument]:
        between = ratio_between(b, a, take, paired=_one_sweep(a, b))
        one, other = estimate_of(a, take), estimate_of(b, take)
        if between is None or one is None or other is None:
            continue
        labels = (a[0].case.scheme, b[0].case.scheme)
        yield ComparisonRow(
            b[0].case, *labels, quantity, unit, one, other, between,
            verdict(between, margin),
        )  # fmt: skip


def _one_sweep(a: Sequence[Record], b: Sequence[Record]) -> bool:
    """Two sweeps may call their blocks alike; only those of one run were measured beside each other."""
    return bool({record.run_id for record in a} & {record.run_id for record in b})


def _cases(records: Iterable[Sequence[Record]]) -> tuple[Case, ...]:
    return tuple({items[0].case_id: items[0].case for items in records}.values())
