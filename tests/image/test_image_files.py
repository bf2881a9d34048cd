"""The files that make the container: what they promise that can be seen without an engine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SCRIPTS = sorted([*(ROOT / "deploy").glob("*.sh"), *(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"])


def instructions(word):
    return re.findall(rf"^{word}\s+(.*)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)


def test_it_ends_as_a_user_without_rights():
    assert instructions("USER") == ["bitledger"]
    assert DOCKERFILE.index("USER bitledger") > DOCKERFILE.rindex("RUN ")


def test_the_base_is_pinned_to_a_cuda_13_devel_image_which_brings_ncu():
    (base,) = [line for line in instructions("ARG") if line.startswith("BASE_IMAGE=")]
    assert re.fullmatch(r"BASE_IMAGE=nvidia/cuda:13\.\d+\.\d+-devel-ubuntu\d\d\.\d\d", base)
    assert instructions("FROM") == ["${BASE_IMAGE} AS system", "system AS packages", "packages"]


def test_no_setting_of_the_place_of_building_stays_in_an_image():
    """Mirrors and certificates come as a secret: only such lines reach pip."""
    for line in instructions("RUN"):
        assert "pip install" not in line or line.startswith("--mount=type=secret,id=pip.conf")


def test_the_services_have_the_capabilities_that_they_need_and_no_other():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    given = {name: set(service.get("cap_add", ())) for name, service in services.items()}
    assert given["bench"] == given["test"] == set()
    assert given["profile"] == {"SYS_ADMIN", "PERFMON", "SYS_PTRACE"}
    assert given["judge"] == {"SYS_ADMIN"}
    assert not any(service.get("privileged") for service in services.values())
    for service in services.values():
        assert {volume.split(":")[1] for volume in service["volumes"]} == {"/opt/bitledger/reports/runs", "/models"}


def test_every_service_runs_a_target_that_exists():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [service["command"] for service in services.values()]
    assert {command[1] for command in commands if command[0] == "make"} <= targets


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_one_that_its_shell_can_read(script):
    shell = script.read_text().splitlines()[0].removeprefix("#!").split()[-1].rsplit("/", 1)[-1]
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_image_gets_every_package_that_is_installed_and_what_the_licence_asks_for():
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")} - {"tests"}
    assert {f"!{name}" for name in (*packages, "LICENSE", "pyproject.toml")} <= set(allowed)
