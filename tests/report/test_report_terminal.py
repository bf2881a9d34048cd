import io

import pytest
from rich.console import Console

from bench.analysis.comparison import compare
from bench.record.schema import Finding
from bench.report.terminal import comparison_table, print_table
from tests import factories as make
from tests.written_report import print_report


def printed(width: int, action: object, *args: object) -> str:
    stream = io.StringIO()
    action(*args, Console(file=stream, width=width, force_terminal=False))  # type: ignore[operator]
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_it_fits_and_says_the_verdict_with_its_interval(width: int) -> None:
    text = printed(width, print_report, make.run(), [Finding("x", "warning", "mind the gap", remedy="jump")])
    assert max(map(len, text.splitlines())) <= width
    assert "int8 is slower than fp16: ×1.73 [1.6" in text
    assert "mind the gap" in text and "jump" in text and "signal 9" in text


def test_a_wide_terminal_shows_more() -> None:
    assert "Footprint" in printed(140, print_report, make.run(), [])
    assert "Footprint" not in printed(80, print_report, make.run(), [])


def test_markup_in_names_is_shown_not_obeyed() -> None:
    records = [make.generation("fp16", model="[bold]m[/bold]"), make.generation("[red]x", model="[bold]m[/bold]")]
    text = printed(140, print_report, records, [Finding("x", "info", "[link=evil]y")])
    assert "[bold]m[/bold]" in text and "[red]x" in text and "[link=evil]y" in text


@pytest.mark.parametrize("width", [80, 140])
def test_a_comparison_names_both_sides(width: int) -> None:
    run = make.run(gpu=True)
    text = printed(width, print_table, comparison_table(compare(run, run, scheme_a="fp16", scheme_b="nf4").rows))
    assert max(map(len, text.splitlines())) <= width
    assert "fp16 → nf4" in text and "SLOWER" in text and "B ÷ A" in text
    assert ("ms [" in text) == (width == 140), "the figures themselves need the room"
