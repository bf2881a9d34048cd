"""Records that are odd but valid, such as another version or half a run gives: each verb ends with a page or with one
line that says what to do; no traceback, no warning of numpy, and no "nan" where a figure belongs."""

import json
import re
import warnings
from random import Random

import pytest

from bench import cli
from bench.record.metrics import METRICS
from bench.record.schema import to_json
from bench.record.store import RECORDS
from fuzz.mutation import mutated_tree
from tests import factories as make
from tests import quality_records as quality
from tests.long_tables import one_in, some_of

# Each run is tried with some: their work is much the same.
VERBS = (
    ("report",), ("explain",), ("explain", "--json"), ("show",), ("show", "--json"),
    ("verify", "--json"), ("verify",), ("tradeoff",), ("tradeoff", "--json"), ("report", "--study"),
)  # fmt: skip
NO_FIGURE = re.compile(r"(?<![\w/])(nan|inf|infinity)(?![\w/])", re.IGNORECASE)


def whole_run(device="cpu"):
    """One or two of each instrument, fp16 and nf4, as JSON documents."""
    gpu = device == "cuda"
    records = [make.ceiling(device), make.annotation(device=device), *make.troubles(device)]
    for scheme in ("fp16", "nf4"):
        for repeat in range(2):
            records += [make.generation(scheme, repeat, device=device), make.energy(scheme, repeat, counters=gpu)]
        sources = [make.source(0.001)]
        records += [make.kineto(scheme, device=device, sources=sources), make.codecarbon(scheme, device=device)]
        records += [make.matmul(scheme, m, device=device) for m in (1, 16)]
        records += quality.arm(scheme, device=device)
        records += make.first_visits(scheme, 3, device=device, batch_size=2)
    records += [make.intervention("nf4", name, device=device) for name in ("none", "bare-op")]
    records.append(make.prediction("nf4", "bare-op", 0.02, 0.015, device=device))
    return [json.loads(json.dumps(to_json(record) | {"case_id": None})) for record in records]


def changed(change, only=lambda _: True):
    """What makes a run odd: ``change`` of each document that ``only`` takes."""

    def make_odd(documents):
        for document in filter(only, documents):
            change(document)
        return documents

    return make_odd


def keeping(wanted):
    return lambda documents: [document for document in documents if wanted(document)]


def instrument(*names):
    return lambda document: document["instrument"] in names


def values(value, *metrics):
    """Every value of these metrics (() for all) becomes ``value``."""

    def change(document):
        for item in document["metrics"]:
            if not metrics or item["name"] in metrics:
                item["values"] = [value] * len(item["values"])

    return change


def one_sample(document):
    document["metrics"] = [item | {"values": item["values"][:1]} for item in document["metrics"]]
    ledger = document["setup"].get("ledger", {})
    for lists in (*ledger.get("events", {}).values(), *ledger.get("sources", ()), ledger.get("attention_call", {})):
        lists |= {name: value[:1] for name, value in lists.items() if isinstance(value, list)}
    for name in ("tasks", "tokens", "completions"):
        if name in document["setup"]:
            document["setup"][name] = document["setup"][name][:1]


def values_left_out(document):
    document["metrics"] = [item | {"values": []} for item in document["metrics"]]


def failed(document):
    document |= {"status": "failed", "reason": "killed", "metrics": [], "setup": {}}


def skipped(document):
    document |= {"status": "skipped", "reason": "no GPU", "metrics": [], "setup": {}}


def without_metrics(document):
    document |= {"metrics": [], "not_collected": {item["name"]: "no counter" for item in document["metrics"]}}


def without(*names):
    def change(document):
        document["metrics"] = [item for item in document["metrics"] if item["name"] not in names]

    return change


def scheme(name):
    return lambda document: document["case"]["scheme"] == name


def less_setup(document):
    needed = ("tasks", "interventions", "output")
    document["setup"] = {name: value for name, value in document["setup"].items() if name in needed}


def case(**coordinates):
    return lambda document: document["case"].update(coordinates)


def bare_machine(document):
    document["environment"] |= {
        "hostname": "", "cpu": {}, "gpus": [], "packages": {}, "source": {}, "variables": {}, "before": {}, "after": {}
    }  # fmt: skip


