"""The code of a remedy, run as it is printed: it makes the arm that was measured, weight for weight."""

from __future__ import annotations

import contextlib
import io
import logging
import textwrap
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from bench.analysis.remedies import remedies
from bench.analysis.user_code import code, is_code, preamble
from bench.interventions import patches
from bench.interventions.table import INTERVENTIONS, applicable, changed_arm, combinations, parse
from bench.schemes import ARMS, arm, family
from bench.workloads import models
from bench.workloads.sources import resolve
from tests import factories as make
from tests.arms_here import parameter
from tests.interventions.graph_simulation import Recorder, nothing_read_back, replay
from tests.models import checkpoints
from tests.run.test_trying import turns
from tests.workloads.packed_4bit import WAYS, way
from tests.workloads.tiny_models import PLAIN, WINDOWED, prompt, some_windows, tiny

SOURCE = resolve("smoke")
IDS = torch.arange(1, 25)[None]
# Every change that a remedy may print, on an arm where it means something.
TRIED = [
    *((name, "") for name, one in ARMS.items() if one.kind != "int4" and not one.planted_columns),
    ("int8", "threshold-0"),
    ("int8", "plain-linears"),
    ("int8", "bare-op"),
    ("int8", "threshold-0+bare-op"),
    ("int8-bf16", "float16-model"),
    ("int8-bf16", "logger-silenced"),
    ("int8-bf16", "bare-op"),
    ("4bit-default", "compute-matched"),
    ("4bit-default", "bare-op"),
    ("nf4-dq", "double-quant-off"),
    ("nf4-dq", "bare-op"),
    ("nf4-dq", "pre-dequantised"),
    ("nf4-dq", "blocksize-128"),
    ("nf4", "fp4-codes"),
    ("nf4", "static-cache"),
    ("fp4", "batch-8"),
    ("fp4", "blocksize-128"),
]


@pytest.fixture(scope="module", autouse=True)
def quiet():
    import transformers

    transformers.utils.logging.disable_progress_bar()
    yield
    transformers.utils.logging.enable_progress_bar()


def printed(scheme, change=""):
    """The code as a record's facts give it."""
    chosen = parse(change) if change else ()
    batch = max([item.case.get("batch_size", 1) for item in chosen], default=1)
    return code(changed_arm(arm(scheme), chosen).facts(), change.split("+") if change else (), batch)


def run(text, place=SOURCE.location, **names):
    """The names that the code leaves. Only the model's place is put in."""
    with contextlib.redirect_stderr(io.StringIO()):
        exec(preamble("cpu").replace("YOUR_MODEL", place) + "\n" + text, names)
    return names


def measured(scheme, change=""):
    """The model that the tool measures."""
    chosen = parse(change) if change else ()
    loaded = models.load(SOURCE, changed_arm(arm(scheme), chosen), "cpu", 0)
    for item in chosen:
        if item.patch in patches.PATCHES:
            patches.apply(loaded.model, item.patch)
    return loaded.model


def facts_of(model):
    """What decides what a model computes, Linear by Linear."""
    found = {}
    for name, module in model.named_modules():
        weight = module.W_q if type(module).__name__ == "HQQLinear" else getattr(module, "weight", None)
        if hasattr(module, "in_features") and weight is not None:  # HQQ keeps the Linear, emptied, inside its own
            state, int8 = getattr(weight, "quant_state", None), getattr(module, "state", None)
            own = (type(module).__name__, weight.dtype, "forward" in vars(module), module.training)
            of_4bit = state and (state.quant_type, state.blocksize, state.nested, module.compute_dtype)
            found[name] = (*own, of_4bit, int8 is not None and int8.threshold)
    return found


@contextlib.contextmanager
def logger_kept():
    """What is silenced inside speaks again: the logger belongs to the whole process."""
    logger = logging.getLogger("bitsandbytes")
    before = logger.level
    try:
        yield logger
    finally:
        logger.setLevel(before)


@pytest.fixture(params=WAYS)
def kernel(request):
    """4-bit Linears as CPUs with packing run them, and as all others do."""
    with way(request.param):
        yield request.param


QUICK = (("int8", ""), ("nf4", ""), ("int8", "threshold-0"), ("int8-bf16", "logger-silenced"), ("nf4-dq", "bare-op"))
ON_EVERY_CPU = [
    parameter(*item, name, is_slow=item not in QUICK)
    for item in TRIED
    for name in (WAYS if "4" in item[0] else WAYS[:1])
]


