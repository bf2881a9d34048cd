"""The code with which a user gets an arm of this tool with transformers: from the facts that were recorded of it.

Every piece runs as printed after ``preamble``; a test runs each and sets the model beside the one that was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.schemes import family_of, floating, is_unquantised

Facts = Mapping[str, Any]


def preamble(device: str) -> str:
    """What the code expects: imports, the model's place, and a prompt."""
    return (
        "import torch\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "from transformers import BitsAndBytesConfig, StaticCache\n"
        f'model_id, device = "YOUR_MODEL", "{device}"  # a folder or a Hub id\n'
        "tokenizer = AutoTokenizer.from_pretrained(model_id)\n"
        'inputs = tokenizer("def add(a, b):", return_tensors="pt").to(device)'
    )


def is_code(text: str) -> bool:
    """Whether a text is such code, and no command."""
    return "\nmodel = " in f"\n{text}"


def code(facts: Any, changes: Sequence[str] = (), batch_size: int = 1) -> str:
    """How to load the arm with these facts, as the interventions ``changes`` left it, and to use it; "" where this
    tool knows no code for it."""
    if not isinstance(facts, Mapping):
        return ""
    loading = _loading(facts)
    steps = [_AFTER[name](facts, batch_size) for name in _made_after_loading(changes)]
    steps += [_COMPILED] if facts.get("compiled") else []
    return "\n".join((loading, *steps)) if loading and all(steps) else ""


_COMPILED = (
    "from transformers import CompileConfig\n"
    "compiled = CompileConfig()\n"
    "compiled._compile_all_devices = True  # on a GPU transformers compiles without this line\n"
    "tokens = model.generate(\n    **inputs, max_new_tokens=32, do_sample=False,\n"
    '    cache_implementation="static", compile_config=compiled,\n)'
)


def known(change: str) -> bool:
    """Whether an intervention changes the arm's facts alone, or in a way that there is code for."""
    return change in _BY_FACTS or _name(change) in _AFTER


def _made_after_loading(changes: Sequence[str]) -> list[str]:
    """Those that are made on the loaded model, in order; the other ones are in the arm's facts."""
    return [_name(change) for change in changes if change not in _BY_FACTS]


def _name(change: str) -> str:
    return "batch" if change.startswith("batch-") else change


# Interventions that change what the arm is loaded as.
_BY_FACTS = frozenset(
    ("threshold-0", "compute-matched", "float16-model", "double-quant-off", "blocksize-128", "fp4-codes")
)


def _loading(facts: Facts) -> str:
    family = family_of(facts)
    if family is None or facts.get("planted_columns"):
        return ""
    loading = family.loading_code(facts)
    return _with_adapter(loading, facts) if loading and facts.get("adapter") else loading


def _with_adapter(loading: str, facts: Facts) -> str:
    """Beside the weights, or merged into them unquantised, and what comes of that loaded again from a folder."""
    peft = 'from peft import PeftModel\nmodel = PeftModel.from_pretrained(model, "YOUR_ADAPTER")'
    if facts.get("adapter") != "merged":
        return f"{loading}\n{peft}.eval()"
    plain = floating.FAMILY.loading_code(facts)
    merged = f"{plain}\n{peft}.merge_and_unload()"
    again = loading.replace("model_id", '"MERGED"', 1)
    return merged if is_unquantised(facts) else f'{merged}\nmodel.save_pretrained("MERGED")\n{again}'


def _silenced(_facts: Facts, _batch: int) -> str:
    return 'import logging\nlogging.getLogger("bitsandbytes").setLevel(logging.ERROR)'


def _no_cudnn(_facts: Facts, _batch: int) -> str:
    return "torch.backends.cuda.enable_cudnn_sdp(False)"


def _dequantised(facts: Facts, _batch: int) -> str:
    family = family_of(facts)
    return "" if family is None else family.dequantising_code(facts)


def _static(_facts: Facts, _batch: int) -> str:
    return (
        "tokens = model.generate(\n    **inputs, max_new_tokens=32, do_sample=False,\n"
        '    cache_implementation="static", disable_compile=True,\n)'
    )


def _together(_facts: Facts, batch: int) -> str:
    return (
        'tokenizer.padding_side = "left"\n'
        "tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token\n"
        f'prompts = ["def add(a, b):"] * {batch}  # yours: {batch} at a time\n'
        'inputs = tokenizer(prompts, return_tensors="pt", padding=True).to(device)\n'
        "tokens = model.generate(\n    **inputs, max_new_tokens=32, do_sample=False, disable_compile=True,\n)"
    )


def _bare(facts: Facts, _batch: int) -> str:
    family = family_of(facts)
    return "" if family is None else family.bare_code(facts)


def _graph(_facts: Facts, _batch: int) -> str:
    return _GRAPH


# A captured step keeps the numbers that it took from Python: cache layers with a window count there, so each is given
# all positions, as bench/interventions/graphed.py does; the model's own mask hides what lies outside the window.
_GRAPH = """from inspect import signature
from transformers.cache_utils import StaticLayer, StaticSlidingWindowLayer
prompt, new_tokens = inputs["input_ids"], 32
length = prompt.shape[1] + new_tokens + 4
cache = StaticCache(config=model.config, max_cache_len=length)
if not {type(layer) for layer in cache.layers} <= {
    StaticLayer, StaticSlidingWindowLayer,
}:
    raise SystemExit("a captured step may be wrong with this model's cache")
# Layers with a sliding window count in Python, which a replay does not see.
cache.layers = [StaticLayer(max_cache_len=length) for _ in cache.layers]
# Earlier versions of transformers are told the position.
told = "cache_position" in signature(model.forward).parameters
position = torch.zeros(1, dtype=torch.long, device=device)
def answer(ids, **at):
    logits = model(ids, past_key_values=cache, use_cache=True, **at).logits
    return logits[:, -1].argmax(-1, keepdim=True)
def start():
    for layer in cache.layers:
        if layer.is_initialized:
            layer.reset()
    position.fill_(prompt.shape[1])
    return answer(prompt)
def step():
    token.copy_(answer(token, **{"cache_position": position} if told else {}))
    position.add_(1)
with torch.inference_mode():
    token, stream = start(), torch.cuda.Stream()
    graph = torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    with torch.cuda.graph(graph):
        step()
    token.copy_(start())
    tokens = [token.clone()]
    for _ in range(new_tokens - 1):
        graph.replay()
        tokens.append(token.clone())"""

_AFTER = {
    "bare-op": _bare,
    "cuda-graph": _graph,
    "logger-silenced": _silenced,
    "no-cudnn-attention": _no_cudnn,
    "pre-dequantised": _dequantised,
    "plain-linears": _dequantised,
    "static-cache": _static,
    "batch": _together,
}
