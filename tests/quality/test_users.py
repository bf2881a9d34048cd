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
    assert all(number in users.usable() for number in numbers)


def test_evaluations_that_do_not_see_each_other_do_not_meet(tmp_path):
    """Marks are of a network namespace, and the kernel counts threads by user over all of them."""
    for name in ("uid_map", "gid_map"):
        (tmp_path / name).write_text("         0          0 4294967295\n")
    assert users.usable(tmp_path) == users.WIDE
    assert len(users.WIDE) == 1 << 30
    # A container's user namespace, of which the kernel counts apart.
    (tmp_path / "gid_map").write_text("0 100000 65536\n")
    users.usable.cache_clear()
    assert users.usable(tmp_path) == users.NARROW
    (tmp_path / "gid_map").unlink()
    users.usable.cache_clear()
    assert users.usable(tmp_path) == users.NARROW


def test_two_evaluations_do_not_begin_at_the_same_user():
    begun = set()
    for _ in range(5):
        with users.own_user(users.NARROW) as number:
            begun.add(number)
    assert len(begun) > 1


def test_another_process_gets_another_user_and_a_dead_one_gives_its_own_back():
    def asked() -> subprocess.Popen[str]:
        code = "import sys\nfrom bench.quality import users\n"
        code += "with users.own_user(range(61000, 61002)) as number:\n"
        code += "    print(number, flush=True)\n    sys.stdin.read()\n"
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


def test_where_all_are_taken_it_says_so():
    one = range(61_000, 61_001)
    with users.own_user(one), pytest.raises(MachineError, match="wait for them"), users.own_user(one):
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
