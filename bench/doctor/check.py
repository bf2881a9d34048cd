"""One answer of the doctor, and the machine it asks: every look at the outside goes through ``Machine``,
so that a test can put another machine in its place."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.instruments.nvml import Nvml, connect

Status = Literal["ok", "missing", "limited"]
_SECONDS = 3


@dataclass(frozen=True)
class Check:
    """``status``: "ok", "missing" (cannot be measured here) or "limited" (only in part). ``remedy``: one line."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


def package_version(name: str) -> str | None:
    """The installed version of a package, not imported; None without it."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def package_folder(name: str) -> Path | None:
    """Where a top-level package lies, not imported; None without it."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def run_program(command: list[str]) -> str:
    """What a program prints. Raises OSError or subprocess.SubprocessError if it cannot run or fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    return done.stdout + done.stderr


def find_program(name: str) -> str | None:
    """A program on the PATH or beside this Python (a virtual environment that is not activated)."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


@dataclass(frozen=True)
class Machine:
    """Where the doctor looks. The defaults are the real machine."""

    proc: Path = Path("/proc")
    powercap: Path = Path("/sys/class/powercap")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    nvml: Callable[[], Nvml] = connect
    version: Callable[[str], str | None] = package_version
    folder: Callable[[str], Path | None] = package_folder
    program: Callable[[str], str | None] = find_program
    run: Callable[[list[str]], str] = run_program

    def text(self, name: str) -> str:
        """A file under /proc, or "" if it is not there or may not be read."""
        try:
            return (self.proc / name).read_text(errors="replace")
        except OSError:
            return ""

    def capability(self, bit: int) -> bool:
        """Whether this process holds a Linux capability (capabilities(7); its bit in CapEff)."""
        match = re.search(r"^CapEff:\s*([0-9a-fA-F]+)$", self.text("self/status"), re.MULTILINE)
        return match is not None and bool(int(match[1], 16) >> bit & 1)
