"""A child whose parent died before the child could ask to die with it: it ends without measuring."""

import json
import os
import subprocess
import sys

from bench.run import processes


def a_dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_child_from_scratch_ends_when_its_parent_is_gone(tmp_path):
    read_end, write_end = os.pipe()
    with subprocess.Popen(processes.CHILD, stdin=subprocess.PIPE, pass_fds=(write_end,)) as child:
        os.close(write_end)
        task = {"describe": {}, "records_fd": write_end, "parent": a_dead_process()}
        child.communicate(json.dumps(task).encode(), timeout=60)
    assert child.returncode == 1
    with os.fdopen(read_end) as pipe:
        assert pipe.read() == ""


def test_a_child_goes_on_when_its_parent_is_the_one_it_was_told():
    program = "import sys; from bench.run.processes import die_with_parent as stay; stay(int(sys.argv[1])); print('on')"
    done = subprocess.run(
        [sys.executable, "-c", program, str(os.getpid())], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "on\n"
