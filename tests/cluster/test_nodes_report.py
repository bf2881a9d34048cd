"""The report of a sweep: its nodes, its hardware, its environment, and verify and explain beside it."""

import io
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from bench import cli
from bench.cluster.analysis.nodes import nodes
from bench.cluster.report import figure as figure_nodes
from bench.cluster.report import fleet as tables_fleet
from bench.cluster.report import tables as tables_nodes
from bench.cluster.report.section import section
from bench.quality.tradeoff.page import tradeoff_section
from bench.quality.tradeoff.signmap import signmap
from bench.quality.tradeoff.tradeoff import tradeoffs
from bench.record.integrity import agreeing
from bench.record.schema import Environment, Record
from bench.record.store import open_run
from bench.report.analysed import Analysed, analyse
from bench.report.build import build
from bench.report.content import Report, Section
from tests import factories as make
from tests import quality_records as q
from tests.sweep_records import machine, node_names, sweep
from tests.written_report import print_report, write_report

WEAK = {name: machine(name, limit=500.0) for name in ("n005", "n006")}
LIKE = {"n001": 1.0, "n002": 1.002, "n003": 1.12}


def alike(**more: object) -> list[Record]:
    return sweep(LIKE, joules=True, **more)  # type: ignore[arg-type]


def unlike() -> list[Record]:
    """Four nodes of one hardware, two of another that is 1.3 times as slow."""
    return sweep({n: 1.3 if n in WEAK else 1.0 for n in node_names(6)}, joules=True, machines=WEAK)


def part(report: Report, anchor: str) -> Section:
    return next(section for section in report.sections if section.anchor == anchor)


def written(folder: Path, records: list[Record]) -> Path:
    with open_run(folder) as writer:
        for record in records:
            writer.append(record)
    return folder


def text_of(value: object) -> str:
    """Everything in a section as one text."""
    return repr(value)


def test_a_run_on_one_node_has_no_section_of_nodes() -> None:
    report = build(analyse(make.run(repeats=2)))
    assert "nodes" not in [section.anchor for section in report.sections]
    assert [table.title for table in part(report, "environment").tables] == [
        "Models", "State of the machine", "Machine and software",
    ]  # fmt: skip


def test_the_section_comes_after_throughput_with_figures_and_all_nodes() -> None:
    report = build(analyse(alike(batches=(1, 8))))
    anchors = [section.anchor for section in report.sections]
    assert anchors.index("nodes") == anchors.index("throughput") + 1 and "signmap" in anchors
    made = part(report, "nodes")
    assert [figure.name for figure in made.figures] == ["node-factors", "node-throughput", "node-throughput-2"]
    own, batch1, _ = made.tables
    assert [row[0].text for row in own.rows] == ["n003", "n002", "n001"]
    assert "outlying, slower" in text_of(own.rows[0]) and "as others" in text_of(own.rows[1])
    assert [row[0].text for row in batch1.rows] == ["median", "n003", "n002", "n001"]
    assert all(cell.text.startswith("↓ ") for cell in batch1.rows[1][1:])
    assert "the 3 nodes differ by" in made.text[1].lower() and "Without n003" in made.text[1]
    assert "outlying-node" in [item.finding.code for item in report_findings(report)]


def report_findings(report: Report) -> tuple:  # type: ignore[type-arg]
    return part(report, "findings").findings


def test_the_machine_is_told_as_nodes_and_no_node_stands_for_all() -> None:
    report = build(analyse(alike()))
    assert report.machine.startswith("3 nodes, each NVIDIA Example 80GB")
    tables = part(report, "environment").tables
    assert [table.title for table in tables[1:]] == [
        "The same on all 3 nodes", "Not the same on all nodes", "State of the nodes",
    ]  # fmt: skip
    same, differs = text_of(tables[1]), text_of(tables[2])
    assert "580.1" in same and "GPU-n001" not in same and "GPU-n001 (n001)" in differs


