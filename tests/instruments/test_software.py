import shutil
import subprocess

import pytest

from bench.instruments import environment

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


@needs_git
def test_a_clean_checkout_has_its_commit(checkout):
    known = environment.source(checkout, {})
    assert len(known["commit"]) == 40
    assert known["dirty"] is False


@needs_git
def test_changed_code_is_dirty_and_new_reports_are_not(checkout):
    (checkout / "reports").mkdir()
    (checkout / "reports/records.jsonl").write_text("{}")
    assert environment.source(checkout, {})["dirty"] is False
    (checkout / "code.py").write_text("2")
    assert environment.source(checkout, {})["dirty"] is True


@needs_git
def test_a_folder_inside_another_repository_has_no_commit(checkout):
    inner = checkout / "site-packages"
    inner.mkdir()
    known = environment.source(inner, {})
    assert "commit" not in known
    assert "not the top" in known["commit_reason"]


@needs_git
def test_a_folder_without_git_has_a_reason_that_names_no_path(tmp_path):
    reason = environment.source(tmp_path, {})["commit_reason"]
    assert "not a git repository" in reason
    assert str(tmp_path) not in reason


def test_no_git_program_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.source(tmp_path, {})["commit_reason"] == "git is not installed"


def test_image_digest_or_its_reason(tmp_path):
    assert environment.source(tmp_path, {"BITLEDGER_IMAGE_DIGEST": "sha256:1"})["image_digest"] == "sha256:1"
    assert "image_reason" in environment.source(tmp_path, {})


@pytest.mark.parametrize(("suffix", "dirty"), [("", False), ("-dirty", True)])
def test_in_an_image_the_commit_is_the_one_it_was_built_from(tmp_path, suffix, dirty):
    known = environment.source(tmp_path, {"BITLEDGER_COMMIT": "a" * 40 + suffix})
    assert (known["commit"], known["dirty"], known["commit_from"]) == ("a" * 40, dirty, "the image")
    assert "commit" not in environment.source(tmp_path, {"BITLEDGER_COMMIT": "unknown"})


@needs_git
def test_a_checkout_knows_its_commit_better_than_the_image(checkout):
    assert environment.source(checkout, {"BITLEDGER_COMMIT": "a" * 40})["commit"] != "a" * 40


def test_only_known_variables_are_kept():
    kept = {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "0", "BNB_CUDA_VERSION": "130", "PYTORCH_ALLOC_CONF": "x"}
    secret = {
        "HF_TOKEN": "s",
        "AWS_SECRET_ACCESS_KEY": "s",
        "PYTORCH_PASSWORD": "s",
        "CODECARBON_API_KEY": "s",
        "MY_OMP_NUM_THREADS": "s",
        "PATH": "s",
    }
    assert environment.variables(kept | secret) == kept


def test_packages_are_the_ones_that_matter():
    found = environment.packages()
    assert {"torch", "numpy", "transformers"} <= found.keys()
    assert "pytest" not in found
    assert list(found) == sorted(found)


def test_every_switch_of_cudnns_attention_and_of_cupti_is_recorded():
    given = {
        "TORCH_CUDNN_SDPA_DEPRIORITIZED": "1", "TORCH_CUDNN_SDPA_AVOID_RECOMPILE": "1", "TEARDOWN_CUPTI": "1",
        "TORCH_CUDNN_V8_API_DISABLED": "1", "TORCH_CUDNN_TOKEN": "x",
    }  # fmt: skip
    assert set(environment.variables(given)) == set(given) - {"TORCH_CUDNN_TOKEN"}
