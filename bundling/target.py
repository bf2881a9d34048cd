"""The host that a bundle is for: its Python, processor, C library and CUDA version."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import BundleError

MACHINES = ("x86_64", "aarch64")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Minor version of glibc 2 that the host must have at least: what the newest of the needed wheels are built for.
GLIBC_MINOR = 28
_OLD_NAMES = {"x86_64": ("manylinux2014", "manylinux2010", "manylinux1"), "aarch64": ("manylinux2014",)}


@dataclass(frozen=True)
class Target:
    """``python``: such as "3.12"; ``cuda``: digits as in bitsandbytes' libraries ("130" for 13.0), or "cpu"."""

    python: str = "3.12"
    machine: str = "x86_64"
    cuda: str = "130"

    def __post_init__(self) -> None:
        """Raises BundleError for a host that this project does not know."""
        if self.python not in PYTHONS:
            raise BundleError(f"no Python {self.python}: name one of {', '.join(PYTHONS)}")
        if self.machine not in MACHINES:
            raise BundleError(f"no platform {self.machine!r}: name one of {', '.join(MACHINES)}")
        if not re.fullmatch(r"cpu|\d{3}", self.cuda):
            raise BundleError(f"CUDA {self.cuda!r} is no version: 130 for CUDA 13.0, 128 for 12.8, or cpu")

    @property
    def name(self) -> str:
        cuda = self.cuda if self.cuda == "cpu" else f"cu{self.cuda}"
        return f"cp{self.python.replace('.', '')}-{cuda}-{self.machine}"

    def pip_options(self) -> list[str]:
        """Options of ``pip download``. Every older manylinux by name, because pip does not know their order."""
        platforms = [f"manylinux_2_{minor}_{self.machine}" for minor in range(GLIBC_MINOR, 4, -1)]
        platforms += [f"{name}_{self.machine}" for name in _OLD_NAMES[self.machine]]
        options = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", self.python]
        return options + [word for platform in platforms for word in ("--platform", platform)]

    def markers(self) -> dict[str, str]:
        """Values of the environment markers there; pip would take those of the Python it runs in."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }
