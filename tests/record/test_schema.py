"""Records survive the way to JSON and back, and nothing malformed becomes one."""

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.record.errors import RecordError
from bench.record.metrics import LEAST, METRICS, MOST
from bench.record.schema import SCHEMA_VERSION, Case, Environment, Metric, Record, from_json, metric, to_json

CASE = Case("generation", "smoke", "abc", "nf4", "cpu", 0, batch_size=1, new_tokens=32, cache="dynamic")
ENVIRONMENT = Environment("host", "Linux", "CPython 3.11", {"model": "cpu", "usable_cores": 2})
RECORD = Record("run", "generation", CASE, 0, "ok", ENVIRONMENT, "2026-01-01T00:00:00+00:00", ("python",))

numbers = st.floats(allow_nan=False, allow_infinity=False)
cases = st.builds(
    Case,
    workload=st.sampled_from(["generation", "matmul"]),
    model=st.text(),
    revision=st.text(),
    scheme=st.text(),
    device=st.sampled_from(["cpu", "cuda"]),
    seed=st.integers(),
    batch_size=st.none() | st.integers(1, 64),
    layer=st.none() | st.text(),
    m=st.none() | st.integers(1, 512),
)


def measurable(info):
    """Numbers that the metric may have."""
    most = MOST[info.unit]
    amounts = st.floats(LEAST, most)
    if info.signed:
        return amounts | st.floats(-most, -LEAST)
    return amounts if info.above_zero else amounts | st.just(0.0)


metrics = st.sampled_from(sorted(METRICS)).flatmap(
    lambda name: st.builds(metric, st.just(name), st.lists(measurable(METRICS[name]), min_size=1))
)
records = st.builds(
    lambda case, values, repeat, absent: replace(
        RECORD, case=case, metrics=tuple(values), repeat=repeat, not_collected=absent
    ),
    cases,
    st.lists(metrics, max_size=4),
    st.integers(0, 9),
    st.dictionaries(st.text(), st.text()),
)


@given(records)
def test_a_record_survives_json_exactly(record):
    assert from_json(json.loads(json.dumps(to_json(record)))) == record


@given(cases)
def test_the_case_id_depends_on_the_coordinates_alone(case):
    assert case.case_id == Case(**case.coordinates()).case_id
    assert case.case_id != replace(case, seed=case.seed + 1).case_id


def test_a_coordinate_that_does_not_apply_is_no_part_of_the_identity():
    assert CASE.case_id == replace(CASE, layer=None).case_id
    assert "layer" not in CASE.coordinates()


def test_the_case_id_stays_what_it_was():
    """Old records must keep joining new ones: this literal changes only with the schema version."""
    assert (SCHEMA_VERSION, CASE.case_id) == (2, "33bb2e304e344400")


@pytest.mark.parametrize(
    ("name", "unit", "values", "message"),
    [
        ("nonsense", "s", (1.0,), "unknown metric"),
        ("forward_time", "ms", (1.0,), "is in 's'"),
        ("forward_time", "s", (), "no values"),
        ("forward_time", "s", (float("nan"),), "not finite"),
        ("forward_time", "s", (1.0, float("inf")), "not finite"),
    ],
)
def test_a_metric_must_be_known_in_its_unit_and_finite(name, unit, values, message):
    with pytest.raises(RecordError, match=message):
        Metric(name, unit, values)


