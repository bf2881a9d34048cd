"""Decode with one CUDA graph per step: the same kernels as eager decoding with a static cache, and almost no host.

On a CPU the same loop runs without a graph, so that what it computes can be tested where there is no GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.instruments.timing import Stamps
from bench.record.errors import MeasurementError
from bench.workloads.batches import Batch

WARMUP_STEPS = 3


@dataclass(frozen=True)
class Decoded:
    """``steps``: seconds per decode step; ``tokens``: [batch][new] token ids, the prefill's included."""

    steps: tuple[float, ...]
    tokens: list[list[int]]


def decode(model: Any, batch: Batch, new_tokens: int, device: str) -> Decoded:
    """Prefill, capture one step, and replay it ``new_tokens - 1`` times.

    Raises MeasurementError for prompts of unlike lengths (padding would need a mask that grows) and where the step
    cannot be captured.
    """
    import torch

    inputs = batch.inputs
    if not bool((inputs["attention_mask"] == 1).all()):
        raise MeasurementError("prompts of unlike lengths are padded, which a captured step does not handle")
    with torch.inference_mode():
        try:
            return _decode(model, inputs["input_ids"], new_tokens, device)
        except RuntimeError as error:
            if "captur" not in str(error).lower():
                raise
            first = str(error).strip().splitlines()[0]
            raise MeasurementError(f"the step cannot be captured in a CUDA graph: {first}") from error


def _decode(model: Any, prompt: Any, new_tokens: int, device: str) -> Decoded:
    import torch
    from transformers import StaticCache

    def fresh() -> tuple[Any, Any]:
        cache = StaticCache(config=model.config, max_cache_len=prompt.shape[1] + new_tokens + WARMUP_STEPS + 1)
        out = model(input_ids=prompt, past_key_values=cache, use_cache=True)
        return cache, out.logits[:, -1].argmax(-1, keepdim=True)

    cache, token = fresh()

    def step() -> None:
        out = model(input_ids=token, past_key_values=cache, use_cache=True)
        token.copy_(out.logits[:, -1].argmax(-1, keepdim=True))

    if device != "cuda":
        return _run(step, token, new_tokens, device)
    stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARMUP_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    _rewind(cache, prompt.shape[1], model, prompt, token)
    return _run(graph.replay, token, new_tokens, device)


def _rewind(cache: Any, length: int, model: Any, prompt: Any, token: Any) -> None:
    """Prefill again in the same memory: the graph's addresses stay as they were."""
    places = [layer.keys.data_ptr() for layer in cache.layers]
    for layer in cache.layers:  # layers with a sliding window count on the host too: only they know how to forget
        layer.reset()
    out = model(input_ids=prompt, past_key_values=cache, use_cache=True)
    token.copy_(out.logits[:, -1].argmax(-1, keepdim=True))
    moved = [layer.keys.data_ptr() for layer in cache.layers] != places
    if moved or any(int(layer.get_seq_length()) != length for layer in cache.layers):
        raise MeasurementError("this version of transformers keeps its cache in another way: no graph can be replayed")


def _run(step: Any, token: Any, new_tokens: int, device: str) -> Decoded:
    import torch

    stamps = Stamps(device, capacity=new_tokens + 1)
    made = [token.clone()]
    stamps.mark()
    for _ in range(new_tokens - 1):
        step()
        stamps.mark()
        made.append(token.clone())
    return Decoded(tuple(stamps.intervals()), torch.cat(made, dim=1).tolist())
