"""Whether this host is the one that a bundle is for. Standard library only."""

from __future__ import annotations

import importlib.util
import platform
import re
import runpy
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from .errors import BundleError


def check_host(manifest: dict[str, Any]) -> None:
    """Raises BundleError for the first thing that does not fit: Python, platform, C library, packages, CUDA."""
    check_python(manifest, f"{sys.version_info[0]}.{sys.version_info[1]}", platform.python_implementation())
    check_platform(manifest, sys.platform, platform.machine(), platform.libc_ver())
    check_packages(manifest)
    if manifest["host_packages"]:
        check_cuda(manifest, torch_cuda())


def check_python(manifest: dict[str, Any], python: str, implementation: str) -> None:
    """Compiled wheels are for one minor version of CPython."""
    wanted = manifest["python"]
    if (python, implementation) != (wanted, "CPython"):
        raise BundleError(
            f"this bundle is for CPython {wanted} and this is {implementation} {python}: "
            f"PYTHON=python{wanted}, or make the bundle with BUNDLE_PYTHON={python}"
        )


def check_platform(manifest: dict[str, Any], system: str, machine: str, libc: tuple[str, str]) -> None:
    """Linux with glibc, on the processor that was named."""
    if system != "linux" or machine != manifest["machine"]:
        raise BundleError(
            f"this bundle is for Linux on {manifest['machine']} and this is {system} on {machine}: "
            f"make the bundle with BUNDLE_PLATFORM={machine}"
        )
    name, version = libc
    if name != "glibc" or _numbers(version) < _numbers(manifest["glibc"]):
        found = f"{name} {version}".strip() or "another C library"
        raise BundleError(
            f"this bundle needs glibc {manifest['glibc']} and this host has {found}: use a newer system or a container"
        )


def check_packages(manifest: dict[str, Any]) -> None:
    """What the bundle left out, because the host has it. pip checks the versions later."""
    missing = [line for line in manifest["host_packages"] if _version(_name(line)) is None]
    if missing:
        raise BundleError(
            f"this host's Python ({sys.executable}) lacks {' and '.join(missing)}: load its module, name the Python "
            "that has it (make PYTHON=…), or make the bundle with BUNDLE_WITH=torch,transformers"
        )


def check_cuda(manifest: dict[str, Any], cuda: str | None) -> None:
    """``cuda``: what the host's torch was built for, such as "13.0", or None. bitsandbytes needs the same major."""
    major = manifest["cuda"][:2]
    if cuda is not None and cuda.split(".")[0] != major:
        word = "no CUDA" if manifest["cuda"] == "cpu" else f"CUDA {major}"
        raise BundleError(
            f"this host's torch is built for CUDA {cuda} and this bundle for {word}: "
            f"make the bundle with BUNDLE_CUDA={cuda.replace('.', '')}"
        )


def torch_cuda() -> str | None:
    """What torch says in its version.py, without the seconds that importing it takes."""
    spec = importlib.util.find_spec("torch")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    if file is None or not file.is_file():
        return None
    cuda = runpy.run_path(str(file)).get("cuda")
    return str(cuda) if cuda else None


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return match[0] if match else requirement


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
