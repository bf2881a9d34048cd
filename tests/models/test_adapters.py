"""An adapter is put on the model that was asked for, all of it or not at all, and is an arm like any other."""

import json
import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from bench import presets
from bench.analysis.grouping import scheme_rank, setting_of
from bench.analysis.user_code import code
from bench.models import adapters
from bench.presets import choose
from bench.record.errors import MachineError, NotApplicableError, UsageError
from bench.run.plan import check_case, generation_case, make_plan
from bench.run.planfile import Run, read_plan, write_plan
from bench.schemes import AS_SAVED, arm, known, linear_kernels
from bench.workloads import models
from bench.workloads.configuration import config_of
from bench.workloads.describe import describe
from bench.workloads.sources import Source, resolve, with_adapter

SMOKE = resolve("smoke")
SETTINGS = {
    "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none",
    "target_modules": ["q_proj", "c_fc"], "base_model_name_or_path": "somebody/something-else",
}  # fmt: skip


def lora(folder, names=("self_attn.q_proj", "mlp.c_fc"), **settings):
    """Random matrices for the smoke model's layers, whose config is SETTINGS."""
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(SETTINGS | settings))
    config = config_of(SMOKE)
    out = {"self_attn.q_proj": config.hidden_size, "mlp.c_fc": config.intermediate_size}
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"base_model.model.model.layers.{layer}.{name}.lora_{side}.weight": torch.randn(
            (4, config.hidden_size) if side == "A" else (out[name], 4), generator=generator
        )
        * 0.02
        for layer in range(config.num_hidden_layers)
        for name in names
        for side in "AB"
    }
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


@pytest.fixture
def adapted(tmp_path):
    return with_adapter(SMOKE, str(lora(tmp_path / "lora")))


def logits(source, scheme):
    loaded = models.load(source, arm(scheme), "cpu", 0)
    models.check(loaded, arm(scheme), "cpu")
    return loaded, loaded.model(torch.arange(3, 20)[None]).logits.float()


# What needs no PEFT.


def test_variants_are_arms_of_every_family_and_others_are_refused():
    attached, merged = arm("nf4+adapter"), arm("int8+merged")
    assert (attached.kind, attached.adapter, attached.facts()["adapter"]) == ("4bit", "attached", "attached")
    assert (merged.kind, merged.adapter, merged.name) == ("int8", "merged", "int8+merged")
    assert arm(f"{AS_SAVED}+adapter").adapter == "attached"
    assert "adapter" not in arm("nf4").facts() and "compiled" not in arm("nf4").facts()
    wrong = {
        "nf4+lora": "unknown variant 'lora'",
        "nf5+adapter": "unknown scheme 'nf5'",
        "nf4+adapter+merged": "exclude each other",
        "nf4+adapter+adapter": "exclude each other",
    }
    for name, says in wrong.items():
        assert not known(name)
        with pytest.raises(UsageError, match=says):
            arm(name)


def test_arms_with_an_adapter_stand_in_the_setting_of_the_plain_ones(adapted):
    sweep = presets.preset("smoke").sweeps[0]
    plain, with_it = (generation_case(sweep, adapted, s, 1, "dynamic", "cpu", 0) for s in ("nf4", "nf4+adapter"))
    assert plain.adapter is None
    assert with_it.adapter == f"{adapted.adapter}@{adapted.adapter_revision}"
    assert setting_of(plain) == setting_of(with_it)
    assert sorted(["nf4+adapter", "fp16", "nf4", "int8"], key=scheme_rank) == ["fp16", "int8", "nf4", "nf4+adapter"]
    with pytest.raises(ValueError, match="without an adapter"):
        check_case("generation", replace(with_it, adapter=None))


def test_each_scheme_is_followed_by_both_and_programs_are_judged_of_both(adapted):
    chosen = choose.with_adapter(presets.preset("smoke", {"schemes": ("fp16", "nf4")}))
    wanted = {f"{scheme}{more}" for scheme in ("fp16", "nf4") for more in ("", "+adapter", "+merged")}
    blocks = make_plan(chosen, adapted, (), "cpu", 0)
    for instrument in ("generation", "kineto", "samples"):
        assert {r.case.scheme for b in blocks for r in b.requests if r.instrument == instrument} == wanted
    beside = make_plan(chosen, adapted, (), "cpu", 0, (replace(SMOKE, name="other"),))
    assert {r.case.scheme for b in beside for r in b.requests if r.case.model == "other"} == {"fp16", "nf4"}


