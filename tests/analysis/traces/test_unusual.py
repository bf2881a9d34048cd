"""Steps that warm up, that took very long, whose times were rounded, or that run on two threads at once."""

from __future__ import annotations

import json
import shutil
import sqlite3

import numpy as np
import pytest

from bench.analysis.timeline import Analysis
from bench.analysis.traces.taken import Wanted, taken
from bench.cli import main
from bench.record.errors import RecordError
from profiling.summarize import read_timeline
from tests.foreign_traces import Story, steady


def of_lengths(lengths, path, name="decode_step"):
    story, at = Story(), 1000.0
    for length in lengths:
        story.range(name, at, length).kernel("toy_gemm", at + 20, at + 40, 300)
        at += length
    return taken(Analysis(read_timeline(story.kineto(path))), Wanted())


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        (
            [80_000, 40_000, *[500] * 9],
            ("9 of 11 steps", ["the first 2 steps are left out: the first of them took ×160"]),
        ),
        ([900, 500, 500, 500], ("3 of 4 steps", ["the first step is left out: it took ×1.80"])),
        ([500, 900, 500, 500, 500], ("5 steps", [])),
        ([500, 500, 50_000, *[500] * 7], ("10 steps", ["1 step took ×100 the usual time: it is in all means"])),
        ([500, 5_000, 50_000, *[500] * 7], ("10 steps", ["2 steps took up to ×100 the usual time: they are in"])),
        ([9_000, 500, 5_000, *[500] * 7], ("9 of 10 steps", ["the first step is left", "1 step took ×10 the usual"])),
    ],
)
def test_what_warms_up_is_left_out_and_what_is_long_is_said(tmp_path, lengths, said):
    found = of_lengths(lengths, tmp_path / "t.json")
    assert found.said.startswith(said[0])
    assert len(found.notes) == len(said[1])
    assert all(note.startswith(start) for note, start in zip(found.notes, said[1], strict=True)), found.notes


def test_times_that_were_rounded_do_not_make_steps_overlap(tmp_path):
    """Steps end up to half a microsecond after the next begins, as times do that were doubles since 1970."""
    found = of_lengths([1000.0] * 6, tmp_path / "t.json")
    timeline = json.loads((tmp_path / "t.json").read_text())
    for event in timeline["traceEvents"]:
        event["dur"] += 0.5 if event["cat"] == "user_annotation" else 0
    (tmp_path / "rounded.json").write_text(json.dumps(timeline))
    files = ["--reference", str(tmp_path / "t.json"), "--candidate", str(tmp_path / "rounded.json")]
    for name in ("decode_step", "my loop"):
        assert len(of_lengths([999.9995] * 6, tmp_path / "odd.json", name).analysis.timeline.ranges) == 6
    assert main(["explain", *files]) == 0 and found.said == "6 steps 'decode_step'"


def test_steps_that_overlap_by_more_are_refused(tmp_path, capsys):
    story = steady(["decode_step"] * 4)
    story.ranges = [(name, start, length + 2, pid, tid) for name, start, length, pid, tid in story.ranges]
    path = str(story.kineto(tmp_path / "t.json"))
    assert main(["whatif", path, "--remove", "gemm"]) == 2
    assert "t.json: the ranges 'decode_step' overlap" in capsys.readouterr().err


def test_steps_that_two_threads_run_at_once_are_refused_or_others_are_taken(tmp_path):
    story = Story()
    for step in range(6):
        at, thread = 1000 + 1000 * step, 1 + step % 2
        story.range("forward", at, 1500, tid=thread).kernel("toy_gemm", at + 20, at + 40, 300, tid=thread)
    with pytest.raises(RecordError, match="'forward' of several threads overlap"):
        taken(Analysis(read_timeline(story.kineto(tmp_path / "t.json"))), Wanted())
    for step in range(5):
        story.range("turn", 1000 + 1000 * step, 1000, tid=3)
    assert taken(Analysis(read_timeline(story.kineto(tmp_path / "t.json"))), Wanted()).said == "5 steps 'turn'"


