"""torchao, HQQ and optimum-quanto as schemes: each is what it says, in its bytes, its products and its code."""

from __future__ import annotations

import contextlib
import io
import shutil
from argparse import Namespace
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from bench.analysis import machines
from bench.analysis.conditions import versions
from bench.analysis.user_code import code, is_code, preamble
from bench.instruments import environment
from bench.interventions import patches
from bench.models.weights import footprint, parameter_count
from bench.presets import PRESETS, changed
from bench.record.errors import NotApplicableError, UsageError
from bench.schemes import ARMS, FAMILIES, SAVED, arm, family, hqq, quanto, torchao
from bench.schemes.traffic import INTEGER
from bench.verbs import fitting, planning
from bench.workloads import models
from bench.workloads.matmul_arms import ArmUnderTest, make_truth
from bench.workloads.sources import resolve
from tests import factories as make

PEERS = [one for one in ARMS.values() if family(one).needs]
ON_CPU = [one for one in PEERS if one.name != "torchao-int4"]
# Of a product with random weights: int8 a row 1 %, int4 in groups 10 %.
ERROR = {"torchao-int8": 0.02, "torchao-int8-dyn": 0.03, "hqq": 0.15, "quanto-int8": 0.02}
SOURCE = resolve("smoke")
IDS = torch.arange(1, 25)[None]


def installed(one):
    modules = family(one).needs
    with contextlib.suppress(ModuleNotFoundError):
        return all(find_spec(module) is not None for module in modules)
    return False


each = pytest.mark.parametrize(
    "one",
    [pytest.param(o, id=o.name, marks=pytest.mark.skipif(not installed(o), reason="not installed")) for o in ON_CPU],
)


@each
def test_a_loaded_model_is_what_the_arm_says_and_its_bytes_are_counted(one):
    loaded = models.load(SOURCE, one, "cpu", 0)
    models.check(loaded, one, "cpu")
    told = loaded.facts["quantised"]
    assert (told["modules"], told["share"]) == (36, 1.0)
    plain = models.load(SOURCE, arm("fp16"), "cpu", 0)
    assert parameter_count(loaded.model) == parameter_count(plain.model)
    linears = [m for m in plain.model.modules() if type(m) is torch.nn.Linear and m is not plain.model.lm_head]
    stored = sum(family(one).stored_bytes(one.facts(), m.out_features, m.in_features) for m in linears)
    plainly = sum(2 * m.weight.numel() for m in linears)
    assert footprint(loaded.model) - (footprint(plain.model) - plainly) == pytest.approx(stored, rel=0.01)


@pytest.mark.skipif(not installed(arm("torchao-int8")), reason="not installed")
def test_a_checkpoint_that_it_saved_is_measured_as_it_is(tmp_path):
    models.load(SOURCE, arm("torchao-int8"), "cpu", 0).model.save_pretrained(tmp_path)
    for file in Path(SOURCE.location).glob("*token*"):
        shutil.copy(file, tmp_path)
    source = resolve(str(tmp_path))
    loaded = models.load(source, SAVED, "cpu", 0)
    models.check(loaded, SAVED, "cpu")
    told = loaded.facts["quantised"]
    assert (told["modules"], told["share"], loaded.arm.description) == (
        36,
        1.0,
        "the checkpoint as it was saved: torchao",
    )


