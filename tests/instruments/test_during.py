"""What the GPU went through while something was measured becomes a finding of that Record."""

from dataclasses import replace

from bench.instruments.environment import during
from tests.factories import GPU

STATE = {"gpus": [{"temperature_degc": 40, "throttle_mask": 0, "other_processes": 0}]}


def after(**changes):
    return {"gpus": [{**STATE["gpus"][0], **changes}]}


def codes(before, now, machine=GPU):
    return [finding.code for finding in during(machine, before, now)]


def test_a_quiet_gpu_is_no_finding():
    assert codes(STATE, STATE) == []


def test_clocks_held_back_and_other_processes_are_findings():
    assert codes(STATE, after(throttle_mask=0x40)) == ["gpu-throttled"]
    assert codes(STATE, after(other_processes=2)) == ["gpu-in-use"]
    assert codes(after(other_processes=1), after(other_processes=1)) == ["gpu-in-use"], (
        "the Record is spoilt all the same"
    )


def test_a_driver_that_stopped_answering_is_a_finding_with_its_words():
    (finding,) = during(GPU, STATE, {"gpus": [], "gpus_reason": "GPU is lost"})
    assert (finding.code, finding.evidence) == ("gpu-unanswering", "GPU is lost")


def test_a_driver_that_never_answered_is_not_told_again():
    assert codes({"gpus": []}, {"gpus": [], "gpus_reason": "GPU is lost"}) == []
    assert codes(STATE, STATE, replace(GPU, gpus=())) == []
