"""The command line: every verb helps, every bad input is one clear line and exit code 2."""

import json
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import profiling.cli
from bench import cli
from bench.record.store import RECORDS, open_run
from tests.factories import generation


def call(*arguments):
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    with open_run(folder) as writer:
        for repeat in range(3):
            for scheme in ("fp16", "nf4"):
                writer.append(generation(scheme, repeat))
    return folder


@pytest.mark.parametrize("room", [cli, profiling.cli], ids=["bench", "profiling"])
def test_every_verb_has_help_with_examples_and_exit_codes(room, capsys):
    for verb in room.VERBS:
        with pytest.raises(SystemExit) as stop:
            room.main([verb, "--help"])
        text = capsys.readouterr().out
        assert stop.value.code == 0
        assert f"examples:\n  {room.MODULE} " in text
        assert "exit codes" in text


@pytest.mark.parametrize("room", [cli, profiling.cli], ids=["bench", "profiling"])
def test_help_fits_80_columns(room, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    for program in (room.MODULE, "bitledger"):
        for words in (["--help"], *([verb, "--help"] for verb in room.VERBS)):
            with pytest.raises(SystemExit):
                room.main(words, program)
            assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == [], words


def test_every_example_is_understood():
    for room in (cli, profiling.cli):
        made = room.parser()
        for verb in room.VERBS.values():
            for line in import_module(verb.module).EXAMPLES.strip().splitlines():
                words = shlex.split(line, comments=True)
                assert room.VERBS[made.parse_args(words).verb].module == verb.module


def loaded(*arguments):
    """The modules that a command line has imported when it is done."""
    program = (
        "import sys\nfrom bench import cli\n"
        f"try: cli.main({list(arguments)!r})\n"
        "except SystemExit: pass\n"
        "print('MODULES', *sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(out.splitlines()[-1].split())


def test_help_imports_nothing_heavy_and_no_verb():
    modules = loaded("--help")
    assert not modules & {"torch", "transformers", "bitsandbytes", "numpy", "rich", "matplotlib", "jinja2", "pynvml"}
    assert not modules & {verb.module for verb in cli.VERBS.values()}


@pytest.mark.parametrize("verb", ["run", "explain", "evaluate"])
def test_help_of_a_verb_imports_that_verb_and_never_torch(verb):
    modules = loaded(verb, "--help")
    assert modules & {each.module for each in cli.VERBS.values()} >= {cli.VERBS[verb].module}
    assert not modules & {"torch", "transformers", "bitsandbytes"}


def test_an_option_is_added_in_the_file_of_its_verb(tmp_path):
    """The walk of docs/developing.md: the help shows it and ``main`` is given it, and no other file changes."""
    source = Path(import_module(cli.VERBS["doctor"].module).__file__).read_text()
    declared = source.replace(
        "def add_options(parser: argparse.ArgumentParser) -> None:\n",
        "def add_options(parser: argparse.ArgumentParser) -> None:\n"
        "    parser.add_argument('--greet', metavar='NAME', help='say hello first')\n",
    )
    used = declared.replace(
        "    from bench.doctor import", "    print('hello', options.greet)\n    from bench.doctor import"
    )
    assert source != declared != used
    (tmp_path / "doctor.py").write_text(used)
    program = (
        "import sys, bench.verbs\n"
        f"bench.verbs.__path__.insert(0, {str(tmp_path)!r})\n"
        "from bench.cli import main\nsys.exit(main(sys.argv[1:]))"
    )

    def told(*arguments):
        words = [sys.executable, "-c", program, "doctor", *arguments]
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    assert "--greet NAME" in told("--help") and "say hello first" in told("--help")
    assert told("--greet", "you", "--json").startswith("hello you\n")


def test_list_names_what_can_be_asked_for(capsys):
    assert call("list", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {"smoke", "quick", "paper", "paper-compat"} <= set(document["presets"])
    assert document["schemes"]["nf4"]["disable_compile"] is True
    assert call("list") == 0


def test_show_gives_raw_values_by_case(run, capsys):
    assert call("show", run, "--json") == 0
    cases = json.loads(capsys.readouterr().out)["cases"]
    assert [case["scheme"] for case in cases] == ["fp16", "nf4"]
    first = cases[0]
    assert set(first) >= {"case_id", "workload", "model", "scheme", "status", "metrics"}
    assert (first["status"], first["repeats"]) == ("ok", 3)
    assert first["metrics"]["time_to_first_token"]["unit"] == "s"
    assert len(first["metrics"]["time_to_first_token"]["values"]) == 12
    assert call("show", run) == 0


def test_compare_tells_schemes_of_one_run_apart(run, capsys):
    assert call("compare", f"{run}::fp16", f"{run}::nf4", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    decode = next(row for row in rows if row["quantity"] == "decode time per token")
    assert decode["verdict"] == "SLOWER"
    assert 1.2 < decode["ratio"]["low"] < decode["ratio"]["value"] < decode["ratio"]["high"] < 1.45
    assert call("compare", f"{run}::fp16", f"{run}::nf4", "--fail-on-slower") == 1


def test_a_run_is_the_same_as_itself(run, capsys):
    assert call("compare", run, run, "--fail-on-slower", "--margin", "0.1") == 0
    out = capsys.readouterr().out
    assert "SLOWER" not in out
    assert "FASTER" not in out


def test_report_writes_beside_the_records(run, capsys):
    assert call("report", run) == 0
    assert (run / "report.html").stat().st_size > 1000
    assert "report.html" in capsys.readouterr().out


def damaged(run):
    with (run / RECORDS).open("ab") as stream:
        stream.write(b"garbage\n")
    return run


def newer(run):
    text = (run / RECORDS).read_text().replace('"schema_version": 2', '"schema_version": 7')
    (run / RECORDS).write_text(text)
    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--preset", "fast"], "unknown preset 'fast': choose from smoke"),
        (["run", "--preset", "smoke", "--schemes", "fp17"], "unknown scheme 'fp17': choose from fp32"),
        (["run", "--model", "shape:gpt"], "unknown shape 'gpt'"),
        (["run", "--model", "/no/such/folder"], "no model '/no/such/folder'"),
        (["run", "--batch-sizes", "0"], "batch size must be larger"),
        (["run", "--resume"], "--resume needs --out"),
        (["run", "--resume", "--out", "/no/such/run"], "holds no planned run"),
        (["show", "/no/such/run"], "does not exist"),
        (["report", "/no/such/run"], "is not a run folder"),
        (["compare", "/no/such/a", "/no/such/b"], "does not exist"),
        (["compare", "a", "b", "--margin", "2"], "--margin must lie between 0 and 1"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert error.startswith("bitledger: ")
    assert message in error


@pytest.mark.parametrize(("damage", "message"), [(damaged, "line 7: not valid JSON"), (newer, "schema version 7")])
@pytest.mark.parametrize("verb", ["show", "report"])
def test_a_damaged_or_newer_records_file_is_one_clear_line(run, damage, message, verb, capsys):
    before = (damage(run) / RECORDS).read_bytes()
    assert call(verb, run) == 2
    assert message in capsys.readouterr().err
    assert (run / RECORDS).read_bytes() == before


def test_an_empty_run_says_how_to_go_on(tmp_path, capsys):
    with open_run(tmp_path):
        pass
    assert call("report", tmp_path) == 2
    assert "--resume --out" in capsys.readouterr().err


def test_a_used_folder_is_not_written_over(run, capsys):
    before = (run / RECORDS).read_bytes()
    assert call("run", "--preset", "smoke", "--out", run) == 2
    assert "add --resume" in capsys.readouterr().err
    assert (run / RECORDS).read_bytes() == before


def test_a_folder_without_weights_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    assert call("run", "--model", tmp_path) == 2
    assert "has no *.safetensors weights" in capsys.readouterr().err


def test_debug_shows_the_traceback():
    with pytest.raises(Exception, match="unknown preset"):
        cli.main(["--debug", "run", "--preset", "fast"])
    with pytest.raises(Exception, match="unknown preset"):
        cli.main(["run", "--debug", "--preset", "fast"])
