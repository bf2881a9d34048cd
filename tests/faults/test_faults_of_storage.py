"""The faults of storage.py, provoked, and compared with docs/faults.md."""

from tests.faults import storage
from tests.faults.checking import check, faults


@faults(storage.FAULTS)
def test_fault(fault, scenes, tmp_path):
    check(fault, scenes(tmp_path))
