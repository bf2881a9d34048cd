"""Turn ``pip config list`` (standard input) into one pip.conf for the build of an image.

    python -m pip config list | python pip_settings.py OUT.conf

The settings may name wheels, an index or certificates on this machine's disk: those get a place of their own under
/run/pip in the build, and one option ``--volume=HERE:THERE:ro`` each is printed for buildah or docker. pip's own
variables (``:env:.``) count over its files, as in pip.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

PLACE = "/run/pip"


def settings(lines: Iterable[str]) -> dict[str, str]:
    """Option -> value of every line ``section.option='value'``; a single command's own section is left out."""
    found: dict[str, dict[str, str]] = {"global": {}, ":env:": {}}
    for line in lines:
        name, _, value = line.strip().partition("=")
        section, _, option = name.rpartition(".")
        if section in found and option != "config-file":
            found[section][option] = str(ast.literal_eval(value))
    return {**found["global"], **found[":env:"]}


class Places:
    """Where the files and folders that settings name lie in the build."""

    def __init__(self) -> None:
        self.mounts: dict[Path, str] = {}

    def moved(self, value: str) -> str:
        """The value with every path and file: address that exists here replaced by its place in the build."""
        return " ".join(self._word(word) for word in value.split())

    def _word(self, word: str) -> str:
        path = Path(unquote(urlsplit(word).path) if word.startswith("file:") else word)
        if not path.is_absolute() or not path.exists():
            return word
        if not word.startswith("file:"):
            return self._place(path)
        # The pages of an index may link to files beside its folder.
        return f"file://{self._place(path.parent)}/{path.name}"

    def _place(self, path: Path) -> str:
        return self.mounts.setdefault(path.resolve(), f"{PLACE}/{len(self.mounts)}/{path.name}")


def main(out: Path) -> None:
    """Write the file, print the mounts."""
    places = Places()
    lines = [f"{option} = {places.moved(value)}" for option, value in settings(sys.stdin).items()]
    out.write_text("\n".join(["[global]", *lines, ""]))
    for path, place in places.mounts.items():
        print(f"--volume={path}:{place}:ro")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
