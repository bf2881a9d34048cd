"""The reason of a failed Record, in plain words, without folders of the machine."""

import errno
import os

import pytest

from bench.record.errors import MeasurementError
from bench.workloads.outcome import explain

TORCH = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"


def system(number, *name):
    return OSError(number, os.strerror(number), *name)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "out of memory on the host: take a smaller model or batch size"),
        (RuntimeError(TORCH), "out of memory on the host ([enforce fail"),
        (RuntimeError("std::bad_alloc"), "out of memory on the host (std::bad_alloc)"),
        (RuntimeError("CUDA out of memory. Tried 2 GiB."), "out of memory: CUDA out of memory. Tried 2 GiB: take"),
        (system(errno.ENOSPC, "/home/me/run/trace.json"), "no space left on the device: free some"),
        (system(errno.EDQUOT), "no space left on the device: free some"),
        (system(errno.ENOMEM), "out of memory on the host (Cannot allocate memory)"),
        (system(errno.EACCES, "/sys/class/energy_uj"), "PermissionError: Permission denied (energy_uj)"),
        (MeasurementError("logits are not finite"), "logits are not finite"),
        (ValueError("odd\nand long"), "ValueError: odd"),
        (KeyError(), "KeyError: no message"),
    ],
)
def test_an_error_is_one_plain_line(error, told):
    assert explain(error).startswith(told)
    assert "/" not in explain(error)
    assert "\n" not in explain(error)
