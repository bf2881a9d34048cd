"""Wherever an interval stands of which a part was not seen, the word "assumed" stands beside it, and what it means."""

import io
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from bench.analysis.comparison import compare
from bench.analysis.explain import explain
from bench.record.schema import Record
from bench.report.content import Column, table
from bench.report.sections.order import explanation_document
from bench.report.terminal import comparison_table, print_table
from bench.report.units import ASSUMED_NOTE
from bench.studies.starcoder2.replication.page import write_study
from tests import factories as make
from tests import quality_records as quality
from tests import study_records as study
from tests.written_report import undrawn, write_report

INTERVAL = re.compile(r"\[[-+±\d.,\s\u202f]+\]|[-+]\d+\.\d+ to [-+]\d+\.\d+")
# Columns whose intervals assume nothing: Wilson's, one of greedy answers, pairs of calls in one process, and products
# that took turns in one process for three bursts.
SEEN = ("HumanEval pass@1", "HumanEval+ pass@1", "pass@1", "Perplexity", "Annotated ÷ plain")
IN_TURNS = ("Layer by layer", "One Linear")


def one_process_each() -> list[Record]:
    """Everything that a run records, once."""
    records = make.run(gpu=True, schemes=("fp16", "int8", "nf4"), repeats=1)
    for scheme in ("fp16", "int8", "nf4"):
        records.append(make.kineto(scheme, device="cuda", plain=0.011))
        records += [make.intervention(scheme, name, device="cuda") for name in ("none", "threshold-0")]
        records += [quality.samples(scheme, device="cuda"), quality.judged(scheme, plus=range(30), device="cuda")]
    return records


def cells(text: str) -> list[tuple[str, str, str]]:
    """(title, column, cell) of every table of a Markdown page."""
    found, title, columns = [], "", []
    for line in text.replace("\\", "").splitlines():
        if line.startswith("| "):
            parts = [part.strip() for part in line.strip("| ").split(" | ")]
            if not columns:
                columns = parts
            found += [(title, column, part) for column, part in zip(columns, parts, strict=False)]
        elif line.strip() and not line.startswith("|"):
            title, columns = line.strip("*# "), []
    return found


def untold(text: str) -> list[tuple[str, str, str]]:
    return [
        (title, column, cell)
        for title, column, cell in cells(text)
        if INTERVAL.search(cell) and "assumed" not in cell and column not in SEEN
        if not (title.startswith(IN_TURNS) and column != "Time")
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("one")
    write_report(folder, one_process_each(), [], drawn=False)
    return (folder / "report.md").read_text(encoding="utf-8")


def test_every_interval_of_a_report_of_one_process_each_says_so(page: str) -> None:
    told = [cell for _, _, cell in cells(page) if "] assumed" in cell]
    assert len(told) > 30 and untold(page) == []


def test_every_table_that_says_it_says_what_it_means(page: str) -> None:
    parts = re.split(r"\n\n(?=\|)", page.replace("\\", ""))
    having = [part for part in parts[1:] if "assumed" in part[: part.find("\n\n")]]
    assert len(having) > 8
    for before, part in pairwise(parts):
        if part in having:
            assert "standard deviation of 12, 6 or 5 %" in before.rsplit("\n\n", 3)[-1] + part[part.find("\n\n") :]


def test_the_captions_of_drawn_intervals_say_it(page: str) -> None:
    captions = [line for line in page.splitlines() if "Part of the bars is assumed" in line]
    assert len(captions) >= 5


def test_three_processes_need_no_such_word(tmp_path: Path) -> None:
    records = [make.generation(scheme, repeat) for scheme in ("fp16", "nf4") for repeat in range(3)]
    write_report(tmp_path, records, [], drawn=False)
    assert "assumed" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_table_explains_the_word_once() -> None:
    made = table("t", (), [], "A note.")
    assert made.note == "A note."
    with_word = table(
        "t", [Column("Ratio")], [["×3.2 [1.5, 6.8] assumed"], ["×1.2 [0.5, 2.8] assumed est."]], "A note."
    )
    assert with_word.note.count("standard deviation") == 1 and with_word.note.startswith("A note. Assumed: ")
    assert "docs/verdicts.md" in ASSUMED_NOTE


def test_the_terminal_says_it() -> None:
    stream = io.StringIO()
    one = [make.generation("fp16")]
    rows = compare(one, [make.other_run(make.generation("fp16"))]).rows
    print_table(comparison_table(rows), Console(file=stream, width=160))
    text = stream.getvalue()
    assert text.count("] assumed") >= 2 and "standard deviation of 12, 6 or 5 %" in " ".join(text.split())


def test_json_says_it() -> None:
    found = json.loads(json.dumps(explanation_document(explain(one_process_each())), default=str))
    assert all(line["assumed"] for pair in found["pairs"] for line in pair["lines"] if line["ci"] != [None, None])
    assert all(pair["delta_assumed"] == "between processes" for pair in found["pairs"])
    assert all(row["gain_assumed"] == "between processes" for row in found["interventions"] + found["remedies"])
    assert all(pair["gross"]["delta_assumed"] for pair in found["energy"] if pair["gross"])


def test_the_study_page_says_it(tmp_path: Path) -> None:
    run = [record for record in study.run() if record.repeat == 0]
    with undrawn():
        write_study(tmp_path, [run], study.published())
    text = (tmp_path / "study.md").read_text(encoding="utf-8")
    raw = ("Figures", "Why the joules differ", "Table IV", "Over the original")  # five runs each, by the study
    left = [
        cell
        for cell in untold(text)
        if "HumanEval" not in cell[1] + cell[2]
        if not (cell[0].startswith(raw) or cell[1].startswith("Its raw data"))
    ]
    assert left == [] and text.count("assumed") > 10


def test_the_first_screens_points_say_it(page: str) -> None:
    first = page[: page.find("\n## ")]
    points = [line for line in first.splitlines() if re.search(r"95 % interval|ms per token less", line)]
    assert points and all("assumed" in line for line in points)
