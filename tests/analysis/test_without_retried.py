"""What was tried again and came out well is not told as failed."""

from dataclasses import replace

from bench.analysis.grouping import without_retried
from tests import factories as make

GOOD = make.kineto("nf4")
FAILED = replace(GOOD, status="failed", reason="it fell over", metrics=())
SKIPPED = replace(FAILED, status="skipped")
OTHER = replace(FAILED, repeat=7)


def test_a_later_good_record_stands_for_those_before_it():
    assert without_retried([FAILED, OTHER, SKIPPED, GOOD]) == (OTHER, GOOD)


def test_what_failed_afterwards_is_told():
    assert without_retried([GOOD, FAILED]) == (GOOD, FAILED)


def test_nothing_is_lost_where_nothing_is_good():
    assert without_retried([FAILED, SKIPPED]) == (FAILED, SKIPPED)
