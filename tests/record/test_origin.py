"""Where a Record was made."""

from dataclasses import replace

from bench.record.origin import NodeAndGpus, block_of, node_of, place_of
from tests.factories import CPU, GPU, case, record


def test_slurms_name_of_a_node_goes_before_the_hosts() -> None:
    assert node_of(CPU) == "testhost"
    assert node_of(replace(CPU, variables={"SLURMD_NODENAME": "n07"})) == "n07"


def test_gpus_tell_two_places_of_a_node_apart_only_where_they_were_used() -> None:
    machine = replace(GPU, gpus=({"uuid": "GPU-1"},))
    made = replace(record("generation", case()), environment=machine)
    assert place_of(made) == NodeAndGpus("testhost", ())
    assert place_of(replace(made, case=case(device="cuda"))) == NodeAndGpus("testhost", ("GPU-1",))


def test_only_a_sweeps_records_have_a_block() -> None:
    made = record("generation", case())
    assert block_of(made) is None
    assert block_of(replace(made, setup={"block": {"name": "all, repeat 2", "place": 0}})) == "all, repeat 2"
    assert block_of(replace(made, setup={"block": "damaged"})) is None
