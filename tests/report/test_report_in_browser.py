"""The pages of the committed runs in a browser: at three widths, light and dark, folded and with everything open."""

from pathlib import Path

import pytest

from bench.report import page, svg
from bench.verbs.report import build_run
from profiling.summarize import read_timeline
from tests.report.chromium import PROGRAM, Chromium

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="needs Chromium")]
RUNS = Path(__file__).parents[2] / "reports" / "runs"
NAMES = ("cpu-smoke-20261126", "cpu-smoke-quality-20261126", "h100-starcoder2-3b-20261126")
SCREEN, MOST_SCREENS, MOST_BYTES = 800, 6, 1_000_000
# Each tab in turn with everything open: what is cut, what is empty, what is wider than the window.
LOOK = """(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const seen = (each) => each.getClientRects().length > 0;
  const wide = () => document.documentElement.scrollWidth - innerWidth;
  const found = { cards: 0, wide: [wide()], high: document.documentElement.scrollHeight, tabs: [], cut: [], empty: [] };
  const tabs = [...document.querySelectorAll(".tabs>input")], panels = [...document.querySelectorAll(".panel")];
  for (const each of document.querySelectorAll("details")) each.open = true;
  for (const tab of tabs) {
    document.querySelector(`label[for="${tab.id}"]`).click();
    await frame(); await frame();
    const shown = panels.filter(seen), own = tab.nextElementSibling.nextElementSibling;
    found.tabs.push(shown.length === 1 && shown[0] === own && own.innerText.length > 200);
    found.wide.push(wide());
    found.cards += [...document.querySelectorAll(".cards")].filter(seen).length;
    for (const box of document.querySelectorAll(".scroll"))
      if (seen(box) && box.scrollWidth > box.clientWidth + 1) found.cut.push(box.textContent.trim().slice(0, 60));
    for (const figure of document.querySelectorAll("figure.drawing")) {
      if (!seen(figure)) continue;
      const drawing = figure.querySelector("svg"), size = drawing && drawing.getBoundingClientRect();
      const parts = drawing ? drawing.querySelectorAll("path,use,rect").length : 0;
      if (!size || size.width < 100 || size.height < 40 || parts < 3) found.empty.push(figure.innerText.slice(0, 60));
    }
    for (const table of document.querySelectorAll("table"))
      if (!table.tBodies[0].rows.length) found.empty.push(table.textContent.trim().slice(0, 60));
  }
  return found;
})()"""
FIRST = """(() => {
  const low = (what) => document.querySelector(what)?.getBoundingClientRect().bottom ?? null;
  return { answer: low(".answer"), tabs: low(".tabs>label:last-of-type"), figure: low(".panel svg"),
           why: low(".panel h2"), paper: getComputedStyle(document.body).backgroundColor };
})()"""
# Texts of the first screen and of its drawing that stand out from the paper less than 4.5 to 1 (WCAG 2.2, 1.4.3).
DIM = """(() => {
  const numbers = (colour) => (colour.match(/[\\d.]+/g) || []).slice(0, 3).map(Number);
  const light = (colour) => numbers(colour).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const paper = light(getComputedStyle(document.body).backgroundColor), found = [];
  for (const each of document.querySelectorAll("h1,h2,.soft,.note,.points b,.panel svg text,figcaption,td")) {
    if (!each.getClientRects().length || !each.textContent.trim()) continue;
    const style = getComputedStyle(each), colour = each.tagName === "text" ? style.fill : style.color;
    if (ratio(light(colour), paper) < 4.5) found.push(each.textContent.trim().slice(0, 40));
  }
  return found;
})()"""
TABLE = """(() => {
  const box = [...document.querySelectorAll("header > .table .scroll")].at(-1);
  const rows = () => [...box.querySelectorAll("tbody tr")];
  const heads = [...box.querySelectorAll("th")], place = heads.findIndex((head) => head.textContent === "Decode");
  const read = () => rows().map((row) => parseFloat(row.children[place].textContent));
  heads[place].click(); const up = read();
  heads[place].click(); const down = read();
  const field = box.parentNode.querySelector(".filter");
  field.value = "nf4"; field.dispatchEvent(new Event("input"));
  const left = rows().filter((row) => !row.hidden).map((row) => row.children[0].textContent);
  return { up, down, left };
})()"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Each run's page as it is made today."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svg, "save", vector_only)
        for name in NAMES:
            folder = tmp_path_factory.mktemp(name)
            page.write(folder, build_run(RUNS / name, read=read_timeline))
            made[name] = folder / "report.html"
    return made


def vector_only(figure, _folder, name):
    return (figure if isinstance(figure, str) else svg.rendered(figure, name)), []


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.mark.parametrize("width", (1280, 768, 400))
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_empty_or_too_wide_and_every_tab_opens(name, width, pages, browser):
    browser.visit(pages[name], width, SCREEN)
    first = browser.run(FIRST)
    found = browser.run(LOOK)
    assert browser.errors == []
    assert max(found["wide"]) <= 0
    assert found["tabs"] and all(found["tabs"])
    assert found["cut"] == [] and found["empty"] == []
    assert bool(found["cards"]) is (width == 400) or width == 768
    if width == 1280:
        assert found["high"] <= MOST_SCREENS * SCREEN
        assert max(first["answer"], first["tabs"], first["why"]) < SCREEN / 2 and first["figure"] < SCREEN


@pytest.mark.parametrize("name", NAMES)
def test_it_follows_the_reader_into_the_dark(name, pages, browser):
    papers = []
    for dark in (False, True):
        browser.visit(pages[name], 1280, SCREEN, dark=dark)
        papers.append(browser.run(FIRST)["paper"])
        assert browser.errors == []
        assert browser.run(DIM) == []
    assert papers == ["rgb(254, 254, 254)", "rgb(21, 24, 28)"]


@pytest.mark.parametrize("name", NAMES)
def test_tables_sort_by_what_they_measure_and_filter(name, pages, browser):
    browser.visit(pages[name], 1280)
    found = browser.run(TABLE)
    assert found["up"] == sorted(found["up"]) and found["down"] == found["up"][::-1] and len(found["up"]) > 6
    assert found["left"] and all("nf4" in scheme for scheme in found["left"])
    assert browser.errors == []


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_small_and_has_a_lane_of_every_trace_that_is_kept(name, pages):
    text = pages[name].read_text()
    assert len(text.encode()) < MOST_BYTES
    kept = {path.parent.name.split("-")[1] for path in (RUNS / name).glob("artifacts/*/trace.json.gz")} - {"fp16"}
    assert kept and text.count('aria-label="One decode step of ') >= len(kept)
