"""What a run's arms wrote can be judged by another program: one file per arm, nothing lost, nothing judged."""

import json
from pathlib import Path

import pytest

from bench.cli import main
from bench.quality.evaluate import read_samples
from bench.quality.of_run import distinct
from bench.quality.tasks import humaneval_plus
from bench.record.instruments import SAMPLES
from bench.record.store import RECORDS, load, open_run
from tests import factories as make

RUN = Path(__file__).parents[2] / "reports" / "runs" / "cpu-smoke-quality-20261126"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    assert main(["evaluate", str(RUN), "--export", str(folder / "samples.jsonl")]) == 0
    return folder


def test_every_arm_has_a_file_of_its_own(exported):
    names = {file.name for file in exported.iterdir()}
    assert {"samples-fp16.jsonl", "samples-int8.jsonl", "samples-fp16-dropped_layers-3-5.jsonl"} <= names
    assert len(names) == sum(record.instrument == SAMPLES for record in load(RUN).records)


def test_the_files_hold_the_programs_that_the_run_judges(exported):
    (record,) = (
        r for r in load(RUN).records if r.instrument == SAMPLES and r.case.coordinates()["scheme"] == "int8-planted"
    )
    found = read_samples(exported / "samples-int8-planted.jsonl", humaneval_plus(None, ()))
    assert {(sample.task_id, sample.program) for sample in found} == {
        (sample.task_id, sample.program) for sample in distinct([record])
    }


def test_one_arm_goes_to_the_file_itself(tmp_path):
    run, file = tmp_path / "run", tmp_path / "programs.jsonl"
    setup = {"tasks": ["HumanEval/0"], "completions": ["    return True\n"], "tokens": [[1]]}
    with open_run(run) as writer:
        writer.append(make.record(SAMPLES, make.case("nf4"), {}, setup=setup))
    assert main(["evaluate", str(run), "--export", str(file)]) == 0
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["solution"].endswith('"""\n    return True\n')
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == [file.name]


@pytest.mark.parametrize("what", ["a file", "a run without programs", "a place that is not there"])
def test_errors_are_one_line(tmp_path, capsys, what):
    run, out = tmp_path / "run", tmp_path / "out.jsonl"
    run.mkdir()
    if what == "a place that is not there":
        run, out = RUN, tmp_path / "nowhere" / "out.jsonl"
    else:
        with open_run(run) as writer:
            writer.append(make.generation("fp16"))
    asked = run / RECORDS if what == "a file" else run
    assert main(["evaluate", str(asked), "--export", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bitledger: ")
