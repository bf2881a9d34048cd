import pytest
from fake_nvml import FakeGpu, FakeNvml

from bench.instruments.nvml import connect, measured_gpu
from bench.record.errors import MachineError

A = FakeGpu(uuid="GPU-aaaa")
B = FakeGpu(uuid="GPU-bbbb")


@pytest.fixture
def nvml():
    return connect(FakeNvml([A, B]))


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (None, [A, B]),
        ("", []),
        ("-1", []),
        ("1", [B]),
        ("1,0", [B, A]),
        ("0,7,1", [A]),  # CUDA stops at the first one that it does not know
        ("GPU-bb", [B]),
        ("GPU-", []),  # a prefix that fits two is none
        ("MIG-1", [A]),
        ("MIG-2", []),
    ],
)
def test_visible_follows_the_variable(nvml, value, seen):
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert nvml.visible(environ) == seen


def test_measured_gpu_is_the_first_visible(nvml):
    assert measured_gpu(nvml, environ={"CUDA_VISIBLE_DEVICES": "1"}) is B
    assert measured_gpu(nvml, environ={}) is A


@pytest.mark.parametrize("uuid", ["bbbb", "GPU-bbbb"])
def test_measured_gpu_by_the_uuid_torch_gives(nvml, uuid):
    assert measured_gpu(nvml, uuid, environ={}) is B


@pytest.mark.parametrize(
    ("uuid", "value", "words"),
    [("cccc", "", "UUID cccc"), (None, "5", "leaves no GPU"), (None, "MIG-1", "whole GPUs only")],
)
def test_measured_gpu_says_why_there_is_none(nvml, uuid, value, words):
    with pytest.raises(MachineError, match=words):
        measured_gpu(nvml, uuid, environ={"CUDA_VISIBLE_DEVICES": value})


def test_no_driver_and_old_library_are_machine_errors():
    with pytest.raises(MachineError, match="Driver Not Loaded"):
        connect(FakeNvml(init_fails=True))
    with pytest.raises(MachineError, match="does not have it"):
        connect(FakeNvml()).call("nvmlOfTheFuture")


def test_order_is_uncertain_only_between_unlike_gpus():
    unlike = connect(FakeNvml([A, FakeGpu(name="NVIDIA T4", uuid="GPU-t")]))
    assert not unlike.order_is_certain({})
    assert unlike.order_is_certain({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    assert unlike.order_is_certain({"CUDA_VISIBLE_DEVICES": "GPU-t"})
    assert connect(FakeNvml([A, B])).order_is_certain({})
