"""The whole report, from invented records."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.record.errors import RecordError
from bench.record.schema import Artifact, Finding
from bench.report.analysed import analyse
from bench.report.build import build
from bench.report.page import render_html
from tests import factories as make
from tests.safety.hostile import without_own_script
from tests.written_report import write_report

EVIL = "<script>alert('x')</script>|`$a_1$`"


class Page(HTMLParser):
    """Collects tags, attributes and ids; fails on a tag that neither the page nor HTML itself closes."""

    # What a page may link to: itself, and a trace beside it.
    OWN = re.compile(r"#|artifacts/[\w.-]+/[\w.-]+$")
    ROW, CELL = frozenset({"tr"}), frozenset({"td", "th"})
    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.ROW | self.CELL:
            self._close(self.CELL if tag in self.CELL else self.ROW | self.CELL)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def _close(self, tags: frozenset[str]) -> None:
        while self.open[-1] in tags:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("thead", "tbody"):
            self._close(self.ROW | self.CELL)
        assert self.open.pop() == tag, f"{tag} closes nothing"

    @property
    def ids(self) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get("id"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPU run's report."""
    made = tmp_path_factory.mktemp("run")
    loading = Finding("truncated-last-line", "warning", "the last line is incomplete", remedy="run again with --resume")
    write_report(made, make.run(gpu=True), [loading])
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_it_writes_what_it_says(tmp_path: Path) -> None:
    written = write_report(tmp_path, make.run(schemes=("fp16", "nf4"), repeats=1), [])
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert {path.suffix for path in written} == {".md", ".html", ".svg", ".png"}


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    page = without_own_script(page)
    parsed = Page(page)
    for tag, attrs in parsed.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert Page.OWN.match(attrs.get(name) or "#"), f"{tag} loads {attrs[name]}"
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in parsed.tags}
    assert "url(http" not in page and "@import" not in page and "://" not in page


def test_the_page_is_well_formed(page: str) -> None:
    parsed = Page(page)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', page))
    assert used <= set(parsed.ids)


def test_the_figures_follow_light_and_dark(page: str) -> None:
    style, body = page.split("</style>", 1)
    assert "prefers-color-scheme:dark" in style
    drawings = "".join(re.findall(r"<svg.*?</svg>", body, flags=re.DOTALL))
    assert "var(--fig-ink)" in drawings and "var(--s-nf4)" in drawings
    left = set(re.findall(r"#[0-9a-f]{6}\b", drawings))
    assert left == set(), "a colour of matplotlib's own is fixed and cannot follow"
    assert set(re.findall(r"var\((--[\w-]+)\)", drawings)) <= set(re.findall(r"(--[\w-]+):", style))


def test_who_points_at_a_figure_is_told_its_values(page: str) -> None:
    told = re.findall(r"<title>([^<]*)</title>", page.split("</head>", 1)[1])
    for scheme in ("fp16", "int8", "nf4"):
        assert any(re.fullmatch(rf"{scheme}: [\d.]+ tok/s", text) for text in told)
        assert any(re.fullmatch(rf"{scheme}: p50 [\d.]+ ms, p90 .*", text) for text in told)
        assert any(text.startswith(f"{scheme}: ") and " at m=1" in text for text in told)


