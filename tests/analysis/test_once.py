"""What follows from a Record alone is found once, and is no part of the Record."""

from __future__ import annotations

from dataclasses import replace

from bench.analysis.energy.windows import doubts
from bench.analysis.once import once
from bench.record.schema import to_json
from tests import factories as make


def test_each_question_is_answered_once_a_record():
    asked = []

    @once
    def answer(record, more=0):
        asked.append(more)
        return record.repeat + more

    one, other = make.energy(), make.energy(repeat=1)
    assert [answer(one), answer(one), answer(other), answer(one, 2), answer(one, more=2)] == [0, 0, 1, 2, 2]
    assert asked == [0, 0, 2, 2]


def test_a_changed_record_is_asked_anew():
    good = make.energy()
    assert not [each for each in doubts(good) if each.effect == "withheld"]
    values = [replace(each, values=(0.0, 0.0, 0.0)) if each.name == "energy_gpu" else each for each in good.metrics]
    bad = replace(good, metrics=tuple(values))
    assert [each.finding.code for each in doubts(bad)][:1] == ["energy-counter-zero"]


def test_what_was_found_is_no_part_of_the_record():
    asked, fresh = make.energy(), make.energy()
    doubts(asked)
    assert asked == fresh
    assert to_json(asked) == to_json(fresh)
