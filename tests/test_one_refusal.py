"""What cannot be measured is refused in the same words by every verb that takes a preset, a model and a device."""

from __future__ import annotations

from argparse import Namespace

import pytest

import profiling.cli
from bench import cli, presets
from bench.record.errors import UsageError
from bench.run.planfile import Run, write_plan
from bench.verbs.planning import setting
from bench.workloads.sources import resolve
from tests import factories as make

TAKING = {
    "run": (cli.main, ()),
    "run --on local": (cli.main, ("--on", "local")),
    "intervene": (cli.main, ()),
    **dict.fromkeys(("kineto", "nsys", "ncu", "host", "all"), (profiling.cli.main, ())),
}
UNUSABLE = {"cuda": False, "dtype": "float32", "decoder_layers": 2, "layers": [], "saved": ""}


@pytest.fixture(autouse=True)
def nothing_is_measured(tmp_path, monkeypatch):
    """Without the hub, without a cache, without a GPU that torch could use; nothing is started."""
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("a process was started"))
    monkeypatch.setattr("bench.run.runner.describe_model", lambda *_, **__: UNUSABLE)
    monkeypatch.setattr("bench.instruments.environment.capture", lambda *_: make.CPU)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)


def told(verb, asked, capsys):
    """The one line with which a verb refuses."""
    main, more = TAKING[verb]
    assert main([verb.split()[0], *asked, *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("--preset", "fast"), "unknown preset 'fast': choose from smoke"),
        (("--model", "/no/such/folder"), "no model '/no/such/folder'"),
        (("--model", "shape:gpt"), "unknown shape 'gpt'"),
        (("--model", "org/none"), "model 'org/none' is not in the local cache"),
        (("--model", "org/none", "--revision", "abc"), "model 'org/none' at revision 'abc' is not in the local cache"),
        (("--model", "smoke", "--revision", "abc"), "--revision is of a Hugging Face id, and 'smoke' is none"),
        (("--revision", "abc"), "--revision is of a Hugging Face id, and 'smoke' is none"),
        (("--preset", "smoke", "--device", "cuda"), "torch finds no usable CUDA device"),
        (("--device", "cuda"), "torch finds no usable CUDA device"),
    ],
)
def test_every_verb_refuses_in_the_same_words(asked, says, capsys, tmp_path):
    lines = {verb: told(verb, asked, capsys) for verb in TAKING}
    assert set(lines.values()) == {lines["run"]}
    assert says in lines["run"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["intervene", "kineto"])
def test_a_run_on_a_gpu_is_not_added_to_without_one(verb, tmp_path, capsys):
    write_plan(tmp_path, Run("mine", presets.preset("smoke"), resolve("smoke"), "cuda", 0, ()))
    assert "torch finds no usable CUDA device" in told(verb, ("--out", str(tmp_path)), capsys)
    assert "--revision is of a --model" in told(verb, ("--out", str(tmp_path), "--revision", "abc"), capsys)


def test_another_model_than_the_run_s_own_is_refused_not_ignored(tmp_path, capsys):
    write_plan(tmp_path, Run("mine", presets.preset("smoke"), resolve("smoke"), "cpu", 0, ()))
    for asked in (("--model", "shape:phi-2"), ("--preset", "quick")):
        line = told("intervene", ("--out", str(tmp_path), *asked), capsys)
        assert f"{asked[0]} is that of the run in --out" in line


def test_a_gpu_that_torch_cannot_use_is_told_and_the_cpu_taken(capsys):
    asked = Namespace(out=None, preset=None, model=None, revision=None, device=None, seed=None)
    found = setting(asked, make.GPU, "test-")
    assert (found.preset.name, found.source.name, found.device) == ("smoke", "smoke", "cpu")
    assert "a GPU is here, but this torch build cannot use it" in capsys.readouterr().out


def test_a_revision_that_the_hub_has_not_is_named(monkeypatch):
    from huggingface_hub.errors import RevisionNotFoundError

    def missing(*_, **__):
        raise RevisionNotFoundError.__new__(RevisionNotFoundError)  # what it is made of differs by version

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", missing)
    with pytest.raises(UsageError, match="'org/it' has no revision 'abc'"):
        resolve("org/it", "abc")
