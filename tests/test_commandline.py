"""Every option that takes a value: what is malformed or out of bounds is one clear line, exit code 2, nothing written.

The options are those of the parsers themselves, so that a new one is tried, too.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import profiling.cli
from bench import cli, commandline, presets
from bench.record.errors import UsageError
from bench.record.store import open_run
from bench.workloads import pruning
from tests import factories as make
from tests.profiling.trace_files import nsys_file

MALFORMED = ("", " ", "x", "nan", "inf", "-inf", "1e999", "1,5", "0x10", "--1", "1.5.2", "\0", "١٢x", "None", "true")
OUT_OF_BOUNDS = ("-1", "-5", "0", "10" * 40, "-" + "10" * 40, "1e308")
# What looks malformed and is not: an empty list of rows is none, lists have commas, and a cluster has its own check.
MEANT = {("--matmul-m", ""), ("--batch-sizes", "1,5"), ("--matmul-m", "1,5"), ("--prompt-tokens", "1,5")} | {
    ("--memory", text) for text in ("nan", "inf", "-inf", "1e999")
}
ZERO = ("--seed", "--skip", "--keep-mb", "--tasks", "--gpus")
LISTS = (",", "a,", ",a", "a,,b", "no-such-thing", "fp16,no-such-thing", " , ")


def parsers():
    """(program, verb, its parser)."""
    for program, main, made in (("bench", cli.main, cli.parser()), ("profiling", profiling.cli.main, profiling.cli.parser())):  # fmt: skip  # noqa: E501
        (verbs,) = (a for a in made._actions if isinstance(a, argparse._SubParsersAction))
        for verb, parser in verbs.choices.items():
            yield program, main, verb, parser


def typed_options():
    """(main, verb, positional arguments, option, how it reads a text) of every option with a type of its own; of
    ``energy`` the first positional argument is a choice."""
    for program, main, verb, parser in parsers():
        positional = sum(not action.option_strings and action.nargs is None for action in parser._actions)
        for action in parser._actions:
            if verb != "energy" and action.option_strings and action.type not in (None, Path):
                yield pytest.param(main, verb, positional, action.option_strings[-1], action.type,
                                   id=f"{program} {verb} {action.option_strings[-1]}")  # fmt: skip


OPTIONS = list(typed_options())
NUMBERS = [
    one for one in OPTIONS if one.values[4] not in (commandline.names, commandline.each_once, commandline.layer_sets)
]
TEXTS = [one for one in OPTIONS if one.values[4] in (commandline.names, commandline.each_once)]


@pytest.fixture(autouse=True)
def nothing_is_started(tmp_path, monkeypatch):
    """A verb that gets as far as measuring or planning took what it should have refused."""
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("a process was started"))
    monkeypatch.setattr("bench.run.runner.describe_model", lambda *_, **__: pytest.fail("it was planned"))
    monkeypatch.setattr("bench.instruments.environment.capture", lambda *_: make.CPU)
    monkeypatch.chdir(tmp_path)


def place_for(verb, folder):
    """What the verb's positional argument may name."""
    if verb in ("whatif", "export", "summarize"):
        return nsys_file(folder / "trace.sqlite")
    if verb == "evaluate":
        file = folder / "samples.jsonl"
        file.write_text(json.dumps({"task_id": "HumanEval/0", "completion": "    return True\n"}) + "\n")
        return file
    with open_run(folder / "run") as writer:
        writer.append(make.generation())
    return folder / "run"


def files(folder):
    return sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))


def refused(main, arguments, capsys, folder):
    before = files(folder)
    code = main(arguments)
    out, err = capsys.readouterr()
    assert code == 2, (arguments, out)
    (line,) = err.splitlines()
    assert line.startswith("bitledger: ") and len(line) > 25
    assert files(folder) == before
    return line


def accepted(kind, text):
    try:
        kind(text)
    except (argparse.ArgumentTypeError, ValueError, UsageError):
        return False
    return True


@pytest.mark.parametrize(("main", "verb", "positional", "option", "kind"), NUMBERS)
def test_a_number_that_is_none_is_one_line(main, verb, positional, option, kind, tmp_path, capsys):
    place = [str(place_for(verb, tmp_path))] * positional
    for text in MALFORMED:
        if not accepted(kind, text) or option == "--margin":  # of whose bounds the verb says more
            assert option in refused(main, [verb, *place, f"{option}={text}"], capsys, tmp_path)
        else:
            assert (option, text) in MEANT


@pytest.mark.parametrize(("main", "verb", "positional", "option", "kind"), NUMBERS)
def test_a_number_out_of_bounds_is_one_line(main, verb, positional, option, kind, tmp_path, capsys):
    place = [str(place_for(verb, tmp_path))] * positional
    extra = ["--on", "slurm"] if option in ("--gpus", "--cpus", "--memory", "--time", "--at-once") else []
    for text in set(OUT_OF_BOUNDS) - {"0"} if option in ZERO else OUT_OF_BOUNDS:
        refused(main, [verb, *place, *extra, f"{option}={text}"], capsys, tmp_path)


@pytest.mark.parametrize(("main", "verb", "positional", "option", "kind"), TEXTS)
def test_a_list_without_a_member_is_one_line(main, verb, positional, option, kind, tmp_path, capsys):
    place = [str(place_for(verb, tmp_path))] * positional
    extra = ["--on", "local"] if option == "--models" else []
    for text in ("", *LISTS):
        refused(main, [verb, *place, *extra, f"{option}={text}"], capsys, tmp_path)


