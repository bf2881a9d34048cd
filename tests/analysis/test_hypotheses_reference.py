"""Every hypothesis is judged against the run's reference, whichever float that is."""

from pathlib import Path

import pytest

from bench.analysis import judging
from bench.analysis.explain import explain
from bench.record import causes as c
from tests import factories as make
from tests.analysis.test_hypotheses import FP16, HOST, LOOKING_UP, counters, run


def whole(reference):
    """A run on a GPU in which every hypothesis finds what it is judged by. Only the reference is a float arm."""
    on_gpu = {"device": "cuda"}
    lines = {
        "int8": {**FP16, c.OUTLIERS: 0.007},
        "nf4": {**HOST, c.LM_HEAD: 0.001},
        "nf4-dq": {**HOST, c.DEQUANTISE: 0.003},
    }
    records = run({reference: FP16, **lines}, extra=_sides(reference), **on_gpu)
    for scheme, hertz in ((reference, 1.98e9), ("nf4", 1.5e9)):
        metrics = {"gpu_clock_sm": [hertz] * 5, "gpu_throttle_reasons": [0] * 5, "window_time": [1.0]}
        records.append(make.record("energy", make.case(scheme, **on_gpu), metrics, repeat=9))
    for repeat in range(3):
        records += [make.energy(scheme, repeat) for scheme in (reference, "int8", "nf4")]
        for scheme, steps in ((reference, (10, 10, 11, 12)), ("nf4", (12, 12, 30, 31))):
            for size, step in zip((1, 4, 8, 16), steps, strict=True):
                name, more = ("none", {}) if size == 1 else (f"batch-{size}", {"batch_size": size})
                records.append(make.intervention(scheme, name, repeat, step=step * 1e-3, **more, **on_gpu))
    return records


def _sides(reference):
    made = [counters(81.0, 40.0, LOOKING_UP)]
    for repeat in range(3):
        made.append(make.matmul("int8", 1, repeat=repeat, op="gemm", device="cuda"))
        for scheme in (reference, "nf4"):
            made += [make.matmul(scheme, 1, residency=r, repeat=repeat, device="cuda") for r in ("hot", "cold")]
    return made


@pytest.mark.parametrize("reference", ["fp16", "bf16", "fp32"])
def test_every_hypothesis_is_judged_against_the_reference_of_the_run(reference):
    """Nothing in it is fp16 but where that is the reference: a literal fp16 would find nothing to judge by."""
    found = {item.id: item for item in explain(whole(reference), reference=reference).hypotheses}
    assert [name for name, item in found.items() if item.verdict == "not tested"] == []
    told = " ".join(text for item in found.values() for text in item.evidence)
    for name in {"fp16", "bf16", "fp32"} - {reference}:
        assert name not in told.replace("bfloat16", "").replace("float16", "")
    assert all(reference in " ".join(found[name].evidence) for name in ("H6", "H7", "H10", "H12"))


@pytest.mark.parametrize("chosen", ["fp16", "bf16"])
def test_of_two_floats_the_chosen_one_is_the_reference(chosen):
    """Batch sizes: bf16 falls off the same cliff as nf4, fp16 does not."""
    records = []
    for repeat in range(3):
        for scheme, steps in (("fp16", (10, 10, 11, 12)), ("bf16", (10, 10, 25, 26)), ("nf4", (12, 12, 30, 31))):
            for size, step in zip((1, 4, 8, 16), steps, strict=True):
                name, more = ("none", {}) if size == 1 else (f"batch-{size}", {"batch_size": size})
                records.append(make.intervention(scheme, name, repeat, step=step * 1e-3, **more))
    found = {item.id: item for item in explain(records, reference=chosen).hypotheses}["H10"]
    assert found.verdict == {"fp16": "supported", "bf16": "refuted"}[chosen]


def test_no_hypothesis_names_a_scheme_as_the_reference():
    """The kind: a literal in the judging's source would be the reference of every run."""
    folder = Path(judging.__file__).parent
    assert [path.name for path in folder.glob("*.py") if '"fp16"' in path.read_text()] == []
