"""What is said beside the table of joules, of settings whose references differ."""

from bench.analysis.energy import EnergyGroup, summarise
from bench.report.sections.energy import baselines
from tests import factories as make


def groups(*settings: tuple[int, tuple[str, ...]]) -> tuple[EnergyGroup, ...]:
    records = [
        make.energy(scheme, repeat, batch_size=batch)
        for batch, held in settings
        for scheme in held
        for repeat in (0, 1)
    ]
    return summarise(records)


def test_one_reference_is_named_once() -> None:
    (told,) = baselines(groups((1, ("fp16", "nf4")), (8, ("fp16", "nf4"))))
    assert told.startswith(
        "GPU (NVML counter), net of context held, clocks up (72 W), against fp16: batch 1: nf4 took "
    )
    assert told.count("against") == 1 and "; batch 8: nf4 took " in told


def test_each_setting_names_its_own_where_they_differ() -> None:
    """Such as fp16 that did not fit into memory at the larger batch."""
    (told,) = baselines(groups((1, ("fp16", "nf4")), (8, ("bf16", "nf4"))))
    assert told.startswith(
        "GPU (NVML counter), net of context held, clocks up (72 W): batch 1, against fp16: nf4 took "
    )
    assert "; batch 8, against bf16: nf4 took " in told


def test_a_setting_without_a_reference_is_not_said_to_be_the_others() -> None:
    (told,) = baselines(groups((1, ("nf4", "int8")), (8, ("fp16", "nf4"))))
    assert "against fp16: batch 8: nf4 took " in told and "None" not in told.split(".")[0]
