"""Every state that a checkpoint may come in is planned to the right measurement, or refused with one clear line.

The checkpoints are made by scripts that are not part of this repository; without them there is nothing to test here.
How long planning takes: ``python -m benchmarks.planning FOLDER …``.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.planning import planned

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "models"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CASES.is_dir(), reason="no scripts that make checkpoints")]

NINE = ["fp32", "bf16", "fp16", "int8", "int8-thr0", "int8-planted", "fp4", "nf4", "nf4-dq"]
IN_BFLOAT16 = ["fp32", "bf16", "int8-bf16", "nf4-bf16"]
# State → what of its refusal must be said, or the schemes that are measured; all others are measured in all nine.
WANTED = {
    "automap-unknown-type": "brings code of its own",
    "base-without-head": "has no language-model head",
    "bert-mlm": "has no language-model head",
    "bf16-overflows-fp16": IN_BFLOAT16,
    "broken-tokenizer": "tokenizer.json is damaged",
    "classifier": "has no language-model head",
    "config-awq": "was saved quantised",
    "config-compressed-tensors": "was saved quantised",
    "config-fp8": "hold no quantised weight",
    "config-gptq": "was saved quantised",
    "config-mxfp4": "hold no quantised weight",
    "config-of-another-size": "has weights of another shape",
    "config-torchao": "was saved quantised",
    "gpt2-128-positions": "exceed the 128 positions",
    "lora-adapter": "and this one as --adapter",
    "missing-shard": "which is not there",
    "missing-tensors": "has no weights for model.layers.1.mlp",
    "model-with-adapter": "give that as --adapter",
    "no-tokenizer": "--prompts random",
    "only-bin": "only safetensors are loaded",
    "real-gptq": "was saved quantised (4 bit by gptq)",
    "saved-bnb-4bit": ["as-saved"],
    "saved-bnb-8bit": ["as-saved"],
    "t5": "is an encoder-decoder model",
    "tokenizer-wider-than-embedding": "--prompts random",
    "truncated-weights": "is cut off",
    "unknown-type": "does not recognize this architecture",
    "weights-bf16": IN_BFLOAT16,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Name → what planning made of it."""
    root = tmp_path_factory.mktemp("checkpoints")
    one, other = root / "architectures", root / "states"
    llama = one / "llama-untied"
    for script, *arguments in (
        ("make_archs.py", one),
        ("make_situations.py", other, one),
        ("make_real_quant.py", llama, other),
    ):
        command = [sys.executable, str(CASES / script), *map(str, arguments)]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[2], env={**os.environ, "HF_HUB_OFFLINE": "1"})
    folders = sorted(folder for parent in (one, other) for folder in parent.iterdir())
    return {item.name: item for item in planned(folders)}


def test_each_is_measured_as_it_should_be_or_refused_with_its_line(found):
    assert len(found) > 50 and found.keys() >= WANTED.keys()
    wrong = {}
    for name, item in found.items():
        wanted = WANTED.get(name, NINE)
        right = wanted in item.refused if isinstance(wanted, str) else list(item.schemes) == wanted
        if not right or "\n" in item.refused or (item.refused and item.schemes):
            wrong[name] = item
    assert not wrong
