"""CodeCarbon's emissions.csv, versions 2 and 3, and what is odd in one."""

import json
from pathlib import Path

import pytest

from bench.analysis.energy.codecarbon import check, ranges_of
from bench.analysis.energy.wraps import AMD_RANGE, INTEL_RANGE
from bench.cli import main
from bench.instruments.emissions_file import EmissionsRow, read_emissions

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "greenllms" / "energy"
needs_study = pytest.mark.skipif(not SHARED.is_dir(), reason="the study's own files are not here")
# As codecarbon 2.8.4 and 3.3.2 write them.
TWO = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
    "cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code,region,cloud_provider,cloud_region,"
    "os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,"
    "tracking_mode,on_cloud,pue"
)
THREE = TWO.replace("energy_consumed,", "energy_consumed,water_consumed,").replace(
    "tracking_mode,",
    "tracking_mode,cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,ram_used_gb,",
) + ",wue"  # fmt: skip


def row(
    joules: float, seconds: float, *, ram: float = 45.0, cpu: str = "Intel(R) Xeon(R)", kg: float = 0.354
) -> EmissionsRow:
    parts = {"cpu": joules, "gpu": 1000.0, "ram": ram * seconds}
    total = sum(parts.values())
    return EmissionsRow(2, "", seconds, {**parts, "total": total}, {}, kg * total / 3.6e6, cpu)


def file(folder: Path, header: str, *rows: dict[str, object]) -> Path:
    names = header.split(",")
    lines = [",".join(str(values.get(name, "")) for name in names) for values in rows]
    path = folder / "emissions.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def values(cpu_kwh: float, seconds: float, **more: object) -> dict[str, object]:
    ram = 45 * seconds / 3.6e6
    told: dict[str, object] = {
        "duration": seconds, "cpu_energy": cpu_kwh, "gpu_energy": 0.1, "ram_energy": ram,
        "energy_consumed": cpu_kwh + 0.1 + ram, "emissions": 0.3 * (cpu_kwh + 0.1 + ram), "cpu_model": "Intel Xeon",
    }  # fmt: skip
    return told | more


@pytest.mark.parametrize("header", [TWO, THREE], ids=["codecarbon 2", "codecarbon 3"])
def test_both_versions_are_read_in_joules(header: str, tmp_path: Path):
    (found,) = read_emissions(file(tmp_path, header, values(0.028017, 6717.8, project_name="mine", pue=1.0)))
    assert found.joules["cpu"] == pytest.approx(28.017 * 3600)
    assert (found.seconds, found.name, found.cpu_model, found.place) == (6717.8, "mine", "Intel Xeon", 2)


