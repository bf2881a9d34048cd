"""Progress: plain lines with the time left where there is no terminal, a bar where there is."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from bench import presets
from bench.run.plan import make_plan
from bench.run.progress import StepProgress
from bench.verbs.progress import make_progress
from bench.workloads.sources import resolve
from tests import factories as make


def shown(terminal, steps=2):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100)
    with StepProgress(steps, steps, console) as progress:
        for number in range(steps):
            progress.start(f"step {number}")
            progress.advance(1)
            progress.end("ok" if number == 0 else "skipped", keep=number > 0)
    return stream.getvalue()


def test_elsewhere_each_step_is_one_plain_line_and_the_last_has_nothing_left():
    first, second = shown(terminal=False).splitlines()
    assert first.startswith("[1/2] step 0: ok, ")
    assert first.endswith("s left")
    assert second.startswith("[2/2] step 1: skipped, ")
    assert "left" not in second
    assert "\x1b" not in first + second


def test_a_terminal_has_a_bar_and_keeps_only_what_matters():
    text = shown(terminal=True)
    assert "100%" in text
    assert "[2/2] step 1: skipped" in text
    assert "[1/2]" not in text


@pytest.mark.parametrize("width", [50, 80, 140])
def test_on_a_narrow_terminal_the_label_is_cut_and_not_the_time_left(width):
    stream = io.StringIO()
    with StepProgress(3, 3, Console(file=stream, force_terminal=True, width=width)) as progress:
        progress.start("pass@1 fp16 less layers 3-5, batch 1, dynamic cache, repeat 1")
        progress.advance(1)
        progress.advance(1)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text) if "left" in line]
    assert len(lines) >= 3
    for line in lines:
        assert len(line) <= width
        assert re.search(r"\d% \d:\d\d:\d\d left (\d:\d\d:\d\d|-:--:--)$", line), line
    assert ("repeat 1 " in lines[-1]) == (width == 140)


@pytest.mark.parametrize("terminal", [True, False])
def test_markup_in_a_label_is_shown_as_it_is(terminal):
    stream = io.StringIO()
    with StepProgress(1, 1, Console(file=stream, force_terminal=terminal, width=100)) as progress:
        progress.start("[bold]model[/bold]")
        progress.note("[red]careful[/red]")
    assert "[red]careful[/red]" in stream.getvalue()


@pytest.mark.parametrize(
    ("statuses", "says"),
    [
        (("ok", "ok"), ": ok"),
        (("ok", "skipped"), ": ok"),
        (("skipped", "skipped"), ": skipped: no such kernel"),
        (("failed", "skipped"), ": 1 failed"),
    ],
)
def test_a_block_that_measured_nothing_is_not_ok(statuses, says, capsys):
    preset = presets.preset("smoke", {"schemes": ("fp16",), "tasks": 0})
    block = next(one for one in make_plan(preset, resolve("smoke"), (), "cpu", 0) if one.kind == "generation")
    block = replace(block, requests=block.requests[:2])
    with make_progress((block,), "run", ()) as progress:
        progress.start(block)
        for status in statuses:
            progress.record(block, replace(make.generation(), status=status, reason="no such kernel"))
        progress.end(block)
    assert says in capsys.readouterr().out.replace("\n", " ")
