"""Make the archive: collect wheels, trim them, add the source, write the manifest, pack."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .archive import write_archive
from .manifest import sha256, write_manifest
from .requirements import Needs, needs
from .source import put_source
from .target import GLIBC_MINOR, Target
from .trim import check_cuda, keep_cuda, repack
from .wheels import Collector, Wheel

ROOT = Path(__file__).resolve().parent.parent
# Without torch all wheels are packed together, which is a third smaller. Gigabytes of torch would take that a day.
_NEVER_REPACKED = "torch"


@dataclass(frozen=True)
class Order:
    """What the user asked for. ``named``: packages that travel although the host might bring them.
    ``level``: of compression, 0 (fast) to 9 (small)."""

    target: Target
    named: tuple[str, ...] = ()
    dev: bool = False
    level: int = 9


@dataclass(frozen=True)
class Bundle:
    """What was made."""

    archive: Path
    manifest: dict[str, Any]


def build(order: Order, out: Path, say: Callable[[str], None], root: Path = ROOT) -> Bundle:
    """Write the archive into the folder ``out``. Raises BundleError if a wheel cannot be had."""
    wanted = needs(root / "pyproject.toml", order.named, order.dev)
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    name = f"bitledger-{version}-{order.target.name}{'-dev' if order.dev else ''}"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bitledger-bundle-", dir=out) as scratch:
        folder = Path(scratch) / name
        (folder / "bundle/wheels").mkdir(parents=True)
        say(f"wheels for Python {order.target.python} on {order.target.machine}, CUDA {order.target.cuda}")
        wheels = _wheels(order.target, wanted, Path(scratch) / "downloads", root)
        small = all(wheel.name != _NEVER_REPACKED for wheel in wheels)
        kept = [_put_wheel(wheel, folder / "bundle/wheels", order.target, small) for wheel in wheels]
        source = put_source(root, folder, with_runs=order.dev)
        manifest = write_manifest(folder, _facts(order, wanted, name, dict(kept)) | source)
        say(f"packing {len(wheels)} wheels and {len(manifest['files']) - len(wheels)} files")
        archive = out / (name + (".tar.xz" if small else ".tar"))
        write_archive(folder, archive, order.level)
    return Bundle(archive, manifest)


def _wheels(target: Target, wanted: Needs, downloads: Path, root: Path) -> list[Wheel]:
    downloads.mkdir()
    collector = Collector(target, downloads, root / "constraints.txt", wanted.brought)
    return collector.collect(wanted.travelling)


def _put_wheel(wheel: Wheel, folder: Path, target: Target, repacked: bool) -> tuple[str, dict[str, Any]]:
    """Into the bundle, and what the manifest says of it."""
    facts: dict[str, Any] = {
        "sha256_as_downloaded": sha256(wheel.path),
        "bytes_as_downloaded": wheel.path.stat().st_size,
    }
    out = folder / wheel.path.name
    if wheel.name == "bitsandbytes":
        check_cuda(wheel.path, target.cuda)
        facts["left_out"] = repack(wheel.path, out, keep_cuda(target.cuda))
    elif repacked:
        repack(wheel.path, out)
    else:
        shutil.move(wheel.path, out)
    return wheel.path.name, facts


def _facts(order: Order, wanted: Needs, name: str, wheels: dict[str, Any]) -> dict[str, Any]:
    programs = {"make": "or the commands of the Makefile by hand"}
    if order.target.cuda != "cpu":
        programs["NVIDIA driver"] = f"one that runs CUDA {order.target.cuda[:2]}.{order.target.cuda[2:]}; without: CPU"
    programs["bubblewrap"] = "for pass@1; without it programs are kept and judged elsewhere ('bench evaluate')"
    return {
        "name": name,
        "python": order.target.python,
        "machine": order.target.machine,
        "glibc": f"2.{GLIBC_MINOR}",
        "cuda": order.target.cuda,
        "dev": order.dev,
        "host_packages": list(wanted.host),
        "host_programs": programs,
        "requirements": [*wanted.install, "setuptools>=77"],
        "left_out": list(wanted.left_out),
        "wheels": wheels,
    }
