"""What the nodes of a sweep have to do with its figures."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.alike import condensed, on_nodes
from bench.analysis.hardware import machine_names, unlike_parts
from bench.analysis.machines import differences
from bench.cluster.analysis.blocks import blocks
from bench.cluster.analysis.node_findings import of_nodes, of_parts
from bench.cluster.analysis.nodes import Nodes, nodes
from bench.record.schema import Finding, Record
from tests import factories as make
from tests.sweep_records import generation, machine, node_names, sweep

SLOW = {**dict.fromkeys(node_names(6), 1.0), "n004": 1.12}


def of(records: list[Record]) -> Nodes:
    found = nodes(records)
    assert found is not None
    return found


def factors(found: Nodes) -> dict[str, float]:
    return {node.name: node.factor for node in found.nodes if node.factor is not None}


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_run_on_one_node_has_no_nodes() -> None:
    assert nodes(make.run()) is None and of_nodes(None) == ()
    assert nodes(sweep({"n001": 1.0})) is None


def test_programs_judged_elsewhere_make_no_second_node() -> None:
    elsewhere = replace(make.CPU, hostname="elsewhere")
    judged = make.record("quality", make.case(), {"passed_base": [1.0]}, environment=elsewhere)
    assert nodes([make.generation(), judged]) is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.7, 1.4), min_size=3, max_size=6), st.randoms(use_true_random=False))
def test_known_factors_are_found_though_cases_are_missing(true: list[float], chance) -> None:  # type: ignore[no-untyped-def]
    names = node_names(len(true))
    records = sweep(dict(zip(names, true, strict=True)), batches=(1, 4))
    kept = [r for r in records if r.case.scheme == "fp16" or chance.random() < 0.7]
    found = factors(of(kept))
    for name, factor in zip(names, true, strict=True):
        assert found[name] / found[names[0]] == pytest.approx(factor / true[0], rel=0.02)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 100))
def test_factors_do_not_depend_on_how_fast_all_nodes_are(scale: float) -> None:
    one = factors(of(sweep(SLOW)))
    other = factors(of(sweep({name: factor * scale for name, factor in SLOW.items()})))
    assert one == pytest.approx(other, rel=1e-9)


def test_the_slow_node_is_flagged_with_evidence_and_kept() -> None:
    slow = machine("n004", clock_sm_hz=1.4e9, temperature_degc=88, throttle_reasons=["sw_power_cap", "gpu_idle"])
    records = sweep(SLOW, machines={"n004": slow})
    found = of(records)
    (finding,) = of_nodes(found)
    assert (finding.code, finding.severity) == ("outlying-node", "warning")
    assert finding.message.startswith("node n004 takes ×1.1") and "3 blocks" in finding.evidence
    for told in ("1.4 GHz, others 1.75 GHz", "88 °C, others 61 °C", "held back by sw_power_cap"):
        assert told in finding.evidence
    assert "gpu_idle" not in finding.evidence and "unaffected" in finding.remedy
    (fleet,) = found.fleets
    assert len(fleet.nodes) == 6 and fleet.variation and fleet.steady and fleet.steady.node < fleet.variation.node / 3
    assert sum(node.records for node in found.nodes) == len(records)


def test_nodes_that_are_as_good_as_equal_are_never_outlying() -> None:
    alike = {**dict.fromkeys(node_names(30), 1.0), "n007": 1.015}
    found = of(sweep(alike))
    seven = next(node for node in found.nodes if node.name == "n007")
    assert seven.z is not None and seven.z > 3.5 and not seven.outlying
    assert of_nodes(found) == ()


def test_of_two_nodes_none_is_the_odd_one() -> None:
    found = of(sweep({"n001": 1.0, "n002": 1.5}))
    assert codes(of_nodes(found)) == ["few-nodes"] and not any(node.outlying for node in found.nodes)


def test_a_slow_block_is_not_taken_for_a_slow_node() -> None:
    records = sweep(dict.fromkeys(node_names(5), 1.0), blocks=4)
    hot = [replace_factor(r, 1.2) if r.setup["block"]["name"].endswith("repeat 3") else r for r in records]
    variation = of(hot).fleets[0].variation
    assert variation is not None and variation.block is not None
    assert variation.block > 0.03 > variation.node


def replace_factor(record: Record, factor: float) -> Record:
    scaled = tuple(
        replace(m, values=tuple(v * factor for v in m.values)) if m.name == "inter_token_latency" else m
        for m in record.metrics
    )
    return replace(record, metrics=scaled)


def test_unlike_hardware_is_never_set_against_each_other() -> None:
    weak = {name: machine(name, limit=500.0) for name in ("n005", "n006")}
    found = of(sweep({name: 1.3 if name in weak else 1.0 for name in node_names(6)}, machines=weak))
    assert [fleet.machine for fleet in found.fleets] == ["NVIDIA Example 80GB, 700 W", "NVIDIA Example 80GB, 500 W"]
    assert all(abs(factor - 1) < 0.01 for factor in factors(found).values())
    unlike = next(finding for finding in of_nodes(found) if finding.code == "unlike-nodes")
    assert "700 (n001, n002, n003 and 1 more), 500 (n005, n006)" in unlike.evidence


def test_other_packages_and_drivers_are_told_and_do_not_part_the_nodes() -> None:
    other = replace(machine("n002"), packages={**make.CPU.packages, "torch": "2.14.0"})
    facts = ({**other.gpus[0], "driver": "590.2"},)
    records = sweep(dict.fromkeys(node_names(3), 1.0), machines={"n002": replace(other, gpus=facts)})
    assert [d.fact for d in differences(records)] == ["GPU driver", "torch"] and len(of(records).fleets) == 1
    (finding,) = of_nodes(of(records))
    assert "2.14.0 (n002)" in finding.evidence and "taken together" in finding.message


def test_clocks_of_nodes_that_disagree_change_nothing() -> None:
    records = sweep(SLOW)
    late = [replace(r, started_at="2031-01-01T00:00:00+00:00") if i % 2 else r for i, r in enumerate(records)]
    assert factors(of(late)) == factors(of(records))


def test_nodes_without_a_common_arm_are_compared_within_their_own() -> None:
    one = sweep({"n001": 1.0, "n002": 1.1}, schemes=("fp16",))
    other = sweep({"n003": 2.0, "n004": 2.2}, schemes=("nf4",))
    found = of([*one, *other])
    assert found.fleets[0].parts == 2
    assert factors(found)["n002"] / factors(found)["n001"] == pytest.approx(1.1, rel=0.02)


def test_a_node_without_a_decode_time_is_there_and_not_compared() -> None:
    failed = replace(sweep({"n009": 1.0})[0], status="failed", reason="out of memory", metrics=())
    found = of([*sweep(SLOW), failed])
    nine = next(node for node in found.nodes if node.name == "n009")
    assert nine.factor is None and not nine.outlying
    assert "node-without-block" in codes(of_nodes(found))


def test_split_and_incomplete_blocks_are_told() -> None:
    records = sweep(dict.fromkeys(node_names(3), 1.0), blocks=2)
    moved = replace(records[2], environment=machine("n009"))
    found = blocks([*records[:2], moved, *records[3:-1]])
    assert found.count == 6 and found.split == {"smoke generation repeat 0": ("n001", "n009")}
    assert found.incomplete == ("smoke generation repeat 5",) and found.without == ("n009",)
    told = codes(of_nodes(of([*records[:2], moved, *records[3:-1]])))
    assert told == ["split-blocks", "incomplete-blocks", "node-without-block"]


def test_what_no_block_has_is_not_missing_and_retries_are_no_second_block() -> None:
    records = sweep(dict.fromkeys(node_names(2), 1.0))
    skipped = [replace(r, status="skipped", reason="needs a GPU", metrics=()) for r in records if "8" in r.case.scheme]
    kept = [r for r in records if "8" not in r.case.scheme]
    assert blocks([*kept, *skipped]).incomplete == () and blocks(make.run()).count == 0


def test_many_outlying_nodes_are_told_in_few_findings() -> None:
    names = node_names(200)
    found = of(sweep({name: 1.2 if place < 15 else 1.0 + place % 5 / 1000 for place, name in enumerate(names)}))
    told = [finding for finding in of_nodes(found) if finding.code == "outlying-node"]
    assert len(told) == 11 and told[-1].message.startswith("5 more nodes")


def test_doubts_about_nodes_become_one_finding_per_code() -> None:
    busy = {f"n{i}": [Finding("cpu-busy", "warning", f"{i} cores busy", "", "stop them")] for i in range(12)}
    (one,) = on_nodes(busy)
    assert one.code == "cpu-busy" and "all nodes" in one.evidence
    assert on_nodes({"n0": busy["n0"]}) == tuple(busy["n0"])
    (merged,) = condensed([(finding, 2, "fp16") for found in busy.values() for finding in found])
    assert merged[1] == 24 and "11 more messages like it" in merged[0].evidence


def test_parts_are_those_of_a_sweep_only() -> None:
    weak = {"n002": machine("n002", limit=500.0)}
    records = sweep({"n001": 1.0, "n002": 1.0}, machines=weak)
    parts = unlike_parts(records)
    assert len(parts) == 2 and codes(of_parts(parts)) == ["explained-hardware"]
    ordinary = [replace(record, setup={}) for record in records]
    assert len(unlike_parts(ordinary)) == 1 and of_parts(unlike_parts(ordinary)) == ()
    cores = replace(machine("n003", gpu=False), cpu={**make.CPU.cpu, "usable_cores": 4})
    alike = [[generation("fp16", 0, on, 1.0, np.random.default_rng(0), 0)] for on in (make.CPU, cores)]
    assert machine_names(alike) == (
        "Example CPU @ 2.00GHz, 2 usable cores",
        "Example CPU @ 2.00GHz, 4 usable cores",
    )


def test_five_hundred_nodes_are_judged_and_the_three_slow_ones_found() -> None:
    names = node_names(500)
    true = {name: 1.0 + 0.004 * (place % 5) for place, name in enumerate(names)}
    slow = {"n017", "n230", "n405"}
    found = of(sweep({name: factor * (1.1 if name in slow else 1) for name, factor in true.items()}, blocks=2))
    assert {node.name for node in found.nodes if node.outlying} == slow
    assert len(found.fleets[0].rates[0].rates) == 500


def test_blocks_of_other_workloads_and_what_is_measured_once_make_none_incomplete() -> None:
    records = sweep(dict.fromkeys(node_names(2), 1.0), blocks=2)
    others = [
        replace(r, setup={"block": {"name": f"long {r.setup['block']['name']}", "place": 0}})
        for r in sweep(dict.fromkeys(node_names(2), 1.0), blocks=2, batches=(64,))
    ]
    once = replace(make.kineto("int8", device="cuda", new_tokens=8), setup=records[0].setup)
    ceiling = replace(make.ceiling("cuda"), setup=records[0].setup)
    assert blocks([*records, *others, once, ceiling]).incomplete == ()
    assert blocks([*records, *others[:-1], once, ceiling]).incomplete == ("long smoke generation repeat 3",)
