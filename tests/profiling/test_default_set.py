"""Reports of ncu's default set: what they hold is shown, what they lack is said with the metrics to ask for."""

from __future__ import annotations

import pytest

from profiling.cli import main
from profiling.counters_summary import summarise
from profiling.readers.counters import Launch, from_launches

DETAILS = {
    "Duration": (12.5e-6, "s"),
    "gpu__time_duration.sum": (12.5e-6, "s"),
    "DRAM Throughput": (81.2, "%"),
    "Compute (SM) Throughput": (10.1, "%"),
    "Achieved Occupancy": (55.5, "%"),
    "L2 Hit Rate": (42.0, "%"),
}
HIT, MISS = "lts__t_sectors_srcunit_tex_lookup_hit.sum", "lts__t_sectors_srcunit_tex_lookup_miss.sum"


def summary(*metrics):
    return summarise(from_launches([Launch("toy_gemm", metrics=each) for each in metrics]))


def test_shares_of_the_peak_are_shown():
    (kernel,) = summary(DETAILS)["kernels"]
    assert (kernel["dram_percent"], kernel["sm_percent"], kernel["occupancy_percent"]) == (81.2, 10.1, 55.5)
    assert kernel["l2_hit_rate"] == kernel["l2_hit_rate_ncu"] == 0.42


def test_what_is_lacking_is_asked_for():
    (warning,) = [w for w in summary(DETAILS)["warnings"] if "ask ncu" in w]
    assert warning.startswith("l1_hit_rate, dram_bytes not collected: ask ncu for --metrics l1tex__t_sectors_")
    assert "dram__bytes_read.sum" in warning and HIT not in warning


def test_a_rate_that_differs_from_ncu_s_stands_beside_it_with_the_reason():
    found = summary({**DETAILS, HIT: (600.0, "sector"), MISS: (400.0, "sector")})
    (kernel,) = found["kernels"]
    assert (kernel["l2_hit_rate"], kernel["l2_hit_rate_ncu"]) == (0.6, 0.42)
    assert any("ncu's own (l2_hit_rate_ncu)" in warning for warning in found["warnings"])
    alike = summary({**DETAILS, HIT: (420.0, "sector"), MISS: (580.0, "sector")})
    assert not any("l2_hit_rate_ncu" in warning for warning in alike["warnings"])


def test_whole_numbers_stay_whole():
    (kernel,) = summary(*[{**DETAILS, "dram__bytes.sum": (27_595_520.0, "B")}] * 2)["kernels"]
    assert kernel["dram_bytes"] == 55_191_040 and isinstance(kernel["dram_bytes"], int)
    assert kernel["metrics"]["DRAM Throughput"]["value"] == 81.2
    assert kernel["metrics"]["L2 Hit Rate"]["value"] == 42.0


def test_on_the_terminal(tmp_path, capsys):
    names = ("ID", "Kernel Name", "Metric Name", "Metric Unit", "Metric Value")
    told = (("Duration", "us", "12.50"), ("DRAM Throughput", "%", "81.20"), ("dram__bytes.sum", "byte", "27595520"))
    rows = [names, *(("0", "toy_gemm", *each) for each in told)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(f'"{cell}"' for cell in row) for row in rows) + "\n")
    assert main(["summarize", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "81.2 %" in out and "27.6 MB" in out and "sm_percent" not in out


@pytest.mark.parametrize("value", [0.5, 1e300])
def test_what_is_not_whole_stays_as_it_is(value):
    (kernel,) = summary({"a.sum": (value, "")})["kernels"]
    assert kernel["metrics"]["a.sum"]["value"] == value