@pytest.mark.parametrize(("scheme", "change", "kernel"), ON_EVERY_CPU, indirect=["kernel"])
def test_the_printed_code_makes_the_arm_that_was_measured(scheme, change, kernel):
    with logger_kept() as logger:
        names = run(printed(scheme, change))
        silenced = not logger.isEnabledFor(logging.WARNING)
    with logger_kept():
        wanted = measured(scheme, change)
    model = names["model"]
    assert facts_of(model) == facts_of(wanted)
    assert model.dtype == wanted.dtype
    with torch.inference_mode():
        assert torch.equal(model(input_ids=IDS).logits, wanted(input_ids=IDS).logits)
    if change.startswith("batch-"):
        assert names["tokens"].shape[0] == int(change.removeprefix("batch-"))
    assert silenced == (change == "logger-silenced")


def test_a_head_that_lies_deeper_than_the_model_is_left_alone_by_the_code_too(tmp_path):
    """BERT's is cls.predictions.decoder: the last part of that name is what is never called so."""
    folder = checkpoints.save(tmp_path / "bert", checkpoints.model("bert", is_decoder=True))
    wanted = models.load(resolve(str(folder)), replace(arm("nf4"), blocksize=128), "cpu", 0)
    model = run(code(wanted.arm.facts(), ()), str(folder))["model"]
    assert type(model.get_output_embeddings()) is torch.nn.Linear
    assert facts_of(model) == facts_of(wanted.model)


def test_the_static_cache_is_one_and_nothing_is_compiled(monkeypatch):
    from transformers import StaticCache

    seen = []
    made = StaticCache.__init__
    monkeypatch.setattr(StaticCache, "__init__", lambda self, *a, **k: (seen.append(k), made(self, *a, **k))[1])
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    names = run(printed("nf4", "static-cache"))
    assert seen
    with torch.inference_mode():
        loop = names["model"].generate(**names["inputs"], max_new_tokens=32, do_sample=False, disable_compile=True)
    assert torch.equal(names["tokens"], loop)


@pytest.fixture
def simulated_graph(monkeypatch):
    """torch's names for a CUDA graph, by the simulation."""

    class Graph:
        def replay(self):
            replay(self.recorder.calls)

    class Stream:
        def wait_stream(self, _other):
            pass

    @contextlib.contextmanager
    def capture(graph):
        graph.recorder = Recorder()
        with graph.recorder, nothing_read_back():
            yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", capture)
    with way("dequantised"):  # as on a GPU, which packs no weights
        yield


def loop(model, ids):
    """32 tokens without a cache: [rows, 32]."""
    start = ids.shape[1]
    with torch.inference_mode():
        for _ in range(32):
            ids = torch.cat((ids, model(input_ids=ids, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)), dim=1)
    return ids[:, start:].tolist()


def test_the_captured_step_computes_the_tokens_of_the_loop(simulated_graph):
    names = run(printed("nf4", "cuda-graph"))
    assert torch.cat(names["tokens"], dim=1).tolist() == loop(names["model"], names["inputs"]["input_ids"])


def run_on(model, text):
    """The code with ``model`` where it loads one."""
    loads = SimpleNamespace(from_pretrained=lambda *_, **__: model)
    names = run("", inputs=None)
    names |= {"AutoModelForCausalLM": loads, "inputs": prompt(2, 9).inputs}
    exec(text, names)
    return names


@pytest.mark.parametrize(("kind", "window"), some_windows(*WINDOWED, *PLAIN))
def test_the_captured_step_computes_the_tokens_of_the_loop_through_a_window(simulated_graph, kind, window):
    model = tiny(kind, window)
    names = run_on(model, printed("fp16", "cuda-graph"))
    tokens = torch.cat(names["tokens"], dim=1).tolist()
    assert tokens == loop(model, prompt(2, 9).inputs["input_ids"])
    assert len({token for row in tokens for token in row}) > 2, "tokens that never change show nothing"


def test_a_cache_that_holds_other_things_is_refused(simulated_graph, monkeypatch):
    monkeypatch.setattr("transformers.StaticCache", lambda **_: SimpleNamespace(layers=[object()]))
    with pytest.raises(SystemExit, match="may be wrong with this model's cache"):
        run_on(tiny("llama"), printed("fp16", "cuda-graph"))


