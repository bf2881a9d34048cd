"""Which wheels a host needs: found by its own markers, without what it brings."""

import pytest
from fake_wheels import make_wheel
from packaging.requirements import Requirement

from bundling import wheels
from bundling.errors import BundleError
from bundling.target import Target
from bundling.wheels import Collector

INDEX = {
    "app": (
        "1.0",
        ("needed", 'old; python_version < "3.12"', 'arm; platform_machine == "aarch64"', "torch", "rich[fast]"),
    ),
    "needed": ("2.0", ('deep>=1; sys_platform == "linux"', 'dash; extra == "web"', "numpy")),
    "deep": ("1.5", ("app",)),  # a circle
    "old": ("0.1", ()),
    "arm": ("0.1", ()),
    "rich": ("15.0", ('speed; extra == "fast"', 'slow; extra == "slow"')),
    "speed": ("1.0", ()),
}

HOST = Target()


@pytest.fixture
def collector(tmp_path, monkeypatch):
    """A Collector whose pip makes wheels of INDEX; it refuses, as pip would, what is not there."""

    def pip(*words):
        assert "--no-deps" in words
        for word in words:
            name = Requirement(word).name if not word.startswith("-") and word.split(">")[0] in INDEX else None
            if name:
                version, requires = INDEX[name]
                make_wheel(tmp_path, name, version, requires)

    monkeypatch.setattr(wheels, "run_pip", pip)
    return lambda target=HOST: Collector(target, tmp_path, tmp_path / "constraints.txt", {"torch", "numpy"})


def names(found):
    return [wheel.name for wheel in found]


def test_requirements_are_followed_but_for_what_the_host_brings(collector):
    assert names(collector().collect([Requirement("app")])) == ["app", "deep", "needed", "rich", "speed"]


def test_markers_are_those_of_the_host_not_of_this_python(collector):
    found = collector(Target("3.11", "aarch64")).collect([Requirement("app")])
    assert names(found) == ["app", "arm", "deep", "needed", "old", "rich", "speed"]


def test_a_pinned_version_that_contradicts_a_requirement_is_an_error(collector):
    with pytest.raises(BundleError, match=r"needed>=3 contradicts needed-2\.0-.*constraints\.txt"):
        collector().collect([Requirement("app"), Requirement("needed>=3")])


def test_pip_is_told_python_and_every_manylinux_up_to_the_glibc():
    options = Target("3.13", "aarch64").pip_options()
    assert options[options.index("--python-version") + 1] == "3.13"
    assert "manylinux_2_28_aarch64" in options and "manylinux_2_17_aarch64" in options
    assert "manylinux_2_29_aarch64" not in options and "manylinux1_aarch64" not in options
    assert "manylinux1_x86_64" in Target().pip_options()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"python": "3.10"}, "no Python 3.10: name one of 3.11, 3.12"),
        ({"machine": "riscv64"}, "no platform 'riscv64': name one of x86_64, aarch64"),
        ({"cuda": "13.0"}, "CUDA '13.0' is no version: 130 for CUDA 13.0"),
    ],
)
def test_a_host_that_cannot_be_is_refused(options, message):
    with pytest.raises(BundleError, match=message):
        Target(**options)


def test_what_is_no_wheel_is_told(tmp_path):
    path = tmp_path / "torn-1.0-py3-none-any.whl"
    path.write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(BundleError, match=r"torn-1\.0-py3-none-any\.whl is no wheel"):
        wheels.read_wheel(path)
