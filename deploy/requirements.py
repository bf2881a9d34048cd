"""Print the requirements of a pyproject.toml, with the extras named, so that an image layer can hold them alone.

python requirements.py pyproject.toml [EXTRA ...]
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(file: Path, extras: list[str]) -> list[str]:
    """What pip would install for ``.[extras]``, the project itself left out. Raises KeyError for an unknown extra."""
    project = tomllib.loads(file.read_text())["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]), sys.argv[2:])))
