"""The JSON Schema of every --json: each verb that prints JSON has one, which names all that it prints."""

import json
from pathlib import Path

import pytest

import bench.cli
import profiling.cli
from bench.commandline import CommandLine, schema_file
from bitledger import command
from tests.analysis.test_emissions import THREE, file, values

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "reports/runs"
SAMPLES = ROOT.parent / "shared/samples"
TRACES = ROOT / "docs/traces/bf16.json.gz", ROOT / "docs/traces/awq.json.gz"
VERBS = bench.cli.VERBS | profiling.cli.VERBS
STRLEN = "def strlen(string: str) -> int:\n    return len(string)\n"


def printing(verb):
    options = CommandLine("x", "", "", VERBS).parser(verb)
    return "--json" in options._subparsers._group_actions[0].choices[verb]._option_string_actions


def closed(schema):
    """The same where nothing but what it names may stand: what a verb adds is to be added to its schema."""
    if isinstance(schema, dict):
        made = {name: closed(part) for name, part in schema.items()}
        if "properties" in made and "required" in made and made.get("type") == "object":
            made.setdefault("additionalProperties", False)
        return made
    return [closed(part) for part in schema] if isinstance(schema, list) else schema


def check(verb, text, *, strict=True):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(schema_file(verb).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    found = jsonschema.Draft202012Validator(closed(schema) if strict else schema).iter_errors(json.loads(text))
    assert [(list(one.absolute_path), one.message[:200]) for one in found][:5] == []


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_that_prints_json_has_a_schema_and_no_other(verb):
    assert printing(verb) == schema_file(verb).is_file()


def test_no_schema_is_of_no_verb():
    assert {path.stem for path in schema_file("any").parent.iterdir()} <= set(VERBS)


def test_the_schema_is_printed_whatever_else_is_missing(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["explain", "--json-schema"])
    assert stop.value.code == 0
    assert json.loads(capsys.readouterr().out)["title"] == "bitledger explain --json"


@pytest.mark.parametrize("run", sorted(path.name for path in RUNS.iterdir() if (path / "report.md").exists()))
@pytest.mark.parametrize("verb", ["explain", "show", "verify", "tradeoff"])
def test_what_is_printed_of_the_committed_runs(verb, run, capsys):
    assert command.main([verb, str(RUNS / run), "--json"]) == 0
    check(verb, capsys.readouterr().out)


@pytest.mark.parametrize(
    "words",
    [
        ["explain", "--reference", TRACES[0], "--candidate", TRACES[1]],
        ["explain", "--reference", TRACES[0], "--candidate", TRACES[1], "--reference-time=4", "--candidate-time=12"],
        ["compare", f"{RUNS}/h100-starcoder2-3b-20261126::fp16", f"{RUNS}/h100-starcoder2-3b-20261126::nf4"],
        ["compare", f"{RUNS}/cpu-smoke-20261126", f"{RUNS}/cpu-smoke-quality-20261126", "--force"],
        ["summarize", TRACES[0]],
        ["summarize", TRACES[0], "--kernels"],
        ["summarize", TRACES[0], "--tables"],
        ["whatif", TRACES[1], "--remove", "sync_stall"],
        ["whatif", TRACES[1], "--cuda-graph", "--time", "5"],
        ["list"],
        ["doctor"],
        ["study"],
    ],
    ids=lambda words: " ".join(Path(str(word)).name for word in words),
)
def test_what_other_verbs_print(words, capsys):
    assert command.main([*map(str, words), "--json"]) == 0
    check(words[0], capsys.readouterr().out)


@pytest.mark.parametrize("name", ["cases/cpu_zero_length_operators_nested.json", "ncu/h100_linear_d512_fp16.csv",
    "ncu/h100_fused_moe_T16_bf16.csv", "ncu/h100_cache_intervention_cold.csv"])  # fmt: skip
def test_what_is_summed_up_of_files_of_others(name, capsys):
    if not SAMPLES.is_dir():
        pytest.skip("no sample files here")
    assert command.main(["summarize", str(SAMPLES / name), "--json"]) == 0
    check("summarize", capsys.readouterr().out)


@pytest.mark.parametrize("more", [(), ("--cpu-power", "249±5")])
def test_what_is_said_of_joules(more, tmp_path, capsys):
    path = file(tmp_path, THREE, values(0.028017, 6717.8), values(0.0716, 911.9))
    command.main(["energy", "check", str(path), "--json", *more])
    check("energy", capsys.readouterr().out)


@pytest.mark.parametrize("programs", [1, 12])
def test_what_is_said_of_programs(programs, tmp_path, capsys):
    (tmp_path / "against.json").write_text('{"HumanEval/23": ["pass", "fail"]}')
    line = json.dumps({"task_id": "HumanEval/23", "solution": STRLEN}) + "\n"
    (tmp_path / "s.jsonl").write_text(line * programs)
    words = ["--tasks", "HumanEval/23,HumanEval/28", "--no-sandbox", "--against", str(tmp_path / "against.json")]
    assert command.main(["evaluate", str(tmp_path / "s.jsonl"), *words, "--json"]) == 0
    check("evaluate", capsys.readouterr().out)
