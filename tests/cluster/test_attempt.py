"""Attempts at a block: each goes on where the others ended, whatever ended them."""

import os
import signal
from dataclasses import replace

import pytest

from bench.cluster import folder as places
from bench.cluster.attempt import TRIES, OutOfTimeError, OvertakenError, measure_block, records, records_of
from bench.record.errors import UsageError
from bench.record.store import RECORDS
from tests.cluster.sweeps import means, plan
from tests.factories import CPU


@pytest.fixture
def sweep(tmp_path):
    plan(tmp_path)
    return tmp_path


def planned(folder, number):
    return [
        request.key(block.repeat) for block in places.block_run(folder, number).blocks for request in block.requests
    ]


def state(folder, number, attempt):
    found = places.read_state(places.attempts(folder, number)[attempt - 1])
    assert found is not None
    return found


def test_a_block_is_measured_whole(sweep):
    counts = measure_block(sweep, 2, means())
    made = records(sweep, 2)
    assert [record.key for record in made] == planned(sweep, 2)
    assert counts == {"ok": len(made)}
    assert {record.setup["block"]["name"] for record in made} == {places.read(sweep).name(2)}
    assert {record.run_id for record in made} == {"the-sweep"}
    end = state(sweep, 2, 1)
    assert (end.ended, end.running, end.node, end.counts) == ("complete", "", "testhost", counts)
    assert not places.attempts(sweep, 1)


def stop_at(place, error):
    def on_start(block):
        if block.options["block"]["place"] == place:
            raise error

    return on_start


@pytest.mark.parametrize(
    ("error", "told"),
    [(OutOfTimeError(), "out of time"), (KeyboardInterrupt(), "cancelled"), (OSError("x"), "OSError('x')")],
)
def test_the_next_attempt_goes_on_at_the_next_case(sweep, error, told):
    with pytest.raises(type(error)):
        measure_block(sweep, 1, means(on_start=stop_at(2, error)))
    first = records_of(places.attempts(sweep, 1)[0])
    assert state(sweep, 1, 1).ended == told and first
    measure_block(sweep, 1, means(replace(CPU, hostname="other")))
    second = records_of(places.attempts(sweep, 1)[1])
    assert [record.key for record in (*first, *second)] == planned(sweep, 1)
    assert {record.environment.hostname for record in second} == {"other"}
    assert state(sweep, 1, 2).ended == "complete"


def test_a_process_killed_with_its_node_is_begun_again(sweep):
    """As after a power failure: no end is written, and the last line may be half."""
    pid = os.fork()
    if pid == 0:
        measure_block(
            sweep,
            1,
            means(
                on_start=lambda b: os.kill(os.getpid(), signal.SIGKILL) if b.options["block"]["place"] == 2 else None
            ),
        )
        os._exit(0)
    os.waitpid(pid, 0)
    attempt = places.attempts(sweep, 1)[0]
    whole = records_of(attempt)
    with (attempt / RECORDS).open("ab") as stream:
        stream.write(b'{"half a rec')
    assert state(sweep, 1, 1).ended == "" and whole
    measure_block(sweep, 1, means())
    assert [record.key for record in records(sweep, 1)] == planned(sweep, 1)


def test_a_zombie_ends_when_another_attempt_has_begun(sweep):
    """The processes of a node that Slurm believes lost may go on: until they stop they have their own folder."""

    def on_start(block):
        if block.options["block"]["place"] == 1:
            measure_block(sweep, 1, means(replace(CPU, hostname="other")))

    with pytest.raises(OvertakenError):
        measure_block(sweep, 1, means(on_start=on_start))
    assert [state(sweep, 1, number).ended for number in (1, 2)] == ["overtaken", "complete"]
    keys = [record.key for record in records(sweep, 1)]
    assert set(keys) == set(planned(sweep, 1))


def test_what_takes_the_node_down_every_time_is_given_up(sweep):
    keys = tuple(planned(sweep, 1)[2:5])
    for number in range(TRIES):
        attempt = places.claim(sweep, 1)
        places.write_state(attempt, places.AttemptState(f"n{number}", "1", 1, 0.0, 0.0, "generation int8", keys))
    counts = measure_block(sweep, 1, means())
    made = {record.key: record for record in records(sweep, 1)}
    assert set(made) == set(planned(sweep, 1)) and counts["failed"] == 3
    assert all((made[key].status == "failed") == (key in keys) for key in made)
    assert "n0, n1, n2" in made[keys[0]].reason and "--retry-failed" in made[keys[0]].reason
    assert measure_block(sweep, 1, means(retry_failed=False)) == {}


def test_failed_ones_are_measured_again_when_asked(sweep):
    measure_block(sweep, 1, means(give=lambda *_: ("failed", "broken")))
    assert measure_block(sweep, 1, means()) == {}
    assert measure_block(sweep, 1, means(retry_failed=True)) == {"ok": len(planned(sweep, 1))}


def test_the_judge_comes_last(sweep):
    seen = []
    measure_block(sweep, 1, means(judge=lambda writer: seen.append(len(records_of(writer.folder)))))
    assert seen == [len(planned(sweep, 1))]


def test_a_folder_without_a_sweep_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no sweep"):
        measure_block(tmp_path, 1, means())
