"""Presets become ordered blocks; a plan survives JSON; a resumed plan holds only what is left."""

import json
from dataclasses import asdict, replace

import pytest

from bench import presets
from bench.record.chain import PLAN
from bench.record.errors import RecordError, UsageError
from bench.run.plan import Block, Layer, Request, make_plan
from bench.run.planfile import Run, read_plan, write_plan
from bench.schemes import ARMS, FAMILIES
from bench.workloads.sources import Source, data_folder, resolve

SOURCE = Source("smoke", "smoke", "folder", "rev", "memorised")
SHAPE = Source("shape:phi-2", "shape", "config", "rev", "random weights")
LAYERS = [Layer("q_proj+o_proj", 128, 128, 12, True), Layer("lm_head", 1024, 128, 1, False)]


def plan(name="smoke", source=SOURCE, seed=0, **changes):
    return make_plan(presets.preset(name, changes), source, LAYERS, "cpu", seed)


def requests(blocks):
    return [(request.case, request.instrument, block.repeat) for block in blocks for request in block.requests]


@pytest.mark.parametrize("changes", [{}, {"schemes": ("fp16", "bf16", "nf4")}, {"batch_sizes": (8,)}])
@pytest.mark.parametrize("name", presets.PRESETS)
def test_no_preset_asks_for_the_same_record_twice(name, changes):
    keys = [request.key(block.repeat) for block in plan(name, **changes) for request in block.requests]
    assert len(keys) == len(set(keys)) > 0


def test_smoke_measures_all_nine_schemes_end_to_end_and_by_layer():
    cases = [case for case, _, _ in requests(plan())]
    for workload in ("generation", "matmul"):
        assert {case.scheme for case in cases if case.workload == workload} == set(presets.ALL_NINE)


def test_every_repeat_holds_every_arm_once_in_an_order_of_its_own():
    orders = {}
    for block in plan(tasks=0):
        if block.kind == "generation":
            orders.setdefault(block.repeat, []).append(block.requests[0].case.scheme)
    assert len(orders) == 4
    assert all(sorted(order) == sorted(presets.ALL_NINE) for order in orders.values())
    assert orders[0] != orders[1]


def test_the_order_depends_on_the_seed_and_on_nothing_else():
    order = [block.label for block in plan()]
    assert order == [block.label for block in plan()]
    assert order != [block.label for block in plan(seed=1)]


def test_an_output_layer_that_quantisers_leave_alone_is_measured_in_float_arms_only():
    schemes = {case.scheme for case, _, _ in requests(plan()) if case.layer == "lm_head"}
    assert schemes == {"fp32", "bf16", "fp16"}


def test_quantised_arms_have_their_steps_alone_as_rows():
    ops = {}
    for case, _, _ in requests(plan()):
        if case.workload == "matmul":
            ops.setdefault(case.scheme, set()).add(case.op)
    assert ops["fp16"] == {"linear"}
    assert ops["int8"] == {"linear", "quantise_activations", "gemm", "dequantise"}
    assert ops["nf4"] == {"linear", "dequantise", "gemm"}
    assert all(FAMILIES[arm.kind].operations for arm in ARMS.values())


def test_random_weights_get_random_prompts_of_a_stated_length():
    case = next(case for case, _, _ in requests(plan(source=SHAPE)) if case.workload == "generation")
    assert (case.prompts, case.prompt_tokens) == ("random", 128)


def test_observers_run_only_where_the_sweep_says():
    wanted = {(case.scheme, repeat) for case, instrument, repeat in requests(plan()) if instrument == "annotation"}
    assert wanted == {("fp16", 0), ("nf4", 0)}


def test_blocks_survive_json():
    for block in plan():
        assert Block.from_json(json.loads(json.dumps(block.to_json()))).requests == block.requests


def test_a_preset_survives_json():
    for preset in presets.PRESETS.values():
        assert json.loads(json.dumps(asdict(presets.from_json(json.loads(json.dumps(asdict(preset))))))) == json.loads(
            json.dumps(asdict(preset))
        )


def test_what_is_done_is_left_out_of_a_resumed_plan():
    blocks = plan()
    done = frozenset(request.key(blocks[1].repeat) for request in blocks[1].requests[1:])
    rest = blocks[1].without(done)
    assert rest is not None
    assert rest.requests == blocks[1].requests[:1]
    everything = frozenset(request.key(block.repeat) for block in blocks for request in block.requests)
    assert [block.without(everything) for block in blocks] == [None] * len(blocks)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schemes": ("nf5",)}, "unknown scheme 'nf5'"),
        ({"batch_sizes": (0,)}, "batch size"),
        ({"new_tokens": 1}, "new tokens"),
        ({"caches": ("sliding",)}, "unknown cache"),
        ({"repeats": 0}, "repeats"),
        ({"matmul_m": (0,)}, "matmul rows"),
    ],
)
def test_a_value_out_of_range_is_one_clear_error(changes, message):
    with pytest.raises(UsageError, match=message):
        presets.preset("smoke", changes)


