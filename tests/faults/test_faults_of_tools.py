"""The faults of tools.py, provoked, and compared with docs/faults.md."""

from tests.faults import tools
from tests.faults.checking import check, faults


@faults(tools.FAULTS)
def test_fault(fault, scenes, tmp_path):
    check(fault, scenes(tmp_path))
