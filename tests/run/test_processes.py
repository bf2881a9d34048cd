"""The fork server: forked processes do their task, tell how they ended, and go when they must."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from bench.run import processes
from bench.run.processes import ForkServer

SERVER = """
    import json, os, sys, threading, time
    from bench.run.processes import serve
    HEAD
    def entry(task, pipe):
        exec(task["program"], {"task": task, "pipe": pipe, "os": os, "time": time})
        return 0
    sys.exit(serve(int(sys.argv[1]), entry, (), PREPARE))
"""


def fork_server(head="", prepare="lambda task: None"):
    program = textwrap.dedent(SERVER).replace("HEAD", head).replace("PREPARE", prepare)
    return ForkServer((sys.executable, "-c", program))


class Started:
    """A process of the fork server with the reading end of its pipe."""

    def __init__(self, fork_server, program, folder):
        read_end, write_end = os.pipe()
        self.log = folder / "log"
        self.process = fork_server.start({"program": program}, write_end, self.log)
        os.close(write_end)
        self.pipe = os.fdopen(read_end)


def gone(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_forked_process_does_its_task_and_ends(tmp_path):
    with fork_server() as source:
        started = Started(source, "os.write(pipe, b'done'); print('heard')", tmp_path)
        assert started.pipe.read() == "done"
        assert started.process.wait(10) == 0
        assert started.process.pid != source._process.pid


def test_each_task_gets_a_process_of_its_own(tmp_path):
    with fork_server() as source:
        pids = []
        for _ in range(3):
            started = Started(source, "os.write(pipe, str(os.getpid()).encode())", tmp_path)
            pids.append(int(started.pipe.read()))
            assert started.process.wait(10) == 0
    assert len(set(pids)) == 3
    assert all(gone(pid) for pid in pids)


def test_what_was_imported_is_left_alone_by_the_garbage_collector(tmp_path):
    with fork_server("import email.mime.text, json, http.client") as source:
        counted = "import gc; os.write(pipe, f'{gc.get_freeze_count()} {len(gc.get_objects())}'.encode())"
        started = Started(source, counted, tmp_path)
        frozen, looked_at = map(int, started.pipe.read().split())
        started.process.wait(10)
    assert frozen > 10 * looked_at


def test_what_the_fork_server_prepares_for_a_task_its_process_and_later_ones_have(tmp_path):
    told = "os.write(pipe, ' '.join(sorted(prepared)).encode())"
    head = "prepared = set(); import builtins; builtins.prepared = prepared"
    with fork_server(head, "lambda task: prepared.add(str(len(task['program'])))") as source:
        first = Started(source, told, tmp_path)
        assert first.pipe.read() == str(len(told))
        first.process.wait(10)
        second = Started(source, f"{told} ", tmp_path)
        assert second.pipe.read() == f"{len(told)} {len(told) + 1}"
        second.process.wait(10)


@pytest.mark.parametrize(
    ("program", "code"), [("os._exit(7)", 7), ("raise ValueError('odd')", 1), ("os.kill(os.getpid(), 9)", -9)]
)
def test_how_a_process_ended_is_told_and_the_fork_server_goes_on(tmp_path, program, code):
    with fork_server() as source:
        assert Started(source, program, tmp_path).process.wait(10) == code
        assert Started(source, "pass", tmp_path).process.wait(10) == 0


def test_what_a_process_prints_is_in_its_log(tmp_path):
    with fork_server() as source:
        started = Started(source, "raise ValueError('odd')", tmp_path)
        started.process.wait(10)
        assert started.log.read_text().splitlines()[-1] == "ValueError: odd"


def test_a_hanging_process_can_be_killed(tmp_path):
    with fork_server() as source:
        started = Started(source, "time.sleep(600)", tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            started.process.wait(0.2)
        assert started.process.poll() is None
        started.process.kill()
        assert started.process.wait(10) == -signal.SIGKILL
        assert gone(started.process.pid)


def test_leaving_the_fork_server_ends_it(tmp_path):
    with fork_server() as source:
        Started(source, "pass", tmp_path).process.wait(10)
        pid = source._process.pid
    assert gone(pid)


def test_a_fork_server_with_threads_does_not_fork(tmp_path, monkeypatch):
    program = "import json, os, sys; task = json.load(sys.stdin); os.write(task['records_fd'], b'from scratch')"
    monkeypatch.setattr(processes, "CHILD", (sys.executable, "-c", program))
    head = "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    with fork_server(head) as source:
        started = Started(source, "os.write(pipe, b'forked')", tmp_path)
        assert started.pipe.read() == "from scratch"


def test_when_the_fork_server_dies_processes_start_from_scratch(tmp_path, monkeypatch):
    program = "import json, os, sys; task = json.load(sys.stdin); os.write(task['records_fd'], b'from scratch')"
    monkeypatch.setattr(processes, "CHILD", (sys.executable, "-c", program))
    with fork_server() as source:
        Started(source, "pass", tmp_path).process.wait(10)
        source._process.kill()
        source._process.wait()
        assert Started(source, "os.write(pipe, b'forked')", tmp_path).pipe.read() == "from scratch"


def test_a_process_dies_with_a_killed_fork_server(tmp_path):
    with fork_server() as source:
        started = Started(
            source,
            "from bench.run.processes import die_with_parent\ndie_with_parent()\nos.write(pipe, b'x'); time.sleep(600)",
            tmp_path,
        )
        assert started.pipe.read(1) == "x"
        source._process.kill()
        assert started.process.wait(10) == -signal.SIGKILL
        assert gone(started.process.pid)


def test_a_fork_server_whose_parent_is_gone_imports_nothing():
    ours, theirs = socket.socketpair()
    ours.close()
    program = "import sys; from bench.run.processes import serve; sys.exit(serve(int(sys.argv[1]), None, ('no_such',)))"
    with theirs:
        done = subprocess.run(
            [sys.executable, "-c", program, str(theirs.fileno())], pass_fds=[theirs.fileno()], check=False, timeout=60
        )
    assert done.returncode == 0


def test_tasks_of_any_size_arrive_whole(tmp_path):
    with fork_server() as source:
        read_end, write_end = os.pipe()
        task = {"program": "os.write(pipe, str(len(task['data'])).encode())", "data": "é" * 3_000_000}
        process = source.start(task, write_end, tmp_path / "log")
        os.close(write_end)
        assert os.fdopen(read_end).read() == "3000000"
        assert process.wait(10) == 0
        assert json.dumps(task)