def test_the_figure_files_stand_alone(folder: Path) -> None:
    files = sorted((folder / "figures").glob("*.svg"))
    assert {"throughput", "latency", "energy", "memory", "matmul"} <= {file.stem for file in files}
    for file in files:
        assert ElementTree.parse(file).getroot().tag.endswith("svg")
        assert "var(" not in file.read_text(encoding="utf-8")
        assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_the_first_screen_says_it(folder: Path, name: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    top = text[: text.index("Decode throughput")].replace("\\", "")
    assert "int8 is slower than fp16: ×1.73 [" in top and "SLOWER" in top
    assert "speed figures describe this tiny model only" in top
    assert "NVIDIA Example 80GB" in top
    assert "CPU timings say nothing" not in text


def test_every_figure_says_what_on_what_and_how_often(page: str) -> None:
    folded = r"(?:<details[^>]*><summary>[^<]*</summary>\s*)?"
    captions = re.findall(rf"</svg>\s*</div>\s*{folded}<figcaption>(.*?)</figcaption>", page, flags=re.DOTALL)
    assert len(captions) == page.count("<svg")
    for caption in captions:
        for part in ("Measured:", "Machine: NVIDIA Example 80GB", "How often:", "95 %"):
            assert part in caption or (part == "95 %" and "bytes" in caption), (part, caption)


def test_a_cpu_run_says_so_and_why_there_is_no_energy(tmp_path: Path) -> None:
    write_report(tmp_path, make.run(gpu=False, repeats=2), [], drawn=False)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "CPU timings say nothing about a GPU" in text
    assert "not collected for fp16, int8, nf4 (no GPU on this machine)" in text
    assert "minimum traffic" in text and "estimated" in text


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_findings_failures_and_arms_are_told(folder: Path, name: str) -> None:
    text = (folder / name).read_text(encoding="utf-8").replace("\\", "")
    assert text.count("the machine was busy before the run") == 1
    assert "close other programs" in text and "run again with --resume" in text
    assert "signal 9" in text and "static cache needs a GPU" in text
    assert "nf4 as the tests imagine it" in text and "threshold" in text
    assert "1.98 GHz" in text and "61.0 °C" in text


def test_names_from_outside_cannot_become_markup(tmp_path: Path) -> None:
    records = [
        replace(item, run_id=EVIL, environment=replace(item.environment, hostname=EVIL, variables={EVIL: EVIL}))
        for item in (make.generation("fp16", model=EVIL), make.generation(EVIL, model=EVIL))
    ]
    records.append(make.record("energy", make.case(EVIL, model=EVIL), status="failed", reason=EVIL))
    records.append(make.matmul(EVIL, layer=EVIL, model=EVIL))
    write_report(tmp_path, records, [Finding(EVIL, "warning", EVIL, EVIL, EVIL)])
    page, text = ((tmp_path / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    page = without_own_script(page)
    assert "<script" not in page.lower() and "&lt;script" in page
    assert "<script" not in text.lower()
    assert Page(page).open == []
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1, f"a name broke the table: {block}"


def test_two_models_are_told_apart(tmp_path: Path) -> None:
    records = [make.generation(scheme, r, model=m) for m in ("a", "b") for scheme in ("fp16", "nf4") for r in range(3)]
    write_report(tmp_path, records, [], drawn=False)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "a: nf4 is" in text and "b: nf4 is" in text
    assert "(figures/throughput-2.svg)" in text


def test_only_failures_still_make_a_report(tmp_path: Path) -> None:
    write_report(tmp_path, make.troubles(), [], drawn=False)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "was not timed" in text and "signal 9" in text


def test_one_call_has_an_assumed_interval_and_no_verdict(tmp_path: Path) -> None:
    write_report(tmp_path, [make.generation("fp16", calls=1), make.generation("nf4", calls=1)], [], drawn=False)
    text = (tmp_path / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert "AMBIGUOUS" in text and re.search(r"×1\.\d\d \[0\.\d\d, 2\.\d\d\] assumed", text)
    assert "standard deviation of 12, 6 or 5 % is taken" in text


def test_no_records_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no records"):
        write_report(tmp_path, [], [])


def test_the_same_records_make_the_same_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        write_report(folder, make.run(schemes=("fp16", "nf4"), repeats=2)[:6], [])
    for file in first.rglob("*.svg"):
        assert file.read_bytes() == (second / file.relative_to(first)).read_bytes()
    assert (first / "report.html").read_bytes() == (second / "report.html").read_bytes()


def test_a_picture_is_drawn_again_where_its_figure_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    from bench.report import figures, svg

    drawn: list[str] = []
    savefig = Figure.savefig

    def counted(self: Figure, *args: object, **options: object) -> None:
        drawn.append(str(options["format"]))
        savefig(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", counted)
    for text in ("one", "one", "other", "other"):
        svg.save(figures.notice(text), tmp_path, "figure")
    assert drawn.count("png") == 2  # an SVG need not go through savefig
    raster = tmp_path / "figure.png"
    whole = raster.read_bytes()
    raster.write_bytes(whole[:-20])
    svg.save(figures.notice("other"), tmp_path, "figure")
    assert raster.read_bytes() == whole


@pytest.mark.parametrize(("name", "asked"), [("trace.json.gz", False), ("timeline.sqlite", True)])
def test_what_nsys_wrote_is_not_said_to_open_in_perfetto(name: str, asked: bool) -> None:
    report = build(analyse(make.run(), []))
    trace = Artifact(f"artifacts/nsys-int8-x-0/{name}", "0" * 64, "a trace")
    drawn = {figure.name: "" for figure in report.figures}
    page = render_html(replace(report, tabs=(replace(report.tabs[0], traces=(trace,)),)), drawn)
    assert "ui.perfetto.dev" in page
    assert ("Neither reads what nsys wrote" in page) is asked
