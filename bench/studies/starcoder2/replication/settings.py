"""The records by setting and arm: what a row of the study can be held against.

Records of several runs are one setting where machine, library versions and coordinates are alike, so that an arm of
one run stands against an arm of another only where nothing but the scheme differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.analysis.energy import gross_per_token
from bench.analysis.first_generation import whole_calls
from bench.analysis.generation import call_times
from bench.analysis.grouping import Coordinates, reference_of, setting_of
from bench.analysis.statistics import Estimate, Samples, ratio
from bench.record.schema import Record

from ..published import EIGHT_BIT, FOUR_BIT, ORIGINAL, Published, StudyModel

INSTRUMENTS = ("generation", "samples", "quality", "energy", "codecarbon")
# Which scheme stands for the study's arm: the corrected one first, then what the study's scripts would have got.
ARMS = {FOUR_BIT: ("nf4", "nf4-dq", "fp4", "4bit-study", "4bit-default"), EIGHT_BIT: ("int8",)}
_VERSIONS = ("torch", "transformers", "bitsandbytes")


@dataclass(frozen=True)
class JouleSource:
    """A source of joules: J/token by record; ``estimated`` says what is guessed rather than measured, or ""."""

    source: str
    values: Samples
    estimated: str = ""


# (name, instrument, metric): measurements before what CodeCarbon adds up from guesses.
SOURCES = (
    ("GPU (NVML counter)", "energy", "energy_gpu"),
    ("GPU (CodeCarbon's reading)", "codecarbon", "codecarbon_energy_gpu"),
    ("CPU package (RAPL counter)", "energy", "energy_cpu"),
    ("CodeCarbon, all parts", "codecarbon", "codecarbon_energy"),
)


@dataclass(frozen=True)
class StudySetting:
    """Everything measured in one setting: scheme → instrument → records."""

    coordinates: Coordinates
    machine: tuple[Any, ...]
    arms: Mapping[str, Mapping[str, tuple[Record, ...]]] = field(default_factory=dict)

    def coordinate(self, name: str) -> Any:
        return dict(self.coordinates).get(name)

    def records(self, scheme: str, *instruments: str) -> tuple[Record, ...]:
        """The records of the first of these instruments that ran for the scheme."""
        arm = self.arms.get(scheme, {})
        return next((arm[name] for name in instruments if arm.get(name)), ())

    @property
    def first(self) -> Record:
        return next(items[0] for arm in self.arms.values() for items in arm.values() if items)

    @property
    def on_gpu(self) -> bool:
        return bool(self.coordinate("device") == "cuda")

    @property
    def is_timed(self) -> bool:
        return any("generation" in arm for arm in self.arms.values())

    @property
    def label(self) -> str:
        """What the weights are ("as published", "random weights", "memorised"), or ""."""
        model = self.first.setup.get("model")
        return str(model.get("label") or "") if isinstance(model, Mapping) else ""

    @property
    def reference(self) -> str | None:
        """The scheme that stands for the study's original."""
        return reference_of(self.arms)

    def scheme_of(self, arm: str, *instruments: str) -> str | None:
        """The scheme that stands for an arm of the study in records of one of these instruments."""
        if arm == ORIGINAL:
            return self.reference
        return next((name for name in ARMS[arm] if self.records(name, *instruments)), None)

    @property
    def decode_only(self) -> bool:
        """No whole call was timed, only its decode steps: these then stand for the call, per token."""
        timed = [
            record for arm in self.arms.values() for name in ("generation", "samples") for record in arm.get(name, ())
        ]
        return bool(timed) and not any(whole_calls(record) for record in timed)

    def times(self, scheme: str) -> Samples:
        """Wall time of each call, s, by record: the timed calls, or those that made the judged programs."""
        if self.decode_only:
            return _present(map(call_times, self.records(scheme, "generation")))
        records = self.records(scheme, "generation", "samples")
        return _present(tuple(time for time, _ in whole_calls(record)) for record in records)

    def token_times(self, scheme: str) -> Samples:
        """Wall time per token really produced, prefill included where whole calls were timed, by record."""
        if self.decode_only:
            return self.times(scheme)
        return _present(
            tuple(time / tokens for time, tokens in whole_calls(record) if tokens > 0)
            for record in self.records(scheme, "generation", "samples")
        )

    def joules(self, *schemes: str, sources: Sequence[str] = ()) -> tuple[JouleSource, ...] | None:
        """J/token of each scheme from the first source that measured them all; None where none did."""
        for name, instrument, metric in SOURCES:
            if sources and name not in sources:
                continue
            found = tuple(self._joules(scheme, name, instrument, metric) for scheme in schemes)
            if all(item.values for item in found):
                return found
        return None

    def _joules(self, scheme: str, name: str, instrument: str, metric: str) -> JouleSource:
        records = self.records(scheme, instrument)
        # A window that used nothing is a counter that did not move, as in bench/analysis/energy/__init__.py.
        values = _present(tuple(v for v in gross_per_token(record, metric) if v > 0) for record in records)
        why = next((str(r.setup.get("estimated_why") or "estimated") for r in records if r.setup.get("estimated")), "")
        return JouleSource(name, values, "" if metric.endswith("_gpu") else why)


