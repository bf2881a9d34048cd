"""Plant outlier features, so that LLM.int8()'s decomposition has work to do on random or tiny weights.

Real models of 6.7 billion parameters and more have about six hidden dimensions whose activations reach 35–60
(Dettmers et al., LLM.int8(), 2022, section 4). Random weights give none over the threshold. The recipe: six shared
dimensions, μ ~ U(30, 60); in both norms of every layer weight = 0.15 μ and bias = −μ there, so that the activation
is −μ(1 − 0.15 z); the same columns of every Linear behind that norm are divided by μ. A planted model is labelled so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.record.errors import NotApplicableError

if TYPE_CHECKING:
    import torch

# Norm → the Linears that read it, for the layers of each architecture.
_FED_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "starcoder2": {
        "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "post_attention_layernorm": ("mlp.c_fc",),
    },
    "phi": {"input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.fc1")},
}
RELATIVE_SPREAD = 0.15


def outlier_scales(width: int, columns: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(indices [columns] int64, μ [columns] float32): which of ``width`` dimensions, and how large."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(width, generator=generator)[:columns]
    return indices, 30 + 30 * torch.rand(columns, generator=generator)


def plant(model: Any, columns: int, seed: int) -> dict[str, Any]:
    """Plant ``columns`` outlier dimensions in every decoder layer of an unquantised model, in place.

    Returns the facts for the record. Raises NotApplicableError for an architecture whose norms are not known.
    """
    import torch

    family = model.config.model_type
    if family not in _FED_BY:
        raise NotApplicableError(f"cannot plant outliers in a {family!r} model: known are {', '.join(_FED_BY)}")
    indices, scales = outlier_scales(model.config.hidden_size, columns, seed)
    with torch.no_grad():
        for layer in model.model.layers:
            for norm, linears in _FED_BY[family].items():
                _plant_norm(layer.get_submodule(norm), indices, scales)
                for name in linears:
                    weight = layer.get_submodule(name).weight
                    weight[:, indices] /= scales.to(weight)
    return {"columns": indices.tolist(), "mu": scales.tolist(), "relative_spread": RELATIVE_SPREAD, "seed": seed}


def _plant_norm(norm: Any, indices: torch.Tensor, scales: torch.Tensor) -> None:
    norm.weight[indices] = RELATIVE_SPREAD * scales.to(norm.weight)
    norm.bias[indices] = -scales.to(norm.bias)
