"""A metric that is measured is shown or analysed somewhere; what older records hold beside it is left out."""

import ast
import re
from pathlib import Path

import pytest

from bench.record.metrics import DROPPED, METRICS, RENAMED
from bench.record.schema import from_json, to_json
from tests import factories as make

ROOT = Path(__file__).parent.parent.parent
READERS = ("bench/analysis", "bench/report", "bench/quality", "bench/cluster", "bench/studies")
# A place on an axis: it says what the values beside it belong to, for those who read the raw ones.
COORDINATES = {"first_visit_length"}


def _patterns(source):
    """The texts of a module as patterns: f"observed_{cause}_per_step" stands for any cause."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.escape(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "" for part in node.values]
            if max(map(len, parts)) > 3:
                yield "[a-z0-9_]*".join(map(re.escape, parts))


def test_every_metric_is_read_somewhere():
    files = [file for room in READERS for file in (ROOT / room).rglob("*.py")]
    patterns = {pattern for file in files for pattern in _patterns(file.read_text())}
    read = re.compile("|".join(sorted(patterns)))
    # What is sampled in idle windows too is read by one name, with a prefix.
    unread = {name for name in METRICS if not read.fullmatch(name) and not read.fullmatch(name.removeprefix("idle_"))}
    assert unread == COORDINATES


def test_no_name_has_two_fates():
    assert not DROPPED & METRICS.keys() and not RENAMED.keys() & METRICS.keys()


@pytest.mark.parametrize("name", sorted(DROPPED))
def test_an_older_record_that_holds_what_was_dropped_is_read_without_it(name):
    document = to_json(make.record("energy", make.case(), {"window_time": [2.0]}))
    document["metrics"] = [*document["metrics"], {"name": name, "unit": "J", "values": [1.0]}]
    assert [item.name for item in from_json(document).metrics] == ["window_time"]
