"""The runner with children that misbehave: nothing measured is lost and the run goes on."""

import json
import os
import signal
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from bench.record import logs
from bench.record.schema import Case, Record, to_json
from bench.record.store import load, open_run
from bench.run import processes, runner
from bench.run.plan import Block, Request
from bench.workloads.sources import Source
from tests.record.test_schema import ENVIRONMENT

SOURCE = Source("smoke", "smoke", "folder", "rev", "memorised")
CONTEXT = runner.Context("run", ("python",), ENVIRONMENT, Path())


def case(scheme):
    return Case("generation", "smoke", "rev", scheme, "cpu", 0, batch_size=1, new_tokens=8, cache="dynamic")


def block(*schemes, limit_s=20.0):
    return Block("generation", SOURCE, 0, tuple(Request(case(scheme), "generation") for scheme in schemes), {}, limit_s)


def line(scheme):
    record = Record("run", "generation", case(scheme), 0, "ok", ENVIRONMENT, "2026-01-01T00:00:00+00:00", ("python",))
    return json.dumps(to_json(record))


@pytest.fixture
def child(monkeypatch):
    """Make every child run the given program, which sees its task as ``task`` and writes Records with ``give``."""

    def use(program):
        head = """
            import json, os, signal, sys, time
            task = json.load(sys.stdin)
            pipe = os.fdopen(task["records_fd"], "w", buffering=1)
            give = lambda line: pipe.write(line + chr(10))
        """
        source = textwrap.dedent(head) + textwrap.dedent(program)
        monkeypatch.setattr(processes, "CHILD", (sys.executable, "-c", source))

    return use


def measure(tmp_path, chosen):
    return list(runner.measure(chosen, CONTEXT, tmp_path / "child.log"))


def test_records_arrive_as_the_child_gives_them(child, tmp_path):
    child(f"give({line('fp16')!r}); give({line('nf4')!r})")
    records = measure(tmp_path, block("fp16", "nf4"))
    assert [(record.case.scheme, record.status) for record in records] == [("fp16", "ok"), ("nf4", "ok")]
    assert not (tmp_path / "child.log").exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL (often: out of memory on the host)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("print('the last words'); sys.exit(3)", "exit code 3 before measuring this; it last printed: the last words"),
        ("raise ValueError('odd')", "exit code 1 before measuring this; it last printed: ValueError: odd"),
        ("pass", "exit code 0 before measuring this"),
    ],
)
def test_a_child_that_dies_leaves_what_it_gave_and_a_reason_for_the_rest(child, tmp_path, program, reason):
    child(f"give({line('fp16')!r})\n{program}")
    first, second = measure(tmp_path, block("fp16", "nf4"))
    assert (first.case.scheme, first.status) == ("fp16", "ok")
    assert (second.case.scheme, second.status) == ("nf4", "failed")
    assert reason in second.reason


def test_a_child_that_hangs_is_ended_at_its_limit(child, tmp_path):
    child(f"give({line('fp16')!r}); time.sleep(600)")
    first, second = measure(tmp_path, block("fp16", "nf4", limit_s=1.5))
    assert first.status == "ok"
    assert second.reason.startswith("timed out: the child was ended after its limit of 2 s")


def test_a_child_that_ignores_sigterm_is_killed(child, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "TERMINATE_GRACE_S", 0.3)
    child(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open(task['argv'][0], 'w').write(str(os.getpid())); time.sleep(600)"
    )
    context = replace(CONTEXT, argv=(str(tmp_path / "pid"),))
    list(runner.measure(block("fp16", limit_s=1.5), context, tmp_path / "child.log"))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_log_of_a_failed_child_is_kept_and_cut_to_its_tail(child, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "TAIL_BYTES", 100)
    child("print('x' * 5000); print('end'); sys.exit(1)")
    measure(tmp_path, block("fp16"))
    assert len((tmp_path / "child.log").read_bytes()) == 100


def test_a_run_goes_on_after_a_failed_block_and_every_record_is_on_disk(child, tmp_path):
    child(f"give({line('fp16')!r}); sys.exit(1)")
    with open_run(tmp_path) as writer:
        blocks = [block("fp16", "nf4"), block("fp16", "int8")]
        outcome = runner.run_blocks(blocks, writer, CONTEXT, *[lambda *_: None] * 3)
    assert outcome.counts == {"ok": 2, "skipped": 0, "failed": 2}
    recorded = load(tmp_path, lambda _: None).records  # fp16 twice, which no plan asks for
    assert [record.case.scheme for record in recorded] == ["fp16", "nf4", "fp16", "int8"]


def test_an_interrupted_run_ends_its_child_at_once(child, tmp_path):
    child(f"open(task['argv'][0], 'w').write(str(os.getpid())); give({line('fp16')!r}); time.sleep(600)")
    context = replace(CONTEXT, argv=(str(tmp_path / "pid"),))
    records = runner.measure(block("fp16", "nf4"), context, tmp_path / "child.log")
    next(records)
    with pytest.raises(KeyboardInterrupt):
        records.throw(KeyboardInterrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_failed_records_count_as_done_unless_they_are_to_be_tried_again():
    ok = Record("run", "generation", case("fp16"), 0, "ok", ENVIRONMENT, "", ())
    failed = replace(ok, case=case("nf4"), status="failed", reason="out of memory")
    assert runner.records_done([ok, failed], retry_failed=False) == {ok.key, failed.key}
    assert runner.records_done([ok, failed], retry_failed=True) == {ok.key}


def test_a_child_dies_with_its_parent(tmp_path):
    """The real child entry: when the parent is killed, the kernel kills the child."""
    program = f"""
        import os, subprocess, sys, time
        code = '''
        import os, sys, time
        from bench.run.processes import die_with_parent
        die_with_parent()
        open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
        time.sleep(600)
        '''
        import textwrap
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
        while not os.path.exists({str(tmp_path / "pid")!r}) or not open({str(tmp_path / "pid")!r}).read():
            time.sleep(0.05)
        os.kill(os.getpid(), 9)
    """
    import subprocess
    import time

    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent")


def test_a_process_is_told_what_was_observed_of_the_arms_before_it(child, tmp_path):
    window = {"operators": {"aten::add": [40, 200000]}, "ledger": {"observer_scale": 2.0}}
    rest = {"bitsandbytes": None, "sources": [], "unknown": {}, "events": {}}  # which is not handed on
    setup = {"operators": window["operators"], "ledger": {**window["ledger"], **rest}, "notes": ["nor this"]}
    seen = json.loads(line("fp16")) | {"instrument": "kineto", "setup": setup}
    child(f"give({json.dumps(seen)!r}); open({str(tmp_path / 'told')!r}, 'w').write(json.dumps(task['windows']))")
    blocks = [replace(block(scheme), requests=(Request(case(scheme), "kineto"),)) for scheme in ("fp16", "fp16")]
    with open_run(tmp_path / "run") as writer:
        runner.run_blocks(blocks, writer, CONTEXT, *[lambda *_: None] * 3)
    (told,) = json.loads((tmp_path / "told").read_text())
    assert told == {"case": case("fp16").coordinates(), "setup": window}
