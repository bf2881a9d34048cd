"""The faults of models.py, provoked, and compared with docs/faults.md."""

from tests.faults import models
from tests.faults.checking import check, faults, scenes  # noqa: F401 - a fixture


@faults(models.FAULTS)
def test_fault(fault, scenes, tmp_path):  # noqa: F811
    check(fault, scenes(tmp_path))
