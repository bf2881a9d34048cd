"""Which modules hold experts, and the shape of one expert's matrix."""

from __future__ import annotations

import pytest
import torch

from bench.models.architecture import expert_matrices, holds_experts


def module(**shapes: tuple[int, ...]) -> torch.nn.Module:
    made = torch.nn.Module()
    for name, shape in shapes.items():
        made.register_parameter(name, torch.nn.Parameter(torch.empty(shape, device="meta")))
    return made


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [
        ({"gate_up_proj": (4, 192, 64), "down_proj": (4, 64, 96)}, {"gate_up_proj": (192, 64), "down_proj": (64, 96)}),
        ({"gate_up_proj": (4, 64, 192), "down_proj": (4, 96, 64)}, {"gate_up_proj": (192, 64), "down_proj": (64, 96)}),
        ({"weight": (4, 96, 64)}, {"weight": (96, 64)}),
        ({"weight": (4, 64, 48)}, {"weight": (64, 48)}),  # JetMoe's output_linear
    ],
)
def test_its_shape_is_that_of_a_linear_whichever_way_it_is_kept(shapes, wanted):
    assert expert_matrices(module(**shapes), 64) == wanted


def test_what_only_has_three_dimensions_is_no_expert():
    """RWKV's mixing weights of a step are [1, 1, hidden_size]."""
    assert not holds_experts(module(time_mix_key=(1, 1, 64)))
    assert not holds_experts(torch.nn.Conv1d(4, 4, 2))
    assert holds_experts(module(down_proj=(4, 64, 96)))