@pytest.mark.parametrize(
    ("verb", "option", "text"),
    [
        ("run", "--schemes", "fp16,nf4,fp16"), ("run", "--batch-sizes", "1,8,1"),
        ("run", "--caches", "dynamic,dynamic"), ("run", "--drop-layers", "0;0"), ("run", "--matmul-m", "1,1"),
        ("intervene", "--schemes", "nf4,nf4"),
        ("intervene", "--only", "bare-op,bare-op"), ("run", "--schemes", "fp16, fp16"),
    ],
)  # fmt: skip
def test_what_is_named_twice_is_one_line(verb, option, text, tmp_path, capsys):
    assert "there twice" in refused(cli.main, [verb, option, text], capsys, tmp_path)


@pytest.mark.parametrize(
    "text",
    ["x", "last:", "last:x", "last:-1", "last:²", "²", "3-1", "1-", "-1", "0-99999999999", "last:99999999999", "0;x"],
)
def test_layers_that_are_none_are_one_line(text, tmp_path, capsys):
    refused(cli.main, ["run", f"--drop-layers={text}"], capsys, tmp_path)


@pytest.mark.parametrize("text", ["", "last:1;", "0,2-4;last:2", "last:0"])
def test_layers_that_can_be_named(text):
    assert commandline.layer_sets(text) if text else commandline.layer_sets(text) == ("",)


@pytest.mark.parametrize("text", ["²", "0-²", "1" * 400])
def test_a_range_of_layers_is_read_by_its_digits(text):
    with pytest.raises(UsageError):
        pruning.parse(text)


@pytest.mark.parametrize(
    ("main", "arguments", "says"),
    [
        (cli.main, [], "VERB"),
        (cli.main, ["fly"], "invalid choice"),
        (cli.main, ["run", "--fly"], "--fly"),
        (cli.main, ["run", "--device", "tpu"], "--device"),
        (cli.main, ["run", "--batch-sizes"], "expected one argument"),
        (cli.main, ["show"], "run"),
        (cli.main, ["compare", "a"], "required"),
        (profiling.cli.main, [], "VERB"),
        (profiling.cli.main, ["kineto", "--tier", "x"], "--tier"),
    ],
)
def test_what_the_parser_refuses_is_one_line_that_says_where_help_is(main, arguments, says, tmp_path, capsys):
    line = refused(main, arguments, capsys, tmp_path)
    assert says in line


SCALES = ("", "=", "host_gap", "=1", "no-such=1", "host_gap=", *(f"host_gap={x}" for x in (*MALFORMED, "-1", "1e308")))
WEIGHTS = (
    "", ",", "quality", "no-such=1", "=", "quality=0", "time=1,time=2", "time=1,,energy=1",
    *(f"time={x}" for x in (*MALFORMED, "-1", "1e308")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "option", "texts"),
    [
        ("whatif", "--scale", SCALES), ("whatif", "--remove", ("", "no-such", "host_gap,gemm")),
        ("run", "--country", ("", " ")), ("run", "--revision", ("",)), ("explain", "--step-range", ("",)),
        ("tradeoff", "--weights", WEIGHTS), ("tradeoff", "--reference", ("", "no-such", "nf4")),
        ("report", "--reference", ("", "no-such", "nf4")), ("explain", "--reference", ("", "no-such", "nf4")),
        ("run", "--caches", ("paged", "dynamic,paged")), ("run", "--model", ("", " ", "no-such", "\n")),
        ("run", "--preset", ("", "no-such")), ("intervene", "--schemes", ("no-such", "fp16,no-such")),
    ],
)  # fmt: skip
def test_a_text_that_says_nothing_is_one_line(verb, option, texts, tmp_path, capsys):
    place = [] if verb in ("run", "intervene") else [str(place_for(verb, tmp_path))]
    for text in texts:
        refused(cli.main, [verb, *place, f"{option}={text}"], capsys, tmp_path)


@pytest.mark.parametrize("text", ["nan", "inf", "0", "-1", "1e308"])
def test_the_memory_of_a_job_is_a_number(text, tmp_path, capsys):
    refused(cli.main, ["run", "--on", "slurm", f"--memory={text}"], capsys, tmp_path)


@pytest.mark.parametrize("main", [cli.main, profiling.cli.main])
def test_debug_shows_the_traceback_of_a_refused_option(main):
    with pytest.raises(UsageError):
        main(["summarize" if main is profiling.cli.main else "show", "--debug", "--fly"])


@given(st.text(max_size=20))
def test_any_text_is_a_number_within_its_bounds_or_refused(text):
    for kind, least, most in (
        (commandline.BATCH, 1, 65_536),
        (commandline.COUNT_OR_NONE, 0, commandline.MANY),
        (commandline.SECONDS, 0, 86_400),
    ):
        try:
            value = kind(text)
        except argparse.ArgumentTypeError:
            continue
        assert least <= value <= most


COUNTS = ("calls", "repeats", "new_tokens", "tasks", "threads", "prompt_tokens", "warmup_calls", "energy_windows")


@given(
    st.dictionaries(st.sampled_from(COUNTS), st.integers(-3, 3), max_size=3),
    st.dictionaries(st.sampled_from(("energy_seconds", "matmul_seconds")), st.floats(), max_size=2),
    st.dictionaries(st.sampled_from(("batch_sizes", "matmul_m")), st.lists(st.integers(-1, 9), max_size=3).map(tuple)),
    st.dictionaries(st.sampled_from(("schemes", "caches")), st.sampled_from(((), ("x",), ("fp16",), ("dynamic",)))),
)
def test_a_preset_is_changed_into_one_that_can_be_planned_or_refused(counts, seconds, numbers, names):
    try:
        found = presets.preset("smoke", counts | seconds | numbers | names)
    except UsageError:
        return
    assert presets.from_json(json.loads(json.dumps(asdict(found)))) == found
