"""Which key-value lengths a process has met: what is new, what a warm-up needs, and that nothing else is."""

from dataclasses import replace

import pytest

from bench.record.schema import Case
from bench.workloads.lengths import Lengths


def told(visit):
    return visit.new_prompt, visit.new


CASE = Case("generation", "m", "", "fp16", "cpu", 0, batch_size=1, new_tokens=8, cache="dynamic", stop="length")
STATIC = replace(CASE, cache="static")


def test_a_length_is_new_once():
    met = Lengths()
    assert told(met.visit(CASE, 10, 7)) == (True, (True,) * 7)
    assert told(met.visit(CASE, 10, 7)) == (False, (False,) * 7)


def test_a_longer_call_meets_new_lengths_from_where_the_shorter_one_ended():
    met = Lengths()
    met.visit(CASE, 128, 15)
    assert met.visit(CASE, 128, 127).new == (False,) * 15 + (True,) * 112


def test_another_batch_size_meets_them_again():
    met = Lengths()
    met.visit(CASE, 128, 15)
    assert told(met.visit(replace(CASE, batch_size=2), 128, 3)) == (True, (True,) * 3)


def test_a_prompt_as_long_as_a_decoded_length_is_still_a_new_prefill():
    met = Lengths()
    met.visit(CASE, 10, 7)
    assert told(met.visit(CASE, 12, 3)) == (True, (False,) * 3)


def test_a_static_cache_has_one_length_and_never_gets_smaller():
    met = Lengths()
    assert met.visit(STATIC, 10, 7, 8).new == (True, *[False] * 6)
    assert told(met.visit(STATIC, 5, 7, 8)) == (True, (False,) * 7)
    assert met.visit(STATIC, 20, 7, 8).new == (True, *[False] * 6)
    assert met.visit(STATIC, 10, 7, 8).new == (False,) * 7


@pytest.mark.parametrize("case", [CASE, STATIC])
@pytest.mark.parametrize("prompts", [(10,), (10, 10), (10, 12, 15), (30, 10, 20), (5, 50, 6, 49), (7, 14, 21)])
def test_after_a_warm_up_by_what_is_to_be_met_nothing_is_new(case, prompts):
    met = Lengths()
    met.visit(case, prompts[0], 7, 8)
    for prompt in sorted(prompts[1:], reverse=True):
        if tokens := met.to_meet(case, prompt):
            met.visit(case, prompt, tokens - 1, tokens)
    again = [met.visit(case, prompt, 7, 8) for prompt in prompts]
    assert not any(visit.new_prompt or any(visit.new) for visit in again)


def test_warming_up_decodes_each_length_once_only():
    """From the longest prompt to the shortest: as many steps as there are lengths."""
    met, prompts, steps = Lengths(), (100, 130, 110, 120), 0
    steps += len(met.visit(CASE, prompts[0], 7).new)
    for prompt in sorted(prompts[1:], reverse=True):
        tokens = met.to_meet(CASE, prompt)
        steps += sum(met.visit(CASE, prompt, tokens - 1).new)
    assert steps == len({prompt + 1 + step for prompt in prompts for step in range(7)})


def test_a_repeated_prompt_needs_no_warm_up():
    met = Lengths()
    met.visit(CASE, 10, 7)
    assert met.to_meet(CASE, 10) == 0
    assert met.to_meet(CASE, 9) == 2
    assert met.to_meet(CASE, 11) == 8


def test_the_longest_length_is_told_by_batch_size():
    met = Lengths()
    met.visit(CASE, 10, 7)
    met.visit(replace(CASE, batch_size=4), 10, 2)
    assert (met.longest(1), met.longest(4), met.longest(2)) == (17, 12, 0)


def test_the_steps_of_a_call_are_told_apart():
    met = Lengths()
    met.visit(CASE, 10, 2)
    visit = met.visit(CASE, 10, 4)
    assert visit.lengths == (11, 12, 13, 14)
    assert (visit.seen([1, 2, 3, 4]), visit.first([1, 2, 3, 4])) == ([1, 2], [3, 4])
