"""gpu-study: every command that it prints can be given, every part is short, and it does what it says of itself."""

import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bench.cli import parser as bench_parser
from bench.interventions.table import INTERVENTIONS
from bench.presets import PRESETS, preset
from bench.schemes import ARMS
from bench.workloads.sources import resolve
from profiling.cli import parser as profiling_parser

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "gpu-study.sh"
DOCUMENT = ROOT / "docs" / "gpu-study.md"
sys.path.insert(0, str(ROOT / "scripts"))
import study_times  # noqa: E402

OURS = ("MODEL", "OTHERS", "LIMIT", "BUDGET", "DROP", "NCU_LIMIT", "DRY", "PYTHON", "BITLEDGER_FORK_SERVER")
# What pytest and each of our own scripts take, asked of the scripts themselves.
OWN = {"benchmarks.do_bench_agreement", "benchmarks.noise", "benchmarks.timer_agreement"}


def call(out, *parts, **changes):
    environment = {key: value for key, value in os.environ.items() if key not in OURS}
    return subprocess.run(
        [str(SCRIPT), str(out), *parts],
        env=environment | changes,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def printed(**changes):
    done = call("OUT", DRY="1", **changes)
    assert (done.returncode, done.stderr) == (0, "")
    return [(part, shlex.split(command)) for part, command in (line.split("\t") for line in done.stdout.splitlines())]


def parts():
    return re.search(r'EVERY="([^"]+)"', SCRIPT.read_text())[1].split()


def test_every_part_prints_commands_and_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(dict.fromkeys(part for part, _ in printed())) == parts()
    assert not (ROOT / "OUT").exists()


@pytest.mark.parametrize("changes", [{}, {"MODEL": "smoke", "OTHERS": ""}], ids=["GPU", "rehearsal"])
def test_every_command_has_options_that_exist(changes):
    _check(printed(**changes))


@pytest.mark.slow
def test_our_own_scripts_have_the_options_that_are_given_them():
    _check(printed(), own=True)


def _check(commands, own=False):
    for _, command in commands:
        assert command[0] == "python3"
        module, options = (command[2], command[3:]) if command[1] == "-m" else (command[1], command[2:])
        if module == "bench":
            _check_bench(bench_parser().parse_args(options))
        elif module == "profiling":
            assert set(profiling_parser().parse_args(options).scheme) <= set(ARMS)
        elif module in OWN:
            assert not own or all(option in _help(module) for option in options if option.startswith("--"))
        else:
            assert module in ("pytest", "scripts/pack_study.py")


def test_every_model_gets_one_folder_beside_the_others():
    changes = {"MODEL": "bigcode/starcoder2-3b", "OTHERS": "bigcode/starcoder2-7b shape:phi-2 /data/mine"}
    folders = {command[command.index("--out") + 1] for _, command in printed(**changes) if "run" in command}
    assert {
        "OUT/bigcode-starcoder2-3b",
        "OUT/bigcode-starcoder2-7b-lengths",
        "OUT/phi-2-lengths",
        "OUT/phi-2-lengths-more",
        "OUT/data-mine-lengths",
    } <= folders
    assert all(folder.count("/") == 1 for folder in folders)


def test_the_rehearsal_keeps_the_two_lengths_apart():
    found = [command for part, command in printed(MODEL="smoke", OTHERS="") if part in ("lengths", "lengths-more")]
    assert len(found) == 2
    for command in found:
        options = bench_parser().parse_args(command[3:])
        assert {sweep.new_tokens for sweep in preset(options.preset, vars(options)).sweeps} == {128, 256}


def _check_bench(options):
    if options.verb == "report":
        return
    assert set(options.schemes or ()) <= set(ARMS)
    if options.verb == "intervene":
        assert set(options.only) <= set(INTERVENTIONS)
    else:
        assert options.preset in PRESETS
        resolve(options.model or "smoke")


@cache
def _help(module):
    """In a process of its own: torch's benchmark utilities bring setuptools, which minds what was imported before."""
    command = [sys.executable, "-m", module, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_preset_of_the_study_is_a_part():
    asked = {command[command.index("--preset") + 1] for _, command in printed() if "--preset" in command}
    assert asked - {"smoke"} == {name for name in PRESETS if name.startswith("study")}


@pytest.fixture(scope="module")
def estimates():
    return study_times.estimates()


def test_every_part_stays_under_its_limit(estimates):
    limit = int(re.search(r"LIMIT=\$\{LIMIT:-(\d+)\}", SCRIPT.read_text())[1])
    assert limit < 8 * 60
    assert list(estimates) == parts()
    assert max(filter(None, estimates.values())) < limit
    ncu = int(re.search(r"NCU_LIMIT=\$\{NCU_LIMIT:-(\d+)\}", SCRIPT.read_text())[1])
    assert 3 * ncu < limit


def test_the_document_says_the_estimates_that_the_records_give(estimates):
    rows = re.findall(r"^\| `([\w-]+)` \| (?:(\d+) s|≤ \d+ s) \|", DOCUMENT.read_text(), re.MULTILINE)
    told = {name: int(seconds) if seconds else None for name, seconds in rows}
    assert told == {name: value and round(value) for name, value in estimates.items()}


@pytest.fixture
def stub(tmp_path):
    """A Python that does what files beside it say: FOLDER/WORD holds the exit code of commands that name WORD."""
    program, orders = tmp_path / "python", tmp_path / "orders"
    orders.mkdir()
    program.write_text(
        "#!/usr/bin/env bash\n"
        f"echo \"${{BITLEDGER_FORK_SERVER:-on}} $*\" >>'{tmp_path}/calls'\n"
        'previous=; for word in "$@"; do [ "$previous" = --out ] && case $word in *.json) ;; *) mkdir -p "$word"\n'
        '  echo {} >"$word/records.jsonl"; echo {} >"$word/plan.json" ;; esac; previous=$word; done\n'
        f"for order in '{orders}'/*; do [ -e \"$order\" ] || continue\n"
        '  case "$*" in *"$(basename "$order")"*) echo "said of $(basename "$order")"; . "$order" ;; esac; done\n'
    )
    program.chmod(0o755)

    def run(*wanted, orders_given=None, **changes):
        for word, order in (orders_given or {}).items():
            (orders / word).write_text(order)
        # Without nvidia-smi, wherever the tests run.
        tools = tmp_path / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
        (tools / "nvidia-smi").chmod(0o755)
        path = f"{tools}:{os.environ['PATH']}"
        return call(tmp_path / "out", *wanted, PYTHON=str(program), PATH=path, **changes)

    run.calls = lambda: (tmp_path / "calls").read_text().splitlines()
    return run


def test_a_part_that_was_begun_is_resumed(stub):
    assert stub("steady").returncode == 0
    assert stub("steady").returncode == 0
    first, second = stub.calls()
    assert "--resume" not in first and "--resume" in second


def test_how_long_each_step_took_is_kept(stub, tmp_path):
    stub("steady", "agreement", orders_given={"do_bench": "exit 2"})
    steps = [json.loads(line) for line in (tmp_path / "out" / "steps.jsonl").read_text().splitlines()]
    assert [(step["part"], step["step"], step["exit_code"]) for step in steps] == [
        ("steady", "steady", 0),
        ("agreement", "agreement", 2),
    ]
    assert all(0 <= step["seconds"] < 60 and step["began"].endswith("Z") for step in steps)


def test_what_a_machine_lacks_is_no_failure_and_what_fails_is(stub):
    done = stub("agreement", orders_given={"do_bench": "exit 2"})
    assert (done.returncode, "agreement: not here: said of do_bench" in done.stdout) == (0, True)
    done = stub("steady", orders_given={"study": "exit 2"})
    assert (done.returncode, "steady: exit code 2" in done.stdout) == (1, True)


def test_what_cannot_go_on_by_itself_is_not_done_twice(stub):
    stub("agreement", orders_given={"do_bench": "exit 2"})  # not here is not done
    stub("agreement", orders_given={"do_bench": "exit 0"})
    assert "agreement: done before" in stub("agreement").stdout
    assert len(stub.calls()) == 2


def test_a_part_is_cut_off_at_its_limit_and_says_so(stub):
    done = stub("steady", "costs", orders_given={"study": "sleep 60"}, LIMIT="2", BUDGET="2")
    assert done.returncode == 1
    assert re.search(r"steady: cut off after \d s: call the part again to go on", done.stdout)
    assert "costs: not begun: the call's time is up" in done.stdout


@pytest.mark.parametrize("code", [130, 143])
def test_what_was_interrupted_is_called_again(stub, code):
    done = stub("steady", orders_given={"study": f"exit {code}"})
    assert done.returncode == 1
    assert "call the part again to go on" in done.stdout


def test_where_the_fork_server_fails_everything_starts_from_scratch(stub):
    done = stub("probe", "steady", orders_given={"smoke": '[ "$BITLEDGER_FORK_SERVER" = off ] || exit 1'})
    assert done.returncode == 0
    assert "again, every process from scratch" in done.stdout
    assert "gpu-tests: not here: no NVIDIA GPU" in done.stdout
    assert [call.split()[0] for call in stub.calls()] == ["on", "off", "off"]
    stub("batches")
    assert stub.calls()[-1].startswith("off ")  # in a later call as well


@pytest.mark.parametrize("part", ["remove", "remedies", "counters"])
def test_what_adds_to_the_steady_run_waits_for_it(stub, part):
    done = stub(part)
    assert (done.returncode, done.stdout) == (1, f"== {part}\n{part}: first the part steady\n")
    stub("steady")
    assert stub(part).returncode == 0


def test_a_slip_of_the_pen_costs_nothing(stub, tmp_path):
    done = stub("steady", "batchs")
    assert done.returncode == 2
    assert "unknown part batchs: choose from probe steady repeats" in done.stderr
    assert not (tmp_path / "calls").exists()


def test_quick_has_three_interleaved_processes_of_what_most_ask_about_within_its_ten_minutes():
    """Seconds as the H100 run's own records say, and a guess for prefill; what the tool does more since then is in what
    is left of them."""
    blocks = study_times._blocks("quick", "shape:starcoder2-3b", None)
    timed = [block for block in blocks if block.kind == "generation"]
    for batch in (1, 8):
        order = [
            (block.repeat, request.case.scheme)
            for block in timed
            for request in block.requests
            if (request.instrument, request.case.batch_size) == ("generation", batch)
        ]
        for scheme in ("fp16", "int8", "nf4"):
            assert [repeat for repeat, name in order if name == scheme] == [0, 1, 2]
        assert [repeat for repeat, _ in order] == sorted(repeat for repeat, _ in order)  # by rounds, not by scheme
    assert sum(study_times.block_seconds(block, study_times.costs()) for block in blocks) < 570