def test_a_plan_finds_the_same_adapter_again_or_says_so(adapted, tmp_path):
    chosen = choose.with_adapter(presets.preset("smoke", {"schemes": ("fp16",)}))
    run = Run("id", chosen, adapted, "cpu", 0, make_plan(chosen, adapted, (), "cpu", 0))
    folder = tmp_path / "run"
    folder.mkdir()
    write_plan(folder, run)
    assert read_plan(folder) == run
    lora(tmp_path / "lora", r=4, lora_alpha=16)
    with pytest.raises(UsageError, match="has changed since this run began"):
        read_plan(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "adapter_config.json").unlink(), "is no folder with an adapter_config.json"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "only safetensors are loaded"),
        (lambda folder: lora(folder, peft_type="PREFIX_TUNING"), "of the kind PREFIX_TUNING: only LORA"),
        (lambda folder: lora(folder, megatron_config={"a": 1}), "names code to import, which is never run"),
        (lambda folder: (folder / "adapter_config.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: os.truncate(folder / "adapter_model.safetensors", 100), "adapter_model.safetensors is"),
        (lambda folder: os.truncate(folder / "adapter_model.safetensors", 9000), "adapter_model.safetensors is"),
    ],
)
def test_what_is_no_usable_adapter_is_refused_before_anything_is_loaded(change, says, tmp_path):
    folder = lora(tmp_path / "lora")
    change(folder)
    with pytest.raises(UsageError, match=says):
        with_adapter(SMOKE, str(folder))


def test_random_weights_and_schemes_without_an_adapter_are_refused(tmp_path, capsys, monkeypatch):
    from bench.cli import main

    # In this process: another would import torch again.
    monkeypatch.setattr("bench.run.runner.describe_model", lambda source, *_: describe(Source(**source)))

    folder = str(lora(tmp_path / "lora"))
    for options, says in (
        (["--model", "shape:phi-2", "--adapter", folder], "has random weights"),
        (["--schemes", "fp16,nf4+adapter"], "needs an adapter: give its folder with --adapter"),
        (["--model", folder], "give the folder of its base model as --model and this one as --adapter"),
    ):
        assert main(["run", "--preset", "smoke", "--device", "cpu", *options]) == 2
        assert says in capsys.readouterr().err
    with pytest.raises(UsageError, match="needs an adapter"):
        models.load(SMOKE, arm("nf4+adapter"), "cpu", 0)


def test_without_peft_it_says_what_to_install(adapted, monkeypatch):
    monkeypatch.setattr(adapters, "find_spec", lambda name: None)
    with pytest.raises(MachineError, match="pip install peft"):
        models.load(adapted, arm("fp32+adapter"), "cpu", 0)


def test_users_are_told_how():
    assert "PeftModel.from_pretrained(model" in code(arm("nf4+adapter").facts())
    merged = code(arm("nf4+merged").facts())
    assert merged.index("merge_and_unload") < merged.index("BitsAndBytesConfig")
    compile(merged, "merged", "exec")
    compile(code(arm("fp16+merged").facts()), "merged", "exec")


# What needs it.


def test_beside_the_weights_or_merged_it_computes_the_same(adapted):
    pytest.importorskip("peft")
    (plain, before), (attached, beside), (merged, into) = (
        logits(adapted, f"fp32{more}") for more in ("", "+adapter", "+merged")
    )
    assert not torch.allclose(before, beside, atol=1e-3)
    assert torch.allclose(beside, into, atol=1e-3)
    layers = config_of(SMOKE).num_hidden_layers
    assert (attached.facts["adapter"]["as"], merged.facts["adapter"]["as"]) == ("attached", "merged")
    assert attached.facts["adapter"]["modules"] == 2 * layers
    assert attached.facts["adapter"]["revision"] == adapted.adapter_revision
    assert models.footprint(merged.model) == models.footprint(plain.model) < models.footprint(attached.model)


@pytest.mark.parametrize("scheme", ["nf4", "int8"])
def test_on_a_quantised_model_all_is_counted_once(adapted, scheme):
    pytest.importorskip("peft")
    plain, attached, merged = (logits(adapted, f"{scheme}{more}")[0] for more in ("", "+adapter", "+merged"))
    assert plain.facts["quantised"] == attached.facts["quantised"] == merged.facts["quantised"]
    assert plain.facts["linears"] == attached.facts["linears"]
    count = len(list(linear_kernels.linears_4bit(plain.model)))
    assert len(list(linear_kernels.linears_4bit(attached.model))) == count


@pytest.mark.parametrize(
    ("names", "says"),
    [(("self_attn.q_proj",), "has no weights for"), (("self_attn.q_proj", "mlp.c_fc"), "does not use")],
)
def test_weights_that_are_not_loaded_end_it_with_their_names(names, says, tmp_path):
    pytest.importorskip("peft")
    more = {} if len(names) == 1 else {"target_modules": ["q_proj"]}
    source = with_adapter(SMOKE, str(lora(tmp_path / "lora", names, **more)))
    with pytest.raises(UsageError, match=rf"adapter .* {says}.*mlp\.c_fc\.lora_"):
        models.load(source, arm("fp32+adapter"), "cpu", 0)


def test_no_adapter_beside_planted_outliers_nor_linears_that_peft_does_not_know(adapted):
    pytest.importorskip("peft")
    with pytest.raises(NotApplicableError, match="would read the planted outliers"):
        models.load(adapted, arm("int8-planted+adapter"), "cpu", 0)
    with pytest.raises(NotApplicableError, match="no adapter beside Int4Linear modules: measure it merged"):
        models.load(adapted, arm("int4-tinygemm+adapter"), "cpu", 0)
    for scheme in ("int8-planted+merged", "int4-tinygemm+merged"):
        assert models.load(adapted, arm(scheme), "cpu", 0).facts["adapter"]["as"] == "merged"