def settings(records: Iterable[Record]) -> tuple[StudySetting, ...]:
    """The settings of one sequence at a time with nothing changed by an intervention, in order of appearance."""
    found: dict[tuple[Any, Coordinates], dict[str, dict[str, list[Record]]]] = {}
    counted = [record for record in records if _counts(record)]
    # Programs may be judged on another machine than the one that wrote them, and stand with those.
    written_on = {(r.run_id, r.case_id): _machine(r) for r in counted if r.instrument == "samples"}
    for record in counted:
        writer = written_on.get((record.run_id, record.case_id)) if record.instrument == "quality" else None
        arms = found.setdefault((writer or _machine(record), setting_of(record.case)), {})
        arms.setdefault(record.case.scheme, {}).setdefault(record.instrument, []).append(record)
    return tuple(
        StudySetting(coordinates, machine, {s: {i: tuple(r) for i, r in arm.items()} for s, arm in arms.items()})
        for (machine, coordinates), arms in found.items()
    )


def _counts(record: Record) -> bool:
    case = record.case
    return (
        record.status == "ok"
        and record.instrument in INSTRUMENTS
        and case.workload == "generation"
        and case.batch_size in (None, 1)
        and case.intervention is None
        and case.cache in (None, "dynamic")
    )


def _machine(record: Record) -> tuple[Any, ...]:
    packages = record.environment.packages
    return (*record.environment.hardware(), *(packages.get(name) for name in _VERSIONS))


def _present(parts: Iterable[Sequence[float]]) -> Samples:
    return tuple(tuple(part) for part in parts if len(part))


def but_stop(setting: StudySetting) -> tuple[object, ...]:
    """Where and of what a setting is, but for how its calls end."""
    return (setting.machine, *(item for item in setting.coordinates if item[0] != "stop"))


def ratio_of_means(samples: Samples, reference: Samples) -> Estimate | None:
    """Ratio of means, because the study's times are sums over all tasks; None where a side has no positive values."""
    if not samples or not reference or any(value <= 0 for part in (*samples, *reference) for value in part):
        return None
    return ratio(samples, reference, statistic="mean")


def study_model(published: Published, setting: StudySetting) -> StudyModel | None:
    """The study's model that this setting measures, by name; None for another."""
    name = str(setting.coordinate("model")).lower()
    return next((model for model in published.models if model.id in name), None)


def stands_for(published: Published, setting: StudySetting) -> tuple[str, int]:
    """The (model, tokens) of the study that a setting is held against: the nearest number of tokens, and the study's
    first model where the measured one is not of the study."""
    model = study_model(published, setting) or published.models[0]
    tokens = setting.coordinate("new_tokens") or published.rows[0].tokens
    known = sorted({row.tokens for row in published.rows})
    return model.name, min(known, key=lambda value: abs(math.log(value / tokens)))


def differences(published: Published, setting: StudySetting) -> tuple[str, ...]:
    """How what was measured differs from the study, in words."""
    model, tokens = stands_for(published, setting)
    return tuple(text for text in (*_model(published, setting, model), *_machines(published, setting),
                                   *_amounts(published, setting, tokens)) if text)  # fmt: skip


def _model(published: Published, setting: StudySetting, stood_for: str) -> Iterable[str]:
    name = str(setting.coordinate("model"))
    if study_model(published, setting) is None:
        yield f"another model: {name}, not {stood_for}"
    if setting.label.startswith("random"):
        yield "random weights at the model's exact shapes: what it writes means nothing"
    if setting.label.startswith("memorised"):
        yield "a tiny checkpoint that knows its prompts by heart: its scores are not quality"
    if setting.coordinate("dropped_layers"):
        yield f"less layers {setting.coordinate('dropped_layers')}"


def _machines(published: Published, setting: StudySetting) -> Iterable[str]:
    environment = setting.first.environment
    if not setting.on_gpu:
        yield f"on a CPU ({environment.cpu.get('model') or 'unknown'}), not on a GPU: its times say nothing about a GPU"
        return
    name = str(environment.gpus[0].get("name")) if environment.gpus else "unnamed GPU"
    if "A100" not in name:
        yield f"another GPU: {name}, not {published.gpu}"
    elif name != published.gpu:
        yield f"a sibling of the GPU: {name}, not {published.gpu}"


def _amounts(published: Published, setting: StudySetting, tokens: int) -> Iterable[str]:
    asked, prompts = setting.coordinate("new_tokens"), setting.coordinate("prompts")
    if asked and asked != tokens:
        yield f"{asked} new tokens, not {tokens}"
    if prompts == "random":
        yield f"random prompts of {setting.coordinate('prompt_tokens')} tokens, not programming tasks"
    if style := setting.coordinate("prompt_style"):
        yield f"{style} prompts; the study gave them as they are, with their last newline"
    if setting.coordinate("stop") == "length":
        yield "the number of new tokens is forced; in the study it is a maximum"
    if setting.decode_only:
        yield "decode steps alone were timed: prefill is left out"
    items = setting.records(setting.reference or "", "generation", "samples")
    calls = max((len(record.values("generate_time")) for record in items), default=0)
    if calls and calls != published.tasks:
        yield f"{calls} call{'s' if calls > 1 else ''} per process, not {published.tasks} tasks"
    if setting.reference:
        yield f"the original is {setting.reference}; the study does not state its dtype"
