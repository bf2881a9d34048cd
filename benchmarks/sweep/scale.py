"""The sweep's size through the real code: 500 blocks of 40 Cases as Records, written, loaded and summarised.

    python -m benchmarks.sweep.scale FOLDER write|read

Prints one JSON object. Two processes, so that the peak memory of each is its own. Times are simulated; the rest of
each Record is that of a committed one.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.generation import summarise
from bench.analysis.unpaired import of_pairing
from bench.record.origin import BLOCK
from bench.record.schema import Metric, Record, metric
from bench.record.store import RECORDS, load, open_run

from .designs import in_blocks
from .noise import H100, RUNS, SCHEMES, Floats, Recorded, recorded
from .world import Effects, Ints, Nodes, make_nodes

SEED, BLOCKS, CALLS, STEPS = 20261126, 500, 4, 31
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main(argv: list[str]) -> int:
    folder, what = Path(argv[0]), argv[1]
    print(json.dumps({"write": write, "read": read}[what](folder)))
    return 0


def write(folder: Path, blocks: int = BLOCKS) -> dict[str, Any]:
    """Append all Records to ``folder``, each synced, as a run does."""
    began, used, count = time.perf_counter(), time.process_time(), 0
    with open_run(folder) as writer:
        for record in simulated(blocks):
            writer.append(record)
            count += 1
    return {
        "records": count,
        "megabytes": (folder / RECORDS).stat().st_size / 1e6,
        "write_s": time.perf_counter() - began,
        "write_cpu_s": time.process_time() - used,
    }


def read(folder: Path) -> dict[str, Any]:
    """Load and summarise them."""
    clocks = [(time.perf_counter(), time.process_time())]
    records = load(folder).records
    clocks.append((time.perf_counter(), time.process_time()))
    groups = summarise(records)
    clocks.append((time.perf_counter(), time.process_time()))
    (load_s, load_cpu_s), (summarise_s, summarise_cpu_s) = np.diff(np.array(clocks), axis=0).tolist()
    ratios = [row.time_ratio for group in groups for row in group.rows if row.time_ratio]
    findings = of_pairing(records)
    return {
        "load_s": load_s,
        "load_cpu_s": load_cpu_s,
        "summarise_s": summarise_s,
        "summarise_cpu_s": summarise_cpu_s,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "comparisons": len(ratios),
        "basis": sorted({ratio.basis for ratio in ratios}),
        "pairs": [min(ratio.repeats for ratio in ratios), max(ratio.repeats for ratio in ratios)],
        "half_width": float(np.median([np.sqrt(ratio.high / ratio.low) - 1 for ratio in ratios])),
        "inside": int(sum(_inside(groups))),
        "finding": findings[0].evidence if findings else "",
    }


def _inside(groups: Any) -> list[bool]:
    """For each comparison whether its interval holds the truth."""
    truth = recorded().truth
    return [
        row.time_ratio.low <= np.exp(truth[setting, SCHEMES.index(row.scheme)]) <= row.time_ratio.high
        for setting, group in enumerate(sorted(groups, key=lambda group: dict(group.setting)["batch_size"]))
        for row in group.rows
        if row.time_ratio
    ]


def simulated(blocks: int) -> Iterator[Record]:
    """The Records in the order in which the blocks' Cases ran, block after block. Simulated."""
    known, effects, rng = recorded(), Effects(), np.random.default_rng(SEED)
    nodes = make_nodes(rng, effects, known.host)
    offsets = rng.normal(0, 5.0, effects.nodes)
    node, place = in_blocks(rng, effects, blocks)
    calls = _calls(rng, effects, nodes, known, node, place)
    models = {r.case.scheme: r for r in load(RUNS / H100).records if r.instrument == "generation"}
    for block in range(blocks):
        for cell in np.argsort(place[block], axis=None):
            setting, arm = divmod(int(cell), len(SCHEMES))
            where = int(node[block, setting, arm])
            began = BEGIN + timedelta(seconds=block + 20.0 * float(place[block, setting, arm]) + float(offsets[where]))
            yield _record(models[SCHEMES[arm]], block, setting, where, int(cell), began, calls[block, setting, arm])


def _calls(
    rng: np.random.Generator, effects: Effects, nodes: Nodes, known: Recorded, node: Ints, place: Ints
) -> Floats:
    """[blocks, settings, schemes, calls] s per token, with fp16 at 16 ms."""
    warm = nodes.warming[node] * -np.expm1(-place / effects.warming_cases)
    process = known.truth + nodes.arm[node, np.arange(len(SCHEMES))] + warm + rng.choice(known.processes, node.shape)
    return 0.016 * np.exp(process[..., None] + rng.choice(known.calls, (*node.shape, CALLS)))


def _record(model: Record, block: int, setting: int, node: int, place: int, began: datetime, times: Floats) -> Record:
    batch = 2**setting
    metrics: tuple[Metric, ...] = (
        metric("inter_token_latency", np.repeat(times * batch, STEPS)),
        metric("decode_steps", [STEPS] * len(times)),
        metric("time_to_first_token", times * 4),
        metric("generate_time", times * (STEPS + 4)),
        metric("tokens_generated", [(STEPS + 1) * batch] * len(times)),
    )
    return replace(
        model,
        case=replace(model.case, batch_size=batch),
        repeat=block,
        started_at=began.isoformat(),
        environment=replace(model.environment, hostname=f"simulated{node:03}"),
        setup={**model.setup, BLOCK: {"name": f"simulated-{block}", "place": place}},
        metrics=metrics,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
