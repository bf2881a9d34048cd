"""The HumanEval reader: the shipped file is whole, and damaged files give one clear line."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.record.errors import UsageError
from bench.workloads.prompts import FIELDS, Task, humaneval, shipped

TASK = dict(zip(FIELDS, ("X/0", "def f():\n", "    return 1\n", "def check(c): pass\n", "f"), strict=True))


def write(folder: Path, *documents: object) -> Path:
    file = folder / "tasks.jsonl"
    file.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return file


def test_the_shipped_file_has_all_tasks_in_order() -> None:
    tasks = humaneval()
    assert [task.task_id for task in tasks] == [f"HumanEval/{number}" for number in range(164)]


def test_every_shipped_program_compiles_and_defines_its_entry_point() -> None:
    for task in humaneval():
        compile(task.prompt + task.canonical_solution + task.test, task.task_id, "exec")
        assert f"def {task.entry_point}(" in task.prompt
        assert "def check(" in task.test


def test_a_path_overrides_the_shipped_file_and_further_fields_are_ignored(tmp_path: Path) -> None:
    assert humaneval(write(tmp_path, TASK | {"plus_input": [1]})) == (Task(**TASK),)


def test_plain_and_gzip_files_read_alike(tmp_path: Path) -> None:
    plain = write(tmp_path, TASK)
    packed = tmp_path / "tasks.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert humaneval(packed) == humaneval(str(plain))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no tasks"),
        (b"\n\n", "has no tasks"),
        (b"{", "line 1: not JSON"),
        (b"[1]", "line 1: no text field 'task_id'"),
        (json.dumps(TASK | {"test": None}).encode(), "no text field 'test'"),
        (json.dumps(TASK).encode() + b"\n" + json.dumps(TASK).encode(), "same task_id twice"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"\x1f\x8b\x08garbage", "is damaged"),
        (b"[" * 100_000, "line 1: not JSON"),
    ],
)
def test_a_file_that_is_not_humaneval_gives_one_clear_line(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "bad"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        humaneval(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(UsageError, match=f"cannot read the HumanEval file {path}"):
            humaneval(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_copy_of_the_shipped_file_is_damaged(tmp_path: Path, kept: float) -> None:
    raw = shipped().read_bytes()
    file = tmp_path / "cut.gz"
    file.write_bytes(raw[: int(len(raw) * kept)])
    with pytest.raises(UsageError, match="is damaged"):
        humaneval(file)


@given(content=st.binary(max_size=200))
def test_no_content_escapes_as_another_exception(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(content)
    with pytest.raises(UsageError):  # 200 bytes of anything are not a task: the five keys alone take 60
        humaneval(file)


@given(
    st.lists(st.fixed_dictionaries({name: st.text() for name in FIELDS}), min_size=1, unique_by=lambda d: d["task_id"])
)
def test_any_texts_come_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, documents: list[dict[str, str]]
) -> None:
    file = write(tmp_path_factory.getbasetemp(), *documents)
    assert humaneval(file) == tuple(Task(**document) for document in documents)
