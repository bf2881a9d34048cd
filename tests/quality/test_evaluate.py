"""Samples are read, run and judged: right programs pass, exactly the broken ones fail."""

from __future__ import annotations

import json
import re
import sys
from collections import UserList

import numpy as np
import pytest

from bench import cli
from bench.quality.compare import agrees, is_right
from bench.quality.evaluate import Sample, evaluate, read_samples
from bench.quality.judge import first_wrong
from bench.quality.sandbox import find
from bench.quality.tasks import PlusTask, humaneval_plus
from bench.quality.values import dump
from bench.record.errors import MachineError, MeasurementError, UsageError
from tests.quality.broken import HEAVY, SPOIL, light

TASKS = humaneval_plus()
LIGHT = light(TASKS)
# Since Python 3.12 sum() of floats makes up for its rounding. HumanEval/32's own solution seeks a root by Newton's
# method until its sum is almost 0; before, rounding made the sum exactly 0 at points that are none by the tolerance.
OWN_FAILS = {"HumanEval/32"} if sys.version_info >= (3, 12) else set()


@pytest.fixture(scope="module")
def sandbox():
    try:
        return find()
    except MachineError as error:
        pytest.skip(str(error))


def test_the_shipped_file_is_all_of_humaneval_plus():
    assert [task.task_id for task in TASKS] == [f"HumanEval/{number}" for number in range(164)]
    assert sum(len(task.base) for task in TASKS) == 1570
    assert sum(len(task.plus) for task in TASKS) == 122_683


def test_right_programs_pass_and_exactly_the_twenty_broken_ones_fail(sandbox):
    root = next(task for task in TASKS if task.entry_point == "find_zero")
    tasks = [*LIGHT, root]
    broken = {task.task_id for task in tasks[:38:2]} | {root.task_id}
    assert len(broken) == 20
    samples = []
    for task in tasks:
        spoilt = SPOIL.format(name=task.entry_point) if task.task_id in broken else ""
        samples.append(Sample(task.task_id, 0, task.solution + spoilt))
        samples.append(Sample(task.task_id, 1, task.solution))
    found = evaluate(tasks, samples, sandbox, 2)
    assert [(j.task_id, j.number) for j in found] == [(s.task_id, s.number) for s in samples]
    assert {j.task_id for j in found if not j.passed} == broken
    assert not any(j.passed for j in found if j.number == 0 and j.task_id in broken)
    assert {j.task_id for j in found if j.number == 1 and not j.passed} == OWN_FAILS


def test_a_task_whose_own_solution_fails_is_a_fault_of_the_data(sandbox):
    broken = PlusTask("Test/0", "def f(x):\n", "    return 1 / x\n", "f", 0.0, ([1],), ([0],))
    with pytest.raises(MeasurementError, match="ZeroDivisionError"):
        evaluate([broken], [Sample("Test/0", 0, broken.solution)], sandbox, 1)


@pytest.mark.parametrize(
    ("answer", "right", "atol", "fine"),
    [
        (1, 1, 0, True),
        (True, 1, 0, True),
        (1.0, 1, 0, True),
        (1.0000001, 1.0, 1e-6, True),
        (1.1, 1.0, 1e-6, False),
        (1, 1.5, 1e-6, False),
        ([1.0, 2.0000001], [1.0, 2.0], 1e-6, True),
        ((1.0, 2.0000001), [1.0, 2.0], 1e-6, False),
        ([1.0], [1.0, 2.0], 1e-6, False),
        ("a", "b", 1e-6, False),
        (10**400, 1.0, 1e-6, False),
    ],
)
def test_answers_are_compared_as_evalplus_does(answer, right, atol, fine):
    assert agrees(answer, right, atol) is fine


def lines(*values):
    return [dump(value).encode() for value in values]


class Close(float):
    """A float of a class of its own."""


@pytest.mark.parametrize(
    ("answer", "right", "fine"),
    [
        (np.int64(3), 3, True), (np.int64(3), [3], True), (np.array([3]), [3], True), (np.array([[3]]), 3, True),
        (np.array(3), [[3]], True), (np.array([3]), [3, 3], False), (np.float64(0.5), 0.5, True),
        (np.float64(0.5 + 1e-9), 0.5, False), (Close(0.5), 0.5, True), (Close(0.5 + 1e-9), 0.5, False),
        ([np.float64(0.5 + 1e-9)], [0.5], True), (np.float32(0.1), 0.1, np.float32(0.1) == 0.1),
        (np.float32(0.1), 0.100001, False), (np.str_("a"), "a", True), (np.str_("a"), ["a"], False),
        (np.bool_(True), True, True), (UserList([0.5 + 1e-9]), [0.5], False), (UserList([1]), [1], True),
        (0.5 + 1e-9, np.float64(0.5), False), (np.float64(0.5 + 1e-9), np.float64(0.5), True),
    ],
)  # fmt: skip
def test_what_is_of_another_class_may_be_equal_but_not_close(answer, right, fine):
    """As EvalPlus's rule says of the values themselves; what crosses is compared."""
    as_it_stands = bool(np.all(answer == right)) if np.size(answer == right) == 1 else False
    assert (as_it_stands or (type(answer) is type(right) and np.allclose(answer, right, 1e-7, 1e-6))) == fine
    assert is_right("equal", [], dump(answer).encode(), dump(right).encode(), 1e-6) is bool(fine)


