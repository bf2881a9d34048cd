"""The annotator's ranges nest, are named as profilers expect, and leave nothing behind."""

import torch

from profiling.annotate import NvtxAnnotator


class FakeNvtx:
    """Notes pushes and pops as a profiler would see them."""

    def __init__(self):
        self.events = []
        self.depth = 0

    def get_domain(self, name):
        assert name == "bitledger"
        return self

    def get_event_attributes(self, message, payload=None):
        return (message, payload)

    def push_range(self, attributes):
        self.events.append((self.depth, *attributes))
        self.depth += 1

    def pop_range(self):
        self.depth -= 1
        assert self.depth >= 0


class TinyLayer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = torch.nn.Linear(4, 4)

    def forward(self, x):
        return self.q_proj(x)


class TinyModel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([TinyLayer(), TinyLayer()])
        self.lm_head = torch.nn.Linear(4, 4)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(x)


def generate(annotator, model, steps):
    annotator.begin()
    for index in range(steps):
        model(torch.ones(1, 4))
        annotator.step(index)
    annotator.end()


def test_ranges_nest_and_carry_their_indices():
    nvtx, model = FakeNvtx(), TinyModel()
    annotator = NvtxAnnotator(nvtx)
    annotator.attach(model)
    generate(annotator, model, 2)
    forward = [(1, "layer", 0), (2, "q_proj", None), (1, "layer", 1), (2, "q_proj", None), (1, "lm_head", None)]
    assert nvtx.events == [(0, "prefill", None), *forward, (0, "decode_step", 0), *forward, (0, "decode_step", 1)]
    assert nvtx.depth == 0


def test_the_experts_of_a_mixture_have_a_range():
    from tests.workloads.tiny_models import tiny

    nvtx, model = FakeNvtx(), tiny("mixtral", num_local_experts=4, num_experts_per_tok=2)
    annotator = NvtxAnnotator(nvtx)
    annotator.attach(model)
    annotator.begin()
    model(torch.ones(1, 4, dtype=torch.long))
    annotator.end()
    assert sum(event[1] == "experts" for event in nvtx.events) == 3
    assert {depth for depth, name, _ in nvtx.events if name == "experts"} == {2}


def test_what_an_adapter_adds_to_a_linear_is_around_the_linears_own_range():
    class Wrapper(torch.nn.Module):
        """As PEFT wraps a Linear."""

        def __init__(self):
            super().__init__()
            self.in_features = 4
            self.base_layer = torch.nn.Linear(4, 4)
            self.lora_A = torch.nn.ModuleDict({"default": torch.nn.Linear(4, 1)})

        def forward(self, x):
            return self.base_layer(x) + self.lora_A["default"](x)

    nvtx, model = FakeNvtx(), TinyModel()
    model.layers[0].q_proj = Wrapper()
    annotator = NvtxAnnotator(nvtx)
    annotator.attach(model)
    generate(annotator, model, 1)
    assert nvtx.events[1:4] == [(1, "layer", 0), (2, "adapter", None), (3, "q_proj", None)]
    assert sum(event[1] == "adapter" for event in nvtx.events) == 1


def test_detached_models_say_nothing():
    nvtx, model = FakeNvtx(), TinyModel()
    annotator = NvtxAnnotator(nvtx)
    annotator.attach(model)
    annotator.detach()
    model(torch.ones(1, 4))
    assert nvtx.events == []


def test_the_real_package_takes_the_same_calls():
    model = TinyModel()
    annotator = NvtxAnnotator()
    annotator.attach(model)
    generate(annotator, model, 3)
    annotator.detach()
