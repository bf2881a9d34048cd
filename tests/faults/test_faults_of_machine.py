"""The faults of machine.py, provoked, and compared with docs/faults.md."""

from tests.faults import machine
from tests.faults.checking import check, faults, scenes  # noqa: F401 - a fixture


@faults(machine.FAULTS)
def test_fault(fault, scenes, tmp_path):  # noqa: F811
    check(fault, scenes(tmp_path))
