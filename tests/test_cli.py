"""The command line: every verb helps, every bad input is one clear line and exit code 2."""

import json
import subprocess
import sys

import pytest

from bench import cli
from bench.record.store import RECORDS, open_run
from tests.factories import generation

VERBS = ("run", "list", "show", "compare", "report", "doctor", "verify", "rerun")


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


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples_and_exit_codes(verb, capsys):
    assert call(verb, "--help") == 0
    text = capsys.readouterr().out
    assert f"python -m bench {verb}" in text
    assert "exit codes" in text


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from bench import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'bitsandbytes', 'numpy', 'rich', 'matplotlib', 'jinja2', 'pynvml'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "HEAVY []"


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
