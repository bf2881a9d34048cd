"""docs/faults.md holds each fault once, and says that none loses what was completed."""

from tests.faults.catalogue import FAULTS
from tests.faults.kills import in_words
from tests.faults.table import DOCUMENT, cells, names, written


def test_the_page_has_a_row_for_each_fault_and_no_other():
    assert list(written()) == names()
    assert len(set(names())) == len(FAULTS) >= 20


def test_no_row_has_lost_a_record():
    for line in written().values():
        assert int(cells(line)[4]) >= 0
        assert int(cells(line)[5]) == 0


def test_every_row_says_what_the_user_sees():
    for name, line in written().items():
        assert len(cells(line)[2].strip("`")) > 5, name


def test_the_page_tells_the_result_of_the_random_moments():
    assert in_words() in DOCUMENT.read_text(encoding="utf-8")


def test_the_page_counts_its_own_rows():
    counts = [int(cells(line)[4]) for line in written().values()]
    assert f"{len(counts)} faults, {sum(counts)} completed Records, 0 lost." in DOCUMENT.read_text(encoding="utf-8")
