"""docs/safety.md names the tests that hold its promises: they are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "safety.md").read_text()


def test_every_test_that_is_named_exists():
    named = re.findall(r"`((?:tests|scripts)/[\w/]+\.py)`", TEXT)
    assert len(named) > 8
    assert all((ROOT / name).is_file() for name in named)


def test_every_safety_test_is_named():
    files = {f"tests/safety/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert files - {"tests/safety/test_promises.py"} <= set(re.findall(r"`(tests/safety/\w+\.py)`", TEXT))


def test_every_promise_has_a_test():
    rows = [line for line in TEXT.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert rows and all("`tests/" in row.split("|")[2] for row in rows)