@pytest.mark.parametrize("scheme", sorted(ARMS))
def test_every_remedy_of_every_arm_has_code_that_fits_in_80_columns(scheme):
    """Through the records: what an intervention changed is what the code loads."""
    chosen = arm(scheme)
    for name in (*applicable(chosen, "cuda"), *combinations(chosen, "cuda")):
        records = [
            item
            for repeat in range(3)
            for item in (
                make.intervention(scheme, "none", repeat, step=0.02),
                make.intervention(scheme, name, repeat, step=0.01),
            )
        ]
        found = made(records, scheme)
        for remedy in found:
            assert is_code(remedy.code), (scheme, name)
            compile(remedy.code, "remedy", "exec")
            assert "..." not in remedy.code
            assert max(map(len, remedy.code.splitlines())) <= 80
            assert remedy.code == printed(scheme, name)


def made(records, scheme):
    from bench.analysis import generation, interventions

    timed = [make.generation(name, repeat, step=0.01) for repeat in range(4) for name in ("fp16",)]
    timed += [make.generation(scheme, repeat, step=0.1) for repeat in range(4)]
    groups = generation.summarise(timed, reference="bf16" if scheme == "fp16" else "fp16")
    found = remedies(interventions.summarise(records), groups, timed)
    return [item for item in found if item.basis.startswith("intervention")]


def by_every_path():
    """Remedies of each way in which one comes about."""
    from bench.analysis import generation, interventions

    slow = {"fp16": 0.01, "int8": 0.1, "4bit-default": 0.08, "nf4": 0.05}
    timed = [
        make.generation(scheme, repeat, step=step / factor, **use)
        for scheme, step in slow.items()
        for repeat in range(3)
        for factor, use in ((1, {}), (4, {"batch_size": 8}), (1.3, {"cache": "static"}))
    ]
    for record in timed:
        record.setup["arm"] = arm(record.case.scheme).facts()
    for scheme, names in (("int8", ("threshold-0", "bare-op")), ("4bit-default", ("compute-matched", "static-cache"))):
        timed += [turns(scheme, name, [0.1 if name == "none" else 0.05] * 4) for name in ("none", *names)]
        timed += [make.intervention(scheme, name, repeat, step=step) for repeat in range(3)
                  for name, step in (("none", 0.1), ("batch-8", 0.01))]  # fmt: skip
    stated = make.prediction("nf4", "no-cudnn-attention", 0.05, 0.03)
    timed.append(replace(stated, setup={"unchanged": {}, "changed_arm": arm("nf4").facts()}))
    rows, groups = interventions.summarise(timed), generation.summarise(timed)
    return remedies(rows, groups, timed, interventions.predicted_only(timed))


@pytest.mark.slow
def test_the_code_of_every_path_runs_and_makes_an_arm_of_this_tool():
    found = by_every_path()
    paths = {remedy.basis.split(",")[0].split(" of ")[0].split(" for ")[0] for remedy in found}
    assert len(paths) >= 5, paths
    assert any(remedy.predicted for remedy in found)
    known = [
        facts_of(measured(name))
        for name, one in ARMS.items()
        if one.kind != "int4" and not one.planted_columns and not family(one).unavailable(one, "cpu")
    ]
    known.append(facts_of(measured("int8", "bare-op")))
    known.append(facts_of(measured("4bit-default", "compute-matched")))
    for text in dict.fromkeys(remedy.code for remedy in found):
        assert is_code(text)
        assert facts_of(run(text)["model"]) in known


def test_what_no_user_can_load_has_no_code():
    assert printed("int4-tinygemm") == ""
    assert printed("int8-planted") == ""
    assert code(None) == ""
    assert max(map(len, preamble("cuda").splitlines())) <= 80
    assert textwrap.dedent(printed("nf4")) == printed("nf4")


def test_every_intervention_is_a_remedy_or_is_known_not_to_be():
    from bench.analysis.remedies import _title

    without = {name for name in INTERVENTIONS if not _title(name)}
    assert without == {
        "threshold-1e4", "compute-float32", "double-quant-on", "old-kernel",
        *(f"planted-{n}" for n in (1, 6, 16, 64, 256)),
    }  # fmt: skip
