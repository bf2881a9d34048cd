"""The command that a report suggests is the user's own again: the real parser reads it, and it plans the same."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from bench import presets
from bench.analysis.explain import explain
from bench.cli import parser
from bench.report.actions import actions
from bench.report.answer import first_setting, focus_of
from bench.verbs.commands import commands
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
    assert words[:3] == ["python", "-m", "bench"]
    return parser().parse_args(words[3:])


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
    focus = focus_of(first_setting(found.pairs), found.standings)
    (point,) = actions(replace(found, remedies=()), focus, "SLOWER", commands(Path("mine"), records, "smoke"))
    options = read(point.code)
    assert (options.schemes, options.out, options.device) == (("nf4",), Path("mine"), "cpu")
    assert (options.at_batch, options.at_cache) == (at, None)


def test_of_two_caches_the_explained_one():
    records = [record for cache in ("dynamic", "static") for record in measured("--preset smoke", cache=cache)]
    found = explain(records)
    focus = focus_of(first_setting(found.pairs), found.standings)
    (point,) = actions(replace(found, remedies=()), focus, "SLOWER", commands(Path("mine"), records, "smoke"))
    assert read(point.code).at_cache == "dynamic"


def test_a_reference_must_be_measured():
    from bench.record.errors import UsageError

    with pytest.raises(UsageError, match="reference 'bf16' is not measured"):
        presets.preset("smoke", {"schemes": ("fp16", "nf4"), "reference": "bf16"})
    assert presets.preset("smoke", {"reference": "bf16"}).reference == "bf16"
