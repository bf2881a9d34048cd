"""What travels and what the host brings, from pyproject.toml and the packages that the user named."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .errors import BundleError

# What every release of them in our range requires: a host that has them has it, and numpy alone weighs 17 MB.
BROUGHT = {
    "torch": ("filelock", "fsspec", "jinja2", "networkx", "sympy", "typing-extensions"),
    "transformers": (
        *("huggingface-hub", "numpy", "packaging", "pyyaml", "regex", "safetensors", "tokenizers", "tqdm"),
    ),
}
# A second opinion beside the direct counters, with pandas and cryptography behind it: 20 MB. A run goes without it.
_OPTIONAL = ("codecarbon",)
# What a host measures with; 'ncu' and 'dev' travel where they are asked for.
_EXTRAS = ("measure", "energy", "cluster")
_NOT_FOR_HOSTS = ("mypy", "ruff")  # 'make lint' is for where the code is written
TOOLS = ("pip", "setuptools>=77")  # pip is run from its wheel, because a host's may be missing; setuptools: 'pip -e'


@dataclass(frozen=True)
class Needs:
    """``install``: requirements that the host's pip is given. ``brought``: names that the host has.
    ``left_out``: requirements of the project that neither travels nor is asked for."""

    install: tuple[str, ...]
    brought: frozenset[str]
    left_out: tuple[str, ...]

    @property
    def host(self) -> tuple[str, ...]:
        """What the host must have, as requirements."""
        return tuple(line for line in self.install if _name(line) in BROUGHT.keys() & self.brought)

    @property
    def travelling(self) -> list[Requirement]:
        """Where the search for wheels starts."""
        lines = (*self.install, *TOOLS)
        return [Requirement(line) for line in lines if _name(line) not in self.brought]


def needs(pyproject: Path, named: Collection[str], dev: bool) -> Needs:
    """``named``: packages that travel although the host could bring them or a run could go without them.

    Raises BundleError for a name that there is no reason to give.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {canonicalize_name(name) for name in named}
    everything = not _missing(BROUGHT, wanted)  # size is no matter beside torch
    left_out = () if everything else tuple(_missing(_OPTIONAL, wanted))
    asked = [*project["dependencies"], *(line for extra in _EXTRAS for line in extras[extra])]
    lines = [line for line in dict.fromkeys(asked) if _name(line) not in left_out]
    if "ncu" in wanted:
        lines += extras["ncu"]
    if dev:
        lines += [line for line in extras["dev"] if _name(line) not in _NOT_FOR_HOSTS]
    _check(wanted)
    return Needs(tuple(lines), _brought(wanted), left_out)


def _brought(wanted: Collection[str]) -> frozenset[str]:
    hosts = _missing(BROUGHT, wanted)
    return frozenset({*hosts, *(name for host in hosts for name in BROUGHT[host])} - set(wanted))


def _check(wanted: Collection[str]) -> None:
    known = {*BROUGHT, *_OPTIONAL, "ncu", *(name for names in BROUGHT.values() for name in names)}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise BundleError(f"{', '.join(unknown)}: no need to name that; can be named: {', '.join(sorted(known))}")


def _missing(names: Collection[str], wanted: Collection[str]) -> list[str]:
    return [name for name in names if name not in wanted]


def _name(line: str) -> str:
    return canonicalize_name(Requirement(line).name)
