"""The faults of records.py, provoked, and compared with docs/faults.md."""

from tests.faults import records
from tests.faults.checking import check, faults


@faults(records.FAULTS)
def test_fault(fault, scenes, tmp_path):
    check(fault, scenes(tmp_path))
