"""The command bitledger: both rooms' verbs under one name, and a base that needs no torch."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import bench.cli
import profiling.cli
from bitledger import command

ROOT = Path(__file__).parent.parent
RUN = ROOT / "reports/runs/cpu-smoke-20261126"


def test_the_bare_command_is_a_screen_with_the_doors_and_every_verb(capsys):
    assert command.main([]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 20 and max(map(len, text.splitlines())) <= 80
    verbs = {**bench.cli.VERBS, **profiling.cli.VERBS}
    words = re.findall(r"[\w]+", text)
    assert [verb for verb in verbs if verb not in words] == []
    assert "\n  more " not in text, "a new verb has a place in the short help"
    for what, how in command._DOORS:
        assert f"{what:<27} bitledger {how}" in text and how.split()[0].strip(",") in verbs


def test_the_help_shows_the_verbs_of_both_rooms(capsys):
    assert command.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(
        f"\n    {verb} " in text or f"\n    {verb}\n" in text for verb in ("run", "explain", "summarize", "kineto")
    )
    assert text.startswith("usage: bitledger")


@pytest.mark.parametrize("verb", ["explain", "summarize"])
def test_help_of_a_verb_names_the_command_that_was_called(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main([verb, "--help"])
    assert stop.value.code == 0
    assert f"usage: bitledger {verb}" in capsys.readouterr().out


def test_no_verb_stands_in_both_rooms(capsys):
    command.main(["--help"])
    choices = capsys.readouterr().out.split("VERB\n")[-1].splitlines()
    verbs = [line.split()[0] for line in choices if line.startswith("    ") and line[4:5].strip()]
    assert len(verbs) == len(set(verbs))


@pytest.mark.parametrize(("main", "wrong", "right"), [(bench.cli.main, "repot", "report"), (profiling.cli.main, "sumarize", "summarize")])  # fmt: skip  # noqa: E501
def test_a_misspelt_verb_is_told_what_it_may_have_meant(main, wrong, right, capsys):
    assert main([wrong]) == 2
    assert f"Did you mean '{right}'?" in capsys.readouterr().err


@pytest.mark.parametrize(("wrong", "right"), [("expalin", "explain"), ("sumarize", "summarize"), ("knieto", "kineto")])
def test_so_is_one_of_either_room(wrong, right, capsys):
    assert command.main([wrong, "--out", "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Did you mean '{right}'?" in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--scheme", "nf4"], "Did you mean '--schemes'?; see 'bitledger run --help'"),
        (["explain", "x", "--jsn"], "Did you mean '--json'?; see 'bitledger explain --help'"),
        (["compare", "a", "b", "c"], "unrecognized arguments: c; see 'bitledger compare --help'"),
    ],
)
def test_an_unknown_option_is_told_with_its_verb(words, told, capsys):
    assert command.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_no_option_is_taken_for_another_that_begins_alike(capsys):
    assert bench.cli.main(["run", "--scheme", "nf4"]) == 2
    assert "--scheme" in capsys.readouterr().err


@pytest.mark.parametrize("verb", sorted(command.MEASURING))
def test_a_verb_that_measures_says_which_extra_is_missing(verb, monkeypatch, capsys):
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    assert command.main([verb]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'bitledger[measure" in line


@pytest.mark.parametrize(
    ("arguments", "measures"),
    [
        (["run", "--watch", "--out", "mine"], False),
        (["run", "--cancel", "--out", "mine"], False),
        (["rerun", "mine", "--dry-run"], False),
        (["run", "--on", "slurm", "--watch"], True),
        (["run", "--on=local"], True),
        (["rerun", "mine"], True),
        (["run", "--on", "slurm", "--dry-run"], True),
    ],
)
def test_what_only_looks_at_a_sweep_or_a_plan_is_not_said_to_measure(arguments, measures, monkeypatch, capsys):
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    monkeypatch.setattr(bench.cli, "main", lambda *_: 7)
    assert command.main(arguments) == (2 if measures else 7)
    assert ("torch is missing" in capsys.readouterr().err) == measures


def test_the_base_reads_explains_and_compares_without_what_measuring_needs():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    blocked = ["torch", "transformers", "bitsandbytes", "accelerate", "codecarbon", "submitit", "pynvml", "nvtx", "tokenizers", "safetensors", "huggingface_hub"]  # fmt: skip  # noqa: E501
    assert {line.split(">")[0] for extra in ("measure", "energy", "cluster") for line in extras[extra]} >= {"torch", "codecarbon", "submitit"}  # fmt: skip  # noqa: E501
    program = (
        f"import sys\nsys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from bitledger.command import main\n"
        f"sys.exit(main(['explain', {str(RUN)!r}]) or main(['compare', {f'{RUN}::fp16'!r}, {f'{RUN}::nf4'!r}])"
        f" or main(['show', {str(RUN)!r}, '--json']) or main(['list']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "int8" in ended.stdout


def test_the_wheel_holds_the_three_packages_alone():
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = [file.parent.relative_to(ROOT) for file in ROOT.glob("*/**/__init__.py") if ".venv" not in file.parts]
    names = {".".join(path.parts) for path in packages}
    found = {name.split(".")[0] for name in names if any(fnmatchcase(name, pattern) for pattern in include)}
    assert found == {"bench", "profiling", "bitledger"}


def test_a_package_of_the_standard_library_of_the_same_name_stays_importable(tmp_path):
    (tmp_path / "profiling").mkdir()
    (tmp_path / "profiling/__init__.py").touch()
    (tmp_path / "profiling/sampling.py").write_text("HERE = True\n")
    program = (
        f"import sys; sys.path.append({str(tmp_path)!r}); import profiling.sampling as s, profiling.cli; assert s.HERE"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
