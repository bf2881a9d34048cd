"""What the free parts of a Record hold, as far as anything reads it: ``setup``, and the Environment's mappings.

A key that is not here is kept and read by nobody; one that is here and holds something else is damage, told where the
file is read and not in the middle of an analysis. All keys may be absent (older records have fewer), but for those
that an instrument's figures mean nothing without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Required, TypedDict

from msgspec import Meta

from .instruments import TRY
from .typed import converted

# The upper bounds keep sums from overflowing; nothing that is counted or timed here comes near them.
Count = Annotated[int, Meta(ge=0, le=1 << 60)]
Number = Annotated[float, Meta(ge=-1e18, le=1e18)]
Amount = Annotated[float, Meta(ge=0, le=1e18)]
Above = Annotated[float, Meta(gt=0, le=1e24)]


class ArmFacts(TypedDict, total=False):
    """The arm's facts (bench/schemes)."""

    name: str
    kind: str
    dtype: str | None
    compute_dtype: str | None
    quant_type: str | None
    double_quant: bool
    blocksize: Count | None
    threshold: Number | None
    planted_columns: Count
    disable_compile: bool
    description: str
    not_converted: list[str]
    compiled: bool
    adapter: str
    loaded_by: str


class Model(TypedDict, total=False):
    """What was loaded (bench/workloads/models.py)."""

    name: str
    label: str
    revision: str
    attention: str | None
    layers: Count
    parameters: Count
    linears: dict[str, Count]
    parameter_dtypes: dict[str, Count]
    dropped_layers: str | None


class BlockFacts(TypedDict, total=False):
    """Which block of a sweep the Record is of, and its place there."""

    name: str
    place: Count


class OptionsFacts(TypedDict, total=False):
    """The block's settings (bench/run/plan.py)."""

    calls: Count
    repeat: Count
    threads: Count | None
    warmup_calls: Count
    warmup_tokens: Count | None
    place_in_process: Count


class EventsFacts(TypedDict, total=False):
    """What the observer recorded, per observed step."""

    operators: Required[list[Amount]]
    range_ends: Required[list[Amount]]


class IdleFacts(TypedDict, total=False):
    """Part of an idle line: what the host did meanwhile, in seconds of each observed step."""

    cause: Required[str]
    work: Required[str]
    range: Required[str]
    operator: Required[str]
    seconds: Required[list[Number]]
    operators: list[Amount]
    range_ends: list[Amount]


class Ledger(TypedDict, total=False):
    """What a timeline says for its lines (profiling/capture/ledger.py): packed ``rows`` to make them of, and of a GPU's
    also those without the observer (bench/analysis/ledger/stored.py). Older ones hold beside their lines ``sources``,
    ``unknown`` and ``events``. ``rules``: which table of classes there was then."""

    device: str
    bitsandbytes: Required[str | None]
    rules: str
    observer_scale: Amount | None
    rows: str
    undisturbed: str
    sources: list[IdleFacts]
    unknown: dict[str, Number]
    events: dict[str, EventsFacts]
    attention_call: dict[str, list[Number]]


class ObservedFacts(TypedDict, total=False):
    """Which steps of a call were observed."""

    first_step: Count | None
    steps: Count
    windows: Count
    first_visits: bool | int


class Row(TypedDict, total=False):
    """A kernel or operator among the longest."""

    name: Required[str]
    count: Count
    total_ns: Amount
    self_ns: Amount


class InterventionFacts(TypedDict, total=False):
    """An intervention, as the Record tells of it."""

    name: str
    sense: Required[str]
    cause: Required[str]
    removes: list[str]


class OutputFacts(TypedDict, total=False):
    """``tokens``: [call][row][token]."""

    tokens: Required[list[list[list[int]]]]
    logits: Required[list[Number]]


class Setup(TypedDict, total=False):
    """What any instrument may tell."""

    arm: ArmFacts
    changed_arm: ArmFacts | None
    model: Model
    block: BlockFacts
    options: OptionsFacts
    generate: dict[str, Any]
    threads: Count
    observed: ObservedFacts
    ledger: Ledger
    operators: dict[str, tuple[Amount, Amount]]
    attention_backend: dict[str, dict[str, Amount]]
    top: list[Row]
    top_of: str
    rate_hz: Amount | None
    behind_s: Amount | None
    copy_bytes: Above
    gemm_flop: Above
    dtype: str
    count_in_model: Count | None
    bias: bool
    burst: Count
    queue: str
    stop: str
    estimated: bool
    estimated_why: str | None
    completions: list[str]
    tokens: list[list[int]]
    tokens_sha256: list[str]
    prompts: list[list[str]]
    dataset_tasks: Count
    unchanged: dict[str, Any]


