"""What a sandbox is made of, and what is said where a machine lacks a part of it."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bench import cli
from bench.quality import keyring, sandbox, scratch, seccomp, walls
from bench.quality.evaluate import Sample, evaluate
from bench.quality.sandbox import Limits, find
from bench.quality.tasks import PlusTask
from bench.quality.values import load
from bench.quality.verbs.evaluate_run import before_run
from bench.record.errors import MachineError
from bench.record.instruments import SAMPLES

TASK = PlusTask("Test/0", "def f(x):\n", "    return x + 1\n", "f", 0.0, ([1],), ([2],))


@pytest.fixture(scope="module")
def found():
    try:
        return find()
    except MachineError as error:
        pytest.skip(str(error))


def asked(box_maker, program, *given):
    with box_maker.box(program, "f") as box:
        outcome = box.ask([list(given)], [10.0], 10.0, 20.0)
    (answer, *_) = outcome.lines
    assert answer.startswith(b"v "), answer
    return load(answer[2:].decode())


# Reads every key of the session keyring: keyctl(KEYCTL_READ, KEY_SPEC_SESSION_KEYRING), then each key by its number.
READS_KEYS = """
import ctypes, platform, struct
def f():
    libc, number = ctypes.CDLL(None, use_errno=True), {"x86_64": 250, "aarch64": 219}[platform.machine()]
    def read(key):
        text = ctypes.create_string_buffer(4096)
        size = libc.syscall(number, 11, key, text, 4096)
        return text.raw[:size] if size > 0 else b""
    found = read(-3)
    return [read(key) for key, in struct.iter_unpack("i", found[: len(found) // 4 * 4])]
"""


def with_a_secret(call):
    """``call``'s result in a thread whose session keyring holds a secret; skips where there are no keyrings."""
    told = []

    def thread():
        libc, number = ctypes.CDLL(None, use_errno=True), keyring._KEYCTL.get(platform.machine())
        add = {"x86_64": 248, "aarch64": 217}.get(platform.machine())
        if number is None or libc.syscall(number, 1, None) < 0:
            return
        if libc.syscall(add, b"user", b"bitledger:token", b"SECRET", 6, -3) < 0:
            return
        told.append(call())

    one = threading.Thread(target=thread)
    one.start()
    one.join()
    if not told:
        pytest.skip("no keyrings here")
    return told[0]


def test_a_program_finds_no_key_of_the_callers(found):
    assert with_a_secret(lambda: asked(found, READS_KEYS)) == []


def test_the_keyring_is_left_where_the_filter_is_lacking_too(found):
    weaker = replace(found, without=frozenset({"seccomp"}))
    assert b"SECRET" not in with_a_secret(lambda: asked(weaker, READS_KEYS))
    # The test sees the secret where neither is there: it could fail.
    none = replace(found, without=frozenset({"seccomp", "keyring"}))
    assert b"SECRET" in with_a_secret(lambda: asked(none, READS_KEYS))


def test_whoever_looks_for_a_sandbox_keeps_the_own_keyring(found):
    def mine():
        libc = ctypes.CDLL(None, use_errno=True)
        number = keyring._KEYCTL[platform.machine()]
        # KEYCTL_GET_KEYRING_ID of the session keyring.
        before = libc.syscall(number, 0, -3, 0)
        find()
        return before, libc.syscall(number, 0, -3, 0)

    before, after = with_a_secret(mine)
    assert before == after


FILES = "def f(n):\n    for k in range(n):\n        open(f'/tmp/{k}', 'w').close()\n    return n\n"


def test_files_are_counted_and_a_program_that_makes_too_many_is_stopped(found):
    few = replace(found, limits=Limits(files=100))
    task = PlusTask("Test/0", "def f(n):\n", "    return n\n", "f", 0.0, ([50],), ([200_000],))
    (one,) = evaluate([task], [Sample("Test/0", 0, FILES)], few, 1)
    assert (one.base, one.plus, one.why) == ("pass", "output", "input 0: made too many files")


def test_where_the_files_of_another_folder_would_be_counted_none_are(tmp_path):
    assert scratch.Watch(os.getpid(), 1, {str(tmp_path): 12345}).count() is None
    assert scratch.Watch(None, 1, {"/tmp": 1}).count() is None
    whole = os.statvfs(tmp_path)
    assert scratch.Watch(os.getpid(), 1, {str(tmp_path): whole.f_blocks * whole.f_frsize}).count() is not None


def test_the_first_process_of_the_box_has_no_more_memory_than_the_program(found):
    """An ordinary user's program may write to it, and what runs there had no limit."""
    program = "def f():\n    return open('/proc/1/limits').read()\n"
    (line,) = [line for line in asked(found, program).splitlines() if line.startswith("Max address space")]
    root_made_it = os.geteuid() == 0
    assert line.split()[3] == ("unlimited" if root_made_it else str(found.limits.memory))
    writes = "import os\ndef f():\n    os.open('/proc/1/mem', os.O_RDWR)\n"
    if root_made_it:
        with found.box(writes, "f") as box:
            assert box.ask([[]], [5.0], 5.0, 20.0).lines == [b"e PermissionError"]


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.008, 0.015, 0.03, 0.06])
def test_nothing_of_a_box_is_left_whenever_it_is_ended(delay, found):
    """bubblewrap that is killed while it makes the box left its first process behind, with the program in it."""
    holds = "import signal, time\ndef f():\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    time.sleep(3600)\n"
    mine = replace(found)
    threading.Timer(delay, mine.stop).start()
    with pytest.raises(sandbox.Stopped), mine.box(holds, "f") as box:
        # It would be told after the whole minute.
        assert box.ask([[]], [60.0], 60.0, 60.0).end == "done"
        assert not Path(f"/proc/{box.watch._first}/root/tmp").exists()


@pytest.mark.parametrize(
    ("part", "break_it"),
    [
        ("seccomp", lambda monkeypatch: monkeypatch.setattr(seccomp, "program", lambda: b"")),
        ("keyring", lambda monkeypatch: monkeypatch.setattr(keyring, "leave", lambda: "keyctl: EDQUOT")),
        ("inodes", lambda monkeypatch: monkeypatch.setattr(scratch.Watch, "count", lambda _self: None)),
    ],
)
def test_a_part_that_is_lacking_is_named_and_refused_unless_accepted(part, break_it, found, monkeypatch):
    break_it(monkeypatch)
    with pytest.raises(MachineError, match=f"lacks {part} .*--sandbox-without {part}"):
        find()
    weaker = find(without={part})
    assert weaker.facts["sandbox_without"] == [part]
    assert evaluate([TASK], [Sample("Test/0", 0, TASK.solution)], weaker, 1)[0].passed


def test_before_a_run_nobody_is_told_to_install_what_is_there(found, monkeypatch):
    monkeypatch.setattr(keyring, "leave", lambda: "keyctl: EDQUOT")
    (finding,) = before_run({SAMPLES})
    assert "lacks keyring" in finding.message and "--sandbox-without keyring. Judge them later" in finding.message
    assert "install" not in f"{finding.message} {finding.remedy}"


def test_no_key_means_none_to_be_read_but_too_many_keys_are_a_fault(monkeypatch):
    errors = iter([38, 1, 122])
    monkeypatch.setattr(keyring.ctypes, "CDLL", lambda *_a, **_k: type("Lib", (), {"syscall": lambda *_: -1})())
    monkeypatch.setattr(keyring.ctypes, "get_errno", lambda: next(errors))
    assert [keyring._join() for _ in range(3)] == ["", "", "keyctl: EDQUOT"]


def test_a_part_that_is_none_is_one_line(tmp_path, capsys):
    file = tmp_path / "samples.jsonl"
    file.write_text('{"task_id": "HumanEval/53", "solution": ""}\n')
    assert cli.main(["evaluate", str(file), "--sandbox-without", "walls"]) == 2
    assert "give some of seccomp, keyring, inodes" in capsys.readouterr().err


def test_no_package_of_any_python_whose_libraries_are_in_the_box_is_there(tmp_path, monkeypatch):
    for name in ("python3.9/site-packages", "python3.12/dist-packages", "python3/dist-packages", "other/site-packages"):
        (tmp_path / "lib" / name / "bitledger").mkdir(parents=True)
    monkeypatch.setattr(walls.sys, "base_prefix", str(tmp_path))
    hidden = {str(Path(path).relative_to(tmp_path / "lib")) for path in walls._installed()}
    assert hidden == {"python3.9/site-packages", "python3.12/dist-packages", "python3/dist-packages"}


def test_an_interpreter_may_lie_where_the_box_has_its_own_folders(found, tmp_path, monkeypatch):
    """/tmp is the box's own, and some keep their Python there."""
    (tmp_path / "lib").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "lib/here").write_text("text")
    monkeypatch.setattr(walls, "_numpy", lambda: [(tmp_path / "lib", "/tmp/some/python/lib"), (tmp_path, "/dev/shm/x")])
    program = "def f():\n    return open('/tmp/some/python/lib/here').read() + open('/dev/shm/x/lib/here').read()\n"
    assert asked(replace(found), program) == "texttext"


def test_stopped_programs_give_no_judgement(found):
    mine = replace(found)
    timer = threading.Timer(0.5, mine.stop)
    timer.start()
    with pytest.raises(sandbox.Stopped), mine.box("import time\ndef f(): time.sleep(60)\n", "f") as box:
        box.ask([[]], [60.0], 60.0, 60.0)
    with pytest.raises(sandbox.Stopped), mine.box("def f(): pass\n", "f"):
        pass
    timer.join()
