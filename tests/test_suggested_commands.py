"""The command that a report suggests is the user's own again: the real parser reads it, and it plans the same."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import bench.cli
import bitledger.command
from bench import presets
from bench.analysis.explain import explain
from bench.cli import parser
from bench.record import suggested
from bench.report.answer import actions, first_setting, focus_of
from bench.verbs.planned import commands
from tests import factories as make

# Of one run, and not of what it measures.
OF_THE_RUN = ("out", "repeats", "no_report", "debug", "argv", "preset")
ASKED = [
    "",
    "--preset smoke --repeats 2 --out mine",
    "--preset=quick --schemes=fp16,int8 --device cuda --batch-sizes 4,8 --seed 7 --no-tries",
    "--schemes bf16,nf4 --model shape:phi-2 --caches static,dynamic --new-tokens 64 --prompt-tokens 32 --calls 3",
    "--schemes fp16,bf16,nf4 --reference bf16 --batch-sizes 2 --matmul-m 1,8 --energy-seconds 2 --threads 3",
    "--model org/name --revision abc --prompt-style as-is --tasks 5 --annotate --country DEU --no-report --debug",
    "--model '/data/my models/it' --energy-seconds 0.5 --repeats 9",
]


def read(command):
    """A command line as the shell and the program read it."""
    words = shlex.split(command.replace("\\\n", " "))
    start = list(suggested.start())
    assert words[: len(start)] == start
    return parser().parse_args(words[len(start) :])


@pytest.fixture(autouse=True, params=["bitledger", "python -m bench"])
def called(request):
    """What the user called: suggested commands begin with it."""
    with suggested.called_as(request.param):
        yield request.param


def test_a_command_begins_with_what_the_user_called(called):
    assert suggested.command("report", Path("it's mine")) == f"""{called} report 'it'"'"'s mine'"""
    recorded = ("python", "-m", "profiling", "nsys", "--out", "mine")
    seen = shlex.join(suggested.again(recorded))
    assert seen == ("bitledger nsys --out mine" if called == "bitledger" else "python -m profiling nsys --out mine")
    assert suggested.again(("make", "bench")) == ("make", "bench")


def test_who_called_a_package_is_told_the_packages():
    with suggested.called_as("python -m profiling"):
        assert suggested.command("report mine") == "python -m bench report mine"


def test_no_message_spells_the_program_out():
    """What is printed asks bench/record/suggested.py; only docstrings, which nobody is told, name a package's call."""
    root = Path(suggested.__file__).parents[2]
    for file in sorted((*root.glob("bench/**/*.py"), *root.glob("profiling/**/*.py"))):
        tree = ast.parse(file.read_text())
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in told]
        spelt = [text for text in texts if isinstance(text, str) and re.search(r"python -m (bench|profiling)\b", text)]
        assert spelt == SPELT.get(file.relative_to(root).as_posix(), []), file


# The names themselves; the target is our own program's child, and nobody types it.
SPELT = {
    "bench/record/suggested.py": ["python -m bench"],
    "profiling/target.py": ["python -m profiling.target"],
    "profiling/cli.py": ["python -m profiling"],
}


def test_what_is_printed_names_the_command_that_was_called(called, tmp_path, capsys):
    main = bitledger.command.main if called == "bitledger" else bench.cli.main
    assert main(["report", str(tmp_path / "none")]) == 2
    assert f"give the folder that '{called} run' printed" in capsys.readouterr().err


def measured(asked, **coordinates):
    words = ("python", "-m", "bench", "run", *shlex.split(asked))
    made = [
        *(make.generation("fp16", repeat, **coordinates) for repeat in range(2)),
        *(make.generation("nf4", repeat, step=0.05, **coordinates) for repeat in range(2)),
    ]
    return [replace(record, argv=words) for record in made]


def planned(options, name):
    changes = {key: value for key, value in vars(options).items() if key != "repeats"}
    return presets.preset(name, changes)


@pytest.mark.parametrize("asked", ASKED)
def test_measuring_again_measures_the_same_with_more_processes(asked):
    first = parser().parse_args(["run", *shlex.split(asked)])
    chosen = "smoke" if first.preset == "auto" else first.preset  # as the program would on a machine without a GPU
    again = read(commands(Path("runs/mine"), measured(asked), chosen).again)
    assert again.preset == chosen
    assert planned(again, chosen) == planned(first, chosen)
    kept = {name: value for name, value in vars(first).items() if name not in OF_THE_RUN}
    assert {name: vars(again)[name] for name in kept} == kept
    assert again.repeats >= max(5, 2 * (first.repeats or 0) if first.repeats == 2 else 5)
    assert again.out == Path("runs/mine-more")


def test_the_reference_that_is_asked_for_now_goes_along():
    asked = "--preset smoke --schemes fp16,bf16,nf4 --reference fp16"
    told = commands(Path("mine"), measured(asked), "smoke", reference="bf16")
    assert read(told.again).reference == read(told.intervene).reference == "bf16"
    assert read(commands(Path("mine"), measured(asked), "smoke").again).reference == "fp16"
    assert read(commands(Path("mine"), measured(asked), "smoke").intervene).reference is None


@pytest.mark.parametrize("place", ["runs/it's mine", "runs/a b"])
def test_a_folder_is_quoted(place):
    told = commands(Path(place), measured(""), "smoke")
    assert read(told.intervene).out == Path(place)
    assert read(told.again).out == Path(place + "-more")


@pytest.mark.parametrize(("sizes", "at"), [((1,), None), ((1, 8), 1), ((4, 8), 4)])
def test_trying_is_suggested_in_the_setting_that_is_explained(sizes, at):
    records = [record for size in sizes for record in measured("--preset smoke", batch_size=size)]
    found = explain(records)
    focus = focus_of(first_setting(found.pairs), found.generation_rows)
    (point,) = actions(replace(found, remedies=()), focus, "SLOWER", commands(Path("mine"), records, "smoke"))
    options = read(point.code)
    assert (options.schemes, options.out, options.device) == (("nf4",), Path("mine"), "cpu")
    assert (options.at_batch, options.at_cache) == (at, None)


def test_of_two_caches_the_explained_one():
    records = [record for cache in ("dynamic", "static") for record in measured("--preset smoke", cache=cache)]
    found = explain(records)
    focus = focus_of(first_setting(found.pairs), found.generation_rows)
    (point,) = actions(replace(found, remedies=()), focus, "SLOWER", commands(Path("mine"), records, "smoke"))
    assert read(point.code).at_cache == "dynamic"


def test_a_reference_must_be_measured():
    from bench.record.errors import UsageError

    with pytest.raises(UsageError, match="reference 'bf16' is not measured"):
        presets.preset("smoke", {"schemes": ("fp16", "nf4"), "reference": "bf16"})
    assert presets.preset("smoke", {"reference": "bf16"}).reference == "bf16"
