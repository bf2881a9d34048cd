"""Whatever the records say, a report is text: no element, attribute, address or escape sequence comes out of them."""

import base64
import hashlib
import io
import re
import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench import cli
from bench.analysis.evidence import drawn
from bench.record.schema import Artifact, Finding
from bench.record.store import load, open_run
from bench.report import markdown, page, svg
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.console import console
from bench.report.content import Answer, Point, Report
from bench.report.sections import evidence
from bench.report.visible import dumps, visible, visible_all
from bench.studies.starcoder2.replication.page import write_study
from profiling import flamegraph
from profiling.readers.py_spy import Frame, Samples
from tests import factories as make
from tests import quality_records, study_records
from tests.long_tables import some_of
from tests.safety.hostile import PAYLOADS, Page, hostile, without_own_script
from tests.written_report import print_report, write_report

ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section", "div", "p", "span", "b"),
    *("h1", "h2", "ul", "ol", "li", "a", "br", "code", "pre", "figure", "figcaption", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "g", "defs", "path", "rect", "use", "text", "clippath"),
    *("lineargradient", "stop", "image", "input", "label"),
}
ATTRIBUTES = {
    *(
        "lang",
        "charset",
        "http-equiv",
        "name",
        "content",
        "class",
        "id",
        "href",
        "tabindex",
        "role",
        "aria-label",
        "style",
        "open",
        "for",
        "checked",
    ),
    *(
        "version",
        "xmlns",
        "viewbox",
        "width",
        "height",
        "x",
        "y",
        "d",
        "transform",
        "clip-path",
        "type",
        "x1",
        "y1",
        "x2",
        "y2",
    ),
}
MARKDOWN_ELEMENTS = {
    *("h1", "h2", "h3", "p", "ul", "ol", "li", "strong", "em", "code", "pre", "blockquote"),
    *("table", "thead", "tbody", "tr", "th", "td", "img"),
}
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ufeff]")


def records():
    """Two schemes in all that a run holds."""
    pair = ("fp16", "int8")
    found = [
        r for r in make.run(schemes=pair, repeats=2) if r.case.layer in (None, "mlp.c_fc") and r.case.batch_size != 8
    ]
    found += [make.kineto(scheme, repeat) for scheme in pair for repeat in range(2)]
    found += [make.intervention("int8", name, repeat) for name in ("none", "plain-linears") for repeat in range(2)]
    return [*found, *(quality_records.samples(scheme) for scheme in pair)]


RUNS = Path(__file__).parents[2] / "reports" / "runs"
COORDINATES = ("scheme", "device", "cache", "stop", "prompts", "intervention", "dropped_layers")


@pytest.fixture(scope="module")
def attacked():
    return hostile(records(), keep=COORDINATES)


