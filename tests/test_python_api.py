"""import bitledger: documented functions, frozen results, and a model in memory measured as the command would."""

import csv
import dataclasses
import doctest
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import bitledger
from bench.record.errors import UsageError
from bench.report.visible import visible
from bitledger import command
from tests.profiling.trace_files import nsys_file

ROOT = Path(__file__).parent.parent
RUN = ROOT / "reports/runs/h100-starcoder2-3b-20261126"
SMOKE_RUN = ROOT / "reports/runs/cpu-smoke-20261126"
SMOKE = ROOT / "bench/data/smoke-model"
TRACES = ROOT / "docs/traces/bf16.json.gz", ROOT / "docs/traces/awq.json.gz"


@pytest.fixture(scope="module")
def why():
    return bitledger.explain(RUN, scheme="int8")


def test_what_the_page_shows_is_what_the_functions_give(monkeypatch):
    monkeypatch.chdir(ROOT)
    ran = doctest.testfile(str(ROOT / "docs/python-api.md"), module_relative=False)
    assert ran.failed == 0 and ran.attempted > 15


def test_the_notebook_runs(monkeypatch, capsys):
    notebook = json.loads((ROOT / "docs/python-api.ipynb").read_text())
    monkeypatch.chdir(ROOT / "docs")
    names: dict = {}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for source in cells:
        *before, last = source.rstrip().splitlines()
        exec(compile("\n".join(before) if not last.startswith(" ") else source, "cell", "exec"), names)
        shown = None if last.startswith(" ") else eval(last, names)
        assert shown is not None or last.startswith(" ")
    assert "Use nf4 instead" in capsys.readouterr().out
    assert set(names["ledgers"]["host_gap"]) >= {"int8", "nf4"}
    assert all(not cell.get("outputs") for cell in notebook["cells"]), "outputs would grow old unseen"


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["explain", str(RUN), "--scheme", "int8", "--json"], lambda: bitledger.explain(RUN, scheme="int8")),
        (
            ["explain", "--reference", str(TRACES[0]), "--candidate", str(TRACES[1]), "--json"],
            lambda: bitledger.explain(*TRACES),
        ),
        (
            ["compare", f"{RUN}::fp16", f"{RUN}::nf4", "--json"],
            lambda: bitledger.compare(f"{RUN}::fp16", f"{RUN}::nf4"),
        ),
        (["summarize", str(TRACES[0]), "--json"], lambda: bitledger.summarize(TRACES[0])),
        (["show", str(RUN), "--json"], lambda: bitledger.load(RUN)),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_to_dict_is_what_the_command_prints_as_json(words, made, capsys):
    command.main(words)
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(made().to_dict()))


def test_a_result_cannot_be_changed(why):
    with pytest.raises(dataclasses.FrozenInstanceError):
        why.sentence = "Faster."
    why.to_dict()["pairs"].clear()
    assert why.to_dict()["pairs"] and why.rows


def test_the_lines_of_each_ledger_add_up():
    for pair in bitledger.explain(SMOKE_RUN).to_dict()["pairs"]:
        rows = bitledger.explain(SMOKE_RUN, scheme=pair["scheme"]).rows
        assert sum(row["delta_ms"] for row in rows) == pytest.approx(pair["delta_ms"], rel=1e-12)


@pytest.mark.parametrize("which", ["explanation", "comparison", "summary", "run", "counters", "host"])
def test_every_result_has_one_table_in_every_form(which, why, tmp_path):
    made = {
        "explanation": lambda: why,
        "comparison": lambda: bitledger.compare(f"{RUN}::fp16", f"{RUN}::nf4"),
        "summary": lambda: bitledger.summarize(nsys_file(tmp_path / "t.sqlite")),
        "run": lambda: bitledger.load(RUN),
        "counters": lambda: bitledger.summarize(ROOT.parent / "shared/samples/ncu/h100_linear_d512_fp16.csv"),
        "host": lambda: bitledger.summarize(ROOT.parent / "shared/samples/cases/cpu_zero_length_operators_nested.json"),
    }
    if which in ("counters", "host") and not (ROOT.parent / "shared/samples").is_dir():
        pytest.skip("no sample files here")
    found = made[which]()
    rows = found.rows
    assert rows and all(tuple(row) == tuple(rows[0]) for row in rows)
    out = tmp_path / "table.csv"
    text = found.to_csv(out)
    assert out.read_bytes().decode() == text
    assert found.to_csv(out) == text, "written again"
    assert len(list(csv.DictReader(text.splitlines()))) == len(rows)
    assert str(found) and HTMLParser().feed(found._repr_html_()) is None
    frame = pytest.importorskip("pandas") and found.to_pandas()
    assert list(frame.columns) == list(rows[0]) and len(frame) == len(rows)


