"""The faults of processes.py, provoked, and compared with docs/faults.md."""

from tests.faults import processes
from tests.faults.checking import check, faults


@faults(processes.FAULTS)
def test_fault(fault, scenes, tmp_path):
    check(fault, scenes(tmp_path))
