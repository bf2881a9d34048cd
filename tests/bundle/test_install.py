"""Making .venv from a bundle: refused early, told clearly, never left half-made."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from bundling import install
from bundling.archive import write_archive
from bundling.errors import BundleError
from bundling.manifest import write_manifest

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="bundles are for Linux")


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bitledger-test"
    (folder / "bundle/wheels").mkdir(parents=True)
    (folder / "bundle/wheels/pip-1-py3-none-any.whl").write_bytes(b"")
    return folder


def finish(folder, **facts):
    """The manifest of a bundle for this very host, but for ``facts``."""
    here = {"python": PYTHON, "machine": platform.machine(), "glibc": "2.0", "cuda": "130", "dev": False}
    rest = {"host_packages": [], "requirements": ["msgspec"], "left_out": ["codecarbon"], "wheels": {}}
    write_manifest(folder, {"name": folder.name, **here, **rest, **facts})
    return folder


class Pip:
    """In place of pip: answers by its command."""

    def __init__(self, **answers):
        self.answers, self.calls = answers, []

    def __call__(self, python, wheels, *words):
        self.calls.append(words)
        code, out, err = self.answers.get(words[0], (0, "", ""))
        return subprocess.CompletedProcess(words, code, out, err)


def test_a_bundle_for_another_python_ends_with_2_and_one_line(bundle, tmp_path, capsys):
    finish(bundle, python="3.99")
    assert install.main([str(bundle), "--venv", str(tmp_path / "venv")]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("bitledger: this bundle is for CPython 3.99") and told.err.count("\n") == 1
    assert not (tmp_path / "venv").exists()


@needs_linux
def test_a_damaged_bundle_is_refused_before_anything_is_made(bundle, tmp_path, capsys):
    finish(bundle)
    (bundle / "bundle/wheels/pip-1-py3-none-any.whl").write_bytes(b"changed")
    assert install.main([str(bundle), "--venv", str(tmp_path / "venv")]) == 2
    assert "is not as it was packed" in capsys.readouterr().err
    assert not (tmp_path / "venv").exists()


def test_what_is_no_bundle_is_told(tmp_path, capsys):
    assert install.main([str(tmp_path / "nothing")]) == 2
    assert "no bundle at" in capsys.readouterr().err


@needs_linux
def test_pip_is_given_the_requirements_and_no_index(bundle, tmp_path, monkeypatch, capsys):
    pip = Pip()
    monkeypatch.setattr(install, "_run_pip", pip)
    install.install(finish(bundle), tmp_path / "venv")
    first, second, check = pip.calls
    assert "--no-index" in first and first[-1] == "msgspec" and str(bundle / "bundle/wheels") in first
    assert "--no-index" in second and second[-2:] == ("--editable", ".") and "--no-deps" in second
    assert check == ("check",)


@needs_linux
def test_what_the_host_should_have_brought_is_told_and_nothing_is_left(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(
        install, "_run_pip", Pip(install=(1, "", "ERROR: No matching distribution found for numpy>=2.2"))
    )
    with pytest.raises(BundleError, match=r"does not bring numpy>=2\.2.*BUNDLE_WITH=numpy$"):
        install.install(finish(bundle), tmp_path / "venv")
    assert not (tmp_path / "venv").exists()


@needs_linux
def test_pips_last_error_is_passed_on(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(install, "_run_pip", Pip(install=(1, "", "WARNING: x\nERROR: disk full\n")))
    with pytest.raises(BundleError, match="pip cannot install the bundle: ERROR: disk full"):
        install.install(finish(bundle), tmp_path / "venv")


@needs_linux
def test_what_was_left_out_on_purpose_is_no_complaint_and_the_rest_is(bundle, tmp_path, monkeypatch, capsys):
    out = (
        "bitledger 1 requires codecarbon, which is not installed.\nscipy 1 has requirement numpy<2, but you have 2.4\n"
    )
    monkeypatch.setattr(install, "_run_pip", Pip(check=(1, out, "")))
    install.install(finish(bundle), tmp_path / "venv")
    notes = [line for line in capsys.readouterr().out.splitlines() if "note:" in line]
    assert notes == ["bitledger: note: scipy 1 has requirement numpy<2, but you have 2.4"]


def test_an_archive_is_unpacked_first(bundle, tmp_path, monkeypatch):
    write_archive(finish(bundle), tmp_path / "made.tar")
    monkeypatch.chdir(tmp_path)
    assert install.opened(tmp_path / "made.tar") == Path("build/offline/bitledger-test")
    assert install.opened(bundle) == bundle


def test_the_hosts_packages_are_seen_behind_the_bundles(tmp_path, monkeypatch):
    """Also those of a virtual environment, which --system-site-packages would not show."""
    theirs = tmp_path / "of the host" / "site-packages"
    theirs.mkdir(parents=True)
    (theirs / "only_there.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(theirs)])
    python = install.make_environment(tmp_path / "venv", shared=True)
    ask = "import only_there, sys; print(sys.prefix); print(*[p for p in sys.path if 'site-packages' in p], sep='|')"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True, env={})
    prefix, path = done.stdout.splitlines()
    assert prefix == str(tmp_path / "venv")
    assert path.split("|")[0].startswith(prefix) and str(theirs) in path.split("|")[1:]


def test_a_bundle_with_everything_sees_nothing_of_the_host(tmp_path):
    python = install.make_environment(tmp_path / "venv", shared=False)
    done = subprocess.run([python, "-c", "import pytest"], capture_output=True, text=True, env={})
    assert "No module named 'pytest'" in done.stderr


def test_pip_runs_without_settings_of_this_host(tmp_path, monkeypatch):
    """They could name an index that is not there, or other versions."""
    (tmp_path / "pip-1.whl").touch()
    seen = tmp_path / "seen"
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > '{seen}'\necho \"$@\" >> '{seen}'\n")
    python.chmod(0o755)
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    install._run_pip(python, tmp_path, "check")
    text = seen.read_text()
    assert "PIP_INDEX_URL" not in text and "PIP_CONFIG_FILE=/dev/null" in text
    assert f"{tmp_path}/pip-1.whl/pip" in text and text.rstrip().endswith("check")
