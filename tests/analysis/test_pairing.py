"""Records of a sweep are compared block by block; those of an ordinary run as ever."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.analysis import comparison, energy, generation, matmul
from bench.analysis.energy import ledger as energy_ledger
from bench.analysis.ledger.pairs import pairs
from bench.analysis.statistics import Estimate, ratio
from bench.analysis.statistics.pairing import located as find
from bench.analysis.statistics.pairing import matched, paired_ratio, partners, ratio_between, taking
from bench.analysis.unpaired import of_comparison, of_pairing
from bench.record.origin import BLOCK
from bench.record.schema import Record, metric
from bench.report.analysed import analyse
from bench.report.words import interval_text
from tests import factories as make

TIMES = (
    "inter_token_latency",
    "time_to_first_token",
    "generate_time",
    "energy_gpu",
    "window_time",
    "forward_time",
    "plain_step_time",
)
NODES = ("alpha", "beta", "gamma", "delta")


def placed(record: Record, block: int, node: str, place: int = 0, factor: float = 1.0) -> Record:
    """The Record as a sweep's block would hold it, on a node that takes ``factor`` as long."""
    environment = replace(record.environment, hostname=node)
    values = tuple(
        metric(one.name, [v * factor for v in one.values])
        if one.name in TIMES or one.name.startswith("observed_")
        else one
        for one in record.metrics
    )
    setup = {**record.setup, BLOCK: {"name": f"b{block}", "place": place}}
    return replace(record, environment=environment, setup=setup, metrics=values, repeat=block)


def sweep(factors: Sequence[float] = (1.0, 1.3, 0.8, 1.1), schemes: Sequence[str] = ("fp16", "nf4")) -> list[Record]:
    return [
        placed(maker(scheme, block, device="cuda"), block, NODES[block], place, factor)
        for block, factor in enumerate(factors)
        for place, scheme in enumerate(schemes)
        for maker in (make.generation, make.kineto, make.energy)
    ]


def nf4_ratio(records: Sequence[Record]) -> Estimate:
    found = generation.summarise(records)[0].rows[1].time_ratio
    assert found is not None
    return found


def test_a_slow_node_does_not_touch_a_sweeps_ratio() -> None:
    even, uneven = nf4_ratio(sweep((1.0, 1.0, 1.0, 1.0))), nf4_ratio(sweep((1.0, 3.0, 0.5, 1.1)))
    assert even.basis == "paired blocks"
    assert (even.value, even.low, even.high) == pytest.approx((uneven.value, uneven.low, uneven.high))


def test_the_same_records_without_blocks_are_compared_as_ever() -> None:
    ordinary = [make.generation(scheme, repeat) for scheme in ("fp16", "nf4") for repeat in range(4)]
    times = [[generation.call_times(r) for r in ordinary if r.case.scheme == scheme] for scheme in ("nf4", "fp16")]
    assert nf4_ratio(ordinary) == ratio(*times)
    mixed = [placed(ordinary[0], 0, "alpha"), *ordinary[1:]]
    assert nf4_ratio(mixed) == ratio(*times)


def test_the_pairs_are_the_medians_of_each_block() -> None:
    records = [r for r in sweep() if r.instrument == "generation"]
    arm, base = ([r for r in records if r.case.scheme == scheme] for scheme in ("nf4", "fp16"))
    found = matched(find(arm, generation.call_times), find(base, generation.call_times))
    assert [pair.node for pair in found] == list(NODES)
    middle = sorted(generation.call_times(arm[1]))
    assert found[1].value == pytest.approx((middle[1] + middle[2]) / 2)
    assert found[1].samples == 4
    assert ratio_between(arm, base, generation.call_times) == paired_ratio(found)


def split_sweep() -> list[Record]:
    """Block 2's nf4 ran elsewhere, because its node was lost; block 3's nf4 failed."""
    records = [r for r in sweep() if r.instrument == "generation"]
    moved = [placed(r, 2, "omega", 1) if (r.repeat, r.case.scheme) == (2, "nf4") else r for r in records]
    return [r for r in moved if (r.repeat, r.case.scheme) != (3, "nf4")]


def test_a_split_block_is_no_pair_and_is_told() -> None:
    records = split_sweep()
    assert nf4_ratio(records).repeats == 2
    (told,) = of_pairing(records)
    assert (told.code, told.severity) == ("unpaired", "warning")
    assert "2 pairs are missing" in told.evidence
    assert "block b2: not on the node of fp16: nf4" in told.evidence
    assert "block b3: no result of nf4" in told.evidence
    assert told in [item.finding for item in analyse(records).findings]
    assert of_pairing(sweep()) == of_pairing(make.run()) == ()


