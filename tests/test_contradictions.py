"""Options that exclude each other, or that would do nothing: one clear line, exit code 2, nothing written."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

import profiling.cli
from bench import cli, presets
from bench.presets import choose
from bench.record.errors import UsageError
from bench.record.store import open_run
from bench.run.plan import make_plan
from bench.run.planfile import Run, read_plan, write_plan
from bench.verbs.resuming import refuse_other_plan
from bench.workloads.sources import resolve
from tests import factories as make
from tests.long_tables import some_of
from tests.profiling.trace_files import nsys_file
from tests.test_commandline import nothing_is_started, parsers, place_for, refused  # noqa: F401 - a fixture


@pytest.fixture
def planned(tmp_path):
    """A folder with the plan of a run on the smoke model, and nothing measured."""
    source = resolve("smoke")
    preset = presets.preset("smoke", {"schemes": ("fp16", "nf4"), "new_tokens": 9, "repeats": 2, "tasks": 0})
    folder = tmp_path / "run"
    folder.mkdir()
    blocks = make_plan(preset, source, (), "cpu", 3, ())
    write_plan(folder, Run("mine", preset, source, "cpu", 3, blocks, ()))
    return folder


OTHER_PLANS = [
    ("--preset", "quick"), ("--model", "shape:phi-2"), ("--schemes", "fp16,int8"), ("--new-tokens", "8"),
    ("--batch-sizes", "2"), ("--repeats", "5"), ("--seed", "4"), ("--device", "cuda"), ("--tasks", "3"),
    ("--reference", "nf4"), ("--calls", "9"), ("--matmul-m", "3"), ("--threads", "2"), ("--caches", "static"),
    ("--drop-layers", "0"), ("--beside", "smoke"), ("--prompt-tokens", "3"), ("--energy-seconds", "77"),
    ("--prompt", "another"), ("--prompts", "random"), ("--adapter", "lora"), ("--compile",),
]  # fmt: skip
THE_SAME = [
    (), ("--preset", "smoke"), ("--model", "smoke"), ("--schemes", "fp16,nf4"), ("--new-tokens", "9"), ("--seed", "3"),
    ("--repeats", "2"), ("--device", "cpu"), ("--tasks", "0"), ("--reference", "fp16"), ("--drop-layers", "last:1"),
    ("--workers", "1"), ("--schemes", "fp16,nf4", "--new-tokens", "9", "--repeats", "2"),
]  # fmt: skip


@pytest.mark.parametrize("more", OTHER_PLANS, ids=" ".join)
def test_a_run_that_goes_on_is_asked_for_no_other_plan(more, planned, tmp_path, capsys):
    line = refused(cli.main, ["run", "--resume", "--out", str(planned), *more], capsys, tmp_path)
    assert line.startswith(f"bitledger: {more[0]}: ") and "another --out" in line


@pytest.mark.parametrize("more", THE_SAME, ids=" ".join)
def test_the_same_options_again_are_no_other_plan(more, planned, monkeypatch, capsys):
    """Whoever adds --resume to the command that was interrupted goes on."""
    monkeypatch.setattr("bench.verbs.run.measure", lambda *_: 0)
    monkeypatch.setattr("bench.verbs.run.ForkServer", lambda **_: _Nothing())
    assert cli.main(["run", "--resume", "--out", str(planned), *more]) == 0, capsys.readouterr().err
    assert "resuming" in capsys.readouterr().out


@pytest.mark.parametrize(
    "more",
    [("--schemes", "fp16,nf4"), ("--caches", "dynamic"), ("--compile",), ("--schemes", "fp16,nf4,absent")],
    ids=" ".join,
)
def test_nor_are_those_of_a_run_with_variants(more, planned, monkeypatch, capsys):
    """Of one with an adapter, compiled arms, and a scheme that was left out for want of its package."""
    arms = ("fp16", "nf4")
    preset = choose.with_compiled(choose.with_adapter(presets.preset("smoke", {"schemes": arms, "tasks": 0})), arms)
    run = read_plan(planned)
    for verb in ("fitting", "resuming"):
        monkeypatch.setattr(f"bench.verbs.{verb}.unavailable", lambda name, _: name == "absent")
    monkeypatch.setattr("bench.verbs.resuming.known", bool)
    options = cli.options_of(["run", "--resume", "--out", str(planned), *more])
    refuse_other_plan(options, replace(run, preset=preset))
    for other in (("--schemes", "fp16,int8"), ("--schemes", "fp16"), ("--caches", "static")):
        with pytest.raises(UsageError, match="by its own plan"):
            refuse_other_plan(
                cli.options_of(["run", "--resume", "--out", str(planned), *other]), replace(run, preset=preset)
            )


@pytest.mark.parametrize(
    ("scheme", "says"),
    [("fp16+adapter", "needs an adapter: measure it with"), ("fp16+compile", "add --at-cache static")],
)
def test_an_intervention_on_a_variant_that_cannot_be_had_is_refused_before_any(scheme, says, tmp_path, capsys):
    out = tmp_path / "run"
    options = ("--preset", "smoke", "--device", "cpu", "--schemes", scheme, "--out", str(out))
    assert cli.main(["intervene", *options]) == 2
    assert says in capsys.readouterr().err and not out.exists()


def test_the_same_schemes_again_are_the_same_where_nothing_is_tried():
    asked = {"schemes": ("fp16", "nf4"), "tries": ()}
    planned = presets.preset("smoke", asked)
    assert presets.changed(planned, {"schemes": asked["schemes"]}) == planned


class _Nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize("name", ["smoke", "quick"])
@pytest.mark.parametrize("value", [("schemes", ("fp16", "int8")), ("new_tokens", 7), ("tasks", 0), ("tries", ())])
def test_a_change_made_twice_is_one_change(name, value):
    once = presets.preset(name, dict([value]))
    assert presets.changed(once, dict([value])) == once
    assert asdict(presets.changed(once, {})) == asdict(once)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--retry-failed"), "--resume"),
        (("run", "--cancel", "--resume", "--out", "x"), "exclude each other"),
        (("run", "--cancel", "--watch", "--out", "x"), "exclude each other"),
        (("run", "--prompts", "random", "--prompt-style", "chat"), "--prompt-style"),
        (("run", "--matmul-m", "", "--matmul-seconds", "3"), "--matmul-seconds"),
        (("run", "--anonymous", "--on", "local", "--out", "x"), "gather --anonymous"),
        (("report", "--study", "--anonymous", "."), "share them first"),
        (("study", "--json", "--out", "x"), "exclude each other"),
        (("study", "--json", "--paper", "x.md"), "exclude each other"),
        (("study", "--out", "x", "--paper", "x.md"), "exclude each other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_excludes_each_other(arguments, says, tmp_path, capsys):
    assert says in refused(cli.main, list(arguments), capsys, tmp_path)


OF_TRACES = (
    ("--step-range", "x"), ("--reference-range", "x"), ("--candidate-range", "x"), ("--steps", "whole"),
    ("--rank", "0"), ("--device", "0"), ("--classes", "x"), ("--reference-time", "3"), ("--candidate-time", "3"),
)  # fmt: skip


@pytest.mark.parametrize("more", OF_TRACES, ids=" ".join)
def test_what_is_of_two_traces_is_not_of_a_run(more, tmp_path, capsys):
    line = refused(cli.main, ["explain", str(place_for("explain", tmp_path)), *more], capsys, tmp_path)
    assert more[0] in line and "two traces" in line


@pytest.mark.parametrize("more", [("--scheme", "nf4"), ("--batch-size", "1"), ("--cache", "static")], ids=" ".join)
def test_what_is_of_a_run_is_not_of_two_traces(more, tmp_path, capsys):
    file = str(nsys_file(tmp_path / "trace.sqlite"))
    line = refused(cli.main, ["explain", "--reference", file, "--candidate", file, *more], capsys, tmp_path)
    assert more[0] in line


def test_a_range_that_no_trace_is_left_for(tmp_path, capsys):
    file = str(nsys_file(tmp_path / "trace.sqlite"))
    ranges = ["--step-range", "a", "--reference-range", "b", "--candidate-range", "c"]
    line = refused(cli.main, ["explain", "--reference", file, "--candidate", file, *ranges], capsys, tmp_path)
    assert "--step-range" in line


@pytest.mark.parametrize(
    "more",
    [
        ("--remove", "gemm", "--scale", "gemm=0.5"), ("--scale", "gemm=0.5", "--scale", "gemm=2"),
        ("--remove", "gemm", "--remove", "gemm"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_cause_is_changed_once(more, tmp_path, capsys):
    file = str(nsys_file(tmp_path / "trace.sqlite"))
    assert "twice" in refused(cli.main, ["whatif", file, *more], capsys, tmp_path)


OF_SAMPLES = (
    ("--out", "x"), ("--against", "x"), ("--tasks", "HumanEval/0"), ("--data", "x"), ("--dataset", "mbppplus"),
    ("--no-cache",), ("--json",),
)  # fmt: skip


@pytest.mark.parametrize("export", [(), ("--export", "samples.jsonl")], ids=["judged", "exported"])
@pytest.mark.parametrize("more", OF_SAMPLES, ids=" ".join)
def test_what_is_of_a_file_of_samples_is_not_of_a_run(more, export, tmp_path, capsys):
    folder = str(place_for("explain", tmp_path))
    assert more[0] in refused(cli.main, ["evaluate", folder, *export, *more], capsys, tmp_path)


def test_a_sandbox_is_there_or_not(tmp_path, capsys):
    file = str(place_for("evaluate", tmp_path))
    more = ["--no-sandbox", "--sandbox-without", "seccomp"]
    assert "exclude" in refused(cli.main, ["evaluate", file, *more], capsys, tmp_path)


def test_json_goes_without_figures(tmp_path, capsys):
    folder = str(place_for("explain", tmp_path))
    assert "exclude" in refused(cli.main, ["tradeoff", folder, "--json", "--out", "x"], capsys, tmp_path)


OF_TOOLS = {
    "kineto": ("seconds", "rate", "tier", "ncu-caches"), "nsys": ("seconds", "rate", "tier", "ncu-caches"),
    "ncu": ("seconds", "rate", "steps"), "host": ("steps", "skip", "tier", "ncu-caches"), "all": (),
}  # fmt: skip
VALUES = {"seconds": "3", "rate": "7", "tier": "all", "ncu-caches": "warm", "steps": "3", "skip": "3"}


@pytest.mark.parametrize(("verb", "option"), [(verb, name) for verb, names in OF_TOOLS.items() for name in names])
def test_an_option_of_another_tool_is_refused(verb, option, tmp_path, capsys):
    line = refused(profiling.cli.main, [verb, f"--{option}", VALUES[option]], capsys, tmp_path)
    assert f"--{option}" in line and verb in line


@pytest.mark.parametrize("verb", ["kineto", "nsys", "ncu", "host", "all"])
@pytest.mark.parametrize(("layers", "says"), [("99", "no layer 99"), ("0-5", "at least one must stay")])
def test_layers_that_the_model_has_not_are_refused_before_it_is_loaded(
    verb, layers, says, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("profiling.verbs.request.described", lambda *_: {"decoder_layers": 6, "cuda": False})
    monkeypatch.setattr("profiling.verbs.capture.Filer", lambda *_: pytest.fail("it was observed"))
    arguments = [verb, "--model", "smoke", "--drop-layers", layers, "--out", str(tmp_path / "run")]
    assert says in refused(profiling.cli.main, arguments, capsys, tmp_path)


@pytest.mark.parametrize("verb", ["nsys", "ncu"])
def test_a_tool_that_is_not_here_is_one_line_on_stderr(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("profiling.availability.find_tool", lambda _: None)
    out = tmp_path / "run"
    assert profiling.cli.main([verb, "--scheme", "fp16", "--model", "smoke", "--out", str(out), "--no-report"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bitledger: not collected: ") and "; " in line
    assert (out / "records.jsonl").exists(), "that it was not collected is on record"


WIDTHS = ("5", "1", "0", "-3", "abc", "", "999999")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_of_a_terminal_breaks_the_help(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", width)
    for _, main, verb, _ in parsers():
        with pytest.raises(SystemExit) as left:
            main([verb, "--help"])
        assert left.value.code == 0, verb
        assert verb in capsys.readouterr().out


@pytest.mark.parametrize("width", some_of(WIDTHS, ("1", "abc", "")))
def test_no_width_of_a_terminal_breaks_an_output(width, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", width)
    run = str(place_for("explain", tmp_path))
    with open_run(tmp_path / "run") as writer:
        writer.append(make.generation("nf4"))
    trace = str(nsys_file(tmp_path / "trace.sqlite"))
    for main, arguments in (
        (cli.main, ("show", run)), (cli.main, ("report", run, "-v")), (cli.main, ("verify", run)),
        (cli.main, ("explain", run)), (cli.main, ("compare", run, run)), (cli.main, ("list",)), (cli.main, ("doctor",)),
        (cli.main, ("explain", "--reference", trace, "--candidate", trace)), (cli.main, ("tradeoff", run)),
        (cli.main, ("whatif", trace, "--remove", "gemm")), (profiling.cli.main, ("summarize", trace)),
    ):  # fmt: skip
        assert main(list(arguments)) in (0, 1, 2), arguments
        err = capsys.readouterr().err
        assert "Traceback" not in err and len(err.splitlines()) <= 1, (arguments, err)


@pytest.mark.parametrize(("more", "seed"), [((), 3), (("--seed", "4"), 4), (("--seed", "0"), 0)])
def test_interventions_on_a_run_take_its_seed_unless_another_is_asked_for(more, seed, planned, monkeypatch, capsys):
    seen = []

    def plan(_sweep, _source, _device, seed, *_):
        seen.append(seed)
        raise UsageError("enough")

    monkeypatch.setattr("bench.run.intervening.make_plan", plan)
    assert cli.main(["intervene", "--device", "cpu", "--out", str(planned), *more]) == 2
    assert "enough" in capsys.readouterr().err
    assert seen == [seed]
