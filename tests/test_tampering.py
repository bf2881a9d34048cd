"""Fifty ways to change a run after it was measured. ``verify`` notices each by the hashes of the lines; where a forger
made all hashes again, by what the records then say, or not at all: docs/safety.md lists those with the reason."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench import cli
from bench.presets import preset
from bench.record import chain
from bench.record.chain import PLAN
from bench.record.store import RECORDS, open_run
from bench.run import plan
from bench.run.planfile import Run, write_plan
from bench.workloads.sources import resolve
from tests import factories as make

SAFETY = Path(__file__).parents[1] / "docs" / "safety.md"


@pytest.fixture(scope="module")
def whole():
    """Documents of a run as it was measured, and its plan."""
    records = [make.generation(scheme, repeat, device="cuda") for repeat in range(3) for scheme in ("fp16", "nf4")]
    records[2] = replace(records[2], findings=make.troubles()[1].findings)
    records += [make.energy(scheme, repeat, device="cuda") for repeat in range(3) for scheme in ("fp16", "nf4")]
    requests = [(record.repeat, plan.Request(record.case, record.instrument)) for record in records]
    source = resolve("smoke")
    blocks = tuple(plan.Block("generation", source, repeat, (request,)) for repeat, request in requests)
    return records, Run(make.RUN_ID, preset("smoke"), source, "cpu", 0, blocks)


@pytest.fixture
def run(tmp_path, whole):
    records, planned = whole
    with open_run(tmp_path / "run") as writer:
        write_plan(tmp_path / "run", planned)
        (tmp_path / "run" / "artifacts" / "trace.json").write_text("trace")
        told = writer.artifact(tmp_path / "run" / "artifacts" / "trace.json", "a trace")
        for record in records:
            writer.append(replace(record, artifacts=(told,)) if record is records[0] else record)
    return tmp_path / "run"


def metric(name, change, line=0):
    def tamper(lines):
        (found,) = [item for item in lines[line]["metrics"] if item["name"] == name]
        found["values"] = change(found["values"])
        return lines

    return tamper


def field(change, line=0):
    def tamper(lines):
        change(lines[line])
        return lines

    return tamper


def case(line=0, **coordinates):
    return field(lambda d: (d["case"].update(coordinates), d.pop("case_id")), line)


def environment(line=0, **parts):
    return field(lambda d: d["environment"].update(parts), line)


def swapped(*keys):
    def tamper(lines):
        for key in keys:
            lines[0][key], lines[1][key] = lines[1][key], lines[0][key]
        return lines

    return tamper


def without(name):
    return field(lambda d: d.update(metrics=[item for item in d["metrics"] if item["name"] != name]))


def arm(**facts):
    return field(lambda d: d["setup"]["arm"].update(facts))


TAMPERINGS = {
    "a faster step": metric("inter_token_latency", lambda v: [v[0] / 2, *v[1:]]),
    "all steps 1 % faster": metric("inter_token_latency", lambda v: [x * 0.99 for x in v]),
    "all steps slower than their calls": metric("inter_token_latency", lambda v: [x * 1.2 for x in v]),
    "a call shorter than its steps": metric("generate_time", lambda v: [v[0] / 2, *v[1:]]),
    "a longer call": metric("generate_time", lambda v: [v[0] * 1.5, *v[1:]]),
    "a first token of an hour": metric("time_to_first_token", lambda v: [3600.0, *v[1:]]),
    "an outlier left out": metric("inter_token_latency", lambda v: v[1:]),
    "a call left out": metric("generate_time", lambda v: v[1:]),
    "samples in another order": metric("inter_token_latency", lambda v: v[::-1]),
    "a negative time": metric("generate_time", lambda v: [-v[0], *v[1:]]),
    "a time of 0": metric("generate_time", lambda v: [0.0, *v[1:]]),
    "a time of 1e308": metric("load_time", lambda v: [1e308]),
    "no value": metric("load_time", lambda v: []),
    "nan": metric("load_time", lambda v: ["NaN"]),
    "more tokens": metric("tokens_generated", lambda v: [x * 2 for x in v]),
    "fewer tokens": metric("tokens_generated", lambda v: [x - 1 for x in v]),
    "more steps than tokens": metric("decode_steps", lambda v: [x + 5 for x in v]),
    "negative tokens": metric("tokens_generated", lambda v: [-x for x in v]),
    "less memory": metric("model_footprint", lambda v: [x / 2 for x in v]),
    "fewer joules": metric("energy_gpu", lambda v: [x * 0.9 for x in v], 6),
    "joules over the GPU's limit": metric("energy_gpu", lambda v: [x * 10 for x in v], 6),
    "negative joules": metric("energy_gpu", lambda v: [-x for x in v], 6),
    "a window left out": metric("window_time", lambda v: v[1:], 6),
    "a metric left out": without("model_footprint"),
    "the decode times left out": without("inter_token_latency"),
    "all metrics left out": field(lambda d: d.update(metrics=[], not_collected={})),
    "a reason left out": field(lambda d: d.update(not_collected={}), 6),
    "a finding left out": field(lambda d: d.update(findings=[]), 2),
    "a finding added": field(lambda d: d["findings"].append({"code": "x", "severity": "error", "message": "x"})),
    "ok made failed": field(lambda d: d.update(status="failed", reason="killed", metrics=[])),
    "ok made great": field(lambda d: d.update(status="great")),
    "another unit": field(lambda d: d["metrics"][0].update(unit="ms")),
    "exchanged arms": swapped("case", "case_id"),
    "exchanged metrics": swapped("metrics"),
    "another repeat's metrics": lambda lines: [*lines[:2], lines[2] | {"metrics": lines[0]["metrics"]}, *lines[3:]],
    "another repeat's energy": lambda lines: [*lines[:-1], lines[-1] | {"metrics": lines[-3]["metrics"]}],
    "exchanged setups": swapped("setup"),
    "another arm's name": arm(name="nf4"),
    "another threshold": arm(threshold=0.0),
    "another scheme": case(scheme="nf4"),
    "another batch": case(batch_size=8),
    "another model": case(model="other"),
    "another revision": case(revision="ffff"),
    "another case_id": field(lambda d: d.update(case_id="0" * 16)),
    "another repeat": field(lambda d: d.update(repeat=9)),
    "another run": field(lambda d: d.update(run_id="20250101T120000-other")),
    "another GPU": environment(6, gpus=[{"name": "Another", "power_limit_w": 300.0}]),
    "another host": environment(hostname="other"),
    "another commit": environment(source={"commit": "f" * 40, "dirty": False}),
    "another driver": field(lambda d: d["environment"]["packages"].update(torch="9.9")),
    "a start in the future": field(lambda d: d.update(started_at="2999-01-01T00:00:00+00:00")),
    "a start before the run": field(lambda d: d.update(started_at="1999-01-01T00:00:00+00:00")),
    "a start that is no time": field(lambda d: d.update(started_at="yesterday")),
    "another command": field(lambda d: d.update(argv=["python", "-m", "bench", "run", "--preset", "full"])),
    "a record left out": lambda lines: lines[:2] + lines[3:],
    "the last record left out": lambda lines: lines[:-1],
    "a record twice": lambda lines: [*lines, lines[0]],
    "an unplanned record": lambda lines: [*lines, lines[0] | {"repeat": 7}],
    "records in another order": lambda lines: lines[::-1],
    "another file's hash": field(lambda d: d["artifacts"][0].update(sha256="0" * 64)),
    "a file no longer named": field(lambda d: d.update(artifacts=[])),
    "another schema version": field(lambda d: d.update(schema_version=1)),
    "an unknown field": field(lambda d: d.update(better=True)),
}  # fmt: skip


def rewrite(run, tamper, *, forged):
    lines = [json.loads(line) for line in (run / RECORDS).read_text().splitlines()]
    hashes = [line.pop(chain.FIELD) for line in lines]
    changed = tamper(lines)
    if forged:
        texts = (json.dumps(line, ensure_ascii=False).encode() for line in changed)
        (run / RECORDS).write_bytes(b"".join(chain.relinked(texts, chain.seed(run))))
        return
    hashes += [hashes[0]] * (len(changed) - len(hashes))
    kept = [hashes[: len(changed)][place] for place in range(len(changed))]
    texts = [
        json.dumps(line | {chain.FIELD: told}, ensure_ascii=False) for line, told in zip(changed, kept, strict=True)
    ]
    (run / RECORDS).write_text("".join(f"{text}\n" for text in texts))


def problems(run, capsys):
    code = cli.main(["verify", str(run), "--json"])
    out = capsys.readouterr().out
    found = {check["name"] for check in json.loads(out)["checks"] if check["result"] == "problem"}
    assert (code == 1) == bool(found)
    return found


def test_the_run_as_it_was_measured_holds(run, capsys):
    assert problems(run, capsys) == set()
    rewrite(run, lambda lines: lines, forged=True)
    assert problems(run, capsys) == set()


def test_there_are_fifty():
    assert len(TAMPERINGS) >= 50


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_is_noticed(name, run, capsys):
    rewrite(run, TAMPERINGS[name], forged=False)
    found = problems(run, capsys)
    assert found & {"chain", "complete"}, "the hashes, or the plan for what is at the end"


def impossible():
    """What docs/safety.md lists as not noticed once all hashes are made again."""
    text = SAFETY.read_text(encoding="utf-8").partition("### What a forger can change")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| ([^|]+?) \| [^|]{10,} \|$", text, re.MULTILINE)) - {"Changed"}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_is_noticed_with_its_hashes_made_again_or_listed_with_the_reason(name, run, capsys):
    rewrite(run, TAMPERINGS[name], forged=True)
    found = problems(run, capsys)
    assert bool(found) != (name in impossible()), found


def cut_plan(run, blocks):
    file = run / PLAN
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"blocks": document["blocks"][:blocks]}))


def test_a_plan_cut_short_is_noticed_also_where_its_records_went_with_it(run, capsys):
    cut_plan(run, 11)
    assert problems(run, capsys) == {"chain", "unplanned"}
    rewrite(run, lambda lines: lines[:-1], forged=False)
    assert problems(run, capsys) == {"chain"}


def test_a_record_of_an_older_version_has_no_hash_and_those_that_follow_hold_it(run, capsys, tmp_path):
    lines = (run / RECORDS).read_bytes().splitlines()
    old = [json.dumps({k: v for k, v in json.loads(line).items() if k != chain.FIELD}).encode() for line in lines[:5]]
    new = list(chain.relinked([*old, *lines[5:]], chain.seed(run)))
    (run / RECORDS).write_bytes(b"".join([*(line + b"\n" for line in old), *new[5:]]))
    assert problems(run, capsys) == set()
    (run / RECORDS).write_bytes(b"".join([*(line + b"\n" for line in old[1:]), *new[5:]]))
    assert "chain" in problems(run, capsys)


def test_marks_that_the_judge_did_not_give_are_noticed(run, capsys):
    case = make.case()
    said = {"tasks": ["HumanEval/0", "HumanEval/1"], "outcomes": [["pass", "pass", ""], ["pass", "wrong", "input 3"]]}
    for plus, found in (((1.0, 0.0), set()), ((1.0, 1.0), {"verdicts"})):
        with open_run(run) as writer:
            repeat = int(plus[1])
            metrics = {"passed_base": [1.0, 1.0], "passed_plus": list(plus)}
            writer.append(make.record("quality", case, metrics, setup=said, repeat=repeat))
        assert problems(run, capsys) == found


def test_a_resumed_run_goes_on_with_the_chain(run, capsys, whole):
    content = (run / RECORDS).read_bytes()
    (run / RECORDS).write_bytes(b"".join(content.splitlines(keepends=True)[:-1]) + b'{"run_id": "half')
    with open_run(run) as writer:
        writer.append(whole[0][-1])
    assert (run / RECORDS).read_bytes() == content
    assert problems(run, capsys) == set()
