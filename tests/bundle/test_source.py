"""The source of a bundle is the last commit, without the kept runs unless tests travel."""

import shutil
import subprocess

import pytest

from bundling.source import put_source, uncommitted

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "bench").mkdir(parents=True)
    (root / "bench/cli.py").write_text("one\n")
    (root / "reports/runs/kept").mkdir(parents=True)
    (root / "reports/runs/kept/records.jsonl").write_text("{}\n")
    (root / "reports/runs/.gitkeep").touch()
    return root


@pytest.fixture
def checkout(tree):
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", tree, *words], check=True, capture_output=True)
    return tree


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@needs_git
def test_the_last_commit_travels_and_later_changes_do_not(checkout, tmp_path):
    (checkout / "bench/cli.py").write_text("two\n")
    (checkout / "secret.txt").write_text("not committed\n")
    facts = put_source(checkout, tmp_path / "out", with_runs=False)
    assert files(tmp_path / "out") == {"bench/cli.py", "reports/runs/.gitkeep"}
    assert (tmp_path / "out/bench/cli.py").read_text() == "one\n"
    head = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert facts == {"commit": head.stdout.strip()}
    assert uncommitted(checkout) == 1


@needs_git
def test_kept_runs_travel_with_the_tests(checkout, tmp_path):
    put_source(checkout, tmp_path / "out", with_runs=True)
    assert "reports/runs/kept/records.jsonl" in files(tmp_path / "out")


def test_without_git_the_tree_travels_as_it_is(tree, tmp_path):
    (tree / ".venv/lib").mkdir(parents=True)
    (tree / ".venv/lib/big.so").touch()
    (tree / "bench/__pycache__").mkdir()
    (tree / "bench/__pycache__/cli.pyc").touch()
    facts = put_source(tree, tmp_path / "out", with_runs=False)
    assert files(tmp_path / "out") == {"bench/cli.py", "reports/runs/.gitkeep"}
    assert "commit" not in facts and "no git checkout" in facts["commit_reason"]
    assert uncommitted(tree) == 0
