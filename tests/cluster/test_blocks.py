"""How a run is parted into blocks."""

from collections import Counter

import pytest

from bench import presets
from bench.cluster.blocks import divide
from bench.run.plan import Layer, make_plan
from bench.run.planfile import Run, read_plan, write_plan
from bench.workloads.sources import resolve

SMOKE = resolve("smoke")
LAYERS = (Layer("q_proj", 96, 96, 4, True), Layer("lm_head", 1024, 96, 1, False))
NAMES = ("smoke", "quick", "paper", "paper-compat", "study", "study-batches", "study-lengths")


def parted(name, seed=0, **options):
    preset = presets.for_layers(presets.preset(name), 6)
    return preset, divide(preset, SMOKE, LAYERS if preset.matmul_m else (), "cpu", seed, **options)


def keys(blocks):
    return Counter(request.key(block.repeat) for block in blocks for request in block.requests)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_hold_all_of_the_run_and_every_record_once(name):
    preset, shares = parted(name)
    found = keys(block for share in shares for block in share.processes)
    assert set(found.values()) == {1}
    assert set(found) >= set(keys(make_plan(preset, SMOKE, LAYERS if preset.matmul_m else (), "cpu", 0)))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_compared_is_in_one_block(name):
    """All schemes of a setting in a repeat: also those that a preset spreads over several sweeps."""
    _, shares = parted(name)
    where: dict[object, set[str]] = {}
    for share in shares:
        for block in share.processes:
            for request in block.requests:
                setting = tuple((k, v) for k, v in request.case.coordinates().items() if k != "scheme")
                if request.case.workload != "machine":
                    where.setdefault((setting, block.repeat), set()).add(share.name)
    assert all(len(names) == 1 for names in where.values())


def test_blocks_are_of_one_repeat_and_named_apart():
    _, shares = parted("quick")
    assert len({share.name for share in shares}) == len(shares)
    for share in shares:
        assert len({block.repeat for block in share.processes}) == 1
        assert share.name.endswith(f"repeat {share.processes[0].repeat + 1}")


def test_every_process_knows_its_block_and_place():
    _, shares = parted("smoke")
    for share in shares:
        told = [block.options["block"] for block in share.processes]
        assert told == [{"name": share.name, "place": place} for place in range(len(told))]


def test_arms_take_every_place_once_over_as_many_blocks_as_arms():
    preset = presets.preset(
        "smoke", {"schemes": ("fp16", "int8", "nf4", "fp4"), "repeats": 4, "tasks": 0, "matmul_m": ()}
    )
    shares = divide(preset, SMOKE, (), "cpu", 7)
    orders = [[b.requests[0].case.scheme for b in share.processes if b.kind == "generation"] for share in shares]
    assert len(orders) == 4
    for place in range(4):
        assert sorted(order[place] for order in orders) == ["fp16", "fp4", "int8", "nf4"]


def test_ceilings_and_layer_products_are_measured_in_every_repeat_once():
    _, shares = parted("smoke")
    kinds = Counter((block.kind, block.repeat) for share in shares for block in share.processes)
    assert all(kinds["machine", repeat] == 1 and kinds["matmul", repeat] == 2 for repeat in range(4))
    _, without = parted("smoke", ceilings=False)
    assert not [block for share in without for block in share.processes if block.kind == "machine"]


def test_the_seed_draws_the_order_and_nothing_else():
    (_, one), (_, same), (_, other) = parted("smoke"), parted("smoke"), parted("smoke", seed=1)
    assert one == same
    assert [share.name for share in one] == [share.name for share in other]
    assert [share.processes for share in one] != [share.processes for share in other]


def test_a_checkpoint_beside_is_an_arm_of_the_same_block(tmp_path):
    preset = presets.preset("smoke", {"schemes": ("fp16",), "repeats": 2, "tasks": 0, "matmul_m": ()})
    other = resolve("shape:starcoder2-3b")
    shares = divide(preset, SMOKE, (), "cpu", 0, (other,))
    models = [{b.requests[0].case.model for b in share.processes if b.kind == "generation"} for share in shares]
    assert models == [{SMOKE.name, other.name}] * 2


def test_a_block_survives_its_plan_file(tmp_path):
    preset, shares = parted("smoke")
    run = Run("r", preset, SMOKE, "cpu", 0, shares[0].processes)
    write_plan(tmp_path, run)
    assert [block.to_json() for block in read_plan(tmp_path).blocks] == [block.to_json() for block in run.blocks]