def test_skipped_and_failed_need_a_reason():
    with pytest.raises(RecordError, match="needs a reason"):
        replace(RECORD, status="skipped")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=99), "schema version 99"),
        (lambda d: d.pop("schema_version"), "schema version None"),
        (lambda d: d.pop("case"), "malformed"),
        (lambda d: d["case"].update(colour="red"), "malformed"),
        (lambda d: d.update(surprise=1), "malformed"),
        (lambda d: d.update(status="great"), "status: Invalid"),
        (lambda d: d.update(repeat="one"), "repeat"),
        (lambda d: d.update(run_id=7), "run_id: Expected `str`"),
        (lambda d: d.update(setup=[1]), "setup: Expected `object`"),
        (lambda d: d.update(case_id="0" * 16), "does not match"),
        (lambda d: d.update(metrics=[{"name": "forward_time", "unit": "s", "values": "x"}]), "malformed"),
        (lambda d: d.update(environment=3), "malformed"),
        (lambda d: d.update(metrics=[{"name": "forward_time", "unit": "s", "values": [10**400]}]), "malformed"),
        (
            lambda d: d.update(metrics=[{"name": "forward_time", "unit": "s", "values": [-1]}]),
            "forward_time has a value b",
        ),
        (lambda d: d.update(metrics=[{"unit": "s", "values": [1]}]), "field 'name' is missing"),
        (lambda d: d.update(metrics=[{"name": "forward_time", "unit": "s", "values": [1], "x": 1}]), "metrics.0..x"),
        (lambda d: d.update(findings=[["x"]]), "findings.0.: Expected"),
        (lambda d: d.update(findings=[{"code": "x", "severity": "bad", "message": ""}]), "findings.0..severity"),
        (lambda d: d.update(setup={"arm": {"threshold": "6"}}), "setup.arm.threshold: Expected `float"),
        (lambda d: d.update(instrument="quality", setup={"tasks": ["a", 1]}), "setup.tasks.1.: Expected `str`"),
        (lambda d: d.update(setup={"rate_hz": -1}), "setup.rate_hz: Expected `float` >= 0"),
        (lambda d: d.update(setup={"operators": {"a": [1, 2], "b": [1, "2"]}}), "setup.operators.b.1.: Expected"),
        (lambda d: d.update(instrument="samples"), "setup: .*`tasks`"),
        (lambda d: d["environment"].update(packages={"torch": 2}), "environment.packages.torch: Expected `str`"),
        (
            lambda d: d["environment"]["cpu"].update(usable_cores=0),
            "environment.cpu.usable_cores: Expected `float` > 0",
        ),
        (lambda d: d["environment"].update(before={"gpus": [{"throttle_reasons": "x"}]}), "before.gpus.0..throttle"),
    ],
)
def test_a_malformed_record_is_refused_with_its_reason(change, message):
    document = json.loads(json.dumps(to_json(RECORD)))
    change(document)
    with pytest.raises(RecordError, match=message):
        from_json(document)


@given(
    st.recursive(
        st.none() | st.booleans() | numbers | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_any_json_is_a_record_or_a_record_error(document):
    with pytest.raises(RecordError):
        from_json(document)


@given(st.sampled_from(sorted(to_json(RECORD))), st.none() | st.integers() | st.text() | st.lists(st.integers()))
def test_any_field_of_another_type_is_a_record_error_or_still_a_record(field, value):
    document = json.loads(json.dumps(to_json(RECORD)))
    document[field] = value
    with contextlib.suppress(RecordError):
        assert isinstance(from_json(document), Record)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("forward_time", 0.0, "nothing takes no time"),
        ("forward_time", 1e-320, "no instrument tells"),
        ("generate_time", 1e308, "nothing can have"),
        ("energy_gpu", -1.0, "below 0"),
        ("operator_event_cost", -1e-6, ""),
        ("ledger_gemm_per_step", 0.0, ""),
        ("gpu_throttle_reasons", 2.0**53, ""),
        ("relative_error", 1e-320, ""),
    ],
)
def test_what_nobody_can_have_measured_is_no_record(name, value, says):
    document = json.loads(json.dumps(to_json(replace(RECORD, metrics=(metric(name, [1e-6, value]),)))))
    if not says:
        assert from_json(document).values(name) == (1e-6, value)
        return
    with pytest.raises(RecordError, match=f"{name} has a value .*{says}"):
        from_json(document)


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("batch_size", 10**13), ("m", -1)])
def test_a_case_has_coordinates_that_can_be_measured(name, value):
    document = json.loads(json.dumps(to_json(replace(RECORD, case=replace(CASE, **{name: value})))))
    with pytest.raises(RecordError, match=f"case.{name} is {value}"):
        from_json(document)
