"""A source tree from a bundle knows its commit, and whether it was changed."""

import hashlib
import json

import pytest

from bench.instruments import environment
from bench.instruments.environment import bundled_commit

COMMIT = "0123456789" * 4


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/cli.py").write_text("one\n")
    files = {"bench/cli.py": hashlib.sha256(b"one\n").hexdigest(), "bundle/wheels/gone.whl": "0", "reports/runs/x": "0"}
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/manifest.json").write_text(json.dumps({"commit": COMMIT, "files": files}))
    return tmp_path


def test_an_untouched_tree_is_its_commit(tree):
    known = environment.source(tree, {})
    assert (known["commit"], known["dirty"], known["commit_from"]) == (COMMIT, False, "the bundle")
    assert "commit_reason" not in known


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_changed_tree_is_dirty(tree, change):
    file = tree / "bench/cli.py"
    file.write_text("two\n") if change == "edit" else file.unlink()
    assert bundled_commit(tree)["dirty"] is True


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {}}', '{"commit": "x", "files": 3}'])
def test_a_manifest_that_names_no_commit_says_nothing(tree, text):
    (tree / "bundle/manifest.json").write_text(text)
    assert bundled_commit(tree) == {}
