"""The faults of models.py, provoked, and compared with docs/faults.md."""

from tests.faults import models
from tests.faults.checking import check, faults


@faults(models.FAULTS)
def test_fault(fault, scenes, tmp_path):
    check(fault, scenes(tmp_path))
