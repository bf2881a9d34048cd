"""Decisions have numbers of their own."""

from pathlib import Path

ADR = Path(__file__).parent.parent / "docs/adr"


def test_no_two_decisions_have_one_number_and_the_title_has_that_of_the_file():
    numbers = [int(file.name[:4]) for file in sorted(ADR.glob("[0-9]*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
    titles = [int(file.read_text().split(".")[0].lstrip("# ")) for file in sorted(ADR.glob("[0-9]*.md"))]
    assert titles == numbers
