"""Events that begin and end apart, that never end, that end before they begin, that stand twice, that nothing joins."""

from __future__ import annotations

import json

import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.taken import Wanted, taken
from profiling.summarize import read_timeline, summarize
from tests.foreign_traces import steady

EVENTS = steady(["decode_step"] * 4).events()


def written(tmp_path, events):
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"traceEvents": events}))
    return path


def halves(event):
    begin = {key: value for key, value in event.items() if key != "dur"} | {"ph": "B"}
    return begin, {"ph": "E", "pid": event["pid"], "tid": event["tid"], "ts": event["ts"] + event["dur"]}


def test_what_begins_and_ends_apart_is_read_as_what_is_whole(tmp_path):
    whole = summarize(written(tmp_path, EVENTS))
    apart = [half for event in EVENTS for half in halves(event)]
    for events in (apart, apart[::-1], [*apart[: len(apart) // 2], *EVENTS[len(EVENTS) // 2 :]]):
        assert summarize(written(tmp_path, events)) == whole


def test_inner_halves_end_first(tmp_path):
    outer = {"ph": "X", "cat": "user_annotation", "name": "outer", "ts": 0, "dur": 9000, "pid": 1, "tid": 1}
    (begin, end), inner = halves(outer), [half for event in EVENTS for half in halves(event)]
    found = {each["name"]: each for each in summarize(written(tmp_path, [begin, *inner, end]))["ranges"]}
    assert (found["outer"]["total_ns"], found["outer"]["kernels"], found["decode_step"]["count"]) == (9_000_000, 4, 4)


def test_what_never_ends_is_left_out_and_said(tmp_path):
    begin, _ = halves(EVENTS[0])
    last = {"ph": "E", "pid": 5, "tid": 5, "ts": 9}
    found = summarize(written(tmp_path, [begin, *EVENTS[1:], last]))
    assert found["ranges"][0]["count"] == 3
    assert "2 events that begin and do not end, or end only, were left out" in found["notes"]


def test_what_ends_before_it_begins_is_left_out_and_said(tmp_path):
    for place in (0, -1):
        events = [dict(event) for event in EVENTS]
        events[place]["dur"] = -1
        found = summarize(written(tmp_path, events))
        assert found["ranges"][0]["count"] + found["kernels"][0]["count"] == 7
        assert "1 events without a usable time or duration were left out" in found["notes"]


@pytest.mark.parametrize("tool", ["kineto", "nsys"])
def test_kernels_that_nothing_joins_are_said(tmp_path, tool):
    story = steady(["decode_step"] * 4)
    story.calls.clear()
    path = story.kineto(tmp_path / "t.json") if tool == "kineto" else story.nsys(tmp_path / "t.sqlite")
    found = summarize(path)
    assert found["ranges"][0]["kernels"] == 0 and found["kernels"][0]["count"] == 4
    told = "4 of 4 kernels are joined to no call that launched them"
    assert f"{told}: no range counts them" in found["notes"]
    notes = taken(Analysis(read_timeline(path)), Wanted()).notes
    assert notes[-1].startswith(told) and not any("0%" in note for note in notes)
    assert not any("joined" in note for note in summarize(steady(["a"] * 4).kineto(tmp_path / "b.json"))["notes"])


def test_kernels_that_stand_twice_are_said(tmp_path):
    kernels = [event for event in EVENTS if event["cat"] == "kernel"]
    found = summarize(written(tmp_path, [*EVENTS, *kernels[1:]]))
    assert "3 kernels stand in it once more, with the same launch and times: sums count them again" in found["notes"]
    beside = [event | {"args": event["args"] | {"stream": 8}} for event in kernels]
    assert not any("once more" in note for note in summarize(written(tmp_path, [*EVENTS, *beside]))["notes"])
