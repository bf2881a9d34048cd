"""Steps that grow with the tokens before them are told from steps that do not, call by call."""

import pytest

from bench.analysis.positions import LEAST_STEPS, step_positions
from bench.report.sections import positions
from tests import factories as make

STEPS = 128


def timed(grows, *, scheme="fp16", repeat=0, calls=2, drift=1.0, steps=STEPS, prompt=100, **metrics):
    """Calls whose steps grow by ``grows`` from the first to the last; each call ``drift`` times as slow as the one
    before it."""
    made = [0.01 * drift**call * (1 + grows * place / (steps - 1)) for call in range(calls) for place in range(steps)]
    found = {"inter_token_latency": made, "decode_steps": [steps] * calls, "prompt_length": [prompt] * calls} | metrics
    return make.record("generation", make.case(scheme=scheme, new_tokens=steps + 1), found, repeat=repeat)


@pytest.mark.parametrize("grows", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("drift", [1.0, 3.0])
def test_growth_is_within_a_call_and_no_drift_is_taken_for_it(grows, drift):
    (row,) = step_positions([timed(grows, repeat=repeat, drift=drift) for repeat in range(3)])
    assert row.growth.value == pytest.approx((1 + 0.88 * grows) / (1 + 0.12 * grows), rel=0.02)
    assert row.tokens == (101, 228)


def test_each_scheme_and_setting_has_its_own():
    found = step_positions([timed(0.0), timed(1.0, scheme="nf4")])
    assert {row.scheme: row.growth.value > 1.2 for row in found} == {"fp16": False, "nf4": True}


@pytest.mark.parametrize(
    "record",
    [
        timed(1.0, steps=LEAST_STEPS - 1),  # too short
        timed(1.0, decode_steps=[STEPS, STEPS - 1]),  # does not add up
        timed(1.0, decode_steps=[STEPS + 1, STEPS - 1]),  # steps are missing, and nobody knows which
        timed(1.0, prompt_length=[100]),
    ],
)
def test_steps_whose_place_is_not_known_say_nothing(record):
    assert step_positions([record]) == ()


def test_the_section_is_there_for_long_calls_only():
    assert positions.section(analysed(timed(0.0, steps=32))) is None
    section = positions.section(analysed(timed(1.0), timed(0.0, scheme="nf4")))
    assert [row[0].text for row in section.tables[0].rows] == ["fp16", "nf4"]
    assert "101 to 228" in [cell.text for cell in section.tables[0].rows[0]]


def analysed(*records):
    from bench.report.analysed import analyse

    return analyse(records)
