"""A plan with anything else than its own in any of its fields is one clear line, and no verb writes for it."""

import copy
import json
from functools import cache
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

import profiling.cli
from bench import cli
from bench.presets import preset
from bench.record.chain import PLAN
from bench.record.errors import BitledgerError
from bench.record.schema import CASE_FIELDS
from bench.record.store import open_run
from bench.run.plan import Block, Layer, make_plan, matmul_block
from bench.run.planfile import Run, read_plan, read_planned, write_plan
from bench.workloads.sources import resolve, resolve_again
from tests import factories as make

OTHERS = (None, True, 0, -1, 1.5, 10**30, 1e308, "", "x", [], {}, [1], ["x"], {"a": 1}, [[]], [None])
VERBS = (
    (cli.main, "run", "--resume", "--out"),
    (cli.main, "rerun"),
    (cli.main, "intervene", "--out"),
    (cli.main, "verify"),
    (profiling.cli.main, "kineto", "--out"),
)


def a_plan(folder):
    """One block of each kind."""
    source, chosen = resolve("smoke"), preset("smoke")
    blocks = make_plan(chosen, source, (), "cpu", 0)
    kinds = [next(b for b in blocks if b.requests[0].case.workload == one) for one in ("machine", "generation")]
    products = matmul_block(chosen, source, Layer("mlp.c_fc", 512, 128, 6, True), "cpu", 0)
    write_plan(folder, Run("mine", chosen, source, "cpu", 0, (*kinds, products), repeats="an-earlier-one"))
    document = json.loads((folder / PLAN).read_text())
    for block in document["blocks"]:
        block["requests"] = block["requests"][:2]
    document["preset"]["sweeps"] = document["preset"]["sweeps"][:1]
    return document


@pytest.fixture(autouse=True)
def the_model_is_hashed_once(monkeypatch):
    monkeypatch.setattr("bench.run.planfile.resolve_again", cache(resolve_again))


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return a_plan(tmp_path_factory.mktemp("plan"))


def paths(value, path=()):
    """Every place in the document, the first two members of each list."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


def changed(document, path, value):
    made = copy.deepcopy(document)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return made


def at(document, path):
    for key in path:
        document = document[key]
    return document


def used(run):
    """What a run does with its plan before anything is measured."""
    for block in run.blocks:
        assert block.label and block.limit_s > 0
        assert Block.from_json(json.loads(json.dumps(block.to_json()))) == block
        assert len({request.key(block.repeat) for request in block.requests})


def test_the_plan_itself_is_read(document, tmp_path):
    (tmp_path / PLAN).write_text(json.dumps(document))
    used(read_plan(tmp_path))
    assert len(read_planned(tmp_path).keys) == 6


@pytest.mark.parametrize("number", range(8))
def test_no_field_takes_another_type(number, document, tmp_path):
    """Every field with every other value: an error of ours, or the value is of the field's own kind."""
    places = [path for path in paths(document) if path]
    for path in islice(places, number, None, 8):
        for other in OTHERS[len(path) % 2 :: 2]:
            (tmp_path / PLAN).write_text(json.dumps(changed(document, path, other)))
            for read in (read_plan, read_planned):
                try:
                    found = read(tmp_path)
                except BitledgerError as error:
                    assert "\n" not in str(error)
                    continue
                if read is read_plan:
                    used(found)
                    assert fits(at(document, path), other, path), (path, other)
                else:
                    hash(found.keys)


def fits(own, other, path):
    """Whether the field may hold this as well: the same kind of value, or one that is left open."""
    if own is None or other is None or isinstance(own, dict) or path[-1] in ("options", "by_case"):
        return True
    if isinstance(own, float) or path[-1] in ("limit_s", "energy_seconds"):
        return isinstance(other, int | float) and not isinstance(other, bool)
    return type(own) is type(other)


@given(st.data())
def test_no_field_may_be_missing_that_a_run_needs_nor_be_unknown(document, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("plan")
    made = copy.deepcopy(document)
    objects = [path for path in paths(document) if isinstance(at(document, path), dict)]
    place = at(made, data.draw(st.sampled_from(objects)))
    if data.draw(st.booleans()) and place:
        del place[data.draw(st.sampled_from(sorted(place)))]
    else:
        place["what no version knows"] = data.draw(st.sampled_from(OTHERS))
    (folder / PLAN).write_text(json.dumps(made))
    try:
        used(read_plan(folder))
        hash(read_planned(folder).keys)
    except BitledgerError:
        return


@pytest.mark.parametrize("name", ["limit_s", "kind", "repeat", "requests", "options"])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[1])
def test_no_verb_measures_or_writes_for_it(verb, name, document, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("a process was started"))
    monkeypatch.setattr("bench.instruments.environment.capture", lambda *_: make.CPU)
    folder = tmp_path / "run"
    with open_run(folder) as writer:
        writer.append(make.generation())
    (folder / PLAN).write_text(json.dumps(changed(document, ("blocks", 1, name), "x")))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    main, *arguments = verb
    code = main([*arguments, str(folder)])
    if verb[1] == "verify" and name in ("limit_s", "kind", "options"):
        assert code == 1  # of the plan it asks for the keys alone: the others are not there
        return
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{PLAN} is damaged" in line and f"blocks[1].{name}" in line
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "NaN", '{"a": NaN}', "[" * 100_000, '{"run_id": 1}', '{"preset": {"reference": 5}}',
             "\ufeff{}", '{"preset": "x"}', '{"preset": {}}']
)  # fmt: skip
def test_what_is_no_plan_at_all_is_one_line(text, tmp_path, capsys):
    with open_run(tmp_path) as writer:
        writer.append(make.generation())
    (tmp_path / PLAN).write_text(text)
    for verb in ("verify", "report", "explain", "rerun"):
        assert cli.main([verb, str(tmp_path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{PLAN} is damaged" in line


def test_values_that_no_measurement_can_have_are_refused(document, tmp_path):
    for path, value in (
        (("blocks", 1, "limit_s"), 0), (("blocks", 1, "limit_s"), -1), (("blocks", 1, "limit_s"), 1e300),
        (("blocks", 1, "repeat"), -1), (("blocks", 1, "requests"), []),
        (("blocks", 1, "requests", 0, "case", "batch_size"), 0),
        (("blocks", 1, "requests", 0, "case", "scheme"), "no-such"),
        (("blocks", 1, "requests", 0, "case", "workload"), "matmul"),
        (("blocks", 1, "requests", 0, "case", "new_tokens"), None),
        (("device",), "tpu"), (("preset", "sweeps"), []), (("preset", "sweeps", 0, "calls"), 0),
        (("preset", "sweeps", 0, "batch_sizes"), []), (("preset", "matmul_m"), [0]), (("preset", "threads"), 0),
    ):  # fmt: skip
        (tmp_path / PLAN).write_text(json.dumps(changed(document, path, value)))
        with pytest.raises(BitledgerError, match=r"plan\.json is damaged"):
            read_plan(tmp_path)


def test_an_unknown_coordinate_makes_no_other_case(document, tmp_path):
    """It would get the case_id of a Case without it."""
    case = ("blocks", 1, "requests", 0, "case")
    assert "temperature" not in CASE_FIELDS
    (tmp_path / PLAN).write_text(json.dumps(changed(document, (*case, "temperature"), 1)))
    for read in (read_plan, read_planned):
        with pytest.raises(BitledgerError, match="temperature"):
            read(tmp_path)


def test_the_fields_are_really_tried(document):
    found = list(paths(document))
    assert len(found) > 150 and {"limit_s", "case", "observers", "seed"} <= {path[-1] for path in found if path}
