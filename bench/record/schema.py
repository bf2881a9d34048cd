"""What a measurement is: frozen values that go to and come from one JSON line.

Raw samples only. Means, ratios and intervals are analysis and are never stored.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, get_args

from .errors import RecordError
from .metrics import DROPPED, METRICS, RENAMED
from .setups import check_machine, check_setup
from .typed import converted

# Version history. A reader refuses a version it does not know.
# 1: first version.
# 2: each line ends with a hash of it and of the lines before it (chain.py); Records themselves are as they were.
SCHEMA_VERSION = 2
READABLE = (1, 2)

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Status = Literal["ok", "skipped", "failed"]
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Case:
    """The coordinates of one measurement; nothing about its outcome.

    ``workload`` is "generation", "matmul" or "machine" (the machine's own ceilings). Coordinates that
    do not apply are None and are left out of the identity, so that a coordinate added later does not
    change the ``case_id`` of older records.

    generation: ``batch_size``, ``prompts`` ("humaneval", "random", or "text-sha256:…" of a text of the user's own),
    ``prompt_tokens`` (None: natural lengths), ``new_tokens``, ``cache`` ("dynamic" or "static"),
    ``stop`` ("length": the number of new tokens is forced; "eos": the model may stop early).
    matmul: x[m, k] · W[n, k]ᵀ of ``layer``; ``op`` is the step timed ("linear", "gemm", "dequantise",
    "quantise_activations"), ``residency`` is where the weights are ("hot": the same weights again and
    again; "cold": rotated through more than the last-level cache).
    intervention: what was changed to test a cause ("none": nothing), see bench/interventions/table.py.
    dropped_layers: decoder layers removed from the model, such as "4-5" (None: none), see bench/workloads/pruning.py.
    adapter: the PEFT adapter of an arm that has one, NAME@REVISION (None: none), see bench/models/adapters.py. It comes
    with the scheme, and is no part of the setting in which schemes are compared.
    prompt_style: how HumanEval's prompts are given (None: as they are), see bench/workloads/prompts.py.
    """

    workload: str
    model: str
    revision: str
    scheme: str
    device: str
    seed: int
    batch_size: int | None = None
    prompts: str | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    cache: str | None = None
    stop: str | None = None
    layer: str | None = None
    op: str | None = None
    residency: str | None = None
    m: int | None = None
    n: int | None = None
    k: int | None = None
    intervention: str | None = None
    dropped_layers: str | None = None
    prompt_style: str | None = None
    adapter: str | None = None

    def coordinates(self) -> dict[str, Any]:
        """The coordinates that apply, by name."""
        values = ((name, getattr(self, name)) for name in CASE_FIELDS)
        return {name: value for name, value in values if value is not None}

    @property
    def canonical(self) -> str:
        """The coordinates that apply as JSON with sorted names and no spaces: how a Case travels between processes."""
        return json.dumps(self.coordinates(), sort_keys=True, separators=(",", ":"))

    @cached_property
    def case_id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of ``canonical``."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Metric:
    """One quantity as collected: ``values`` in order of collection, in the registry's SI unit."""

    name: str
    unit: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        known = METRICS.get(self.name)
        if known is None:
            raise RecordError(f"unknown metric {self.name!r}: add it to bench/record/metrics.py")
        if known.unit != self.unit:
            raise RecordError(f"metric {self.name!r} is in {known.unit!r}, not {self.unit!r}")
        if not self.values:
            raise RecordError(f"metric {self.name!r} has no values: state a reason in not_collected instead")
        if not all(map(math.isfinite, self.values)):
            raise RecordError(f"metric {self.name!r} has a value that is not finite")


def metric(name: str, values: Any) -> Metric:
    """A Metric in its registered unit. ``values``: one number or a sequence of numbers.

    Raises RecordError for an unknown name, no values, or a value that is not finite.
    """
    if name not in METRICS:
        raise RecordError(f"unknown metric {name!r}: add it to bench/record/metrics.py")
    sequence = (values,) if isinstance(values, int | float) else tuple(values)
    return Metric(name, METRICS[name].unit, tuple(float(value) for value in sequence))


@dataclass(frozen=True)
class Finding:
    """Something worth telling: a stable code, how bad, what, the evidence, and what to do about it."""

    code: str
    severity: Severity
    message: str
    evidence: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Artifact:
    """A file kept beside the records. ``path`` is relative to the run folder."""

    path: str
    sha256: str
    description: str


@dataclass(frozen=True)
class Environment:
    """The machine and software. ``before`` and ``after`` hold the state around the measurement
    (temperature in degC, clocks in Hz, throttle reasons, load); the rest does not change in a run."""

    hostname: str
    os: str
    python: str
    cpu: Mapping[str, Any]
    gpus: tuple[Mapping[str, Any], ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    def hardware(self) -> tuple[Any, ...]:
        """What must be equal for two records to be comparable: CPU model and cores, and the GPUs'
        names and power limits."""
        gpus = tuple((gpu.get("name"), gpu.get("power_limit_w")) for gpu in self.gpus)
        return (self.cpu.get("model"), self.cpu.get("usable_cores"), gpus)


@dataclass(frozen=True)
class Record:
    """One instrument's outcome for one Case in one repeat. One line of records.jsonl.

    ``setup`` says exactly what ran (the arm's settings, module classes and counts, generation flags,
    order, stopping reason). ``not_collected`` maps a metric's name to the reason it is absent.
    """

    run_id: str
    instrument: str
    case: Case
    repeat: int
    status: Status
    environment: Environment
    started_at: str
    argv: tuple[str, ...]
    reason: str = ""
    setup: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    not_collected: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise RecordError(f"malformed record: unknown status {self.status!r}")
        if self.status != "ok" and not self.reason:
            raise RecordError(f"a {self.status} record needs a reason")

    @property
    def case_id(self) -> str:
        return self.case.case_id

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes a record unique in a run: the Case, the instrument and the repeat."""
        return (self.case.case_id, self.instrument, self.repeat)

    def values(self, name: str) -> tuple[float, ...]:
        """The values of one metric, or () where it was not collected."""
        for item in self.metrics:
            if item.name == name:
                return item.values
        return ()


def to_json(record: Record) -> dict[str, Any]:
    """The record as plain JSON types; the case_id is added for readers that are not this program."""
    document = asdict(record)
    document["case"] = record.case.coordinates()
    document["case_id"] = record.case_id
    return document


def from_json(document: Any) -> Record:
    """The Record in a parsed JSON line.

    Its ``case`` and ``environment`` may have been made already (bench/record/lines.py). Raises RecordError, which names
    the field, for another schema version, missing or unknown fields, a value of a wrong type, or one that its metric
    cannot have.
    """
    if not isinstance(document, dict):
        raise RecordError("a record must be a JSON object")
    version = document.get("schema_version")
    if version not in READABLE or isinstance(version, bool):
        raise RecordError(
            f"record has schema version {version!r}; this program reads versions 1 to {SCHEMA_VERSION}: "
            "use the bitledger that wrote it, or a newer one"
        )
    document = dict(document)
    case_id = document.pop("case_id", None)
    try:
        _check_names(document)
        record: Record = converted(Record, document | {"metrics": _renamed(document["metrics"])})
        if not isinstance(document["environment"], Environment):
            check_machine(document["environment"])
        check_setup(record.instrument, record.status, record.setup)
    except KeyError as error:
        raise RecordError(f"malformed record: field {error} is missing") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise RecordError(f"malformed record: {error}") from error
    _check_values(record)
    if case_id is not None and case_id != record.case_id:
        raise RecordError(f"case_id {case_id!r} does not match its case ({record.case_id})")
    return record


def case_of(document: Any) -> Case:
    """The Case in parsed JSON. Raises ValueError or TypeError where it is none."""
    _refuse_unknown("case.", Case, document)
    case: Case = converted(Case, document)
    return case


def environment_of(document: Any) -> Environment:
    """The Environment in parsed JSON, all of it checked. Raises ValueError or TypeError where it is none."""
    _refuse_unknown("environment.", Environment, document)
    check_machine(document)
    environment: Environment = converted(Environment, document)
    return environment


def environment_from_json(document: Any) -> Environment:
    """The Environment in parsed JSON. Raises TypeError or ValueError where it is not one."""
    document = dict(document)
    document["gpus"] = tuple(document.get("gpus", ()))
    return Environment(**document)


def _check_names(document: Mapping[str, Any]) -> None:
    """msgspec leaves out what it does not know: a coordinate lost so would make it another Case."""
    parts: list[tuple[str, Any, Any]] = [
        ("", Record, document),
        ("case.", Case, document["case"]),
        ("environment.", Environment, document["environment"]),
    ]
    for name, kind in (("findings", Finding), ("artifacts", Artifact), ("metrics", Metric)):
        parts += [(f"{name}[{place}].", kind, part) for place, part in enumerate(document.get(name, ()))]
    for where, kind, part in parts:
        _refuse_unknown(where, kind, part)


def _refuse_unknown(where: str, kind: Any, part: Any) -> None:
    unknown = part.keys() - _NAMES[kind] if isinstance(part, dict) else ()
    if unknown:
        raise ValueError(f"unknown field {where}{min(unknown)}: a newer bitledger may know it")


def _renamed(metrics: Any) -> list[Any]:
    """The metrics that there still are, under the names that they have now: each name and unit is one text in all."""
    named = ((RENAMED.get(item["name"], item["name"]), item) for item in metrics)
    return [_registered(name, item) for name, item in named if name not in DROPPED]


def _registered(name: Any, item: dict[str, Any]) -> dict[str, Any]:
    known = METRICS.get(name)
    if known is None or item.get("unit") != known.unit:
        return {**item, "name": name}
    return {**item, "name": _REGISTERED[name], "unit": known.unit}


def _check_values(record: Record) -> None:
    """No number that nobody can have measured. Raises RecordError."""
    for item in record.metrics:
        if what := METRICS[item.name].fault_of(item.values):
            raise RecordError(f"malformed record: {item.name} {what}")
    for name, value in record.case.coordinates().items():
        if isinstance(value, int) and name != "seed" and not 1 <= value <= _LARGEST:
            raise RecordError(f"malformed record: case.{name} is {value}")
    if not 0 <= record.repeat <= _LARGEST:
        raise RecordError(f"malformed record: repeat is {record.repeat}")


_LARGEST = 1 << 40
_REGISTERED = {name: name for name in METRICS}
_NAMES: dict[Any, set[str]] = {
    kind: {item.name for item in fields(kind)} for kind in (Record, Case, Environment, Finding, Artifact, Metric)
}
CASE_FIELDS = tuple(item.name for item in fields(Case))