def test_a_block_without_its_reference_is_told() -> None:
    records = [r for r in sweep(schemes=("fp16", "int8", "nf4")) if (r.repeat, r.case.scheme) != (1, "fp16")]
    (told,) = of_pairing([r for r in records if r.instrument == "generation"])
    assert told.evidence == "2 pairs are missing. block b1: no result of fp16 for int8, nf4"


def test_where_no_block_has_both_arms_there_is_no_ratio() -> None:
    records = [placed(r, r.repeat, "omega") if r.case.scheme == "nf4" else r for r in sweep()]
    row = generation.summarise(records)[0].rows[1]
    assert (row.scheme, row.time_ratio, row.verdict) == ("nf4", None, None)
    assert of_pairing(records)


def test_two_gpus_of_a_node_are_two_places() -> None:
    one, other = make.generation("fp16", device="cuda"), make.generation("nf4", device="cuda")
    on = [
        replace(r, environment=replace(r.environment, gpus=({"name": "Example", "uuid": uuid},)))
        for r, uuid in ((placed(one, 0, "a"), "GPU-1"), (placed(other, 0, "a"), "GPU-2"))
    ]
    assert ratio_between(on[1:], on[:1], generation.call_times) is None


def test_energy_and_layers_are_paired_too() -> None:
    joules = energy.summarise(sweep())[0].rows
    ratios = [row.energy_ratio for row in joules if row.energy_ratio]
    assert [item.basis for item in ratios] == ["paired blocks"]
    layers = [
        placed(make.matmul(scheme, repeat=block), block, NODES[block], factor=1.0 + block)
        for block in range(3)
        for scheme in ("fp16", "nf4")
    ]
    (row,) = [row for row in matmul.summarise(layers) if row.scheme == "nf4"]
    assert row.time_ratio is not None and row.time_ratio.basis == "paired blocks"
    assert row.time_ratio.relative_error is not None and row.time_ratio.relative_error < 0.05


def test_arms_of_one_sweep_are_compared_in_pairs_and_two_sweeps_are_not() -> None:
    records = sweep()
    rows = comparison.compare(records, records, scheme_a="fp16", scheme_b="nf4").rows
    assert {row.ratio.basis for row in rows} == {"paired blocks"}
    another = [replace(record, run_id="another") for record in records]
    rows = comparison.compare(records, another, scheme_a="fp16", scheme_b="nf4").rows
    assert {row.ratio.basis for row in rows} == {"between processes"}


def test_a_comparison_tells_what_it_leaves_out() -> None:
    records = split_sweep()
    told = comparison.compare(records, records, scheme_a="fp16", scheme_b="nf4").findings
    assert [item.code for item in told] == ["unpaired"]
    nf4 = [r for r in records if r.case.scheme == "nf4"]
    assert of_comparison(nf4, nf4) == ()


def ledger_reach(records: Sequence[Record]) -> float:
    (pair,) = pairs(records)
    delta = pair.closed.delta
    assert delta.low is not None and delta.high is not None
    assert pair.closed.reference_ms + math.fsum(line.delta_ms for line in pair.closed.lines) == pair.closed.scheme_ms
    return delta.high - delta.low


def test_the_ledger_closes_and_its_lines_are_paired() -> None:
    (pair,) = pairs(sweep())
    assert {line.basis for line in (*pair.closed.lines, *pair.causes)} == {"paired blocks"}
    ordinary = [replace(r, setup={k: v for k, v in r.setup.items() if k != BLOCK}) for r in sweep()]
    assert ledger_reach(sweep()) < 0.5 * ledger_reach(ordinary)


def test_the_ledger_leaves_out_what_has_no_partner() -> None:
    lonely = placed(make.generation("fp16", 7), 7, "omega", factor=9.0)
    with_, without = pairs([*sweep(), lonely]), pairs(sweep())
    assert with_ == without


def test_energy_is_split_in_pairs() -> None:
    (pair,) = energy_ledger.energy_pairs(sweep())
    assert pair.gross is not None and pair.gross.delta.basis == "paired blocks"
    assert pair.net is not None and pair.net.delta.basis == "paired blocks"
    assert pair.gross.reference + (pair.gross.longer + pair.gross.power) == pytest.approx(pair.gross.scheme)


def test_partners_of_an_ordinary_run_are_all_records() -> None:
    one, other = [make.generation("nf4", 0)], [make.generation("fp16", 0), make.generation("fp16", 1)]
    assert partners(one, other) == (tuple(one), tuple(other))


def test_a_value_that_is_not_positive_gives_no_ratio() -> None:
    zero = make.record("matmul", make.matmul().case, {"forward_time": [0.0, 1.0]})
    assert ratio_between([zero], [make.matmul()], taking("forward_time")) is None


def test_the_report_says_what_the_interval_is_over() -> None:
    assert "over nodes" in interval_text([nf4_ratio(sweep())])
    alone = [placed(r, r.repeat, "alpha") for r in sweep()]
    assert "one node" in interval_text([nf4_ratio(alone)])
