"""A captured decode step against generate, by a simulation of capture and replay on the CPU."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch
from transformers import StaticCache
from transformers.cache_utils import DynamicLayer

from bench.interventions import graphed, same_tokens
from bench.interventions.table import ROUNDING
from bench.presets import EndToEnd
from bench.record.errors import MeasurementError
from bench.run.plan import generation_case
from bench.schemes import arm
from bench.workloads import models
from bench.workloads.batches import Batch, make_batches
from bench.workloads.session import Session
from bench.workloads.sources import resolve
from tests.interventions.graph_simulation import simulated
from tests.long_tables import some_of
from tests.workloads.tiny_models import PLAIN, WINDOWED, prompt, session, some_windows, tiny

NEW = 24
# Longer than the window of 16 before the first new token, and reaching it while decoding.
LENGTHS = (20, 9)


def decode(of: Session, capture: graphed.Capture = simulated) -> list[list[list[int]]]:
    """As intervening does, by the simulation: one capture for all prompts."""
    longest = max(of.batches, key=lambda batch: batch.prompt_length)
    new = of.case.new_tokens
    graph = graphed.Graphed(of.loaded.model, longest, longest.prompt_length + new, of.suppressed(), capture)
    return [graph.decode(batch, new).tokens for batch in of.batches]


def held_to_claim(of: Session) -> list[list[list[int]]]:
    given, wanted = decode(of), same_tokens.unchanged_tokens(of, "dynamic")
    same_tokens.check(of, given, wanted, ROUNDING)
    return given


@pytest.mark.parametrize(("kind", "window"), some_windows(*WINDOWED))
def test_a_replayed_step_gives_generates_tokens(kind, window):
    of = session(tiny(kind, window), [prompt(2, length, length) for length in LENGTHS], NEW)
    tokens = decode(of)
    assert tokens == same_tokens.unchanged_tokens(of, "dynamic")
    assert [len(row) for call in tokens for row in call] == [NEW] * 4
    assert len({token for call in tokens for row in call for token in row}) > 3, "tokens that never change show nothing"


@pytest.mark.parametrize("window", [None, 4096])
@pytest.mark.parametrize("kind", PLAIN)
def test_a_window_that_the_model_does_not_heed_and_nothing_reaches_changes_nothing(kind, window):
    of = session(tiny(kind, window), [prompt(1, 20)], NEW)
    assert held_to_claim(of) == same_tokens.unchanged_tokens(of, "dynamic")


@pytest.mark.parametrize("kind", ["llama", "phi"])
def test_other_tokens_than_generates_are_refused_though_the_replay_is_right(kind):
    """A window that only the cache knows: generate drops keys, this loop keeps them."""
    of = session(tiny(kind, 16), [prompt(1, 20)], NEW)
    with pytest.raises(same_tokens.OtherTokensError, match="other tokens: token"):
        held_to_claim(of)


def test_a_step_that_counts_in_python_is_refused():
    """What a captured step took from Python is what it was then: here how far the vocabulary is turned."""
    model, count = tiny("starcoder2"), itertools.count()
    model.lm_head.register_forward_hook(lambda module, given, out: out.roll(next(count), dims=-1))
    with pytest.raises(same_tokens.OtherTokensError, match="other tokens: a replay of the captured step"):
        decode(session(model, [prompt(1, 9)], NEW))


@pytest.mark.parametrize(
    ("kind", "window", "length"), [("starcoder2", 4096, 9), ("mistral", 4096, 9), ("phi3", 16, 20)]
)
def test_transformers_own_static_cache_never_gives_wrong_tokens_unseen(monkeypatch, kind, window, length):
    """Its layers with a window count in Python, in most versions: the replay is right or refused."""
    monkeypatch.setattr(
        graphed, "full_length_cache", lambda model, length: StaticCache(config=model.config, max_cache_len=length)
    )
    of = session(tiny(kind, window), [prompt(1, length)], NEW)
    try:
        tokens = decode(of)
    except same_tokens.OtherTokensError:
        return
    assert tokens == same_tokens.unchanged_tokens(of, "dynamic")


@pytest.mark.parametrize(("kind", "window"), some_windows(*WINDOWED))
def test_the_eager_loop_with_transformers_static_cache_gives_the_same_tokens(kind, window):
    of = session(tiny(kind, window), [prompt(2, length, length) for length in LENGTHS], NEW, cache="static")
    assert same_tokens.unchanged_tokens(of, "static") == same_tokens.unchanged_tokens(of, "dynamic")


def test_an_end_of_sequence_token_is_passed_over_as_generate_does():
    model = tiny("starcoder2")
    free = same_tokens.unchanged_tokens(session(model, [prompt(1, 9)], NEW), "dynamic")[0][0]
    model.generation_config.eos_token_id = [free[3], 2]
    of = session(model, [prompt(1, 9)], NEW)
    assert of.suppressed() == [free[3], 2]
    tokens = decode(of)
    assert free[3] not in tokens[0][0]
    assert tokens == same_tokens.unchanged_tokens(of, "dynamic")


def test_a_cache_of_other_things_than_keys_and_values_is_refused(monkeypatch):
    monkeypatch.setattr("transformers.cache_utils.StaticCache", lambda **_: SimpleNamespace(layers=[DynamicLayer()]))
    with pytest.raises(MeasurementError, match="not known to be right with cache layers DynamicLayer"):
        decode(session(tiny("starcoder2"), [prompt(1, 9)], 4))


def test_a_model_without_a_static_cache_is_refused(monkeypatch):
    def none(**_):
        raise KeyError("conv")

    monkeypatch.setattr("transformers.cache_utils.StaticCache", none)
    with pytest.raises(MeasurementError, match=r"no static cache for this model \(KeyError\('conv'\)\)"):
        decode(session(tiny("starcoder2"), [prompt(1, 9)], 4))


def smoke(scheme: str, new_tokens: int = 8, calls: int = 2) -> Session:
    of = generation_case(
        EndToEnd("t", (scheme,), new_tokens=new_tokens), resolve("smoke"), scheme, 1, "dynamic", "cpu", 0
    )
    loaded = models.load(resolve("smoke"), arm(scheme), "cpu", 0)
    return Session(of, loaded, make_batches(of, loaded, calls))


@pytest.mark.parametrize("scheme", some_of(("fp16", "nf4", "nf4-dq", "int8-thr0"), ("nf4", "int8-thr0")))
def test_quantised_arms_are_captured_and_prompts_may_differ_in_length(monkeypatch, scheme):
    # As on a GPU, which packs no weights: on packed ones a CPU's operator reads the table of codes in Python.
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)
    of = smoke(scheme)
    assert len({batch.prompt_length for batch in of.batches}) == 2
    assert held_to_claim(of) == same_tokens.unchanged_tokens(of, "dynamic")


def test_a_step_that_reads_back_is_not_captured():
    with pytest.raises(MeasurementError, match="cannot be captured in a CUDA graph"):
        decode(smoke("int8"))


def test_padded_prompts_are_not_captured():
    of = session(tiny("starcoder2"), [prompt(1, 9)], 4)
    mask = of.batches[0].inputs["attention_mask"].clone()
    mask[0, 0] = 0
    padded = Batch({**of.batches[0].inputs, "attention_mask": mask}, of.batches[0].names)
    with pytest.raises(MeasurementError, match="padded"):
        graphed.Graphed(of.loaded.model, padded, 32, (), simulated)


def test_what_does_not_fit_the_captured_cache_is_refused():
    model = tiny("starcoder2")
    graph = graphed.Graphed(model, prompt(1, 9), 16, (), simulated)
    with pytest.raises(MeasurementError, match=r"9 \+ 8 tokens do not fit a cache of 16"):
        graph.decode(prompt(1, 9), 8)


@pytest.mark.parametrize("window", [None, 64])
def test_rewinding_gives_the_first_token_again_in_the_same_memory(window):
    graph = graphed.Graphed(tiny("starcoder2", window), prompt(1, 7), 32, (), simulated)
    places = [layer.keys.data_ptr() for layer in graph.cache.layers]
    first = graph.decode(prompt(1, 7), 4).tokens
    assert graph.decode(prompt(1, 7), 4).tokens == first
    assert [layer.keys.data_ptr() for layer in graph.cache.layers] == places


def test_a_cache_that_moves_is_refused(monkeypatch):
    graph = graphed.Graphed(tiny("starcoder2"), prompt(1, 7), 32, (), simulated)
    layer = graph.cache.layers[0]
    monkeypatch.setattr(layer, "reset", lambda: setattr(layer, "keys", torch.zeros_like(layer.keys)))
    with pytest.raises(MeasurementError, match="keeps its cache in another way"):
        graph.decode(prompt(1, 7), 4)


@pytest.mark.gpu
@pytest.mark.parametrize(("kind", "window"), some_windows(*WINDOWED))
def test_a_real_graph_gives_generates_tokens(kind, window):
    of = session(tiny(kind, window).to("cuda"), [prompt(2, length, length, "cuda") for length in LENGTHS], NEW)
    tokens = decode(of, graphed.captured)
    same_tokens.check(of, tokens, same_tokens.unchanged_tokens(of, "dynamic"), ROUNDING)
