"""The fuzzer itself: what violates the property is told, what does not is counted."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.record.errors import RecordError
from fuzz import engine_own, results
from fuzz.forked import Forked
from fuzz.kinds import Reader, printed
from fuzz.messages import class_of
from fuzz.table import BEGIN, PAGE, RESULTS, page
from fuzz.tally import Tally
from fuzz.target import FLOOR, Outcome, Target, TooSlow


def target(tmp_path: Path, read: Callable[[Path], Any], seconds: float = 60.0) -> Target:
    known = Reader("made", ".bin", read, printed, lambda: [b"seed"], lambda rng: rng.randbytes(3), lambda data, _: data)
    return Target(known, tmp_path / "input.bin", seconds)


def refuse(text: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        raise RecordError(text.replace("FILE", str(path)))

    return read


def test_a_result_and_a_documented_error_are_no_faults(tmp_path: Path) -> None:
    assert target(tmp_path, lambda _: {"a": 1}).run(b"x").kind == "accepted"
    outcome = target(tmp_path, refuse("FILE: line 7 is 'odd' (why): copy it")).run(b"x")
    assert outcome.kind == "RecordError: FILE: line N is '…' (…): copy it"
    assert not outcome.fault


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda _: float("nan"), "not JSON compliant"),
        (lambda _: "\ud800", "surrogates not allowed"),
        (lambda path: path.read_bytes()[9], "IndexError"),
        (refuse("who knows"), "does not name the file"),
    ],
)
def test_anything_else_is_a_fault(tmp_path: Path, read: Callable[[Path], Any], says: str) -> None:
    assert says in target(tmp_path, read).run(b"x").fault


def test_an_endless_loop_is_ended(tmp_path: Path) -> None:
    def read(_: Path) -> None:
        while True:
            pass

    assert "too much processor time" in target(tmp_path, read, seconds=0.05).run(b"x").fault


def takes_new_memory(size: int) -> bool:
    """Of the system: an allocator may give what an earlier test had, and that is no more than before."""
    with mmap.mmap(-1, size) as memory:
        memory.write(bytes(size))
        return True


def takes_python_s_memory(size: int) -> bool:
    return bool(bytearray(size))


@pytest.mark.parametrize(("traced", "take"), [(True, takes_python_s_memory), (False, takes_new_memory)])
def test_memory_out_of_proportion_is_a_fault(tmp_path: Path, traced: bool, take: Callable[[int], bool]) -> None:
    outcome = target(tmp_path, lambda _: take(FLOOR + (16 << 20))).run(b"x", traced)
    assert "bytes of memory" in outcome.fault
    assert not target(tmp_path, lambda _: bool(bytearray(1 << 20))).run(b"x", traced).fault


def test_what_ends_the_process_ends_only_the_forked_one() -> None:
    forked = Forked(lambda asked: [int(asked)] if asked != "abort" else os.abort())  # type: ignore[arg-type, return-value]
    assert forked.rows("7") == [7]
    with pytest.raises(ValueError, match="broke down"):
        forked.rows("abort")
    assert forked.rows("8") == [8]
    with pytest.raises(ValueError, match="refuses"):
        forked.rows("x")


def test_what_hangs_ends_only_the_forked_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.forked.SECONDS", 0.05)

    def make(_: str) -> Any:
        while True:
            pass

    with pytest.raises(TooSlow):
        Forked(make).rows("x")


def test_the_same_seed_gives_the_same_inputs_and_faults_are_kept(tmp_path: Path) -> None:
    seen: list[list[bytes]] = [[], []]
    for inputs in seen:

        def read(path: Path, inputs: list[bytes] = inputs) -> None:
            inputs.append(path.read_bytes())
            raise KeyError("always")

        tally = Tally(tmp_path / "findings")
        engine_own.fuzz(target(tmp_path, read), tally, 30, seed=1)
        assert tally.result()["faults"] == tally.result()["inputs"] == 30
    assert seen[0] == seen[1]
    assert len(list((tmp_path / "findings").glob("*.bin"))) == 1


def test_results_of_several_readers_share_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(tmp_path)
    tally.add(b"abc", 3, Outcome("accepted", 0.5, 99))
    for name in ("one", "two"):
        results.write(tmp_path / "r.json", name, tally, "own", 1, 2.0)
    found = json.loads((tmp_path / "r.json").read_text())
    assert set(found["runs"]["own"]) == {"one", "two"}
    assert found["runs"]["own"]["one"]["accepted"] == 1
    assert '"slowest_s": 0.5' in capsys.readouterr().out


def test_classes_of_messages_leave_out_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "a1.csv"
    assert class_of(RecordError(f"{file}: line 3: 'x' is not 1.5"), file) == "RecordError: FILE: line N: '…' is not N"


def test_the_tables_of_the_page_are_those_of_the_results() -> None:
    text = PAGE.read_text()
    assert BEGIN in text
    assert page(text, json.loads(RESULTS.read_text())) == text


def test_what_the_decision_says_of_hypothesis_is_what_was_recorded() -> None:
    root = PAGE.parents[1]
    recorded = json.loads((root / "benchmarks/results/fuzz_engines.json").read_text())["readers"]
    own, anything, edited = (
        {key: sum(each[engine][key] for each in recorded.values()) for key in ("inputs", "kinds", "processor_s")}
        for engine in ("own", "hypothesis, any bytes", "hypothesis, seeds edited")
    )
    text = " ".join((root / "docs/adr/0026-own-code-where-a-library-costs-more.md").read_text().split())
    assert f"Of {own['inputs']:,} inputs of each kind over {('six',)[len(recorded) - 6]} readers" in text
    assert f"the fuzzer's own found {own['kinds']} kinds of outcome" in text
    assert f"{edited['kinds']} in {edited['processor_s'] / own['processor_s']:.1f} times" in text
    assert f"any bytes {anything['kinds']}" in text
