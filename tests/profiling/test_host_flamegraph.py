from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.record.errors import RecordError
from profiling.flamegraph import MARGIN, WIDTH
from profiling.host import flamegraph_svg

SVG = "{http://www.w3.org/2000/svg}"


Box = tuple[str, float, float, float]


def boxes(svg: str) -> dict[str, Box]:
    """Frame → (class, x, y, width) of its box; the legend's boxes are left out."""
    found: dict[str, Box] = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        title, rect = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None and title.text and rect is not None
        if " samples, " in title.text:
            x, y, width = (float(rect.attrib[key]) for key in ("x", "y", "width"))
            found[title.text.rpartition(": ")[0]] = (group.attrib["class"], x, y, width)
    return found


def test_widths_are_shares_and_children_stand_on_their_parents() -> None:
    found = boxes(flamegraph_svg("main (a.py:1);f (a.py:2) 30\nmain (a.py:9);c10::g (libc10.so) 10\n"))
    full = WIDTH - 2 * MARGIN
    assert found["main (a.py)"][3] == pytest.approx(full, abs=0.1)
    assert found["f (a.py)"][3] == pytest.approx(full * 0.75, abs=0.1)
    assert found["c10::g (libc10.so)"][1] == pytest.approx(MARGIN + full * 0.75, abs=0.1)
    assert found["f (a.py)"][2] < found["main (a.py)"][2] < found["all"][2]


def test_frames_are_coloured_by_class_and_unknown_ones_like_their_caller() -> None:
    found = boxes(flamegraph_svg("m (a.py:1);Linear (bitsandbytes/nn.py:2);malloc (libc.so.6) 3\n"))
    assert found["malloc (libc.so.6)"][0] == "bitsandbytes"
    assert found["m (a.py)"][0] == "python"


def test_it_is_self_contained_and_has_both_grounds() -> None:
    svg = flamegraph_svg("a (a.py:1) 1\n")
    assert not re.search(r"<script|href|url\(|@import|<!--", svg)
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert "currentColor" in svg and "prefers-color-scheme:dark" in svg


def test_names_and_titles_are_escaped() -> None:
    svg = flamegraph_svg('</text><script>alert("x")</script>&\x07 (a.py:1) 1\n', title="<b>&")
    assert "<script" not in svg and "<b>" not in svg
    ElementTree.fromstring(svg)


def test_only_the_loop() -> None:
    text = "main (a.py:1);load (a.py:2) 90\nmain (a.py:3);_sample (b.py:1);f (b.py:2) 10\n"
    found = boxes(flamegraph_svg(text, loop=r"^_sample$"))
    assert set(found) == {"all", "_sample (b.py)", "f (b.py)"}


def test_a_very_deep_stack_is_cut_and_not_a_crash() -> None:
    svg = flamegraph_svg(";".join(f"f{depth} (a.py:1)" for depth in range(5000)) + " 1\n")
    assert len(boxes(svg)) == 401


def test_what_is_not_folded_is_refused() -> None:
    with pytest.raises(RecordError):
        flamegraph_svg("nonsense")


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.integers(1, 10**6)), min_size=1, max_size=8))
def test_any_names_give_well_formed_xml(stacks: list[tuple[str, int]]) -> None:
    folded = "".join(f"{name.replace(chr(10), ' ')} {weight}\n" for name, weight in stacks)
    try:
        svg = flamegraph_svg(folded, title=stacks[0][0])
    except RecordError:
        return
    for group in ElementTree.fromstring(svg).iter(f"{SVG}rect"):
        assert 0 <= float(group.attrib["x"]) <= WIDTH
