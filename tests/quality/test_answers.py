"""Kept answers are what was made, and are not used where they may be something else."""

from __future__ import annotations

import pytest

from bench.quality.answers import LONG, Answers, Kept, folder
from bench.quality.evaluate import Sample, evaluate
from bench.quality.judge import Hashed, first_wrong
from bench.quality.sandbox import Limits, find
from bench.quality.tasks import PlusTask
from bench.quality.values import dump
from bench.record.errors import MachineError

TASK = PlusTask("Test/0", "def f(x):\n", "    return [x + 0.5] * 1000\n", "f", 0.0, ([1],), ([2], [3]))
LONG_LINE = dump([2.5] * 1000).encode()
BOTH = (Answers((b"1",), (0.1,)), Answers((LONG_LINE, b"[NaN" + b",1" * LONG + b"]"), (0.2, 0.3)))


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / "answers", Limits())


def test_what_was_kept_comes_back_long_lines_as_hashes(kept):
    assert kept.get(TASK) is None
    kept.put(TASK, BOTH)
    base, plus = kept.get(TASK)
    assert base == BOTH[0]
    assert plus.seconds == BOTH[1].seconds
    assert plus.lines == (Hashed.of(LONG_LINE), BOTH[1].lines[1])
    assert plus.lines[0].floats
    assert (kept.found, kept.made) == (1, 1)


def test_a_damaged_entry_is_made_again(kept):
    kept.put(TASK, BOTH)
    (file,) = kept.folder.iterdir()
    whole = file.read_bytes()
    for content in (whole.replace(b'"1"', b'"2"'), whole[:-5], b"", b"\xff\n", b"{}"):
        file.write_bytes(content)
        assert kept.get(TASK) is None


def test_another_task_limit_or_solution_has_another_entry(kept):
    kept.put(TASK, BOTH)
    other = PlusTask(**{**TASK.__dict__, "canonical_solution": "    return 1\n"})
    assert kept.get(other) is None
    assert Kept(kept.folder, Limits(memory=1 << 30)).get(TASK) is None


def test_a_folder_that_others_may_write_is_not_used(kept):
    kept.put(TASK, BOTH)
    kept.folder.chmod(0o777)
    assert kept.get(TASK) is None


def test_a_folder_that_cannot_be_made_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    nowhere = Kept(tmp_path / "file" / "answers", Limits())
    nowhere.put(TASK, BOTH)
    assert nowhere.get(TASK) is None


def test_the_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "bitledger" / "answers"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert folder().is_absolute()


def test_a_hash_is_made_whole_only_where_it_does_not_tell():
    right, close = [Hashed.of(LONG_LINE)], dump([2.5 + 1e-9] * 1000).encode()
    assert first_wrong("equal", [[]], 0.0, right, [LONG_LINE]) is None
    asked = []

    def again():
        asked.append(1)
        return [LONG_LINE]

    assert first_wrong("equal", [[]], 0.0, right, [close], again) is None
    assert first_wrong("equal", [[]], 0.0, right, [b"1"], again) == 0
    assert len(asked) == 2


def test_kept_answers_judge_as_made_ones_do(kept):
    try:
        sandbox = find()
    except MachineError as error:
        pytest.skip(str(error))
    close = TASK.solution.replace("0.5", "0.5000000001")
    wrong = TASK.solution.replace("0.5", "0.6")
    late = "def f(x): return [x + 0.5] * 1000 if x < 3 else 0\n"
    samples = [Sample("Test/0", n, program) for n, program in enumerate((TASK.solution, close, wrong, late))]
    made = evaluate([TASK], samples, sandbox, 1, kept=kept)
    again = evaluate([TASK], samples, sandbox, 1, kept=kept)
    assert made == again
    assert [j.passed for j in made] == [True, True, False, False]
    assert made[3].why == "input 1"
    assert kept.found == 1
