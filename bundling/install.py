"""python -m bundling.install BUNDLE: check this host and the bundle, then make .venv from it. No internet is used.

Run by the Python that the bundle is for, in the folder of the source. BUNDLE: an unpacked bundle or its archive.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .archive import unpack
from .errors import BundleError
from .host import check_host
from .manifest import read_manifest, verify

_UNPACKED = Path("build/offline")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 with one line that says what to do."""
    parser = argparse.ArgumentParser(prog="python -m bundling.install", description=__doc__)
    parser.add_argument("bundle", type=Path, help="folder or archive made by 'make bundle'")
    parser.add_argument("--venv", type=Path, default=Path(".venv"), help="environment to make (default .venv)")
    options = parser.parse_args(argv)
    try:
        install(options.bundle, options.venv)
    except BundleError as error:
        print(f"bitledger: {error}", file=sys.stderr)
        return 2
    return 0


def install(bundle: Path, environment: Path) -> None:
    """Raises BundleError if host or bundle are wrong, or pip finds that they do not fit; nothing half-made is left."""
    folder = opened(bundle)
    manifest = read_manifest(folder)
    check_host(manifest)
    verify(folder, manifest)
    print(f"bitledger: installing {len(manifest['wheels'])} wheels of {manifest['name']} into {environment}")
    try:
        python = make_environment(environment, shared=bool(manifest["host_packages"]))
        _install_wheels(python, folder / "bundle/wheels", manifest)
    except BaseException:
        shutil.rmtree(environment, ignore_errors=True)
        raise


def opened(bundle: Path) -> Path:
    """The bundle's folder; an archive is unpacked into build/offline first."""
    if bundle.is_dir():
        return bundle
    if not bundle.is_file():
        raise BundleError(f"no bundle at {bundle}: OFFLINE names an archive of 'make bundle', or its unpacked folder")
    shutil.rmtree(_UNPACKED, ignore_errors=True)
    return unpack(bundle, _UNPACKED)


def make_environment(folder: Path, shared: bool) -> Path:
    """A virtual environment, without pip (Debian's Python may lack ensurepip); returns its Python.

    ``shared``: the packages of the Python that runs this are seen in it, behind its own. --system-site-packages would
    show others where that Python is of a virtual environment itself: those of the Python behind it.
    """
    venv.create(folder, clear=True, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    if shared:
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        own = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
        lines = [f"import site; site.addsitedir({path!r})" for path in _package_folders(sys.path)]
        Path(own, "packages_of_the_host.pth").write_text("\n".join(lines) + "\n")
    return python


def _package_folders(path: Sequence[str]) -> list[str]:
    return [folder for folder in path if Path(folder).name in ("site-packages", "dist-packages")]


def _install_wheels(python: Path, wheels: Path, manifest: dict[str, Any]) -> None:
    offline = ("--no-index", "--find-links", str(wheels), "--no-warn-script-location")
    _pip(python, wheels, "install", *offline, "--only-binary", ":all:", *manifest["requirements"])
    # The requirements are there; what was left out on purpose is not to stop this.
    _pip(python, wheels, "install", *offline, "--no-deps", "--no-build-isolation", "--editable", ".")
    for line in _complaints(python, wheels, manifest):
        print(f"bitledger: note: {line}")


def _complaints(python: Path, wheels: Path, manifest: dict[str, Any]) -> list[str]:
    """``pip check``, without what the bundle left out on purpose."""
    done = _run_pip(python, wheels, "check")
    lines = [line for line in done.stdout.splitlines() if done.returncode and line.strip()]
    expected = {f"requires {name}, which is not installed" for name in manifest["left_out"]}
    return [line for line in lines if not any(words in line for words in expected)]


def _pip(python: Path, wheels: Path, *words: str) -> None:
    done = _run_pip(python, wheels, *words)
    if done.returncode:
        raise BundleError(_reason(done.stderr))


def _run_pip(python: Path, wheels: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """pip out of its wheel, without any setting of this host: it could name an index or other versions."""
    pip = next(wheels.glob("pip-*.whl"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment["PIP_CONFIG_FILE"] = os.devnull
    command = [str(python), str(pip / "pip"), "--quiet", "--disable-pip-version-check", "--no-input", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def _reason(stderr: str) -> str:
    missing = re.search(r"No matching distribution found for (\S+)", stderr)
    if missing:
        return (
            f"this host does not bring {missing[1]}, and neither does the bundle: update it on the host, or make the "
            f"bundle with BUNDLE_WITH={re.split('[<>=!~;]', missing[1])[0]}"
        )
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    return f"pip cannot install the bundle: {(errors or [stderr.strip()[-200:]])[-1]}"


if __name__ == "__main__":
    sys.exit(main())
