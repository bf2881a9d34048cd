"""Where quantising lowers joules per token, over machines, model sizes and batch sizes."""

from dataclasses import replace

import pytest

from bench.analysis.statistics import Estimate
from bench.analysis.statistics.verdict import verdict
from bench.quality.tradeoff.signmap import flips, sign_of, signmap
from bench.record.schema import Record
from tests import factories as make
from tests import quality_records as q


def energies(used: dict[str, float], **more: object) -> list[Record]:
    return [q.joules(s, per_token=j, repeat=r, **more) for s, j in used.items() for r in range(3)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "sign"),
    [(0.5, 0.9, "lower"), (1.1, 1.3, "higher"), (0.9, 1.1, "cannot tell"),
     (1.0, 1.2, "cannot tell"), (None, None, "cannot tell")],
)  # fmt: skip
def test_a_sign_needs_an_interval_that_leaves_one_out(low: float | None, high: float | None, sign: str) -> None:
    assert sign_of(verdict(Estimate(1.0, low, high, 3, 9, "between processes"))) == sign


def test_a_map_over_batches_models_and_machines() -> None:
    records = [
        *energies({"fp16": 2.0, "nf4": 1.5}),
        *energies({"fp16": 0.5, "nf4": 0.7}, batch_size=8),
        *energies({"fp16": 4.0, "nf4": 4.0}, model="large", parameters=7_000_000_000, spread=0.05),
        *energies({"fp16": 2.0, "nf4": 3.0, "int8": 1.0}, environment=q.gpu("NVIDIA Other")),
    ]
    spots = signmap(records)
    told = [(s.place.machine, s.place.model, s.place.batch_size, s.scheme, s.sign) for s in spots]
    assert told == [
        ("NVIDIA Example 80GB", "smoke", 1, "nf4", "lower"),
        ("NVIDIA Example 80GB", "smoke", 8, "nf4", "higher"),
        ("NVIDIA Example 80GB", "large", 1, "nf4", "cannot tell"),
        ("NVIDIA Other", "smoke", 1, "int8", "lower"),
        ("NVIDIA Other", "smoke", 1, "nf4", "higher"),
    ]
    assert spots[0].ratio.value == pytest.approx(0.75, rel=0.03) and spots[0].place.parameters == 3_030_000_000
    (flip,) = flips(spots)
    assert flip.scheme == "nf4" and [p.batch_size for p in flip.lower] == [1] and len(flip.higher) == 2


def test_unquantised_arms_are_not_on_the_map() -> None:
    assert [spot.scheme for spot in signmap(energies({"fp16": 2.0, "bf16": 1.0, "nf4": 1.0}))] == ["nf4"]
    assert signmap(energies({"nf4": 2.0, "int8": 1.0})) == ()
    assert signmap(energies({"fp16": 2.0})) == ()


def test_estimates_are_labelled_and_never_flip() -> None:
    guessed = [make.codecarbon(s, r) for s in ("fp16", "nf4") for r in range(3)]
    (spot,) = signmap(guessed)
    assert spot.estimated and spot.source.startswith("CodeCarbon") and spot.place.machine.startswith("Example CPU")
    measured = energies({"fp16": 2.0, "nf4": 1.0})
    assert flips(signmap([*guessed, *measured])) == ()


def test_a_counter_goes_before_the_estimate() -> None:
    guessed = [make.codecarbon(s, r, device="cuda") for s in ("fp16", "nf4") for r in range(3)]
    (spot,) = signmap([*energies({"fp16": 2.0, "nf4": 1.0}), *guessed])
    assert spot.source.startswith("GPU") and not spot.estimated and spot.sign == "lower"


def test_two_settings_of_one_batch_stay_apart() -> None:
    records = [*energies({"fp16": 2.0, "nf4": 1.0}), *energies({"fp16": 2.0, "nf4": 3.0}, new_tokens=256)]
    assert [spot.sign for spot in signmap(records)] == ["lower", "higher"]


def test_a_summary_of_one_machine_is_used_only_for_one() -> None:
    one = energies({"fp16": 2.0, "nf4": 1.0})
    other = [replace(record, environment=q.gpu("NVIDIA Other")) for record in one]
    assert signmap(one, measured=()) == ()
    assert len(signmap([*one, *other], measured=())) == 2