@each
def test_a_product_is_close_and_not_exact(one):
    truth = make_truth(5, 128, 256, "cpu", 0, 0, bias=True)
    made = ArmUnderTest(one, truth)
    with torch.inference_mode():
        out = made.operation("linear", 5)(made.input(5)).double()
    reference = truth.reference(one)
    assert 1e-3 < float((out - reference).norm() / reference.norm()) < ERROR[one.name]
    made.rotate_through(2)
    assert made.weight_bytes() in (128 * 256, 128 * 256 // 2)
    first, second = (family(one).stored_weight(module).data_ptr() for module in made.modules)
    assert first != second, "a copy that shares its memory is never cold"
    with torch.inference_mode():
        assert torch.equal(made.modules[1](made.input(5)), made.modules[0](made.input(5)))


@each
@pytest.mark.parametrize("change", ["", "pre-dequantised"])
def test_the_code_makes_what_was_measured(one, change):
    text = code(one.facts(), [change] if change else ())
    assert is_code(text)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        names: dict = {}
        exec(preamble("cpu").replace("YOUR_MODEL", SOURCE.location) + "\n" + text, names)
    measured = models.load(SOURCE, one, "cpu", 0).model
    if change:
        patches.apply(measured, "pre_dequantised")
    with torch.inference_mode():
        assert torch.equal(names["model"](input_ids=IDS).logits, measured(input_ids=IDS).logits)


@each
def test_another_librarys_model_is_not_taken_for_it(one):
    for other in ("fp16", "nf4"):
        loaded = models.load(SOURCE, arm(other), "cpu", 0)
        assert not any(family(one).holds(module) for module in loaded.model.modules())


def test_one_that_is_not_installed_is_skipped_with_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("bench.schemes.definition._installed", lambda module: False)
    monkeypatch.setattr("bench.schemes.variants.which", lambda name: name)
    left, why = fitting.available(PRESETS["peers"], "cpu")
    assert left.sweeps[0].schemes == ("fp16", "int8", "nf4") == left.matmul_schemes
    assert left.sweeps[1].schemes == left.sweeps[1].observers["kineto"][0] == ("fp16", "fp16+compile")
    assert set(why) == {*(one.name for one in PEERS), "torchao-int8+compile"}
    assert why["hqq"] == "install hqq (pip install 'bitledger[peers]')"
    options = Namespace(reference=None)
    planning._available(PRESETS["peers"], "cpu", options)
    assert "bitledger: hqq skipped: install hqq" in capsys.readouterr().out
    with pytest.raises(NotApplicableError, match="hqq cannot be measured here: install hqq"):
        models.load(SOURCE, arm("hqq"), "cpu", 0)


def test_without_a_compiler_nothing_is_compiled_on_a_cpu(monkeypatch):
    monkeypatch.setattr("bench.schemes.variants.which", lambda name: None)
    _, why = fitting.available(PRESETS["peers"], "cpu")
    assert "install a C++ compiler" in why["fp16+compile"]
    assert "fp16+compile" not in fitting.available(PRESETS["peers"], "cuda")[1]


def test_where_nothing_is_left_nothing_is_measured(monkeypatch):
    monkeypatch.setattr("bench.schemes.definition._installed", lambda module: False)
    with pytest.raises(UsageError, match="nothing to measure: hqq: install hqq"):
        planning._available(changed(PRESETS["peers"], {"schemes": ("hqq",)}), "cpu", Namespace(reference=None))


def test_a_preset_without_them_is_left_as_it_is():
    assert fitting.available(PRESETS["smoke"], "cpu") == (PRESETS["smoke"], {})


def test_int4_by_torchao_is_for_a_gpu(monkeypatch):
    monkeypatch.setattr("bench.schemes.definition._installed", lambda module: True)
    own = FAMILIES[torchao.KIND]
    assert "no int4 kernels for a CPU" in own.unavailable(arm("torchao-int4"), "cpu")
    assert own.unavailable(arm("torchao-int4"), "cuda") == ""


def test_hqq_refuses_what_its_groups_do_not_divide():
    pytest.importorskip("hqq")
    with pytest.raises(NotApplicableError, match="HQQ takes no 8×100"):
        FAMILIES[hqq.KIND].quantised(torch.nn.Linear(100, 8), arm("hqq"))


def test_activations_are_integers_only_where_they_are_quantised():
    types = {one.name: FAMILIES[one.kind].product_dtype(one.facts()) for one in PEERS}
    assert [name for name, dtype in types.items() if dtype == INTEGER] == ["torchao-int8-dyn"]
    assert quanto.FAMILY.product_dtype(arm("quanto-int8").facts()) == "float16"


def test_the_versions_of_their_packages_are_recorded_and_decide_what_may_be_compared():
    needed = {package for family in FAMILIES.values() for package in family.needs.values()}
    assert needed == set(machines.PEERS) <= environment._PACKAGES
    here, other = (replace(make.CPU, packages={"torch": "2.13.0", "torchao": version}) for version in ("0.17", "0.18"))
    assert versions(here)["torchao"] == "0.17" != versions(other)["torchao"]
    assert "hqq" not in versions(here)


def test_a_reference_that_cannot_be_had_gives_its_place_to_one_that_can(monkeypatch):
    monkeypatch.setattr("bench.schemes.definition._installed", lambda module: module != "hqq")
    left, why = fitting.available(changed(PRESETS["smoke"], {"schemes": ("hqq", "bf16", "nf4")}), "cpu")
    assert (set(why), left.reference) == ({"hqq"}, "bf16")
    assert fitting.available(PRESETS["smoke"], "cpu")[0].reference == "fp16"
