"""Weights that do not fill the model end the planning with their names, and the loading too."""

from __future__ import annotations

import shutil

import pytest
import torch
import transformers

from bench.record.errors import UsageError
from bench.schemes import arm
from bench.workloads import models
from bench.workloads.describe import describe
from bench.workloads.sources import resolve
from tests.models import checkpoints
from tests.models.checkpoints import changed_config, changed_weights


def refused(folder, words):
    """Both ways in: the planning looks at the files' headers, the loading at what transformers tells."""
    source = resolve(str(folder))
    with pytest.raises(UsageError, match=words):
        describe(source)
    for scheme in ("fp16", "int4-tinygemm"):
        with pytest.raises(UsageError, match=words):
            models.load(source, arm(scheme), "cpu", 0)


def test_missing_weights(copied):
    less = changed_weights(copied, lambda found: {k: v for k, v in found.items() if "layers.1.mlp" not in k})
    refused(less, "has no weights for model.layers.1.mlp.down_proj.weight, .*fetch them again")


def test_weights_of_another_name(copied):
    renamed = changed_weights(
        copied, lambda found: {k.replace("q_proj.weight", "q_proj.qweight"): v for k, v in found.items()}
    )
    refused(renamed, "weights that the model does not use: model.layers.0.self_attn.q_proj.qweight")


def test_weights_of_another_shape(copied):
    describing = changed_config(copied, intermediate_size=256)
    with pytest.raises(
        UsageError, match=r"another shape for model.layers.0.mlp.down_proj.weight \(64×128, not 64×256\)"
    ):
        describe(resolve(str(describing)))
    with pytest.raises(UsageError, match=r"another shape for model.layers.0.mlp.down_proj.weight"):
        models.load(resolve(str(describing)), arm("fp16"), "cpu", 0)


def test_a_missing_part_and_a_damaged_one(tmp_path):
    folder = checkpoints.save(tmp_path / "parts", checkpoints.model())
    shutil.rmtree(folder)
    checkpoints.model().save_pretrained(folder, max_shard_size="100KB")
    parts = sorted(folder.glob("*.safetensors"))
    assert len(parts) > 2
    content = parts[0].read_bytes()
    parts[0].unlink()
    with pytest.raises(UsageError, match="which is not there: fetch the checkpoint again"):
        describe(resolve(str(folder)))
    parts[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match="is cut off"):
        describe(resolve(str(folder)))


@pytest.mark.parametrize("head", ["AutoModel", "AutoModelForSequenceClassification"])
def test_no_language_model_head(plain, tmp_path, head):
    made = getattr(transformers, head).from_pretrained(plain, dtype=torch.float16)
    folder = checkpoints.save(tmp_path / head, made)
    refused_at_once = "has no language-model head"
    with pytest.raises(UsageError, match=refused_at_once):
        describe(resolve(str(folder)))
    hidden = changed_config(folder, architectures=None)  # old checkpoints do not say what they are
    with pytest.raises(UsageError, match=r"has no weights for lm_head\.weight"):
        describe(resolve(str(hidden)))


def test_an_encoder_decoder_says_so(tmp_path):
    made = transformers.T5ForConditionalGeneration(
        transformers.T5Config(vocab_size=1024, d_model=64, d_kv=16, d_ff=64, num_layers=1, num_heads=4)
    )
    folder = checkpoints.save(tmp_path / "t5", made)
    with pytest.raises(UsageError, match=r"encoder-decoder model \(t5\): only decoder-only"):
        describe(resolve(str(folder)))


@pytest.mark.parametrize("kind", ["llama", "mixtral", "gpt2", "gemma3_text", "bloom", "opt", "falcon"])
def test_what_is_whole_is_not_refused(tmp_path, kind):
    more = {"tie_word_embeddings": True} if kind == "llama" else {}
    folder = checkpoints.save(tmp_path / kind, checkpoints.model(kind, **more))
    assert describe(resolve(str(folder)))["decoder_layers"] == 2


def test_an_adapter_says_that_it_is_one(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match="holds an adapter"):
        resolve(str(tmp_path))
