"""A figure of one arm over a sweep's nodes: the processes of a node are not independent."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.generation import call_times
from bench.analysis.statistics import Estimate, estimate
from bench.analysis.statistics.pairing import estimate_of
from bench.record.origin import BLOCK
from bench.record.schema import Record
from tests import factories as make


def reach(found: Estimate) -> float:
    assert found.low is not None and found.high is not None
    return math.log(found.high / found.low) / 2


def test_many_processes_on_few_nodes_say_no_more_than_the_nodes() -> None:
    rng = np.random.default_rng(1)
    speeds = np.exp(rng.normal(0, 0.1, 5))
    samples = [[speed * (1 + 0.001 * rng.standard_normal())] for speed in speeds for _ in range(20)]
    nodes = [f"n{i}" for i in range(5) for _ in range(20)]
    found, forgotten = estimate(samples, nodes=nodes), estimate(samples)
    assert (found.basis, forgotten.basis) == ("between nodes", "between processes")
    assert found.value == forgotten.value
    assert reach(found) > 3 * reach(forgotten)
    assert reach(found) == pytest.approx(reach(estimate([[speed] for speed in speeds])), rel=0.1)


def test_a_node_of_its_own_for_every_process_is_as_before() -> None:
    samples = [[1.0, 1.1], [1.2, 1.3], [0.9, 1.0]]
    found, before = estimate(samples, nodes=["a", "b", "c"]), estimate(samples)
    assert replace(found, basis=before.basis) == before


def test_on_one_node_nothing_changes() -> None:
    samples = [[1.0, 1.1], [1.2, 1.3], [], [0.9, 1.0]]
    assert estimate(samples, nodes=["a"] * 4) == estimate(samples)


def test_records_of_a_sweep_are_taken_by_node_and_others_are_not() -> None:
    def on(record: Record, block: int) -> Record:
        environment = replace(record.environment, hostname=f"n{block % 2}")
        return replace(
            record, environment=environment, setup={**record.setup, BLOCK: {"name": f"b{block}", "place": 0}}
        )

    records = [make.generation("nf4", repeat) for repeat in range(4)]
    ordinary = estimate_of(records, call_times)
    swept = estimate_of([on(record, i) for i, record in enumerate(records)], call_times)
    assert ordinary == estimate([call_times(record) for record in records])
    assert swept is not None and (swept.basis, swept.repeats) == ("between nodes", 4)
    assert estimate_of([], call_times) is None
