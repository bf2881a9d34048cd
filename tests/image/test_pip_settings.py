"""pip's settings for the build of an image: what counts, and where the folders that they name go."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def made(tmp_path):
    def make(listing):
        out = tmp_path / "pip.conf"
        command = [sys.executable, str(DEPLOY / "pip_settings.py"), str(out)]
        done = subprocess.run(command, input=listing, capture_output=True, text=True, check=True)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(out)
        return dict(parser["global"]), done.stdout.splitlines()

    return make


def test_nothing_set_is_an_empty_file(made):
    assert made("") == ({}, [])


def test_variables_count_over_files_and_other_commands_do_not_count(made):
    listing = ":env:.timeout='9'\nglobal.timeout='3'\nglobal.index-url='https://mirror.example/simple'\nwheel.x='1'\n"
    assert made(listing)[0] == {"timeout": "9", "index-url": "https://mirror.example/simple"}


def test_folders_and_files_of_this_machine_get_a_place_in_the_build(made, tmp_path):
    wheels, index, certificate = tmp_path / "wheels", tmp_path / "pypi" / "simple", tmp_path / "ca.crt"
    wheels.mkdir()
    index.mkdir(parents=True)
    certificate.write_text("x")
    listing = f"global.find-links='{wheels}'\nglobal.cert='{certificate}'\nglobal.extra-index-url='file://{index}'\n"
    settings, mounts = made(listing)
    assert settings["find-links"] == "/run/pip/0/wheels"
    assert settings["extra-index-url"] == "file:///run/pip/2/pypi/simple"
    assert mounts == [
        f"--volume={wheels}:/run/pip/0/wheels:ro",
        f"--volume={certificate}:/run/pip/1/ca.crt:ro",
        f"--volume={index.parent}:/run/pip/2/pypi:ro",  # an index links to files beside its pages
    ]


def test_a_place_that_is_not_there_stays_as_it_is(made):
    settings, mounts = made("global.find-links='/no/such/folder'\n")
    assert (settings["find-links"], mounts) == ("/no/such/folder", [])


def test_requirements_are_those_of_the_project_with_its_extras():
    command = [
        sys.executable,
        str(DEPLOY / "requirements.py"),
        str(DEPLOY.parent / "pyproject.toml"),
        "measure",
        "dev",
        "ncu",
    ]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    names = {line.split(">")[0] for line in lines}
    assert {"torch", "bitsandbytes", "pytest", "ncu-report"} <= names
