"""scripts/audit.py: what is not pinned, has another version, or other files than a locked wheel is told."""

import base64
import hashlib
import importlib.util
import json
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("audit", ROOT / "scripts" / "audit.py")
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)


def row(path, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"


def install(folder, name="thing", version="1.0", content=b"x = 1\n"):
    """A distribution as pip leaves it: its files, and what pip adds."""
    (folder / name).mkdir(parents=True)
    (folder / name / "a.py").write_bytes(content)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    rows = [row(f"{name}/a.py", content), f"{name}/__pycache__/a.cpython-311.pyc,,", "../../bin/thing,sha256=abc,3"]
    rows += [row(f"{info.name}/{added}", b"pip\n") for added in ("INSTALLER", "REQUESTED")]
    (info / "RECORD").write_text("\n".join([*rows, f"{info.name}/RECORD,,"]) + "\n")
    return PathDistribution(info)


def wheel(folder, name="thing", version="1.0", content=b"x = 1\n", place=""):
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/RECORD", row(f"{place}{name}/a.py", content) + "\n")
    return file


@pytest.mark.parametrize("place", ("", "thing-1.0.data/purelib/"))
def test_an_installed_wheel_has_the_contents_of_the_wheel(tmp_path, place):
    package = install(tmp_path / "site")
    assert audit.contents(package.read_text("RECORD")) == audit.contents(audit._record(wheel(tmp_path, place=place)))


def told(package, pinned, lock):
    return list(audit.problems(pinned, lock, {"thing": package}))


def test_problems_are_told_one_by_one(tmp_path):
    package = install(tmp_path / "site")
    good = {"thing": {"1.0": {"hash": audit.contents(audit._record(wheel(tmp_path)))}}}
    assert told(package, {"thing": "1.0"}, good) == []
    assert told(package, {}, good) == ["thing 1.0 is not pinned: add it to constraints.txt"]
    assert told(package, {"thing": "1.1"}, good) == ["thing is 1.0, pinned 1.1: make setup again"]
    assert "not in the lock" in told(package, {"thing": "1.0"}, {"thing": {"0.9": {}}})[0]
    other = {"thing": {"1.0": {"hash": audit.contents(audit._record(wheel(tmp_path, content=b"evil()")))}}}
    assert "no wheel in the lock has these files" in told(package, {"thing": "1.0"}, other)[0]


def test_a_build_for_a_gpu_meets_a_pin_without_a_local_part(tmp_path):
    assert told(install(tmp_path, version="1.0+cu130"), {"thing": "1.0"}, {}) == []
    assert told(install(tmp_path / "x", version="1.0"), {"thing": "1.0+cpu"}, {}) != []


def test_a_file_that_was_changed_after_it_was_installed(tmp_path):
    package = install(tmp_path / "site")
    assert "thing/a.py" not in audit.changed(package)
    assert "../../bin/thing" in audit.changed(package), "which this test never wrote"
    (tmp_path / "site" / "thing" / "a.py").write_text("evil()")
    assert "thing/a.py" in audit.changed(package)


def test_a_constraint_that_pins_nothing_is_an_error():
    assert audit.pins("# x\nA_b==1.0  # why\n") == {"a-b": "1.0"}
    with pytest.raises(ValueError, match="no exact version"):
        audit.pins("thing>=1.0\n")


def test_every_pinned_version_but_torch_is_in_the_lock():
    pinned = audit.pins(audit.CONSTRAINTS.read_text())
    lock = json.loads(audit.LOCK.read_text())
    assert {name: list(versions) for name, versions in lock.items()} == {
        name: [version] for name, version in pinned.items() if name not in audit.NOT_LOCKED
    }
    hashes = [text for versions in lock.values() for known in versions.values() for text in (*known, *known.values())]
    assert all(len(text) == 64 and int(text, 16) for text in hashes)


def test_all_that_is_needed_is_found():
    found = audit.needed()
    assert {"transformers", "torch", "tokenizers", "jinja2", "markupsafe"} <= found.keys()
    assert not {"bitledger", "pip", "setuptools"} & found.keys()


@pytest.mark.parametrize(
    ("code", "said", "good", "words"),
    [
        (0, "No known vulnerabilities found", True, "none known"),
        (1, "Found 2 known vulnerabilities in 1 package", False, "Found 2"),
        (1, "requests.exceptions.ConnectionError: cannot reach it", True, "not audited: requests"),
    ],
)
def test_advisories_are_told_and_a_service_that_is_away_is_no_vulnerability(
    tmp_path, monkeypatch, code, said, good, words
):
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\necho '{said}'\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    fine, told = audit.advisories()
    assert fine is good
    assert words in told


def test_without_pip_audit_that_is_said(monkeypatch):
    monkeypatch.setattr(audit.shutil, "which", lambda *_, **__: None)
    assert audit.advisories() == (True, "advisories: not audited: pip-audit is not installed")