def test_floats_are_compared_as_floats_where_a_task_has_no_tolerance():
    right = lines(1.0, 2)
    assert first_wrong("equal", [[], []], 0.0, right, lines(1.0 + 1e-9, 2)) is None
    assert first_wrong("equal", [[], []], 0.0, right, lines(1.0, 3)) == 1
    assert first_wrong("equal", [[], []], 0.0, right, lines(1.0)) == 1


def test_nan_equals_nothing_and_sets_have_no_order():
    nan = lines(float("nan"))
    assert first_wrong("equal", [[]], 0.0, nan, nan) == 0
    assert first_wrong("equal", [[]], 0.0, [b'{"set":[1,2]}'], [b'{"set":[2,1]}']) is None


def test_any_root_of_find_zero_is_right():
    inputs = [[[-1.0, 0.0, 1.0]]]  # x² = 1
    for root in (1.0, -1.0, 1 + 1e-6):
        assert first_wrong("root", inputs, 1e-4, lines(1.0), lines(root)) is None
    for other in (0.5, "x", None, float("nan")):
        assert first_wrong("root", inputs, 1e-4, lines(1.0), lines(other)) == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not a sample"),
        ("[]", "not a sample"),
        ('{"task_id": "HumanEval/999", "solution": ""}', "HumanEval/999"),
        ('{"task_id": "HumanEval/0"}', "completion"),
        ('{"task_id": "HumanEval/0", "solution": 3}', "not a sample"),
        ("", "no samples"),
    ],
)
def test_bad_samples_are_one_clear_line(line, told, tmp_path):
    file = tmp_path / "samples.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(UsageError, match=told):
        read_samples(file, TASKS)


