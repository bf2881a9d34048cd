"""docs/hosts.md says what is so: sizes as they were measured, options, targets and files that are there."""

import json
import re
from pathlib import Path

import pytest

from bundling import host
from bundling.errors import BundleError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/hosts.md").read_text()
MEASURED = json.loads((ROOT / "benchmarks/results/bundle.json").read_text())
LIMIT = 40e6


def test_the_size_is_the_measured_one_and_under_the_limit():
    assert (MEASURED["python"], MEASURED["cuda"], MEASURED["machine"]) == ("3.12", "130", "x86_64")
    assert [line.split(">")[0] for line in MEASURED["host_packages"]] == ["torch", "transformers"]
    assert MEASURED["bytes"] <= LIMIT
    block = re.search(r"(?s)<!-- bundle -->(.*?)<!-- /bundle -->", TEXT)[1]
    assert f"[{MEASURED['bytes'] / 1e6:.1f} MB]" in block
    assert f"{len(MEASURED['wheels'])} wheels" in block


def test_every_variable_and_target_is_one_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    variables = set(re.findall(r"\b(BUNDLE_[A-Z]+|OFFLINE)\b", TEXT))
    assert variables >= {"BUNDLE_PYTHON", "BUNDLE_CUDA", "BUNDLE_PLATFORM", "BUNDLE_WITH", "BUNDLE_DEV", "OFFLINE"}
    assert all(f"$({name})" in makefile for name in variables)
    targets = set(re.findall(r"(?m)^make ([a-z-]+)|`make ([a-z-]+)", TEXT))
    assert all(re.search(rf"(?m)^{first or second}:", makefile) for first, second in targets)


def test_every_file_it_links_to_is_there():
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links and all((ROOT / "docs" / link).exists() for link in links)


def test_the_messages_are_those_of_the_program():
    manifest = {"python": "3.12", "machine": "x86_64", "glibc": "2.28", "cuda": "130", "host_packages": []}
    checks = (
        (host.check_python, ("3.11", "CPython")),
        (host.check_platform, ("linux", "aarch64", ("glibc", "2.31"))),
        (host.check_platform, ("linux", "x86_64", ("glibc", "2.17"))),
        (host.check_cuda, ("12.8",)),
    )
    for check, arguments in checks:
        with pytest.raises(BundleError) as caught:
            check(manifest, *arguments)
        assert str(caught.value).partition(":")[0].replace("_", r"\_") in TEXT
