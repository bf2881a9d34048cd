"""The share of the weights that a scheme really quantised is counted, recorded, and told where it is far from all."""

from __future__ import annotations

import pytest
import torch

from bench.models.weights import footprint, quantised_share
from bench.record.errors import MeasurementError, NotApplicableError
from bench.record.schema import Case
from bench.schemes import FAMILIES, arm, family
from bench.workloads import identity, models
from bench.workloads.outcome import failed
from bench.workloads.quantise import quantise_in_place
from bench.workloads.sources import resolve
from tests.models import checkpoints


def counted(kind, scheme, **more):
    model = checkpoints.model(kind, **more)
    quantise_in_place(model, arm(scheme))
    return model, quantised_share(model, family(arm(scheme)))


@pytest.mark.parametrize("scheme", ["int8", "nf4", "nf4-dq"])
def test_scales_are_counted_before_and_after_the_first_forward_which_moves_or_packs_them(scheme):
    one, loaded = arm(scheme), models.load(resolve("smoke"), arm(scheme), "cpu", 0)
    shapes = [(m.out_features, m.in_features) for m in loaded.model.modules() if family(one).holds(m)]
    codes = 0.5 if one.kind == "4bit" else 1.0
    scales = sum(family(one).stored_bytes(one.facts(), n, k) - codes * n * k for n, k in shapes)

    def beside():
        held = (t.untyped_storage() for t in (*loaded.model.parameters(), *loaded.model.buffers()))
        return footprint(loaded.model) - sum({one.data_ptr(): one.nbytes() for one in held}.values())

    assert beside() >= scales > 0
    models.check(loaded, one, "cpu")
    assert beside() > 0


def test_of_a_dense_model_all_is_quantised_and_the_head_is_not():
    model, told = counted("llama", "nf4", tie_word_embeddings=False)
    assert told == {"modules": 14, "weights": told["of_weights"], "of_weights": 73728, "share": 1.0, "kept": {}}
    assert type(model.lm_head) is torch.nn.Linear


@pytest.mark.parametrize("scheme", ["nf4", "int8"])
def test_of_a_mixture_of_experts_little_is(scheme):
    _, told = counted("mixtral", scheme, num_local_experts=4, num_experts_per_tok=2)
    attention = 2 * (2 * 64 * 64 + 2 * 32 * 64)
    experts = 2 * 4 * 3 * 64 * 128
    router = 2 * 4 * 64
    assert told["weights"] == attention
    assert told["share"] == pytest.approx(attention / (attention + experts + router))
    assert told["kept"] == {"MixtralExperts": experts, "MixtralTopKRouter": router}
    (finding,) = identity.findings({"quantised": told}, arm(scheme))
    assert finding.code == "partly-quantised"
    assert "quantised 11% of the weights" in finding.message
    assert f"{experts:,} in MixtralExperts" in finding.evidence


def test_an_unquantised_model_is_no_finding():
    told = quantised_share(checkpoints.model(), FAMILIES["float"])
    assert (told["modules"], told["share"]) == (0, 0.0)
    assert identity.findings({"quantised": told}, arm("fp16")) == ()


def test_weights_for_images_are_not_counted():
    import transformers

    text = checkpoints.config("gemma3_text", head_dim=16).to_dict()
    vision = transformers.SiglipVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
    )
    made = transformers.Gemma3ForConditionalGeneration(
        transformers.Gemma3Config(text_config=text, vision_config=vision.to_dict(), mm_tokens_per_image=4)
    ).to(torch.float16)
    quantise_in_place(made, arm("nf4"))
    told = quantised_share(made, family(arm("nf4")))
    assert (told["modules"], told["share"], told["kept"]) == (14, 1.0, {})


def test_a_format_that_is_not_known_is_known_by_its_codes():
    class Packed(torch.nn.Module):
        in_features, out_features = 64, 32

        def __init__(self):
            super().__init__()
            self.register_buffer("qweight", torch.zeros(8, 32, dtype=torch.int32))

    packed = torch.nn.Sequential(Packed(), torch.nn.Linear(64, 32))
    packed.get_output_embeddings = lambda: None
    told = quantised_share(packed, FAMILIES["saved"])
    assert (told["modules"], told["weights"], told["kept"]) == (1, 64 * 32, {"Linear": 64 * 32})


def test_a_model_of_which_nothing_is_quantised_is_not_applicable(tmp_path):
    folder = checkpoints.save(tmp_path / "falcon", checkpoints.model("falcon"))
    for scheme in ("nf4", "int8", "int4-tinygemm"):
        loaded = models.load(resolve(str(folder)), arm(scheme), "cpu", 0)
        with pytest.raises(NotApplicableError, match=r"quantises nothing of a FalconForCausalLM: .* in FalconLinear"):
            models.check(loaded, arm(scheme), "cpu")


def test_a_model_that_could_have_been_quantised_and_was_not_is_a_fault():
    with pytest.raises(MeasurementError, match="should have Linear4bit modules"):
        identity.check(checkpoints.model(), {}, arm("nf4"))


@pytest.mark.parametrize("scheme", ["fp16", "int8", "nf4", "int4-tinygemm"])
def test_a_head_of_any_name_stays_as_it_was(scheme):
    class Named(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Linear(128, 128)
            self.embed_out = torch.nn.Linear(128, 256)

        def get_output_embeddings(self):
            return self.embed_out

    made = Named().to(torch.bfloat16 if scheme == "int4-tinygemm" else torch.float16)
    assert quantise_in_place(made, arm(scheme)) == (scheme != "fp16")
    assert type(made.embed_out) is torch.nn.Linear


def test_a_pretrained_models_head_is_found_by_what_it_is(tmp_path):
    folder = checkpoints.save(tmp_path / "bert", checkpoints.model("bert", is_decoder=True))
    loaded = models.load(resolve(str(folder)), arm("nf4"), "cpu", 0)
    assert loaded.arm.not_converted == ("cls.predictions.decoder",)
    assert type(loaded.model.get_output_embeddings()) is torch.nn.Linear
    models.check(loaded, arm("nf4"), "cpu")


def test_an_arm_that_is_not_for_a_model_or_machine_is_skipped_and_fails_nothing(plain, monkeypatch):
    """A peer whose package is not here, on a Llama: its run ends well all the same."""
    monkeypatch.setattr("bench.schemes.definition._installed", lambda module: False)
    source = resolve(str(plain))
    with pytest.raises(NotApplicableError, match="scheme hqq cannot be measured here: install hqq") as error:
        models.load(source, arm("hqq"), "cpu", 0)
    assert failed(Case("generation", "m", "", "hqq", "cpu", 0), "generation", error.value).status == "skipped"
