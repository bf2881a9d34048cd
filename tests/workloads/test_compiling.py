"""A compiled arm is compiled, an uncompiled one is not, and where transformers would leave it so it says why."""

import argparse
from types import SimpleNamespace

import pytest

from bench import presets
from bench.presets import choose
from bench.record.errors import MeasurementError, NotApplicableError, UsageError
from bench.run.plan import check_case, generation_case, make_plan
from bench.schemes import arm, variants
from bench.verbs import planning
from bench.workloads import models
from bench.workloads.compiling import check_compilable, check_compiled, generate_options
from bench.workloads.sources import resolve

SMOKE = resolve("smoke")


def model(**attributes):
    return SimpleNamespace(modules=tuple, **attributes)


def test_it_is_an_arm_of_any_scheme_over_a_static_cache_alone():
    found = arm("nf4+compile")
    assert (found.kind, found.compiled, found.disable_compile) == ("4bit", True, False)
    assert found.facts()["compiled"] is True
    assert generate_options(found)["disable_compile"] is False
    assert generate_options(arm("nf4")) == generate_options(None) == {"disable_compile": True}
    sweep = presets.preset("smoke").sweeps[0]
    for cache, says in (("static", ""), ("dynamic", "over a static one")):
        case = generation_case(sweep, SMOKE, "fp16+compile", 1, cache, "cpu", 0)
        if not says:
            check_case("generation", case)
            continue
        with pytest.raises(ValueError, match=says):
            check_case("generation", case)
    with pytest.raises(UsageError, match="add --caches static"):
        presets.preset("smoke", {"schemes": ("fp16", "fp16+compile")})
    presets.preset("smoke", {"schemes": ("fp16", "fp16+compile"), "caches": ("static",)})


def test_a_sweep_of_its_own_sets_it_beside_the_same_scheme_and_cache():
    chosen = choose.with_compiled(presets.preset("smoke", {"schemes": ("fp16", "nf4")}), ("fp16", "nf4"))
    cases = {r.case for b in make_plan(chosen, SMOKE, (), "cpu", 0) for r in b.requests if r.instrument == "generation"}
    assert {(case.scheme, case.cache) for case in cases} == {
        ("fp16", "dynamic"), ("nf4", "dynamic"), ("fp16", "static"), ("nf4", "static"), ("fp16+compile", "static"),
        ("nf4+compile", "static"),
    }  # fmt: skip


def test_no_program_is_written_and_no_product_timed_by_it():
    chosen = presets.preset("smoke", {"schemes": ("fp16", "fp16+compile"), "caches": ("static",)})
    plan = make_plan(chosen, SMOKE, (), "cpu", 0)
    assert {r.case.scheme for b in plan for r in b.requests if r.instrument == "samples"} == {"fp16"}
    assert chosen.matmul_schemes == ("fp16",)


def test_what_transformers_would_leave_uncompiled_is_not_applicable():
    loaded = models.load(SMOKE, arm("nf4"), "cpu", 0)
    if loaded.model.hf_quantizer.is_compileable:
        pytest.skip("this transformers compiles models that bitsandbytes quantised")
    with pytest.raises(NotApplicableError, match="compiles no model that bitsandbytes quantised"):
        models.load(SMOKE, arm("nf4+compile"), "cpu", 0)
    check_compilable(loaded.model, arm("nf4"))
    check_compilable(model(), arm("fp16+compile"))


@pytest.mark.parametrize(("scheme", "kept"), [("fp16+compile", None), ("fp16", object())])
def test_an_arm_that_is_not_what_it_is_called_ends(scheme, kept):
    with pytest.raises(MeasurementError, match="compile"):
        check_compiled(model(_compiled_call=kept), arm(scheme))
    check_compiled(model(_compiled_call=object() if kept is None else None), arm(scheme))


def test_no_module_of_it_is_hooked_because_that_would_be_another_program():
    from bench.workloads.compiling import takes_hooks
    from bench.workloads.models import LoadedModel
    from bench.workloads.observers import annotation_cost
    from bench.workloads.session import Session

    assert takes_hooks(None) and takes_hooks(arm("fp16")) and not takes_hooks(arm("fp16+compile"))
    case = generation_case(presets.EndToEnd("s", ("fp16",)), SMOKE, "fp16+compile", 1, "static", "cpu", 0)
    session = Session(case, LoadedModel(None, None, {}, 0.0, arm("fp16+compile")), [])
    with pytest.raises(NotApplicableError, match="break the compiled graph"):
        annotation_cost(session, {"annotation_pairs": 1}, None)


def test_generate_takes_it(one_layer, monkeypatch):
    """Really compiled, on one layer: minutes on a slow machine are why it is the only such test."""
    # setuptools refuses to take distutils' place in a process that has it already, as pytest's may.
    monkeypatch.setenv("SETUPTOOLS_USE_DISTUTILS", "stdlib")
    loaded, session, batch = one_layer
    session.generate(batch)
    check_compiled(loaded.model, loaded.arm)
    eager = session.last_tokens()
    session.generate(batch)
    assert session.last_tokens() == eager


@pytest.fixture
def one_layer():
    if why := variants.unavailable("fp32+compile", "cpu"):
        pytest.skip(why)
    from bench.workloads.batches import make_batches
    from bench.workloads.session import Session

    loaded = models.load(SMOKE, arm("fp32+compile"), "cpu", 0, "1-5")
    sweep = presets.EndToEnd("s", ("fp32",), new_tokens=6)
    case = generation_case(sweep, SMOKE, "fp32+compile", 1, "static", "cpu", 0, "1-5")
    (batch,) = make_batches(case, loaded, 1)
    return loaded, Session(case, loaded, [batch]), batch


test_generate_takes_it = pytest.mark.slow(test_generate_takes_it)


@pytest.mark.parametrize("name", ["smoke", "paper", "peers"])
def test_compiled_arms_are_added_and_nothing_is_taken_away(name):
    chosen = presets.preset(name)
    options = argparse.Namespace(schemes=None, adapter=None, compile=True)
    made = planning._with_variants(chosen, options)
    assert made.sweeps[:-1] == chosen.sweeps
    assert {"fp16+compile", "int8+compile", "nf4+compile"} <= set(made.sweeps[-1].schemes)


@pytest.mark.parametrize("name", ["smoke", "peers"])
def test_an_adapter_is_measured_on_quantised_schemes_of_every_preset(name):
    options = argparse.Namespace(schemes=None, adapter="lora", compile=False)
    made = planning._with_variants(presets.preset(name), options)
    assert {"fp16+adapter", "int8+adapter", "nf4+adapter"} <= set(made.sweeps[0].schemes)


def test_an_arm_has_one_name():
    with pytest.raises(UsageError, match=r"is called 'fp16\+compile\+adapter'"):
        arm("fp16+adapter+compile")
    assert arm("fp16+compile+adapter").name == "fp16+compile+adapter"
