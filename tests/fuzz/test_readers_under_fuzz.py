"""A short pass of the fuzzer over every reader; docs/fuzzing.md tells of the long one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.readers import MODULES, reader
from fuzz.target import Target

# A busy machine must not fail a property: this is only to end what would never end.
HANG_S = 120.0

edits = st.lists(st.tuples(st.integers(0, 1 << 14), st.binary(max_size=4)), max_size=4)


@pytest.fixture(scope="module", params=MODULES)
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Target:
    if request.param == "ncu-report":
        pytest.importorskip("ncu_report")
    known = reader(request.param)
    made = Target(known, tmp_path_factory.mktemp("fuzz") / f"input{known.suffix}", HANG_S)
    for seed in known.seeds():
        made.run(seed)  # what is imported or compiled once belongs to no input
    return made


@settings(max_examples=40, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), edits=edits)
def test_any_input_is_read_or_refused_in_one_line(target: Target, seed: int, edits: list[tuple[int, bytes]]) -> None:
    data = bytearray(target.reader.make(Random(seed)))
    for at, change in edits:
        data[at : at + len(change)] = change
    assert not target.run(bytes(data)).fault


def test_seeds_are_read_and_mutations_are_the_same_again(target: Target) -> None:
    known = target.reader
    outcomes = [target.run(seed) for seed in known.seeds()]
    assert not [outcome.fault for outcome in outcomes if outcome.fault]
    assert "accepted" in {outcome.kind for outcome in outcomes}
    assert [known.make(Random(7)), known.mutate(known.seeds()[0], Random(7))] == [
        known.make(Random(7)),
        known.mutate(known.seeds()[0], Random(7)),
    ]
