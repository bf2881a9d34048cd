"""Plant outlier features, so that LLM.int8()'s decomposition has work to do on random or tiny weights.

Real models of 6.7 billion parameters and more have about six hidden dimensions whose activations reach 35–60
(Dettmers et al., LLM.int8(), 2022, section 4). Random weights give none over the threshold. The recipe: six shared
dimensions, μ ~ U(30, 60), in every norm of the decoder layers that feeds Linears; the same columns of all Linears
behind that norm are divided by μ. A norm with a bias gets weight = 0.15 μ and bias = −μ there, so that the activation
is −μ(1 − 0.15 z). One without (RMSNorm) gets its own weight times μ: what the layer computes stays as it was, and the
activation is over a threshold of 6 wherever its own magnitude z is over 6 ÷ μ. A planted model is labelled so.

Which norm feeds which Linears is seen in one forward pass of a few tokens, whatever the modules are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.models.architecture import decoder_layers, text_config
from bench.record.errors import NotApplicableError

if TYPE_CHECKING:
    import torch

RELATIVE_SPREAD = 0.15
_TOKENS = 4


def outlier_scales(width: int, columns: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(indices [columns] int64, μ [columns] float32): which of ``width`` dimensions, and how large."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(width, generator=generator)[:columns]
    return indices, 30 + 30 * torch.rand(columns, generator=generator)


def plant(model: Any, columns: int, seed: int) -> dict[str, Any]:
    """Plant ``columns`` outlier dimensions in every decoder layer of an unquantised model, in place.

    Returns the facts for the record. Raises NotApplicableError for a model in which no norm of a decoder layer feeds
    Linears alone.
    """
    import torch

    width = text_config(model.config).hidden_size
    fed = {
        norm: (base, readers)
        for norm, readers in _fed_by_norms(model, width).items()
        if all(_can_be_divided(reader, width) for reader in readers) and (base := _added_to(norm)) is not None
    }
    if not fed:
        raise NotApplicableError(
            f"cannot plant outliers in a {type(model).__name__}: no norm of its decoder layers feeds Linears alone"
        )
    indices, scales = outlier_scales(width, columns, seed)
    with torch.no_grad():
        for norm, (base, readers) in fed.items():
            _plant_norm(norm, base, indices, scales)
            for reader in readers:
                _divide(reader, indices, scales)
    facts = {"columns": indices.tolist(), "mu": scales.tolist(), "relative_spread": RELATIVE_SPREAD, "seed": seed}
    return facts | {"norms": len(fed)}


def _fed_by_norms(model: Any, width: int) -> Mapping[Any, Sequence[Any]]:
    """Norm of ``width`` features → the modules with matrices that are given its output, in one forward pass."""
    import torch

    readers = _Readers()
    head = model.get_output_embeddings()
    modules = [module for layer in decoder_layers(model) for module in layer.modules() if module is not head]
    handles = []
    for module in modules:
        shapes = [tuple(p.shape) for p in module.parameters(recurse=False)]
        weight = getattr(module, "weight", None)
        if weight is not None and tuple(weight.shape) == (width,) and all(len(shape) == 1 for shape in shapes):
            handles.append(module.register_forward_hook(readers.made_by))
        elif any(len(shape) > 1 for shape in shapes):
            handles.append(module.register_forward_pre_hook(readers.given_to, with_kwargs=True))
    try:
        with torch.no_grad():
            model(input_ids=torch.zeros(1, _TOKENS, dtype=torch.long, device=model.device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return readers.found


class _Readers:
    """``found``: norm → who is given its output or a view of it, known by its memory. Outputs are kept meanwhile, so
    that none of that memory is used again."""

    def __init__(self) -> None:
        self.found: dict[Any, list[Any]] = {}
        self._made: dict[int, tuple[Any, Any]] = {}

    def made_by(self, norm: Any, _inputs: Any, output: Any) -> None:
        if hasattr(output, "untyped_storage"):
            self._made[output.untyped_storage().data_ptr()] = (norm, output)

    def given_to(self, module: Any, inputs: Sequence[Any], named: Mapping[str, Any]) -> None:
        for value in (*inputs, *named.values()):
            if hasattr(value, "untyped_storage") and (made := self._made.get(value.untyped_storage().data_ptr())):
                readers = self.found.setdefault(made[0], [])
                readers += [] if module in readers else [module]


def _matrices(module: Any) -> Iterator[Any]:
    yield from (p for p in module.parameters(recurse=False) if p.dim() > 1)


def _can_be_divided(module: Any, width: int) -> bool:
    """Whether the ``width`` input columns of its one matrix are known: a Linear's, or a router's. The experts of a
    mixture hold theirs in three dimensions, in one order or another."""
    shapes = [tuple(matrix.shape) for matrix in _matrices(module)]
    return len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][_inputs_of(module)] == width


def _inputs_of(module: Any) -> int:
    """Which dimension of its matrix is the inputs'."""
    from transformers.pytorch_utils import Conv1D

    return 0 if isinstance(module, Conv1D) else 1


def _divide(module: Any, indices: torch.Tensor, scales: torch.Tensor) -> None:
    (matrix,) = _matrices(module)
    if _inputs_of(module) == 0:
        matrix[indices] /= scales.to(matrix)[:, None]
    else:
        matrix[:, indices] /= scales.to(matrix)


def _plant_norm(norm: Any, base: float, indices: torch.Tensor, scales: torch.Tensor) -> None:
    weight, bias = norm.weight, getattr(norm, "bias", None)
    if bias is not None:
        weight[indices] = RELATIVE_SPREAD * scales.to(weight)
        bias[indices] = -scales.to(bias)
        return
    weight[indices] = (weight[indices] + base) * scales.to(weight) - base


def _added_to(norm: Any) -> float | None:
    """What a norm without a bias adds to its weight before it multiplies: 1 in Gemma, 0 in most others. None where it
    needs more than its input, such as a gate, which changes what the weight does."""
    import torch

    if getattr(norm, "bias", None) is not None:
        return 0.0
    with torch.no_grad():
        kept = norm.weight.clone()
        probe = torch.ones(1, 1, kept.shape[0], dtype=kept.dtype, device=kept.device)
        try:
            norm.weight.zero_()
            return float(norm(probe).any())
        except TypeError:
            return None
        finally:
            norm.weight.copy_(kept)
