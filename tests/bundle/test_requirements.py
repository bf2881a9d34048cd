"""What travels: by pyproject.toml, and by what the user named."""

from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bundling.errors import BundleError
from bundling.requirements import BROUGHT, needs

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def travelling(*named, dev=False):
    return {canonicalize_name(each.name) for each in needs(PYPROJECT, named, dev).travelling}


def test_a_host_with_torch_is_asked_for_torch_and_spared_what_that_brings():
    found = needs(PYPROJECT, (), dev=False)
    assert [line.split(">")[0] for line in found.host] == ["torch", "transformers"]
    assert {"bitsandbytes", "matplotlib", "accelerate", "setuptools", "pip"} <= travelling()
    assert not {"torch", "transformers", "numpy", "tokenizers", "codecarbon", "ncu-report", "pytest"} & travelling()
    assert found.left_out == ("codecarbon",)
    # pip on the host judges the versions of what the host brings.
    assert any(line.startswith("numpy>=") for line in found.install)


def test_everything_travels_for_a_host_without_torch():
    found = needs(PYPROJECT, ("torch", "transformers"), dev=False)
    assert found.host == () and found.left_out == () and found.brought == frozenset()
    assert {"torch", "transformers", "numpy", "codecarbon"} <= travelling("torch", "transformers")


def test_named_packages_travel_too():
    assert {"numpy", "ncu-report"} <= travelling("numpy", "ncu")
    assert needs(PYPROJECT, ("codecarbon",), dev=False).left_out == ()


def test_dev_brings_what_tests_need_and_not_the_linters():
    assert {"pytest", "pytest-xdist", "hypothesis"} <= travelling(dev=True)
    assert not {"ruff", "mypy"} & travelling(dev=True)


def test_a_name_without_a_reason_is_refused():
    with pytest.raises(BundleError, match=r"tensorflow: no need to name that; can be named: .*codecarbon"):
        needs(PYPROJECT, ("tensorflow",), dev=False)


@pytest.mark.parametrize("package", BROUGHT)
def test_the_installed_releases_bring_what_the_table_says(package):
    try:
        lines = requires(package) or []
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    here = [Requirement(line) for line in lines]
    unconditional = {canonicalize_name(each.name) for each in here if not each.marker or each.marker.evaluate()}
    assert set(BROUGHT[package]) <= unconditional
