"""Prompts in the steps of the one trace and tokens in those of the other: no verdict and no sure line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bench.analysis.traces.kinds import KINDS
from bench.cli import main
from benchmarks.fidelity.decode import GPU_BOUND, Decode
from benchmarks.fidelity.machine import Machine
from benchmarks.fidelity.writers import write_kineto

TOKEN = Decode(**GPU_BOUND)
PROMPT = replace(TOKEN, gemm=TOKEN.gemm * 5, attention=TOKEN.attention * 5)


def recorded(path, prompts: set[int]):
    """Ten steps of one name, of which some hold prompts."""
    played = Machine(jitter=0.1, noise=(0.01, 0.01), seed=3)
    for number in range(10):
        played.step((PROMPT if number in prompts else TOKEN).step(), "execute_model")
    write_kineto(path, played.happened)
    return str(path)


def explained(capsys, one, other):
    assert main(["explain", "--reference", one, "--candidate", other, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("order", [1, -1])
def test_steps_of_another_kind_are_said_and_give_no_verdict(tmp_path, capsys, order):
    many, few = recorded(tmp_path / "many.json", set(range(1, 9))), recorded(tmp_path / "few.json", {4})
    document = explained(capsys, *(many, few)[::order])
    (pair,), codes = document["pairs"], [each["code"] for each in document["findings"]]
    assert codes.count(KINDS) == 2, "each has steps beside that are like the other's"
    assert pair["verdict"] is None
    assert all(line["ci"] in (None, [None, None]) for line in pair["recorded"]["lines"])


def test_steps_of_one_kind_are_compared_whatever_is_left_out(tmp_path, capsys):
    one, other = recorded(tmp_path / "a.json", {4}), recorded(tmp_path / "b.json", {2, 5, 8})
    assert KINDS not in [each["code"] for each in explained(capsys, one, other)["findings"]]


def test_one_step_alone_that_is_like_the_other_s_is_no_kind(tmp_path, capsys):
    """The last one may be cut short, at half of its work, where the candidate is twice as fast."""
    one = recorded(tmp_path / "a.json", {4})
    played = Machine(jitter=0.1, noise=(0.01, 0.01), seed=4)
    for _ in range(10):
        played.step(PROMPT.step(), "execute_model")
    write_kineto(tmp_path / "b.json", played.happened)
    document = explained(capsys, one, str(tmp_path / "b.json"))
    assert KINDS not in [each["code"] for each in document["findings"]]
    assert document["pairs"][0]["verdict"] == "SLOWER"
