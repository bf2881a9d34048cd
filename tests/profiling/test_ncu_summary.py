from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ncu_files import L2_HIT, L2_MISS, TIME, long_csv

from profiling.counters_summary import summarise, summarise_ranges
from profiling.hit_rates import L1
from profiling.readers.counters import Launch, from_launches
from profiling.readers.ncu_csv import parse_ncu_csv


def launch(kernel: str, nvtx: str = "", **metrics: float) -> Launch:
    names = {"time": (TIME, "s"), "hit": (L2_HIT, "sector"), "miss": (L2_MISS, "sector"), "share": ("a.pct", "%")}
    names |= {"read": ("dram__bytes_read.sum", "B"), "write": ("dram__bytes_write.sum", "B")}
    names |= {
        "ready": ("lts__t_sector_hit_rate.pct", "%"),
        "l2read": ("lts__t_sectors_op_read_lookup_hit.sum", "sector"),
    }
    names |= {"l2readmiss": ("lts__t_sectors_op_read_lookup_miss.sum", "sector")}
    return Launch(kernel, nvtx=nvtx, metrics={names[key][0]: (value, names[key][1]) for key, value in metrics.items()})


def test_sums_are_summed_and_the_rest_is_weighted_by_duration() -> None:
    counters = from_launches(
        [
            launch("b", time=1e-6, hit=90, miss=10, share=10, read=100, write=50),
            launch("a", time=9e-6, hit=1, miss=1, share=1),
            launch("b", time=3e-6, hit=10, miss=90, share=50, read=200, write=60),
        ]
    )
    document = summarise(counters)
    assert document["kind"] == "counters"
    assert [kernel["name"] for kernel in document["kernels"]] == ["a", "b"]
    b = document["kernels"][1]
    assert b["launches"] == 2
    assert b["duration_ns"] == 4000.0
    assert b["metrics"][TIME] == {"unit": "s", "value": pytest.approx(4e-6)}
    assert b["metrics"][L2_HIT] == {"unit": "sector", "value": 100.0}
    assert b["metrics"]["a.pct"] == {"unit": "%", "value": pytest.approx(40.0)}
    assert b["l2_hit_rate"] == 0.5
    assert b["l1_hit_rate"] is None
    assert b["dram_bytes"] == 410.0
    assert b["longest"]["duration_ns"] == 3000.0
    assert b["longest"]["l2_hit_rate"] == 0.1
    assert b["longest"]["metrics"]["a.pct"]["value"] == 50.0
    assert set(b["longest"]) == {"duration_ns", "metrics", "l1_hit_rate", "l2_hit_rate"}
    assert document["warnings"] == []


def test_a_ready_made_rate_is_used_and_told_only_without_hits_and_misses() -> None:
    both = summarise(from_launches([launch("k", time=1e-6, hit=1, miss=3, ready=99)]))
    assert both["kernels"][0]["l2_hit_rate"] == 0.25
    assert [text for text in both["warnings"] if "l2_hit_rate_ncu" not in text] == []
    ready = summarise(from_launches([launch("k", time=1e-6, ready=20), launch("k", time=3e-6, ready=60)]))
    assert ready["kernels"][0]["l2_hit_rate"] == pytest.approx(0.5)
    assert "lts__t_sector_hit_rate.pct" in ready["warnings"][0]


def test_another_pair_of_sums_is_used_and_told() -> None:
    document = summarise(from_launches([launch("k", time=1e-6, l2read=3, l2readmiss=1)]))
    assert document["kernels"][0]["l2_hit_rate"] == 0.75
    assert "lts__t_sectors_op_read (reads only" in document["warnings"][0]


def test_l1_is_added_up_from_its_parts() -> None:
    (load, store) = L1.sources[1].pairs[:2]
    metrics = {load[0]: (1.0, "sector"), load[1]: (3.0, "sector"), store[0]: (4.0, "sector"), store[1]: (2.0, "sector")}
    document = summarise(from_launches([Launch("k", metrics=metrics)]))
    assert document["kernels"][0]["l1_hit_rate"] == 0.5
    assert any("parts" in text for text in document["warnings"])


def test_what_was_not_collected_is_null() -> None:
    document = summarise(from_launches([launch("k", share=1), launch("k", share=3), launch("one", hit=0, miss=0)]))
    k, one = document["kernels"]
    assert k["duration_ns"] is None
    assert k["longest"] is None
    assert k["dram_bytes"] is None
    assert k["metrics"] == {"a.pct": {"unit": "%", "value": 2.0}}
    assert one["l2_hit_rate"] is None
    assert one["longest"]["duration_ns"] is None
    assert "3 of 3 launches have no gpu__time_duration.sum" in document["warnings"][0]


def test_half_of_the_dram_traffic_is_not_the_traffic() -> None:
    document = summarise(from_launches([launch("k", time=1e-6, read=5)]))
    assert document["kernels"][0]["dram_bytes"] is None
    assert "only one was collected" in document["warnings"][0]


def test_per_range() -> None:
    launches = [
        launch("k", "d:step/a", time=1e-6),
        launch("j", "d:step/a", time=1e-6),
        launch("k", "d:step/b", time=5e-6),
    ]
    entries = summarise_ranges(from_launches(launches), lambda path: path.rpartition("/")[2])
    assert [(entry["name"], entry["launches"], entry["duration_ns"]) for entry in entries] == [
        ("a", 2, 2000),
        ("b", 1, 5000),
    ]


LAUNCHES = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 10**7), st.integers(0, 10**6), st.integers(0, 10**6)),
    min_size=1,
    max_size=30,
)


@given(LAUNCHES)
def test_the_summary_agrees_with_plain_arithmetic(launches: list[tuple[str, int, int, int]]) -> None:
    rows = []
    for number, (kernel, time, hits, misses) in enumerate(launches):
        rows += [(number, kernel, TIME, "ns", str(time)), (number, kernel, L2_HIT, "sector", f"{hits:,}")]
        rows += [(number, kernel, L2_MISS, "sector", str(misses)), (number, kernel, "a.pct", "%", f"{hits % 100}.25")]
    document = summarise(parse_ncu_csv(long_csv(rows).encode()))
    json.dumps(document, allow_nan=False)
    assert sum(kernel["launches"] for kernel in document["kernels"]) == len(launches)
    for kernel in document["kernels"]:
        mine = [item for item in launches if item[0] == kernel["name"]]
        total, hits, misses = (sum(item[place] for item in mine) for place in (1, 2, 3))
        assert kernel["duration_ns"] == total
        assert kernel["longest"]["duration_ns"] == max(item[1] for item in mine)
        assert kernel["metrics"][L2_HIT]["value"] == hits
        rate = kernel["l2_hit_rate"]
        assert rate is None if hits + misses == 0 else math.isclose(rate, hits / (hits + misses))
        mean = sum(item[1] * (item[2] % 100 + 0.25) for item in mine) / total
        assert math.isclose(kernel["metrics"]["a.pct"]["value"], mean, rel_tol=1e-9)


def test_a_metric_in_two_units_becomes_two_columns() -> None:
    first, second = Launch("k", metrics={"m": (1.0, "s")}), Launch("k", metrics={"m": (2.0, "%")})
    counters = from_launches([first, second])
    assert counters.metrics["m"].unit == "s"
    np.testing.assert_array_equal(counters.values("m [%]"), [np.nan, 2.0])
