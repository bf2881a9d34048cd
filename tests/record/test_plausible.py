"""Values that belong together are as many, those that were added to energy records later too."""

import pytest

from bench.record.errors import RecordError
from bench.record.plausible import check_counts
from tests import factories as make


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"window_time": [2.0] * 3, "energy_dram": [4.0] * 2}, "energy_dram has 2 values and window_time has 3"),
        ({"work_begin": [0.0], "work_end": [1.0, 2.0]}, "work_end has 2 values and work_begin has 1"),
        ({"window_time": [2.0], "codecarbon_energy": [1.0] * 2}, "codecarbon_energy has 2 values and window_time"),
        ({"idle_time": [2.0], "idle_begin": [-2.0, 4.0]}, "idle_begin has 2 values and idle_time has 1"),
        ({"edge_time_gpu": [0.0, 2.0], "edge_time_cpu": [1.0]}, "edge_time_cpu has 1 values and edge_time_gpu"),
        ({"sample_time": [0.0, 0.1], "counter_gpu": [1.0]}, "counter_gpu has 1 values and sample_time has 2"),
        ({"idle_sample_time": [0.0], "idle_gpu_power": [1.0] * 2}, "idle_gpu_power has 2 values and idle_sample_time"),
        ({"unused_sample_time": [0.0], "unused_gpu_other_processes": [0] * 2}, "unused_gpu_other_processes has 2"),
    ],
)
def test_values_that_belong_together_are_as_many(metrics, told):
    with pytest.raises(RecordError, match=f"^malformed record: {told}"):
        check_counts(make.record("energy", make.case(), metrics))


def test_each_kind_is_counted_for_itself():
    whole = {
        "window_time": [2.0] * 3, "energy_dram": [4.0] * 3, "edge_time_dram": [0.0, 2.0] * 3,
        "idle_time": [2.0] * 2, "idle_begin": [-2.0, 7.0], "sample_time": [0.0] * 5, "idle_sample_time": [0.0] * 4,
    }  # fmt: skip
    check_counts(make.record("energy", make.case(), whole))
