"""MBPP+: lists become what the tasks want, and the tasks with several right answers are judged as EvalPlus does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from bench import cli
from bench.quality import programs as judging
from bench.quality.evaluate import Sample, evaluate
from bench.quality.judge import first_wrong
from bench.quality.mbpp import mbpp_plus
from bench.quality.sandbox import find
from bench.quality.tasks import PlusTask
from bench.quality.values import dump
from bench.record.errors import MachineError, UsageError

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "mbppplus" / "MbppPlus.jsonl.gz"


def line(number, name, body, *given, plus=()):
    return json.dumps(
        {
            "task_id": f"Mbpp/{number}", "prompt": '"""Do."""\n', "entry_point": name, "atol": 0,
            "canonical_solution": f"\n{body}\n", "base_input": list(given), "plus_input": list(plus),
        }
    )  # fmt: skip


LINES = (
    line(2, "similar_elements", "def similar_elements(a, b):\n  return tuple(set(a) & set(b))", [[1, 2], [2, 3]]),
    line(115, "empty_dit", "def empty_dit(items):\n  return [type(item).__name__ for item in items]", [[[1], []]]),
    line(124, "angle", "def angle(a, b):\n  return (type(a).__name__, b.imag)", ["1", "1+2j"]),
    line(434, "text_match_three", "import re\ndef text_match_three(t):\n  return re.search('b', t)", ["ab"], ["a"]),
    line(580, "even", "def even(items):\n  return items", [[1, [2, [3]]]]),
    line(722, "filter_data", "def filter_data(d, a):\n  return d", [{"x": [1, 2]}, 3]),
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "MbppPlus.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(LINES).encode()))
    return path


@pytest.fixture(scope="module")
def sandbox():
    try:
        return find()
    except MachineError as error:
        pytest.skip(str(error))


def test_inputs_are_what_the_tasks_want(file):
    given = {task.task_id: task.base[0] for task in mbpp_plus(file)}
    assert given["Mbpp/2"] == [(1, 2), (2, 3)]
    assert given["Mbpp/115"] == [[{1}, {}]]
    assert given["Mbpp/124"] == [1.0, 1 + 2j]
    assert given["Mbpp/580"] == [(1, (2, (3,)))]
    assert given["Mbpp/722"] == [{"x": (1, 2)}, 3]


def test_their_own_solutions_pass_and_what_they_are_given_crosses_into_the_box(file, sandbox):
    tasks = mbpp_plus(file)
    assert all(j.passed for j in evaluate(tasks, [Sample(t.task_id, 0, t.solution) for t in tasks], sandbox, 2))


def test_only_whether_there_is_an_answer_counts_where_it_cannot_cross(file, sandbox):
    (task,) = mbpp_plus(file, ["Mbpp/434"])
    programs = ("return 'b' in t", "return 'x' if 'b' in t else None", "return 'x'", "return False")
    samples = [Sample("Mbpp/434", n, f"def text_match_three(t): {p}\n") for n, p in enumerate(programs)]
    assert [j.passed for j in evaluate([task], samples, sandbox, 1)] == [True, True, False, False]


def test_where_the_order_is_free_anything_that_gives_items_may_be_answered(sandbox, monkeypatch):
    """EvalPlus makes a set of the answer: of a generator too."""
    monkeypatch.setattr(judging, "LEAST_SECONDS", 0.5)  # one of them never ends
    monkeypatch.setattr(judging, "START_SECONDS", 2.0)
    task = PlusTask("Mbpp/2", "", "def f(a):\n    return (1, 2)\n", "f", 0.0, ([[1, 2]],), ([[2, 1]],), "set")
    programs = ("iter(a)", "filter(None, a)", "(i for i in a)", "dict.fromkeys(a)", "range(1, 3)", "np.array(a)", "3",
                "iter([1])", "iter(int, 1)", "np.array([[1, 2]])")  # fmt: skip
    samples = [Sample("Mbpp/2", n, f"import numpy as np\ndef f(a): return {one}\n") for n, one in enumerate(programs)]
    found = evaluate([task], samples, sandbox, 1)
    assert [one.passed for one in found] == [True] * 6 + [False] * 4


@pytest.mark.parametrize(
    ("rule", "given", "right", "answer", "fine"),
    [
        ("set", [], (1, 2), [2, 1, 1], True),
        ("set", [], (1, 2), [1], False),
        ("set", [], (1, 2), 5, False),
        ("any", [], True, "x", True),
        ("zero", [], 7, 0, True),
        ("zero", [], 7, 1, False),
        ("surface", [3, 4], 33, 36, False),
        ("surface", [3, 4], 33, round(9 + 6 * (1.5**2 + 16) ** 0.5), True),
        ("surface", [3, 4], 33, "x", False),
        ("distance", [123, 23], 9, 1, True),
        ("distance", [123, 23], 9, 2, False),
    ],
)
def test_more_than_one_answer_is_right(rule, given, right, answer, fine):
    wrong = first_wrong(rule, [given], 0.0, [dump(right).encode()], [dump(answer).encode()])
    assert (wrong is None) is fine


def test_the_verb_wants_the_file_and_names_the_benchmark(file, sandbox, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    samples = tmp_path / "samples.jsonl"
    samples.write_text(json.dumps({"task_id": "Mbpp/2", "solution": mbpp_plus(file)[0].solution}) + "\n")
    command = ["evaluate", str(samples), "--dataset", "mbppplus"]
    assert cli.main(command) == 2
    assert "--data" in capsys.readouterr().err
    assert cli.main([*command, "--data", str(file)]) == 0
    assert "MBPP+ " in capsys.readouterr().out


def test_what_is_not_mbpp_is_named(tmp_path):
    file = tmp_path / "bad.jsonl"
    file.write_text(line(106, "f", "def f(a, b): pass", [1]) + "\n")
    with pytest.raises(UsageError, match=r"line 1: not a MBPP\+ task"):
        mbpp_plus(file)


@pytest.mark.skipif(not REAL.exists(), reason="MBPP+ does not travel with the project")
def test_the_real_file_is_all_of_mbpp_plus():
    tasks = mbpp_plus(REAL)
    assert len(tasks) == 378
    assert len({task.task_id for task in tasks if task.rule != "equal"}) == 12


def test_a_task_with_too_large_answers_is_left_out_and_told(capsys):
    from bench.quality.evaluate import Sample
    from bench.quality.verbs.evaluate import _judgeable

    kept = Sample("Mbpp/2", 0, "")
    assert _judgeable([kept, Sample("Mbpp/255", 0, "")]) == (kept,)
    assert "Mbpp/255 is left out" in capsys.readouterr().err
    with pytest.raises(UsageError, match="no sample is left"):
        _judgeable([Sample("Mbpp/255", 0, "")])
