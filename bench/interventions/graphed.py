"""Decode with one CUDA graph per step: the same kernels as eager decoding with a static cache, and almost no host.

A graph replays what was captured: every number that the step took from Python, such as a position or a length, is what
it was then. transformers' cache layers with a sliding window count in Python, so a captured step would write to one
position and look through one mask for ever. Here every layer gets a cache of full length, which counts on the device;
the model's own mask still hides what lies outside the window. Whether that was enough is not assumed: the replayed
tokens must be those of the same step run eagerly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any

from bench.instruments.timing import Stamps
from bench.interventions.same_tokens import OtherTokensError, first_differences
from bench.record.errors import MeasurementError
from bench.workloads.batches import Batch

WARMUP_STEPS = 3
Step = Callable[[], None]
# Runs a step, if it likes, and gives what replays it. A parameter so that the logic is tested without a GPU.
Capture = Callable[[Step], Step]


@dataclass(frozen=True)
class Decoded:
    """``steps``: seconds per decode step; ``tokens``: [batch][new] token ids, the prefill's included."""

    steps: tuple[float, ...]
    tokens: list[list[int]]


def captured(step: Step) -> Step:
    """``step`` as a CUDA graph, after a few runs on a stream of its own."""
    import torch

    stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARMUP_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    replay: Step = graph.replay
    return replay


class Graphed:
    """One decode step of ``model``, captured once over a cache of ``length`` positions: it decodes any prompts of this
    batch size that fit.

    ``suppressed``: token ids that are never chosen, which is how generate forces a number of tokens. Raises
    MeasurementError where the step cannot be captured.
    """

    def __init__(
        self, model: Any, batch: Batch, length: int, suppressed: Sequence[int] = (), capture: Capture = captured
    ) -> None:
        import torch

        self._model, self._length = model, length
        self.cache = full_length_cache(model, length)
        rows, device = batch.inputs["input_ids"].shape[0], batch.inputs["input_ids"].device
        self._token = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        self._places = "cache_position" in signature(model.forward).parameters
        self._suppressed = torch.tensor(list(suppressed), dtype=torch.long, device=device)
        with torch.inference_mode(), _capture_errors():
            self._prefill(_prompt(batch))
            self._replay = capture(self._step)

    def decode(self, batch: Batch, new_tokens: int) -> Decoded:
        """Prefill, and replay the step ``new_tokens - 1`` times.

        Raises MeasurementError for prompts of unlike lengths (padding would need a mask that grows) or that do not
        fit, OtherTokensError where the replay gives others than the same step run eagerly.
        """
        import torch

        prompt = _prompt(batch)
        if prompt.shape[1] + new_tokens > self._length:
            raise MeasurementError(f"{prompt.shape[1]} + {new_tokens} tokens do not fit a cache of {self._length}")
        with torch.inference_mode():
            replayed = self._run(self._replay, prompt, new_tokens)
            eager = self._run(self._step, prompt, new_tokens)
        for item in first_differences([eager.tokens], [replayed.tokens]):
            raise OtherTokensError(
                f"other tokens: a replay of the captured step gives {item.given} as token {item.place + 1} of row "
                f"{item.row + 1} where the same step run eagerly gives {item.wanted}"
            )
        return replayed

    def _step(self) -> None:
        # Earlier models ask the cache for the position as a number, which would be read back from the device.
        place = {"cache_position": self._position} if self._places else {}
        self._take(self._model(input_ids=self._token, past_key_values=self.cache, use_cache=True, **place).logits)
        self._position.add_(1)

    def _take(self, logits: Any) -> None:
        scores = logits[:, -1].float()  # as generate does: in float32, so that ties fall alike
        scores.index_fill_(1, self._suppressed, float("-inf"))
        self._token.copy_(scores.argmax(-1, keepdim=True))

    def _prefill(self, prompt: Any) -> None:
        self._take(self._model(input_ids=prompt, past_key_values=self.cache, use_cache=True).logits)
        self._position.fill_(prompt.shape[1])

    def _rewind(self, prompt: Any) -> None:
        """Prefill again in the same memory: the graph's addresses stay as they were."""
        layers = [layer for layer in self.cache.layers if layer.is_initialized]  # others share the keys of one of these
        places = [layer.keys.data_ptr() for layer in layers]
        for layer in layers:
            layer.reset()
        self._prefill(prompt)
        moved = [layer.keys.data_ptr() for layer in layers] != places
        if moved or any(int(layer.get_seq_length()) != prompt.shape[1] for layer in layers):
            raise MeasurementError(
                "this version of transformers keeps its cache in another way: no graph can be replayed"
            )

    def _run(self, step: Step, prompt: Any, new_tokens: int) -> Decoded:
        import torch

        self._rewind(prompt)
        stamps = Stamps(prompt.device.type, capacity=new_tokens + 1)
        made = [self._token.clone()]
        stamps.mark()
        for _ in range(new_tokens - 1):
            step()
            stamps.mark()
            made.append(self._token.clone())
        return Decoded(tuple(stamps.intervals()), torch.cat(made, dim=1).tolist())


def full_length_cache(model: Any, length: int) -> Any:
    """A static cache in which no layer counts in Python: those with a sliding window get all ``length`` positions.

    Raises MeasurementError for a model whose cache holds anything but keys and values by position.
    """
    from transformers.cache_utils import StaticCache, StaticLayer, StaticSlidingWindowLayer

    try:
        cache = StaticCache(config=model.config, max_cache_len=length)
    except (KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise MeasurementError(f"transformers has no static cache for this model ({error!r})") from error
    cache.layers = [
        StaticLayer(max_cache_len=length) if isinstance(layer, StaticSlidingWindowLayer) else layer
        for layer in cache.layers
    ]
    others = sorted({type(layer).__name__ for layer in cache.layers if type(layer) is not StaticLayer})
    if others:
        raise MeasurementError(f"a captured step is not known to be right with cache layers {', '.join(others)}")
    return cache


def _prompt(batch: Batch) -> Any:
    """[batch, prompt_length] token ids."""
    if not bool((batch.inputs["attention_mask"] == 1).all()):
        raise MeasurementError("prompts of unlike lengths are padded, which a captured step does not handle")
    return batch.inputs["input_ids"]


@contextmanager
def _capture_errors() -> Iterator[None]:
    """torch's error about a capture as one line of ours."""
    try:
        yield
    except RuntimeError as error:
        if "captur" not in str(error).lower():
            raise
        first = str(error).strip().splitlines()[0]
        raise MeasurementError(f"the step cannot be captured in a CUDA graph: {first}") from error