@pytest.fixture(scope="module")
def folder(attacked, tmp_path_factory):
    """The report's files; without the raster images, which hold no text."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawing's font has no sign for every attack
        patch.setattr(svg, "save", vector_only)
        write_report(folder, attacked, [Finding("x", "<b>bad</b>", *PAYLOADS[:3])])
    return folder


def vector_only(figure, folder, name):
    document = svg.rendered(figure, name)
    (folder / f"{name}.svg").write_text(document)
    return document, []


def check_page(text):
    found = Page(without_own_script(text))
    assert found.elements <= ELEMENTS
    assert found.attributes <= ATTRIBUTES
    assert all(re.match(r"#|artifacts/[\w.-]+/[\w-]+(\.[\w-]+)*$", address) for address in found.addresses)
    assert found.other == []
    assert not CONTROL.search(text)


def check_markdown(text):
    made = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    found = Page(made)
    assert found.elements <= MARKDOWN_ELEMENTS
    assert found.attributes <= {"src", "alt", "style", "start"}
    assert all(address.startswith(("figures/", "artifacts/")) for address in found.addresses)
    assert not CONTROL.search(text)


def test_a_browser_is_told_to_load_nothing_and_to_run_our_own_script_alone(folder):
    text = (folder / "report.html").read_text()
    assert text.index("default-src 'none'") < text.index("<title>")
    (allowed,) = re.findall(r"script-src ([^;]*);", text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert allowed == f"'sha256-{digest}'"
    assert "<script" not in without_own_script(text).lower()


COMMITTED = ("cpu-smoke-quality-20261126", "h100-starcoder2-3b-20261126")


@pytest.mark.parametrize("name", some_of(COMMITTED, COMMITTED[:1]))
def test_real_records_with_every_text_replaced_make_an_inert_report(name, tmp_path, monkeypatch):
    """One record of each instrument and scheme of a committed run; the drawings are looked at above."""
    real = load(RUNS / name).records
    chosen = {(record.instrument, record.case.scheme, record.case.op): record for record in real}
    monkeypatch.setattr(svg, "save", lambda figure, folder, name: ("<svg></svg>", []))
    write_report(tmp_path, hostile(chosen.values(), keep=COORDINATES), [])
    check_page((tmp_path / "report.html").read_text())
    check_markdown((tmp_path / "report.md").read_text())


def test_the_attack_is_in_the_page_as_text(folder):
    text = (folder / "report.html").read_text()
    for sign in ("&lt;script&gt;alert(1)&lt;/script&gt;", "␛[31m", "onerror=alert(1)&gt;"):
        assert sign in text


def test_the_page_holds_only_our_own_elements(folder):
    check_page((folder / "report.html").read_text())


def test_the_markdown_holds_only_our_own_elements(folder):
    check_markdown((folder / "report.md").read_text())


def test_the_drawings_are_well_formed_and_hold_no_script(folder):
    drawings = sorted((folder / "figures").glob("*.svg"))
    assert len(drawings) > 5
    for path in drawings:
        root = ElementTree.parse(path).getroot()
        names = {element.tag.rpartition("}")[2].lower() for element in root.iter()}
        assert names <= ELEMENTS | {"metadata", "rdf", "work", "agent", "creator", "title"}, path.name
        assert not any(name.lower().startswith("on") for element in root.iter() for name in element.attrib)
    assert any("&lt;" in path.read_text() for path in drawings)


def test_nothing_is_written_outside_the_run_folder(folder):
    assert {path.name for path in folder.iterdir()} == {"report.html", "report.md", "figures"}


def test_attacked_coordinates_make_no_element_either(tmp_path, monkeypatch):
    monkeypatch.setattr(svg, "save", lambda figure, folder, name: ("<svg></svg>", []))
    write_report(tmp_path, hostile(records()), [])
    check_page((tmp_path / "report.html").read_text())
    check_markdown((tmp_path / "report.md").read_text())


def test_the_study_report_is_inert(tmp_path, monkeypatch):
    monkeypatch.setattr(svg, "save", vector_only)
    run = [study_records.calls(scheme, 3.0, repeat) for scheme in ("fp16", "int8", "nf4") for repeat in range(2)]
    write_study(tmp_path, [hostile(run, keep=(*COORDINATES, "model"))], study_records.published())
    check_page((tmp_path / "study.html").read_text())
    check_markdown((tmp_path / "study.md").read_text())


def test_a_terminal_gets_no_escape_sequence_and_no_markup(attacked):
    made = console()
    made.file = io.StringIO()
    made.width = 300
    print_report(attacked, [Finding("x", "warning", *PAYLOADS[-5:-2])], made)
    text = made.file.getvalue()
    assert not CONTROL.search(text)
    assert "[red]markup[/red]" in text


@pytest.mark.parametrize("verb", (["show"], ["show", "--json"], ["explain"]))
def test_no_verb_prints_an_escape_sequence(verb, attacked, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "3000")
    with open_run(tmp_path) as writer:
        for record in attacked:
            writer.append(record)
    assert cli.main([verb[0], str(tmp_path), *verb[1:]]) == 0
    out = capsys.readouterr().out
    assert "[red]markup" in out or verb[0] != "show"
    assert not CONTROL.search(out)


def test_an_error_that_quotes_a_file_is_harmless(tmp_path, capsys):
    assert cli.main(["show", f"{tmp_path}/\x1b[2Jgone"]) == 2
    told = capsys.readouterr().err
    assert "[2Jgone" in told and not CONTROL.search(told)


@settings(max_examples=15)
@given(st.text(max_size=60), st.sampled_from(PAYLOADS))
def test_any_text_is_one_inert_line_of_markdown_and_of_html(text, payload):
    whole = text + payload
    point = Point(whole, whole, whole)
    report = Report(
        whole, whole, whole, (), (), whole, (whole,), whole, (), Answer(whole, "", None, (point,), (point,), whole)
    )
    check_page(page.render_html(report, {}))
    check_markdown(markdown.render(report, {}))


@given(st.text())
def test_visible_text_has_no_control_character_and_its_words_are_kept(text):
    shown = visible(text)
    assert len(shown) == len(text)
    assert not CONTROL.search(shown)
    shown.encode()
    assert visible(shown) == shown
    assert not CONTROL.search(dumps(text))


def test_harmless_records_are_passed_on_as_they_are():
    found = records()
    assert visible_all(found) is found


def test_a_figure_cannot_be_named_by_a_record():
    for name in ("../x", "/x", "a/b", "", 'x"onload="', "x y", ".x"):
        with pytest.raises(ValueError, match="name"):
            svg.save(None, None, name)
    names = {figure.name for figure in build(analyse(hostile(records()))).figures}
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)


@pytest.mark.parametrize(
    "inside",
    ("<script>alert(1)</script>", "<rect onload='alert(1)'/>", "<image href='http://evil.example'/>", "<a><text/></a>",
     "<style>@import 'http://evil.example'</style>", "<style>.x{fill:u\\72l(http://evil.example)}</style>",
     "<style>body{display:none}</style>", "<!-- x -->", "<foreignObject/>", "<?php x ?>"),
)  # fmt: skip
def test_a_drawing_from_elsewhere_is_shown_only_if_it_is_no_more_than_a_drawing(inside):
    assert not svg.only_a_drawing(f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>')


def test_our_own_flamegraph_is_shown():
    samples = Samples((Frame("<script>f", "x.py"),), ((0,), (0, 0)), np.array([1.0, 2.0]), "samples")
    drawn = flamegraph.render(samples, "]]><script>")
    assert svg.only_a_drawing(drawn)
    check_page(drawn)


def test_a_flamegraph_outside_the_run_folder_is_not_shown(tmp_path):
    (tmp_path / "x.svg").write_text("<svg/>")
    host = make.record("host", make.case())
    for path in ("../x.svg", "/etc/x.svg", "artifacts/../../x.svg"):
        found = evidence.flamegraphs(drawn([hosted(host, path)]))
        assert found == ()


def hosted(record, path):
    return replace(record, instrument="host-everything", artifacts=(Artifact(path, "0" * 64, "x"),))