def explained(capsys, *files):
    code = main(["explain", "--reference", str(files[0]), "--candidate", str(files[1]), "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)["findings"]


def test_one_file_given_twice_is_said(tmp_path, capsys):
    path = steady(["decode_step"] * 4).kineto(tmp_path / "t.json")
    for other in (path, shutil.copy(path, tmp_path / "copy.json")):
        assert [each["code"] for each in explained(capsys, path, other)] == ["one-file"]
    other = steady(["decode_step"] * 4, gemm=301).kineto(tmp_path / "other.json")
    assert explained(capsys, path, other) == []


def test_two_files_of_one_name_are_told_by_their_folders(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast").mkdir()
    steady(["decode_step"] * 4).kineto(tmp_path / "t.json")
    steady(["decode_step"] * 4, gemm=200).kineto(tmp_path / "fast" / "t.json")
    assert main(["explain", "--reference", "t.json", "--candidate", "fast/t.json"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"{tmp_path.name}/t.json: 4 steps" in out and "fast/t.json: 4 steps" in out and " /t.json" not in out


def of_work(path, factor, seed, *, more=0.0):
    """Steps of four kinds of work, each ``factor`` times as long; the product ``more`` us besides."""
    story, random = Story(), np.random.default_rng(seed)
    for step in range(6):
        at = 1000.0 + 1500 * step
        story.range("decode_step", at, 1500)
        gpu = at + 40
        for place, (name, us) in enumerate((("toy_gemm", 400), ("flash_fwd", 200), ("toy_norm", 90), ("argmax", 30))):
            length = round(us * factor * random.uniform(0.99, 1.01) + (more if place == 0 else 0), 3)
            story.kernel(name, at + 5 + 5 * place, gpu, length)
            gpu = round(gpu + length, 3)
    return story.kineto(path)


@pytest.mark.parametrize(("factor", "more", "said"), [(1.33, 0, "×1.33"), (0.75, 0, "×0.75"), (1, 0, ""), (1, 250, "")])
def test_work_that_all_takes_longer_is_said_to_be_the_machine_s(tmp_path, capsys, factor, more, said):
    files = of_work(tmp_path / "a.json", 1.0, 1), of_work(tmp_path / "b.json", factor, 2, more=more)
    told = [each["message"] for each in explained(capsys, *files) if each["code"] == "machine-slower"]
    assert len(told) == bool(said) and all(f"all of the GPU's work takes {said}" in message for message in told)


H100 = {"id": 0, "name": "NVIDIA H100", "numSms": 132}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ([H100 | {"id": number} for number in range(8)], ""),
        ([H100 | {"numSms": 66}], "SMs of a GPU: 132 and 66"),
        ([H100 | {"name": "NVIDIA H100 PCIe"}], "GPU: NVIDIA H100 and NVIDIA H100 PCIe"),
        ([H100, {"id": 1, "name": "NVIDIA A100", "numSms": 132}], "GPU: NVIDIA H100 and NVIDIA H100 and NVIDIA A100"),
    ],
)
def test_gpus_that_are_only_seen_are_no_difference(tmp_path, capsys, other, said):
    one, two = steady(["decode_step"] * 4), steady(["decode_step"] * 4, gemm=310)
    files = (
        one.kineto(tmp_path / "a.json", deviceProperties=[H100]),
        two.kineto(tmp_path / "b.json", deviceProperties=other),
    )
    assert [each["evidence"] for each in explained(capsys, *files)] == ([said] if said else [])


def test_work_on_more_gpus_is_said_first(tmp_path, capsys):
    one, two = steady(["decode_step"] * 4), steady(["decode_step"] * 4)
    for step in range(4):
        two.kernel("toy_gemm", 1030 + 1000 * step, 1100 + 1000 * step, 300, device=1)
    (found,) = explained(capsys, one.kineto(tmp_path / "a.json"), two.kineto(tmp_path / "b.json"))
    assert (found["code"], found["evidence"]) == ("unlike", "GPUs that work: 1 and 2")


def test_a_refusal_names_the_file(tmp_path, capsys):
    gpu, cpu = steady(["decode_step"] * 4), Story()
    for step in range(4):
        cpu.range("decode_step", 1000 + 1000 * step, 1000).operator("aten::mm", 1100 + 1000 * step, 500)
    files = gpu.kineto(tmp_path / "gpu.json"), cpu.kineto(tmp_path / "cpu.json")
    assert main(["explain", "--reference", str(files[0]), "--candidate", str(files[1])]) == 2
    assert f"only {files[0]} holds GPU work" in capsys.readouterr().err
    empty = steady(["decode_step"] * 4).nsys(tmp_path / "e.sqlite", "")

    with sqlite3.connect(empty) as db:
        db.execute("DELETE FROM CUPTI_ACTIVITY_KIND_KERNEL")
    db.close()
    for words in (
        ["explain", "--reference", str(empty), "--candidate", str(empty)],
        ["whatif", str(empty), "--remove=gemm"],
    ):
        assert main(words) == 2
        assert f"{empty}: the trace holds neither GPU work nor operators" in capsys.readouterr().err
