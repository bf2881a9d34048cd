"""docs/your-own-traces.md: its sample traces are what the generator makes, and its commands say what it quotes."""

from __future__ import annotations

import gzip
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from bench.analysis.ledger.user_rules import user_rules
from bench.cli import main as bench
from benchmarks.fidelity.samples import samples
from profiling.cli import main as profiling

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "your-own-traces.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line
    for kind, text in BLOCKS
    if kind == "bash"
    for line in text.splitlines()
    if line.startswith(("bitledger ", "python -m profiling "))
]


def test_the_sample_traces_are_the_generator_s():
    for name, content in samples().items():
        assert gzip.decompress((ROOT / "docs" / "traces" / name).read_bytes()) == content


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_run(command, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)
    assert (bench(words[1:]) if words[0] == "bitledger" else profiling(words[3:])) == 0
    assert capsys.readouterr().out


def test_what_it_quotes_is_said(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert bench(shlex.split(COMMANDS[0])[1:]) == 0
    said = " ".join(capsys.readouterr().out.split())
    (quoted,) = [text for kind, text in BLOCKS if kind == "text"]
    assert " ".join(quoted.split()) in said
    assert "9 of 10 steps 'execute_32_context_0(sq0sk0)_generation_32(sq32sk*)'" in said


def test_its_rules_are_rules(tmp_path):
    (text,) = [text for kind, text in BLOCKS if kind == "toml"]
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert len(user_rules(path)) == len(tomllib.loads(text)["rule"]) == 1
