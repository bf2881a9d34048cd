"""A host that a bundle is not for is told so in one line that says what to do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bundling import host
from bundling.errors import BundleError

MANIFEST = {
    "python": "3.12",
    "machine": "x86_64",
    "glibc": "2.28",
    "cuda": "130",
    "host_packages": ["torch>=2.11,<2.14", "transformers>=5,<6"],
}


def message(check, *arguments):
    with pytest.raises(BundleError) as caught:
        check(MANIFEST, *arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_right_host_passes():
    host.check_python(MANIFEST, "3.12", "CPython")
    host.check_platform(MANIFEST, "linux", "x86_64", ("glibc", "2.28"))
    host.check_platform(MANIFEST, "linux", "x86_64", ("glibc", "2.39"))


def test_another_python_is_told_with_both_ways_out():
    told = message(host.check_python, "3.11", "CPython")
    assert "for CPython 3.12 and this is CPython 3.11" in told
    assert "PYTHON=python3.12" in told and "BUNDLE_PYTHON=3.11" in told
    assert "PyPy" in message(host.check_python, "3.12", "PyPy")


@pytest.mark.parametrize(
    ("system", "machine", "libc", "words"),
    [
        (
            "linux",
            "aarch64",
            ("glibc", "2.35"),
            "for Linux on x86_64 and this is linux on aarch64.*=aarch64",
        ),
        ("darwin", "x86_64", ("", ""), "this is darwin on x86_64"),
        ("linux", "x86_64", ("glibc", "2.17"), r"needs glibc 2\.28 and this host has glibc 2\.17"),
        ("linux", "x86_64", ("glibc", "2.9"), r"this host has glibc 2\.9"),
        ("linux", "x86_64", ("", ""), "another C library"),
    ],
)
def test_another_platform_is_told(system, machine, libc, words):
    assert re.search(words, message(host.check_platform, system, machine, libc))


def test_a_host_without_torch_is_told_what_it_lacks(monkeypatch):
    monkeypatch.setattr(host, "_version", {"transformers": "5.1"}.get)
    told = message(host.check_packages)
    assert "lacks torch>=2.11,<2.14:" in told and sys.executable in told and "BUNDLE_WITH=torch,transformers" in told
    monkeypatch.setattr(host, "_version", lambda name: "5.1")
    host.check_packages(MANIFEST)


@pytest.mark.parametrize("cuda", [None, "13.0", "13.2"])
def test_torch_of_the_same_cuda_or_without_passes(cuda):
    host.check_cuda(MANIFEST, cuda)


def test_torch_of_another_cuda_is_told():
    told = message(host.check_cuda, "12.8")
    assert "torch is built for CUDA 12.8 and this bundle for CUDA 13" in told and "BUNDLE_CUDA=128" in told


def test_torchs_cuda_is_read_from_its_file_without_importing_it(tmp_path, monkeypatch):
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "version.py").write_text("from typing import Optional\ncuda: Optional[str] = '12.8'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert host.torch_cuda() == "12.8"


def test_the_host_side_needs_the_standard_library_alone():
    """Nothing is installed yet where it runs."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import bundling.install\n"
        "print([name for name in sys.modules if name.split('.')[0] not in sys.stdlib_module_names"
        " and not name.startswith(('bundling', '__'))])"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(Path(__file__).parents[2])]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
