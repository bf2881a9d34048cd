"""Programs that start threads are judged like others, every time; what starts too many is stopped."""

from __future__ import annotations

import threading

import pytest

from bench.quality.evaluate import Sample, evaluate
from bench.quality.sandbox import find
from bench.quality.tasks import PlusTask
from bench.record.errors import MachineError

TASK = PlusTask("Test/0", "def f(x):\n", "    return x + 1\n", "f", 0.0, tuple([n] for n in range(50)), ([2],))
ONE = """
import threading
def f(x):
    out = []
    thread = threading.Thread(target=lambda: out.append(x + 1))
    thread.start()
    thread.join()
    return out[0]
"""
# As many as Python's own pool has at most, all at the same time.
POOL = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
def f(x):
    with ThreadPoolExecutor(32) as pool:
        meet = Barrier(32)
        return sum(pool.map(lambda _: min(0, meet.wait(5)), range(32))) + x + 1
"""
LOOP = """
import asyncio
def f(x):
    return asyncio.run(asyncio.to_thread(lambda: x + 1))
"""
# Holds its threads until it is stopped from outside: the alarm is nothing to it.
HOLDS = """
import signal, threading, time
def f(x):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        while True:
            threading.Thread(target=time.sleep, args=(60,)).start()
    except RuntimeError:
        time.sleep(60)
"""


@pytest.fixture(scope="module")
def sandbox():
    try:
        return find()
    except MachineError as error:
        pytest.skip(str(error))


def judged(sandbox, program: str, times: int):
    # Programs that are equal are run once: a comment makes them differ.
    samples = [Sample("Test/0", n, f"{program}# {n}\n") for n in range(times)]
    return evaluate([TASK], samples, sandbox, 1)


@pytest.mark.parametrize("program", [ONE, POOL, LOOP], ids=["one", "pool", "loop"])
def test_a_program_with_threads_passes_every_time(program, sandbox):
    assert [found for found in judged(sandbox, program, 2) if not found.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("program", [ONE, POOL, LOOP], ids=["one", "pool", "loop"])
def test_a_program_with_threads_passes_in_50_runs(program, sandbox):
    assert [found for found in judged(sandbox, program, 50) if not found.passed] == []


def test_what_another_evaluation_runs_takes_no_threads_away(sandbox):
    """User ids were handed out in the same order by every evaluation, and the kernel counts per user id."""
    other, stop = find(), threading.Event()
    boxes = [other.box(HOLDS, "f") for _ in range(8)]

    def hold(context) -> None:
        with context as box:
            box.ask([[1]], [30.0], 30.0, 0.5)
            stop.wait(30)

    holding = [threading.Thread(target=hold, args=(context,)) for context in boxes]
    for one in holding:
        one.start()
    try:
        stop.wait(1.0)
        assert [found for found in judged(sandbox, ONE, 8) if not found.passed] == []
    finally:
        stop.set()
        for one in holding:
            one.join()
