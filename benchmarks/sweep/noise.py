"""What the simulation takes from committed records: ratios between arms, and how processes and calls vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.energy import gross_per_token
from bench.analysis.generation import call_times
from bench.analysis.grouping import groups
from bench.record.schema import Record
from bench.record.store import load

Floats = NDArray[np.float64]
RUNS = Path(__file__).resolve().parents[2] / "reports" / "runs"
H100, SMOKE, QUALITY = "h100-starcoder2-3b-20261126", "cpu-smoke-20261126", "cpu-smoke-quality-20261126"
SCHEMES = ("fp16", "bf16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq")

Take = Callable[[Record], Sequence[float]]


def _first_token(record: Record) -> Sequence[float]:
    return record.values("time_to_first_token")


def _joules(record: Record) -> Sequence[float]:
    return gross_per_token(record, "energy_gpu")


# The five settings are five figures of which committed records hold all eight schemes.
SETTINGS: tuple[tuple[str, str, str, Take], ...] = (
    ("H100: decode time per token", H100, "generation", call_times),
    ("H100: time to first token", H100, "generation", _first_token),
    ("H100: joules per token", H100, "energy", _joules),
    ("CPU: decode time per token", SMOKE, "generation", call_times),
    ("CPU: time to first token", SMOKE, "generation", _first_token),
)


@dataclass(frozen=True)
class Recorded:
    """``truth`` [settings, schemes]: ln of the recorded ratio to fp16. ``host`` [schemes]: share of a decode step in
    which the GPU waits for the host. ``processes`` [n], ``calls`` [m]: deviations of ln time, of a process from its
    scheme's mean over repeats and of a call from its process's mean."""

    truth: Floats
    host: Floats
    processes: Floats
    calls: Floats
    sources: dict[str, Any]


def recorded(runs: Path = RUNS) -> Recorded:
    """Read from the committed runs. Raises RecordError where one is missing."""
    records = {name: load(runs / name).records for name in (H100, SMOKE, QUALITY)}
    truth = np.array([_ratios(records[run], instrument, take) for _, run, instrument, take in SETTINGS])
    processes, calls = _deviations([*_repeats(records[SMOKE]), *_repeats(records[QUALITY])])
    sources = {
        "ratios": [f"{name} ({run}, {instrument} records)" for name, run, instrument, _ in SETTINGS],
        "host share": f"{H100}: 1 - GPU busy per step (kineto records) / decode time per token (generation records)",
        "deviations": f"{SMOKE} and {QUALITY}, generation records: {len(processes)} processes, {len(calls)} calls",
    }
    return Recorded(truth, _host_shares(records[H100]), processes, calls, sources)


def _arms(records: Sequence[Record], instrument: str) -> Mapping[str, Sequence[Record]]:
    """Scheme → its records, in the first setting that has all eight."""
    return next(g.schemes for g in groups(records, instrument) if set(SCHEMES) <= set(g.schemes))


def _ratios(records: Sequence[Record], instrument: str, take: Take) -> Floats:
    arms = _arms(records, instrument)
    values = [np.mean([np.log(np.median(take(record))) for record in arms[scheme]]) for scheme in SCHEMES]
    return np.array(values) - values[0]


def _host_shares(records: Sequence[Record]) -> Floats:
    timed, observed = _arms(records, "generation"), _arms(records, "kineto")
    busy = [np.median(observed[scheme][0].values("gpu_busy_per_step")) for scheme in SCHEMES]
    steps = [np.median(call_times(timed[scheme][0])) for scheme in SCHEMES]
    return 1.0 - np.array(busy) / np.array(steps)


def _repeats(records: Sequence[Record]) -> list[list[Floats]]:
    """Scheme → repeat → ln time per token of each call."""
    return [[np.log(call_times(r)) for r in arm] for g in groups(records, "generation") for arm in g.schemes.values()]


def _deviations(schemes: Sequence[Sequence[Floats]]) -> tuple[Floats, Floats]:
    """Scaled up by sqrt(n / (n − 1)), because deviations from the mean of n values are too small by that."""
    processes, calls = [], []
    for repeats in schemes:
        middles = np.array([np.median(calls_) for calls_ in repeats])
        processes.append(_about_mean(middles))
        calls += [_about_mean(calls_) for calls_ in repeats]
    return np.concatenate(processes), np.concatenate(calls)


def _about_mean(values: Floats) -> Floats:
    scaled: Floats = (values - values.mean()) * np.sqrt(len(values) / (len(values) - 1))
    return scaled