def test_names_from_elsewhere_are_no_part_of_a_page(why):
    odd = dataclasses.replace(why, sentence='<script>alert("\x1b[2J")</script>')
    assert "<script>" not in odd._repr_html_() and "\x1b" not in odd._repr_html_()
    assert str(odd) == visible(odd.sentence)


def test_without_pandas_it_is_said_what_to_install(why, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"bitledger\[tables\]"):
        why.to_pandas()


def test_a_file_of_the_user_is_not_written_over(why, tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        why.to_csv(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: bitledger.explain(SMOKE_RUN, scheme="int9"), "no scheme int9"),
        (lambda: bitledger.explain(RUN, schem="int8"), "Did you mean '--scheme'"),
        (lambda: bitledger.explain(RUN, RUN), "compare(a, b) sets two runs side by side"),
        (lambda: bitledger.explain("-no-folder"), "no-folder"),
        (lambda: bitledger.explain(TRACES[1]), "of a trace give the one to compare with too"),
        (lambda: bitledger.explain(RUN, help=True), "on the command line only"),
        (lambda: bitledger.compare(RUN, RUN, json_schema=True), "on the command line only"),
        (lambda: bitledger.load("none"), "made by 'bitledger run'"),
        (lambda: bitledger.measure(object()), "needs a model of transformers"),
    ],
)
def test_what_goes_wrong_is_one_line(call, told):
    with pytest.raises(bitledger.BitledgerError) as raised:
        call()
    assert told in str(raised.value) and len(str(raised.value).splitlines()) == 1


def test_importing_it_costs_nothing_and_the_command_waits_for_nothing():
    program = "import sys, bitledger; dir(bitledger); sys.exit('numpy' in sys.modules or 'msgspec' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


class Saved:
    """What measure asks of a model: to be saved."""

    def __init__(self, **more):
        self.__dict__ |= more

    def save_pretrained(self, folder, **_):
        import shutil

        shutil.copytree(SMOKE, folder, dirs_exist_ok=True)


def test_a_model_is_saved_measured_under_its_own_name_and_goes_again(tmp_path, monkeypatch):
    from bench.verbs import run

    asked = []

    def main(options):
        asked.append(options)
        assert (Path(options.model) / "config.json").exists()
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "records.jsonl").write_bytes(b"")
        return 0

    monkeypatch.setattr(run, "main", main)
    bitledger.measure(Saved(), None, ("fp16", "nf4"), out=tmp_path / "run", new_tokens=8, energy_seconds=0.1)
    (options,) = asked
    assert options.schemes == ("fp16", "nf4") and options.new_tokens == 8 and options.tasks == 0
    assert options.prompts == "random" and options.named == "memory:Saved"
    assert not Path(options.model).exists()


@pytest.mark.parametrize(
    ("model", "more", "told"),
    [
        (Saved(peft_config={"default": 1}), {}, "merge_and_unload"),
        (Saved(), {"checkpoint": ROOT / "docs"}, "is not empty"),
        (Saved(), {"schemes": ("fp17",), "device": "cpu", "preset": "smoke"}, "fp17"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(model, more, told, tmp_path):
    with pytest.raises(bitledger.BitledgerError, match=told):
        bitledger.measure(model, out=tmp_path / "run", **more)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_model_in_memory_is_measured(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    model = transformers.AutoModelForCausalLM.from_pretrained(SMOKE, dtype=torch.float16)
    tokenizer = transformers.AutoTokenizer.from_pretrained(SMOKE)
    run = bitledger.measure(
        model, tokenizer, ("fp16", "nf4"), out=tmp_path / "run", preset="smoke", device="cpu", calls=1, new_tokens=6,
        repeats=1, energy_seconds=0.1, matmul_m=(), no_tries=True,
    )  # fmt: skip
    assert {record.case.model for record in run.records if record.case.workload == "generation"} == {
        "memory:Starcoder2ForCausalLM"
    }
    assert not [record.reason for record in run.records if record.status == "failed"]
    assert bitledger.explain(run).verdict
    assert command.main(["verify", str(tmp_path / "run")]) == 0
