import pytest

from bench.analysis.energy.codecarbon import emissions, findings
from bench.analysis.energy.windows import judged
from bench.report.sections.energy import emissions_table
from tests import factories as make


def record(scheme="nf4", country="DEU", new_tokens=32, **metrics):
    held = {
        "window_time": [4.0, 4.0], "window_tokens": [100, 100], "codecarbon_energy": [120.0, 120.0],
        "codecarbon_energy_cpu": [40.0, 40.0], "codecarbon_energy_ram": [80.0, 80.0],
        "codecarbon_power_cpu": [10.0, 10.0], "codecarbon_power_ram": [20.0, 20.0],
        "codecarbon_emissions": [1.27e-5, 1.27e-5],
    } | metrics  # fmt: skip
    return make.record("codecarbon", make.case(scheme, new_tokens=new_tokens), held, setup={"country": country})


def test_joules_that_are_its_own_power_times_time_are_no_finding():
    assert findings(record()) == ()
    assert findings(make.record("energy", make.case(), {"window_time": [1.0]})) == ()


@pytest.mark.parametrize(
    ("metrics", "evidence"),
    [
        ({"codecarbon_power_cpu": [10.0, 30.0]}, "40 J, but 30 W × 4 s"),
        ({"codecarbon_energy_cpu": [0.04, 0.04]}, "0.04 J, but 10 W × 4 s"),
        ({"codecarbon_energy_ram": [80.0, 20.0]}, "20 J, but 20 W × 4 s"),
        ({"codecarbon_energy_ram": [20.0, 20.0], "window_time": [1.5, 1.5]}, "20 J, but 20 W × 1.5 s"),
    ],
)
def test_joules_that_are_not_are_told(metrics, evidence):
    found = [one for one in findings(record(**metrics)) if one.evidence == evidence]
    assert [one.code for one in found] == ["codecarbon-own-power"]
    (told,) = judged([record(**metrics)])
    assert found[0] in told.findings


def test_the_mean_power_of_a_short_window_says_nothing_of_the_cpu():
    short = record(window_time=[1.5, 1.5], codecarbon_energy_ram=[30.0, 30.0])
    assert findings(short) == ()


def test_emissions_are_per_token_with_the_countrys_intensity():
    second, first = sorted(emissions([record(), record("fp16"), record()]), key=lambda one: one.scheme)
    assert (first.scheme, first.windows, first.country) == ("nf4", 4, "DEU")
    assert first.per_token == pytest.approx(1.27e-7)
    assert first.intensity == pytest.approx(1.27e-5 / 120 * 3.6e6)
    assert second.scheme == "fp16"


def test_the_table_names_the_grid_and_its_intensity():
    shown = emissions_table(emissions([record(), record("fp16", new_tokens=64, country="FRA")]))
    assert shown.columns[0].name == "Setting"
    told = [[cell.text for cell in row] for row in shown.rows]
    assert [row[1:6] for row in told if row[1] == "nf4"] == [["nf4", "127 mg", "DEU", "381 g/kWh", "1.20 J"]]
    assert {row[3] for row in told} == {"DEU", "FRA"} and "Estimated" in shown.note
    assert emissions_table(()).rows == ()


def test_no_tokens_or_no_joules_are_no_emissions():
    assert emissions([record(codecarbon_energy=[0.0, 0.0])]) == ()


def test_joules_are_told_of_a_grid_without_emissions():
    shown = emissions_table(emissions([record(codecarbon_emissions=[0.0, 0.0])]))
    assert [cell.text for cell in shown.rows[0]][1:5] == ["0 g", "DEU", "0 g/kWh", "1.20 J"]
