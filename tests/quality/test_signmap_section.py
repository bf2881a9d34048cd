"""What the map of signs says where joules are the same."""

from bench.analysis.statistics import Estimate
from bench.quality.tradeoff import figure as figure_tradeoff
from bench.quality.tradeoff.page import signmap_section
from bench.quality.tradeoff.signmap import Place, Spot


def spot(sign: str, value: float, estimated: str = "") -> Spot:
    ratio = Estimate(value, value - 0.01, value + 0.01, 3, 9, "between processes")
    place = Place("NVIDIA Example", "smoke", 1_000_000, 1, (("device", "cuda"),))
    return Spot(place, "nf4", "fp16", ratio, sign, "GPU (NVML counter)", estimated)  # type: ignore[arg-type]


def test_the_same_is_told_and_drawn_as_such_and_not_as_unknown() -> None:
    section = signmap_section([spot("the same", 1.0)])
    assert section is not None
    assert section.text == ("No scheme changes sign here: 1 the same.",)
    assert "=: the same" in section.figures[0].caption
    drawn = [text.get_text() for text in figure_tradeoff.heat([spot("the same", 1.0)]).axes[0].texts]
    assert "= ×1.00" in drawn


def test_a_map_without_the_same_does_not_explain_it() -> None:
    section = signmap_section([spot("lower", 0.8), spot("cannot tell", 1.0)])
    assert section is not None
    assert section.text == ("No scheme changes sign here: 1 lower, 1 cannot tell.",)
    assert "the same" not in section.figures[0].caption


def test_a_sign_that_changes_by_estimates_alone_is_said_to_do_so() -> None:
    section = signmap_section([spot("lower", 0.8, "RAM is a constant"), spot("higher", 1.3, "RAM is a constant")])
    assert section is not None
    assert section.text == (
        "By counters alone no scheme changes sign here, with estimates nf4 would: 1 lower, 1 higher.",
    )