def test_a_shorter_energy_window_holds_for_pass_at_1_too():
    chosen = presets.preset("paper", {"energy_seconds": 1.0, "calls": 2, "tasks": 5})
    assert {sweep.energy_seconds for sweep in chosen.sweeps} == {1.0}
    assert {sweep.tasks for sweep in chosen.sweeps if not sweep.timed} == {5}


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(UsageError, match=r"smoke, quick, peers, study, study-repeats, .*, paper, paper-compat"):
        presets.preset("fast")


def test_chosen_schemes_hold_for_every_part_of_a_preset():
    chosen = presets.preset("quick", {"schemes": ("nf4", "int8")})
    assert {case.scheme for case, _, _ in requests(make_plan(chosen, SHAPE, LAYERS, "cpu", 0))} - set(
        chosen.machine
    ) == {"nf4", "int8"}
    assert chosen.reference == "nf4"


def test_a_plan_on_disk_names_no_path_and_reads_the_same(tmp_path):
    source = resolve("smoke")
    run = Run("mine", presets.preset("smoke"), source, "cpu", 3, plan(source=source))
    write_plan(tmp_path, run)
    assert str(data_folder()) not in (tmp_path / PLAN).read_text()
    assert read_plan(tmp_path) == run


def test_a_plan_whose_model_has_changed_is_not_resumed(tmp_path):
    source = replace(resolve("smoke"), revision="another")
    write_plan(tmp_path, Run("mine", presets.preset("smoke"), source, "cpu", 3, ()))
    with pytest.raises(UsageError, match="has changed since this run began"):
        read_plan(tmp_path)


def test_a_plan_with_the_shorter_warm_up_of_earlier_versions_is_read():
    made = presets.preset("smoke")
    document = json.loads(json.dumps(asdict(made)))
    for sweep in document["sweeps"]:
        sweep["warmup_tokens"] = 16
    assert presets.from_json(document) == made


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run_id": 1}', '{"model": {"name": "smoke"}}'])
def test_a_damaged_plan_is_one_clear_error(tmp_path, text):
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(RecordError, match=r"plan\.json is damaged"):
        read_plan(tmp_path)


def shared_process():
    """A preset of two sweeps in one process, the second of which holds the first one's Case as well."""
    chosen = presets.preset("study-lengths")
    first, second = chosen.sweeps
    again = replace(second, new_tokens=first.new_tokens, repeats=4, timeline_steps=8, warmup_calls=3)
    return replace(chosen, sweeps=(first, second, again))


def generations(chosen):
    return [block for block in make_plan(chosen, SHAPE, [], "cpu", 0) if block.kind == "generation"]


def test_sweeps_of_one_process_give_one_block_per_scheme_and_repeat():
    blocks = generations(shared_process())
    assert sorted((block.requests[0].case.scheme, block.repeat) for block in blocks) == [
        (scheme, repeat) for scheme in ("fp16", "nf4") for repeat in range(4)
    ]
    whole = next(b for b in blocks if b.requests[0].case.scheme == "fp16" and b.repeat == 0)
    assert {request.case.new_tokens for request in whole.requests} == {128, 256}
    assert set(whole.options["by_case"]) == {request.case.case_id for request in whole.requests}
    keys = [request.key(block.repeat) for block in blocks for request in block.requests]
    assert len(keys) == len(set(keys))


def test_the_first_of_two_sweeps_with_the_same_case_says_how_it_is_measured():
    whole = next(b for b in generations(shared_process()) if b.requests[0].case.scheme == "fp16")
    case = next(request.case for request in whole.requests if request.case.new_tokens == 128)
    assert whole.options["by_case"][case.case_id]["timeline_steps"] == 4
    assert whole.options["by_case"][case.case_id]["warmup_calls"] == 1


def test_batch_sizes_of_the_study_share_a_process_with_settings_of_their_own():
    whole = next(b for b in generations(presets.preset("study-batches")) if b.requests[0].case.scheme == "nf4")
    assert [request.case.batch_size for request in whole.requests if request.instrument == "generation"] == [
        1, 2, 4, 6, 8, 16, 32, 64,
    ]  # fmt: skip
    assert {request.case.new_tokens for request in whole.requests} == {32}


