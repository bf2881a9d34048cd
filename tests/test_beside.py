"""scripts/beside.sh: parts run at the same time, are printed whole and in order, and none outlives the script."""

import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bash(text, folder):
    script = f"set -euo pipefail\n. {ROOT}/scripts/beside.sh\n{text}\n"
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


# One part ends only when the other has begun, whichever is asked for first.
MEET = "meet() { touch $1; until [ -e $2 ]; do sleep 0.01; done; echo $1 met $2; }\n"


def test_two_parts_run_at_the_same_time_and_are_printed_in_the_order_that_is_asked_for(tmp_path):
    done = bash(MEET + "beside one meet a b\nbeside two meet b a\nended two\nended one\necho end", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("==")]
    assert lines == ["b met a", "a met b", "end"]
    assert "== two: exit code 0 after " in done.stdout


def test_what_a_part_prints_comes_whole(tmp_path):
    done = bash("beside loud bash -c 'seq 20000; echo wrong >&2'\nended loud", tmp_path)
    assert done.stdout.splitlines()[1:-1] == [*map(str, range(1, 20001)), "wrong"]


def test_the_exit_code_of_a_part_ends_the_script_and_the_other_parts_with_it(tmp_path):
    text = "beside long bash -c 'echo $$ >pid; sleep 60 & wait'\nuntil [ -s pid ]; do sleep 0.01; done\n"
    done = bash(text + "beside bad bash -c 'echo why; exit 7'\nended bad\necho never", tmp_path)
    assert done.returncode == 7
    assert "why" in done.stdout and "never" not in done.stdout
    assert_gone(int((tmp_path / "pid").read_text()))


def test_a_part_that_stops_at_its_first_failure_fails(tmp_path):
    """As a function with several lines, of which one goes wrong: errexit holds inside it."""
    done = bash("two() { false; echo went on; }\nbeside two two\nended two", tmp_path)
    assert done.returncode == 1
    assert "went on" not in done.stdout


@pytest.mark.parametrize(("code", "allowed", "ends"), [(3, "3", 0), (3, "", 3), (4, "3", 4), (0, "3", 0)])
def test_an_exit_code_that_says_that_it_cannot_be_done_here_is_allowed_by_name(code, allowed, ends, tmp_path):
    assert bash(f"beside x bash -c 'exit {code}'\nended x {allowed}", tmp_path).returncode == ends


def test_nothing_outlives_a_script_that_is_ended(tmp_path):
    text = f"set -eu\n. {ROOT}/scripts/beside.sh\nbeside long bash -c 'echo $$ >pid; sleep 60'\nended long\n"
    process = subprocess.Popen(["bash", "-c", text], cwd=tmp_path, stdout=subprocess.DEVNULL)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert_gone(int((tmp_path / "pid").read_text()))


def assert_gone(pid):
    """Ended, and its parent may not have asked for its end yet."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return
    assert state == "Z"