ODD = {
    "without metrics": changed(without_metrics),
    "one sample of each": changed(one_sample),
    "tokens 0": changed(values(0.0, "tokens_generated", "window_tokens", "decode_steps")),
    "energy 0": changed(values(0.0, "energy_gpu", "idle_energy_gpu", "codecarbon_energy")),
    "memory 0": changed(values(0.0, "model_footprint", "memory_resident_peak")),
    "lines 0": changed(values(0.0, *(name for name in METRICS if "_per_step" in name))),
    "observed steps 0 but for their length": changed(values(0.0, "plain_step_time", "operator_event_cost")),
    "passes 0": changed(values(0.0, "passed_base", "passed_plus", "negative_log_likelihood")),
    "all times alike": changed(values(1e-3, "inter_token_latency", "generate_time", "forward_time", "copy_time")),
    "times of years": changed(values(1e8, "inter_token_latency", "generate_time", "forward_time")),
    "no decode times": changed(without("inter_token_latency", "decode_steps"), scheme("nf4")),
    "no decode times of the reference": changed(without("inter_token_latency", "decode_steps"), scheme("fp16")),
    "failed only": changed(failed),
    "skipped only": changed(skipped),
    "reference failed": changed(failed, scheme("fp16")),
    "reference missing": keeping(lambda d: not scheme("fp16")(d)),
    "reference alone": keeping(scheme("fp16")),
    "only matmul": keeping(instrument("matmul")),
    "only quality": keeping(instrument("quality")),
    "only samples": keeping(instrument("samples")),
    "only energy": keeping(instrument("energy")),
    "only timelines": keeping(instrument("kineto", "kineto-first")),
    "only interventions": keeping(instrument("intervention", "prediction")),
    "only the machine": keeping(instrument("ceiling")),
    "one record": lambda documents: [d for d in documents if d["instrument"] == "generation"][:1],
    "no records": lambda documents: [],
    "an instrument of a newer version": changed(lambda d: d.update(instrument="x-ray"), instrument("energy")),
    "a scheme of a newer version": changed(case(scheme="nf2"), scheme("nf4")),
    "a workload of a newer version": changed(case(workload="training"), instrument("generation")),
    "a metric of a newer version": changed(lambda d: d["metrics"].append(
        {"name": "joy", "unit": "1", "values": [1]}), instrument("energy")),
    "a schema of a newer version": changed(lambda d: d.update(schema_version=9)),
    "nan as text": changed(values("NaN", "generate_time")),
    "infinity as text": changed(values("inf", "energy_gpu", "forward_time")),
    "huge": changed(values(1e308)),
    "negative": changed(values(-1.0)),
    "an empty list of values": changed(values_left_out, instrument("energy")),
    "each line twice": lambda documents: documents + documents,
    "coordinates left out": changed(lambda d: [d["case"].pop(name, None) for name in ("cache", "stop", "batch_size")]),
    "a bare machine": changed(bare_machine),
    "a bare setup": changed(less_setup),
    "no name": changed(case(model="", revision="")),
}  # fmt: skip


def write(folder, documents):
    folder.mkdir(parents=True, exist_ok=True)
    for document in documents:
        document.pop("case_id", None)
    (folder / RECORDS).write_text("".join(json.dumps(document) + "\n" for document in documents))
    return folder


def ends_well(arguments, capsys, page_of=None):
    """Exit code 0 or 1 with a page without "nan", or 2 with one line; returns the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    if code == 2:
        (line,) = err.splitlines()
        assert line.startswith("bitledger: ") and len(line) > 30
        return code
    text = out + (page_of.read_text() if page_of else "")
    assert code in (0, 1) and not err, (arguments, err)
    assert not NO_FIGURE.search(text), (arguments, NO_FIGURE.search(text), text[:200])
    return code


def many_verbs(folder, other, capsys, which):
    """The report, and of the other verbs every fourth one from ``which`` on; exit codes."""
    codes = {}
    for verb, *options in (VERBS[0], *VERBS[1 + which :: 4]):
        page_of = folder / ("study.md" if options == ["--study"] else "report.md") if verb == "report" else None
        codes[verb, *options] = ends_well((verb, folder, *options), capsys, page_of)
    if which:
        return codes
    codes["compare", "before"] = ends_well(("compare", "--force", other, folder), capsys)
    codes["compare", "after"] = ends_well(("compare", "--force", "--json", folder, other), capsys)
    codes["compare", "schemes"] = ends_well(("compare", f"{folder}::fp16", f"{folder}::nf4"), capsys)
    return codes


# What no figure can be made of, or nobody can have measured.
REFUSED = {
    "no records", "a metric of a newer version", "a schema of a newer version", "nan as text", "infinity as text",
    "huge", "negative", "an empty list of values",
}  # fmt: skip


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("name", one_in(3, ODD, *sorted(REFUSED)))
def test_an_odd_run_ends_every_verb_well(name, tmp_path, capsys):
    device = "cuda" if len(name) % 2 else "cpu"
    other = write(tmp_path / "other", whole_run(device))
    folder = write(tmp_path / "run", ODD[name](whole_run(device)))
    codes = many_verbs(folder, other, capsys, sorted(ODD).index(name) % 4)
    assert codes["report",] == (2 if name in REFUSED or name == "each line twice" else 0)


@pytest.mark.parametrize("name", ["a metric of a newer version", "huge", "negative", "nan as text"])
def test_what_is_refused_names_file_line_and_field(name, tmp_path, capsys):
    folder = write(tmp_path / "run", ODD[name](whole_run()))
    assert cli.main(["show", str(folder)]) == 2
    assert re.search(rf"{RECORDS}, line \d+: .*(joy|[a-z_]+ has a value|metrics\[\d+\])", capsys.readouterr().err)


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("seed", range(4))
def test_a_run_changed_at_random_ends_every_verb_well(seed, tmp_path, capsys):
    rng = Random(seed)
    documents = whole_run(rng.choice(("cpu", "cuda")))
    other = write(tmp_path / "other", whole_run())
    for _ in range(3):
        document = rng.choice(documents)
        parts = [part for part in ("setup", "environment", "case", "not_collected") if document[part]]
        document[rng.choice(parts)] = mutated_tree(document[rng.choice(parts)], rng, 1)
    many_verbs(write(tmp_path / "run", documents), other, capsys, seed % 4)


DRAWN = ("one sample of each", "lines 0", "times of years", "all times alike", "energy 0")


@pytest.mark.parametrize("name", some_of(DRAWN, ("one sample of each",)))
def test_figures_of_odd_values_are_drawn(name, tmp_path, capsys):
    folder = write(tmp_path / "run", ODD[name](whole_run("cuda")))
    assert ends_well(("report", folder), capsys, folder / "report.md") == 0
    assert list((folder / "figures").glob("*.svg"))