@pytest.mark.parametrize("header", [TWO, THREE])
def test_the_verb_puts_wraps_back_and_says_what_that_rests_on(header: str, tmp_path: Path, capsys):
    path = file(tmp_path, header, values(0.028017, 6717.8), values(0.0716, 911.9))
    assert main(["energy", "check", str(path), "--cpu-power", "240-290"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "cannot tell" not in text
    assert "6 to 7 wraps of 262,143 J" in text  # 39 W apart: 50 W are too many to choose by
    assert main(["energy", "check", str(path), "--cpu-power", "249±5", "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)["rows"]
    assert (first["answer"], first["wraps"]) == ("wraps put back", 6)
    assert first["total_joules_corrected"] - first["total_joules"] == pytest.approx(6 * INTEL_RANGE)
    assert (second["answer"], second["wraps"]) == ("none fits", None)


def test_without_a_power_nothing_is_guessed(tmp_path: Path, capsys):
    path = file(tmp_path, TWO, values(0.028017, 6717.8), values(0.12, 3400))
    assert main(["energy", "check", str(path)]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("something is amiss, or cannot be told: of 2 runs, the CPU's joules: cannot tell (2)")
    assert text.count("cannot tell") == 3 and "15, 54, 93, 132" in text
    assert "under half of the file's highest" in text


def test_a_short_run_needs_no_power_to_be_right(tmp_path: Path, capsys):
    assert main(["energy", "check", str(file(tmp_path, THREE, values(0.003, 60)))]) == 0
    assert "as recorded" in capsys.readouterr().out


def test_a_short_run_did_not_use_0_kj_and_what_is_assumed_is_called_so(tmp_path: Path, capsys):
    """24 J are not "0.0 kJ"; that no wrap is possible rests on the most that a node's CPUs draw."""
    assert main(["energy", "check", str(file(tmp_path, THREE, values(24 / 3.6e6, 3.2)))]) == 0
    text = capsys.readouterr().out
    assert "CPU 24 J (7.5 W): as recorded" in text and "(assumed)" in text


def test_a_model_of_the_cpu_is_no_counter():
    found = check([row(42.5 * 900, 900), row(42.5 * 8000, 8000)], (240, 260))
    assert [one.answer for one in found.rows] == ["modelled", "modelled"]


def test_the_maker_gives_the_range_and_where_it_is_not_named_both_must_agree():
    assert ranges_of("AMD EPYC 7763") == (AMD_RANGE,)
    assert ranges_of("Intel(R) Xeon(R) Platinum 8360Y") == (INTEL_RANGE,)
    unnamed = row(343.8e3, 6804.7, cpu="")
    # Intel's range fits nothing at this power, AMD's fits 21: a wrong power and a wrong range look like an answer.
    (found,) = check([unnamed], (245, 255)).rows
    assert found.answer == "cannot tell" and "give --range" in found.why
    (found,) = check([unnamed], (278, 285), INTEL_RANGE).rows
    assert found.fit is not None and found.fit.wraps == 6


def test_a_row_whose_co2_is_of_another_factor_is_named():
    rows = [row(1e5, 900), row(1.1e5, 900), row(1.2e5, 900), row(1e5, 900, kg=0.00238)]
    (finding,) = [one for one in check(rows).findings if one.code == "emissions-carbon"]
    assert "0.00238" in finding.evidence and "0.354" in finding.evidence


def test_parts_that_do_not_add_up_and_joules_that_are_not_power_times_time_are_named(tmp_path: Path):
    path = file(tmp_path, TWO, values(0.01, 100, cpu_power=100, energy_consumed=0.5), values(0.02, 100))
    codes = [one.code for one in check(read_emissions(path)).findings]
    assert codes[:2] == ["emissions-sum", "emissions-own-power"]


def test_nothing_is_no_measurement():
    found = check([row(0.0, 900), row(-5.0, 900), row(1e4, 0.0)], (200, 300))
    assert [one.answer for one in found.rows] == ["no CPU energy"] * 3
    assert "emissions-unusable" in [one.code for one in found.findings]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "needs the columns duration, cpu_energy"),
        ("", "needs the columns"),
        (TWO + "\n", "holds no run"),
        (TWO + "\n" + ",".join(["x"] * 32) + "\n", "is 'x', not a number"),
        (TWO + "\n" + ",".join(["nan"] * 32) + "\n", "not a number"),
    ],
)
def test_a_file_of_another_form_is_one_line(content: str, said: str, tmp_path: Path, capsys):
    path = tmp_path / "emissions.csv"
    path.write_text(content)
    assert main(["energy", "check", str(path)]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


@pytest.mark.parametrize("power", ["250", "310-240", "a-b", "-5-10", ""])
def test_a_power_that_is_none_is_one_line(power: str, tmp_path: Path, capsys):
    path = file(tmp_path, TWO, values(0.1, 1000))
    assert main(["energy", "check", str(path), f"--cpu-power={power}"]) == 2
    assert "--cpu-power" in capsys.readouterr().err


def test_a_missing_file_is_one_line(tmp_path: Path, capsys):
    assert main(["energy", "check", str(tmp_path / "none.csv")]) == 2
    assert "cannot read" in capsys.readouterr().err


@needs_study
def test_the_studys_own_table_is_read_too(capsys):
    name = str(SHARED / "results_7b_256_8bit.csv")
    assert main(["energy", "check", name, "--cpu-power", "248-254", "--range", "262143.33", "--json"]) == 1
    assert [one["wraps"] for one in json.loads(capsys.readouterr().out)["rows"]] == [4] * 5