class Turns(TypedDict, total=False):
    """How often an arm that is tried and the unchanged one took turns."""

    rounds: Count


class OfIntervention(Setup, total=False):
    """An intervention that was measured."""

    interventions: Required[list[InterventionFacts]]
    output: Required[OutputFacts]
    turns: Turns


class OfSamples(Setup, total=False):
    """Programs that a model wrote, or what became of them."""

    tasks: Required[list[str]]


_OF: dict[str, Any] = {"intervention": OfIntervention, TRY: OfIntervention, "samples": OfSamples, "quality": OfSamples}


class GpuFacts(TypedDict, total=False):
    """What of a GPU does not change."""

    name: str | None
    uuid: str | None
    driver: str | None
    power_limit_w: Amount | None
    multiprocessors: Count | None
    compute_capability: Any
    memory_bytes: Count | None
    l2_bytes: Count | None
    mig: bool | None


class Cpu(TypedDict, total=False):
    """What of the CPU does not change."""

    model: str | None
    usable_cores: Above | None
    logical_cores: Count | None
    memory_bytes: Count | None
    flags: list[str]
    l3_bytes: Count | None
    hypervisor: bool | None


class GpuState(TypedDict, total=False):
    """A GPU at one moment."""

    index: int
    temperature_degc: Number | None
    clock_sm_hz: Amount | None
    clock_memory_hz: Amount | None
    power_w: Amount | None
    throttle_mask: Count | None
    throttle_reasons: list[str]
    other_processes: Count | None
    memory_used_bytes: Count | None


class StateFacts(TypedDict, total=False):
    """The machine at one moment."""

    load_average: list[Amount]
    busy_others_cores: Amount | None
    cpu_temperature_degc: Number | None
    cpu_clock_hz: Amount | None
    memory_available_bytes: Count | None
    swap_used_bytes: Count | None
    disk_free_bytes: Count | None
    gpus: list[GpuState]


class SourceFacts(TypedDict, total=False):
    """Of which code the program was."""

    commit: str | None
    dirty: bool | None


class MachineFacts(TypedDict, total=False):
    """The mappings of an Environment."""

    cpu: Cpu
    gpus: list[GpuFacts]
    packages: dict[str, str]
    variables: dict[str, str]
    source: SourceFacts
    before: StateFacts
    after: StateFacts


def check_setup(instrument: str, status: str, setup: Mapping[str, Any]) -> None:
    """Raises ValueError, which names the place, for what no such instrument writes."""
    converted(_OF.get(instrument, Setup) if status == "ok" else Setup, setup, "setup")
    ledger = setup.get("ledger", {"rows": ""})
    lacking = [name for name in ("sources", "unknown", "events") if name not in ledger]
    if "rows" not in ledger and lacking:
        raise ValueError(f"setup.ledger: Object missing required field `{lacking[0]}`")


def check_machine(environment: Mapping[str, Any]) -> None:
    """The same for the mappings of an Environment."""
    converted(MachineFacts, environment, "environment")


# From this share of the weights on, what a scheme leaves in 16 bits (a router, a projection) is a detail.
NEARLY_ALL = 0.95


def quantised_share(setup: Mapping[str, Any]) -> float | None:
    """The share of the weights outside embedding and head, 0 to 1; None for a scheme that quantises nothing, and for
    Records of before it was told."""
    facts = part_of(part_of(setup, "model"), "quantised")
    share = facts.get("share")
    return float(share) if facts.get("modules") and isinstance(share, int | float) else None


def quantised_modules(setup: Mapping[str, Any]) -> int | None:
    """How many modules hold them; None as above."""
    modules = part_of(part_of(setup, "model"), "quantised").get("modules")
    return modules if isinstance(modules, int) and modules else None


def partly_quantised(share: float | None) -> bool:
    """Whether a good part of the weights stayed as it was, so that the scheme's name promises too much."""
    return share is not None and share < NEARLY_ALL


def part_of(setup: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a setup, or of a part; {} where it has none of that name."""
    found = setup.get(name)
    return found if isinstance(found, Mapping) else {}
