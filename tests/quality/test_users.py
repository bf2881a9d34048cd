"""No two programs have the same user; what the kernel counts with a box's threads is known."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from bench.quality import users
from bench.record.errors import MachineError


def test_no_two_have_the_same_user():
    with contextlib.ExitStack() as held:
        numbers = [held.enter_context(users.own_user()) for _ in range(50)]
    assert len(set(numbers)) == 50
    assert all(users.FIRST <= number <= users.LAST for number in numbers)


def test_another_process_gets_another_user_and_a_dead_one_gives_its_own_back(monkeypatch):
    def asked() -> subprocess.Popen[str]:
        code = "import sys\nfrom bench.quality import users\nusers._numbers = iter([61000, 61001] * 9000)\n"
        code += "with users.own_user() as number:\n    print(number, flush=True)\n    sys.stdin.read()\n"
        return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with asked() as first, asked() as second:
        told = {process.stdout.readline().strip() for process in (first, second)}
        assert told == {"61000", "61001"}
        first.kill()
        first.wait()
        with asked() as third:
            assert third.stdout.readline().strip() in told
            third.stdin.close()
        second.stdin.close()


def test_where_all_are_taken_it_says_so(monkeypatch):
    monkeypatch.setattr(users, "_order", [61_000])
    with users.own_user() as number:
        monkeypatch.setattr(users, "_numbers", iter([number]))
        with pytest.raises(MachineError, match="wait for them"), users.own_user():
            pass


def test_before_ucounts_all_threads_of_the_user_count(tmp_path):
    for place, (user, threads) in enumerate([(os.getuid(), 3), (os.getuid(), 1), (os.getuid() + 1, 50)]):
        (tmp_path / str(place)).mkdir()
        (tmp_path / str(place) / "status").write_text(f"Name:\tx\nUid:\t{user}\t0\t0\t0\nThreads:\t{threads}\n")
    (tmp_path / "9").mkdir()
    assert users.threads_elsewhere("4.18.0-553.el8_10.x86_64", tmp_path) == 4
    assert users.threads_elsewhere("5.4.0", tmp_path) == 4
    assert users.threads_elsewhere("5.14.0-70.el9", tmp_path) == users.threads_elsewhere("6.18.44", tmp_path) == 0
    assert users.threads_elsewhere("4.18.0") >= 1