def test_a_fact_that_one_node_lacks_is_not_common_and_many_values_are_counted() -> None:
    bare = replace(machine("n003"), packages={"torch": "2.13.0"})
    same, differs, _ = tables_fleet.environment(alike(machines={"n003": bare}))
    assert "transformers" not in text_of(same) and "transformers" in text_of(differs)
    many = sweep(dict.fromkeys(node_names(9), 1.0), blocks=1)
    assert "9 different values, such as" in text_of(tables_fleet.environment(many)[1])


def test_extremes_of_the_state_name_their_nodes() -> None:
    hot = machine("n002", temperature_degc=90)
    state = tables_fleet.environment(alike(machines={"n002": hot}))[-1]
    row = next(row for row in state.rows if row[0].text == "gpus 0 temperature" and "90" in row[3].text)
    assert row[4].text == "n002"


def test_unlike_hardware_has_figures_of_its_own_everywhere() -> None:
    analysed = analyse(unlike())
    report = build(analysed)
    assert [dict(group.setting)["model"] for group in analysed.generation] == [
        "smoke on NVIDIA Example 80GB, 700 W", "smoke on NVIDIA Example 80GB, 500 W",
    ]  # fmt: skip
    for group in analysed.generation:
        int8 = next(row for row in group.rows if row.scheme == "int8")
        assert int8.time_ratio is not None and int8.time_ratio.value == pytest.approx(1.72, rel=0.01)
    assert len(report.headlines) == 4 and any("every ratio is within one kind" in label for label in report.labels)
    assert {"unlike-nodes", "explained-hardware"} <= {item.finding.code for item in report_findings(report)}
    assert report.machine == "6 nodes of 2 kinds: 4 × NVIDIA Example 80GB, 700 W; 2 × NVIDIA Example 80GB, 500 W"
    assert {pair.reference for pair in analysed.explanation.pairs} == {"fp16"} and len(analysed.explanation.pairs) == 2


def test_like_nodes_are_one_machine_on_the_sign_map_and_unlike_ones_are_not() -> None:
    assert {spot.place.machine for spot in signmap(alike())} == {"NVIDIA Example 80GB"}
    assert len(signmap(alike())) == 2
    spots = signmap(unlike())
    assert [spot.place.machine[-5:] for spot in spots] == ["700 W", "700 W", "500 W", "500 W"]
    weighed = tradeoffs(unlike())
    made = tradeoff_section(weighed)
    assert len(weighed) == 2 and made is not None
    assert len({table.title for table in made.tables}) == len(made.tables)


def test_quality_of_unlike_hardware_is_told_by_hardware() -> None:
    records = unlike()
    for name, of_node in (("n001", None), ("n005", WEAK["n005"])):
        on = of_node or machine(name)
        for scheme in ("fp16", "nf4"):
            records.append(placed(q.samples(scheme, device="cuda"), on, name))
            records.append(placed(q.judged(scheme, device="cuda", plus=range(9)), on, name))
    analysed = analyse(records)
    titles = text_of(part(build(analysed), "quality").tables[0])
    assert "700 W" in titles and "500 W" in titles


def placed(record: Record, on: Environment, block: str) -> Record:
    setup = {**record.setup, "block": {"name": f"samples on {block}", "place": 0}}
    return replace(record, environment=on, setup=setup, repeat=int(block[-1]))


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_terminal_tells_of_nodes(width: int) -> None:
    out = io.StringIO()
    print_report(alike(), [], Console(file=out, width=width))
    text = out.getvalue()
    assert "node n003 takes ×1.1" in " ".join(text.split()) and "3 nodes, 9 blocks" in " ".join(text.split())
    assert width == 60 or max(map(len, text.splitlines())) <= width
    assert ("1.75 GHz" in text) is (width > 80)  # details are the first to go


