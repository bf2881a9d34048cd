"""The faults of machine.py, provoked, and compared with docs/faults.md."""

from tests.faults import machine
from tests.faults.checking import check, faults


@faults(machine.FAULTS)
def test_fault(fault, scenes, tmp_path):
    check(fault, scenes(tmp_path))
