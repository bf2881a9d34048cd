"""Which unobserved steps of an observed call tell what a step takes without the observer."""

from dataclasses import replace

from bench.analysis.ledger.pairs import observed_records
from bench.analysis.ledger.plain import places, plain_times, undisturbed
from tests import factories as make


def test_the_first_steps_and_those_around_the_window_are_neither():
    # Observed: 10 to 13. The recorder is made ready in 9, and its memory is cold again in 14 to 16.
    assert places(10, 4, 30) == (*range(2, 9), *range(17, 30))
    assert places(2, 4, 6) == ()


def test_on_a_gpu_only_those_before_the_window_count_because_cupti_stays_attached():
    values = [10.0] * 7 + [12.0] * 13
    assert undisturbed(values, 10, "cuda") == (10.0,) * 7
    assert undisturbed(values, 10, "cpu") == tuple(values)
    assert undisturbed(values, None, "cuda") == tuple(values)
    assert undisturbed([12.0] * 5, 3, "cuda") == ()  # none before it: not known, rather than those after it


def observed(device, **told):
    record = make.kineto("fp16", device=device)
    plain = {"first_step": 10, "steps": 4, **told}
    metrics = tuple(
        replace(m, values=(10.0,) * 7 + (12.0,) * 13) if m.name == "plain_step_time" else m for m in record.metrics
    )
    return replace(record, metrics=metrics, setup={**record.setup, "observed": plain})


def test_a_record_says_it_by_its_device_and_first_step():
    assert plain_times(observed("cuda")) == (10.0,) * 7
    assert len(plain_times(observed("cpu"))) == 20
    assert len(plain_times(make.kineto("fp16", device="cuda"))) == 12  # of an earlier version


def test_a_window_at_new_lengths_is_in_no_ledger_of_seen_ones():
    assert observed_records([observed("cuda", first_visits=0)])
    assert not observed_records([observed("cuda", first_visits=2)])