def test_of_five_hundred_nodes_those_that_stand_out_and_a_fair_sample_are_drawn() -> None:
    names = node_names(500)
    true = {name: 1.0 + 0.00002 * place for place, name in enumerate(names)} | {"n123": 1.2, "n321": 0.8}
    found = nodes(sweep(true, blocks=1, schemes=("fp16",)))
    made = section(found)
    assert found is not None and made is not None
    (fleet,) = found.fleets
    rows = [node.name for node in figure_nodes.drawn(fleet, fleet.rates[0])]
    assert len(rows) == figure_nodes.MOST_ROWS and rows[0] == "n123" and rows[-1] == "n321"
    ranks = [[node.name for node in figure_nodes.by_speed(fleet)].index(name) for name in rows]
    assert ranks == sorted(ranks) and max(b - a for a, b in pairwise(ranks)) <= 30
    assert "476 of 500 nodes are not drawn" in made.figures[1].caption
    assert len(made.tables[0].rows) == 500 and len(made.tables[1].rows) == 501
    for figure in made.figures:
        assert figure.draw().get_size_inches()[1] < 8


def test_names_of_nodes_stay_short() -> None:
    assert figure_nodes.short_name("gpu07.cluster.example.org") == "gpu07"
    assert figure_nodes.short_name("gpu-rack12-node0345", 11) == "…node0345"
    assert figure_nodes.short_name("partition-a100-rack12-node0345") == "partition…node0345"


def test_the_page_has_the_section(tmp_path: Path) -> None:
    write_report(tmp_path, alike(), [])
    page = (tmp_path / "report.html").read_text()
    assert '<section id="nodes">' in page and "Throughput by node and scheme" in page
    assert (tmp_path / "figures" / "node-factors.png").exists()
    assert "Decode tok/s by node" in (tmp_path / "report.md").read_text()


def test_variation_in_words() -> None:
    one_block = nodes(alike(blocks=1))
    assert one_block is not None
    assert "cannot be told apart" in tables_nodes.variation(one_block.fleets[0], several=False)
    same = nodes(sweep(dict.fromkeys(LIKE, 1.0)))
    assert same is not None and "no more than chance" in tables_nodes.variation(same.fleets[0], several=False)


def test_doubts_about_every_node_are_in_the_report(tmp_path: Path) -> None:
    before = {"gpus": [{"other_processes": 3, "utilisation": 0.5}]}
    busy = replace(machine("n002"), before=before)
    folder = written(tmp_path / "run", alike(machines={"n002": busy}))
    assert cli.main(["report", str(folder)]) == 0
    assert "1 of 3 nodes: n002" in (folder / "report.md").read_text()


def machine_check(records: list[Record]) -> str:
    return next(check.result for check in agreeing(records, None) if check.name == "machine")


def test_verify_takes_unlike_nodes_of_a_sweep_only() -> None:
    assert machine_check(alike()) == "ok" and machine_check(unlike()) == "note"
    ordinary = replace(unlike()[0], setup={})
    assert machine_check([*unlike(), ordinary]) == "problem"


def test_explain_and_compare_never_go_from_one_hardware_to_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(written(tmp_path / "run", unlike()))
    assert cli.main(["explain", folder, "--json"]) == 0
    machines = json.loads(capsys.readouterr().out)["machines"]
    assert [item["machine"][-5:] for item in machines] == ["700 W", "500 W"]
    for item in machines:
        assert {pair["scheme"] for pair in item["pairs"]} == {"int8", "nf4"}
    assert cli.main(["explain", folder]) == 0
    assert "On NVIDIA Example 80GB, 500 W" in capsys.readouterr().out
    assert cli.main(["compare", folder, folder]) == 2
    assert "unlike machines" in capsys.readouterr().err
    for verb in ("show", "tradeoff"):
        assert cli.main([verb, folder]) == 0


def test_an_ordinary_runs_explanation_has_its_old_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(written(tmp_path / "run", alike()))
    assert cli.main(["explain", folder, "--json"]) == 0
    assert "pairs" in json.loads(capsys.readouterr().out)


def test_an_analysis_of_one_hardware_keeps_the_models_names() -> None:
    analysed: Analysed = analyse(alike())
    assert [dict(group.setting)["model"] for group in analysed.generation] == ["smoke"] and len(analysed.parts) == 1