def test_the_verb_scores_and_writes(sandbox, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file, out = tmp_path / "samples.jsonl", tmp_path / "scores.json"
    right, wrong = LIGHT[:2]
    lines = [
        {"task_id": right.task_id, "completion": right.canonical_solution},
        {"task_id": wrong.task_id, "solution": wrong.prompt + "    return object()\n"},
    ]
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert cli.main(["evaluate", str(file), "--out", str(out)]) == 0
    assert f"{wrong.task_id} " in capsys.readouterr().out
    document = json.loads(out.read_text())
    scores = document["scores"]["plus"]
    assert (scores["pass@1"], scores["passed"], scores["tasks"], scores["tasks_missing"]) == (0.5, 1, 2, 162)
    assert scores["interval"][0] < 0.5 < scores["interval"][1]
    assert document["sandbox"].startswith("bubblewrap")
    assert cli.main(["evaluate", str(file), "--out", str(out)]) == 0
    again = json.loads(out.read_text())
    assert (document["answers_kept"], again["answers_kept"]) == (0, 2)
    assert again["judgements"] == document["judgements"]


PARTIAL = [{"task_id": "HumanEval/53", "solution": "def add(x,y):\n    return x+y\n"}] * 2


@pytest.mark.parametrize(
    ("tasks", "told"),
    [(None, "163 of 164 tasks have no sample that was judged (taken as failed: pass@1 0.006)"), ("HumanEval/53", "")],
)
def test_a_file_with_some_of_the_tasks_says_how_many_are_missing(tasks, told, sandbox, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "partial.jsonl"
    file.write_text("\n".join(map(json.dumps, PARTIAL)))
    chosen = ["--tasks", tasks] if tasks else []
    assert cli.main(["evaluate", str(file), "--no-cache", *chosen]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("; ")[2] for line in lines if "pass@1" in line] == [told, told]
    assert cli.main(["evaluate", str(file), "--no-cache", "--json", *chosen]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["tasks_missing"]) == document["scores"]["plus"].get("tasks_missing", 0) == 163 * bool(told)


def test_of_mbpp_too(sandbox, tmp_path, capsys):
    data, file = tmp_path / "data.jsonl", tmp_path / "samples.jsonl"
    one = {"prompt": "", "canonical_solution": "def f(x):\n    return x\n", "entry_point": "f", "atol": 0}
    tasks = [one | {"task_id": f"Mbpp/{number}", "base_input": [[1]], "plus_input": []} for number in (1, 3)]
    data.write_text("\n".join(map(json.dumps, tasks)))
    file.write_text(json.dumps({"task_id": "Mbpp/3", "solution": one["canonical_solution"]}))
    assert cli.main(["evaluate", str(file), "--dataset", "mbppplus", "--data", str(data), "--no-cache"]) == 0
    assert "1 of 1; 1 of 2 tasks have no sample" in capsys.readouterr().out


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="annotations are not evaluated there, in plain Python neither")
def test_programs_that_lack_an_import_of_a_type_fail(sandbox):
    """HumanEval's own solutions less 'from typing import …': 19 of them raise NameError in plain Python."""
    samples = []
    for task in TASKS:
        program = re.sub(r"^from typing import .*\n", "", task.solution, flags=re.M)
        try:
            exec(compile(program, "program", "exec", dont_inherit=True), {})
        except NameError:
            samples.append(Sample(task.task_id, 0, program))
    assert len(samples) == 19
    quick = [task for task in TASKS if task.task_id not in HEAVY]
    asked = [sample for sample in samples if sample.task_id not in HEAVY]
    assert {(j.base, j.why) for j in evaluate(quick, asked, sandbox, 2)} == {("error", "input 0: NameError")}


@pytest.mark.slow
def test_all_own_solutions_pass(sandbox):
    found = evaluate(TASKS, [Sample(task.task_id, 0, task.solution) for task in TASKS], sandbox, 2)
    assert {j.task_id for j in found if not j.passed} == OWN_FAILS
    assert sum(j.passed for j in found) == 164 - len(OWN_FAILS)


def test_a_program_begins_anew_with_the_second_set_of_inputs(sandbox):
    task = PlusTask("Test/0", "def f(x):\n", "    return x\n", "f", 0.0, ([1], [2]), ([3],))
    program = "seen = []\ndef f(x):\n    seen.append(x)\n    return x if x < 3 or len(seen) == 1 else None\n"
    (found,) = evaluate([task], [Sample("Test/0", 0, program)], sandbox, 1)
    assert found.passed


def test_the_second_set_is_not_run_where_the_first_went_wrong(sandbox):
    task = PlusTask("Test/0", "def f(x):\n", "    return x\n", "f", 0.0, ([1],), ([2],))
    (found,) = evaluate([task], [Sample("Test/0", 0, "def f(x): return 0\n")], sandbox, 1)
    assert (found.base, found.plus, found.why) == ("wrong", "not run", "input 0")


def test_the_verb_names_what_is_missing(tmp_path, capsys):
    assert cli.main(["evaluate", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_a_program_may_hold_line_separators_that_end_no_line(tmp_path):
    """Found by fuzzing: JSON may hold U+2028 and U+0085 as they are, and the line was cut there."""
    program = "x = 'a\u2028b\x85c'\n"
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps({"task_id": "HumanEval/0", "solution": program}, ensure_ascii=False) + "\r\n")
    assert read_samples(file, TASKS)[0].program == program


def test_half_a_character_costs_one_sample_and_not_the_file(sandbox, tmp_path):
    file = tmp_path / "samples.jsonl"
    whole = {"task_id": "HumanEval/53", "solution": "def add(x, y):\n    return x + y\n"}
    half = whole | {"solution": "s = '\ud800'\n" + whole["solution"]}
    file.write_text("\n".join(map(json.dumps, [half, whole, half])))
    samples = read_samples(file, TASKS)
    assert [sample.number for sample in samples] == [0, 1, 2]
    found = evaluate(TASKS, samples, sandbox, 1)
    assert [(one.base, one.why) for one in found] == [
        ("error", "input 0: UnicodeEncodeError"), ("pass", ""), ("error", "input 0: UnicodeEncodeError"),
    ]  # fmt: skip
    file.write_text(json.dumps(half)[:-2])
    with pytest.raises(UsageError, match="not a sample"):
        read_samples(file, TASKS)


def test_right_answers_without_the_end_of_their_set_are_not_passed(sandbox):
    task = PlusTask("Test/0", "def f(x):\n", "    return x\n", "f", 0.0, ([1],), ([2],))
    ends = "import os\ndef f(x):\n    for n in range(3, 64):\n        try:\n            os.write(n, b'v %d\\n' % x)\n"
    ends += "        except OSError:\n            pass\n    os._exit(0)\n"
    (found,) = evaluate([task], [Sample("Test/0", 0, ends)], sandbox, 1)
    assert (found.base, found.why) == ("died", "input 1: the process ended")
