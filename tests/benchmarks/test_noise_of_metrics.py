"""Noise within a process and between processes, from records with known values."""

import json
import math
from dataclasses import replace

import pytest

from bench.record.errors import RecordError
from bench.record.schema import metric
from bench.record.store import RECORDS, open_run
from benchmarks import noise
from tests import factories as make


def timed(scheme, repeat, values):
    return make.record("generation", make.case(scheme), {"inter_token_latency": values}, repeat=repeat)


def test_within_and_between_are_told_apart():
    # Medians 2, 4 and 6: mean 4, standard deviation 2, so 2/√3/4 between; within (1, 2, 3): 1/√3/2 and so on.
    records = [timed("fp16", n, (middle - 1, middle, middle + 1)) for n, middle in enumerate((2.0, 4.0, 6.0))]
    (row,) = noise.noise(records)
    assert row["between"] == pytest.approx(2 / math.sqrt(3) / 4)
    assert row["within"] == pytest.approx(1 / math.sqrt(3) / 4)  # the median of three
    assert (row["processes"], row["values"]) == (3, 9)


def test_one_process_or_one_value_tells_no_noise():
    (row,) = noise.noise([timed("fp16", 0, (1.0,))])
    assert row["within"] is row["between"] is None


def test_joules_are_per_token_of_their_window():
    record = make.record("energy", make.case("nf4"), {"energy_gpu": (10.0, 40.0), "window_tokens": (1.0, 4.0)})
    (row,) = noise.noise([record])
    assert row["within"] == 0.0


def test_what_failed_counts_for_nothing():
    bad = replace(timed("fp16", 1, (9.0, 1.0)), status="failed", reason="no memory")
    (row,) = noise.noise([timed("fp16", 0, (1.0, 1.0)), bad])
    assert row["processes"] == 1
    with pytest.raises(RecordError, match="no timed Cases"):
        noise.noise([bad])


def test_it_is_printed_and_written(tmp_path, capsys):
    with open_run(tmp_path / "run") as writer:
        for repeat in range(2):
            writer.append(timed("int8", repeat, (1.0, 1.0)))
    assert noise.main([str(tmp_path / "run"), "--out", str(tmp_path / "noise.json")]) == 0
    assert "int8, batch 1, 32 tokens: inter_token_latency: within 0.00%" in capsys.readouterr().out
    assert json.loads((tmp_path / "noise.json").read_text())["run"] == "run"


def test_a_folder_without_records_is_one_line(tmp_path, capsys):
    assert noise.main([str(tmp_path)]) == 2
    assert RECORDS in capsys.readouterr().err


def test_every_metric_that_is_asked_for_exists():
    for names in noise.METRICS.values():
        for name in names:
            metric(name, 1.0)
