"""A stranger's answers are compared in a process of its own, whose death costs one answer and nothing else."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from bench.quality import limited
from bench.quality.compare import is_right
from bench.quality.limited import Limited
from bench.quality.values import NotAnAnswerError, load

ALIKE = 2**61 - 1  # hash(k * ALIKE) is 0 for every k


@pytest.fixture
def child():
    made = Limited()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("rule", "answer", "right", "fine"),
    [
        ("equal", b"1", b"1.0", True),
        ("equal", b"2", b"1", False),
        ("equal", b"1.0000000001", b"1.0", True),
        ("set", b"[2,1,1]", b"[1,2]", True),
        ("zero", b"0", b"[1]", True),
        ("any", b'"x"', b"", True),
        ("equal", b"{", b"1", False),
    ],
)
def test_it_answers_as_the_comparison_does(child, rule, answer, right, fine):
    assert child.is_right(rule, [1], answer, right, 1e-6) is fine
    assert is_right(rule, [1], answer, right, 1e-6) is fine


def process_of(child):
    assert child.is_right("equal", [], b"1.0", b"1", 0.0)
    return child._process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGPROF])
def test_after_its_death_there_is_another(child, number):
    first = process_of(child)
    os.kill(first.pid, number)
    first.wait()
    assert not child.is_right("equal", [], b"1.0", b"1", 0.0)
    assert process_of(child).pid != first.pid


def test_where_the_kernel_killed_it_for_memory_the_next_one_is_asked(child, monkeypatch):
    first, kills = process_of(child), iter((3, 4))
    monkeypatch.setattr(limited, "kills_for_memory", lambda: next(kills))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert child.is_right("equal", [], b"1.0", b"1", 0.0)


def test_a_child_that_stops_is_ended(child, monkeypatch):
    first = process_of(child)
    monkeypatch.setattr(limited, "MOST_SECONDS", 0.2)
    os.kill(first.pid, signal.SIGSTOP)
    # More than a pipe holds: the question cannot even be asked.
    assert not child.is_right("equal", [], b"[" + b"1," * 500_000 + b"1]", b"1", 0.0)
    assert first.poll() is not None


LONG = b"[" + b"[]," * 1_000_000 + b"[]]"


@pytest.mark.parametrize(("seconds", "memory"), [(0.05, 4 << 30), (20.0, 64 << 20)])
def test_an_answer_that_takes_too_much_time_or_memory_is_not_right(seconds, memory, child):
    """The child's own code, with lower limits than the comparison needs: it would be right without them."""
    lower = f"from bench.quality import limited as l\nl.SECONDS, l.MEMORY = {seconds}, {memory}\nl.main()\n"
    assert child.is_right("equal", [], LONG, LONG + b" ", 0.0)
    child._end()
    child.command = (sys.executable, "-c", lower)
    assert not child.is_right("equal", [], LONG, LONG + b" ", 0.0)
    assert child.is_right("equal", [], b"1.0", b"1", 0.0)


def test_closed_it_answers_no_more(child):
    process_of(child)
    closing = threading.Timer(0.2, child.close)
    closing.start()
    closing.join()
    assert not child.is_right("equal", [], b"1", b"1", 0.0)


def test_values_that_hash_alike_make_no_set_and_no_dict():
    numbers = ",".join(str(k * ALIKE) for k in range(1, 1000))
    pairs = ",".join(f"[{k * ALIKE},0]" for k in range(1, 1000))
    for text in (f'{{"set":[{numbers}]}}', f'{{"dict":[{pairs}]}}'):
        with pytest.raises(NotAnAnswerError, match="hash alike"):
            load(text)
    assert not is_right("set", [], f"[{numbers}]".encode(), b"[1]", 0.0)
    # The same value many times is no attack.
    assert load('{"set":[' + ",".join(["7"] * 1000) + "]}") == {7}
    assert is_right("set", [], b"[" + b",".join([b"7"] * 1000) + b"]", b"[7]", 0.0)


def test_numbers_have_as_many_digits_as_a_right_one_could():
    long = f'{{"int":"0x{"f" * 5000}"}}'
    assert not is_right("equal", [], long.encode(), b"1", 0.0)
    assert is_right("equal", [], long.encode(), long.encode(), 0.0)
    with pytest.raises(NotAnAnswerError, match="digits"):
        load(f'{{"ratio":["0x{"f" * 2000}","0x3"]}}', 1024)
    with pytest.raises(NotAnAnswerError, match="digits"):
        load(f'{{"ratio":["0x{"f" * 30_000}","0x3"]}}')
    # Floats as ratios: the smallest and the largest.
    for value in (5e-324, 1.7976931348623157e308):
        top, bottom = (hex(part) for part in value.as_integer_ratio())
        assert is_right("equal", [], f'{{"ratio":["{top}","{bottom}"]}}'.encode(), repr(value).encode(), 0.0)