def test_a_quality_sweep_times_nothing_and_keeps_its_limit():
    blocks = plan("smoke", new_tokens=8, tasks=5)
    judged = [block for block in blocks if any(r.instrument == "samples" for r in block.requests)]
    assert {block.requests[0].case.new_tokens for block in judged} == {160}
    assert {r.instrument for block in judged for r in block.requests} == {"samples", "energy", "codecarbon"}
    assert {block.options["tasks"] for block in judged} == {5}
    none = plan("smoke", tasks=0)
    assert not any(r.instrument == "samples" for block in none for r in block.requests)


def test_dropped_layers_are_numbered_for_the_model():
    paper = presets.for_layers(presets.preset("paper"), 6)
    assert paper.sweeps[-1].dropped_layers == ("5", "4-5", "3-5", "2-5", "1-5")
    small = presets.for_layers(presets.preset("paper"), 3)
    assert small.sweeps[-1].dropped_layers == ("2", "1-2")
    timed = presets.for_layers(presets.preset("smoke", {"dropped_layers": ("", "last:2", "0,1")}), 6)
    assert timed.sweeps[0].dropped_layers == ("", "4-5", "0-1")
    with pytest.raises(UsageError, match="has no layer 7"):
        presets.for_layers(presets.preset("smoke", {"dropped_layers": ("7",)}), 6)


def test_chosen_schemes_are_judged_and_only_the_preset_s_are_pruned():
    chosen = presets.preset("smoke", {"schemes": ("fp16", "nf4")})
    judged = {sweep.name: sweep for sweep in chosen.sweeps if not sweep.timed}
    assert judged["pass@1"].schemes == ("fp16", "nf4")
    assert judged["pruning"].schemes == ("fp16",)


def test_models_beside_the_main_one_are_interleaved_with_it_and_survive_the_plan_file(tmp_path):
    import shutil

    student = tmp_path / "student"
    shutil.copytree(data_folder() / "smoke-model", student)
    main, other = resolve("smoke"), resolve(str(student))
    preset = presets.for_layers(presets.preset("smoke", {"schemes": ("fp16", "nf4")}), 6)
    blocks = make_plan(preset, main, LAYERS, "cpu", 0, (other,))
    timed = [b for b in blocks if any(r.instrument == "generation" for r in b.requests)]
    for repeat in range(4):
        arms = {(b.requests[0].case.model, b.requests[0].case.scheme) for b in timed if b.repeat == repeat}
        assert arms == {(model, scheme) for model in ("smoke", str(student)) for scheme in ("fp16", "nf4")}
    assert all(b.source == (main if b.requests[0].case.model == "smoke" else other) for b in timed)
    assert {b.source for b in blocks if b.kind != "generation"} == {main}
    assert {b.source for b in blocks if b.requests[0].case.dropped_layers} == {main}
    write_plan(tmp_path, Run("id", preset, main, "cpu", 0, blocks, (other,)))
    assert read_plan(tmp_path).blocks == blocks
    assert read_plan(tmp_path).beside == (other,)


def test_steps_at_new_lengths_are_observed_once_per_arm_and_never_with_a_static_cache():
    blocks = make_plan(presets.preset("smoke", {"caches": ("dynamic", "static")}), SOURCE, [], "cpu", 0)
    observed = [(c.scheme, c.cache, repeat) for c, name, repeat in requests(blocks) if name == "kineto-first"]
    assert sorted(observed) == [(scheme, "dynamic", 0) for scheme in sorted(presets.ALL_NINE)]


def test_prefill_is_observed_once_per_arm_with_any_cache():
    blocks = make_plan(presets.preset("smoke", {"caches": ("dynamic", "static")}), SOURCE, [], "cpu", 0)
    observed = [(c.cache, repeat) for c, name, repeat in requests(blocks) if name == "kineto-prefill"]
    assert sorted(observed) == [(cache, 0) for cache in ("dynamic", "static") for _ in presets.ALL_NINE]


def test_a_block_is_called_by_what_is_left_to_do_in_it():
    """A run that goes on may have to observe only, what an earlier one has timed."""
    block = next(one for one in plan() if one.kind == "generation" and len(one.requests) > 2)
    assert block.label.startswith("generation ")
    timed = frozenset(request.key(block.repeat) for request in block.requests if request.instrument == "generation")
    assert block.without(timed).label == block.label.replace("generation ", "observing ", 1)
    case = block.requests[0].case
    assert replace(block, requests=(Request(case, "energy"), Request(case, "samples"))).label.startswith("pass@1 ")
