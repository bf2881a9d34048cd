"""Are the installed packages those that the project was tested with? Offline, in about a second; part of `make lint`.

usage: python scripts/audit.py [--files]           check (exit code 1: something does not hold)
       python scripts/audit.py --write [OPTIONS]   fetch the pinned wheels, put their hashes in constraints.lock.json;
                                                   OPTIONS go to 'pip download', such as --python-version 3.12, or
                                                   --platform manylinux_2_28_aarch64 --without ncu-report

Checked for bitledger and all that it needs, as installed here:
- every distribution is pinned in constraints.txt, and has the pinned version;
- its list of files with their hashes is that of a wheel in constraints.lock.json;
- with --files: the files on disk still have those hashes;
- where pip-audit is installed and its service answers: no pinned version has a known vulnerability.

torch is pinned but not in the lock: each machine takes the build for its own GPU.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS, LOCK = ROOT / "constraints.txt", ROOT / "constraints.lock.json"
OWN, EXTRAS = "bitledger", ("measure", "energy", "cluster", "ncu", "dev")
NOT_LOCKED = frozenset(("torch",))
# What a virtual environment begins with: each machine has its own.
_TOOLS = frozenset(("pip", "setuptools", "wheel"))
# What pip writes beside a wheel's own files.
_ADDED = frozenset(("INSTALLER", "REQUESTED", "RECORD", "direct_url.json"))
# Where a wheel may hold what goes beside the packages all the same.
_LIBRARY = re.compile(r"^[^/]+\.data/(pure|plat)lib/")
_PIP_AUDIT_SECONDS = 60

Lock = dict[str, dict[str, dict[str, str]]]


def pins(text: str) -> dict[str, str]:
    """Canonical name → version. Raises ValueError for a line that pins nothing."""
    found = {}
    for line in (line.partition("#")[0].strip() for line in text.splitlines()):
        if line:
            name, exact, version = line.partition("==")
            if not exact:
                raise ValueError(f"{line!r} is no exact version")
            found[canonicalize_name(name)] = version
    return found


def needed(root: str = OWN, extras: Iterable[str] = EXTRAS) -> dict[str, metadata.Distribution]:
    """By canonical name: the installed distributions that ``root`` needs here, itself left out."""
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(root, frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        if (canonicalize_name(name), wanted) in seen:
            continue
        seen.add((canonicalize_name(name), wanted))
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed; pip itself refuses to leave others out
        found[canonicalize_name(name)] = package
        waiting += [(need.name, frozenset(need.extras)) for need in _applying(package, wanted)]
    return {name: package for name, package in found.items() if name not in _TOOLS | {canonicalize_name(root)}}


def _applying(package: metadata.Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for need in map(Requirement, package.requires or ()):
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield need


def contents(record: str) -> str:
    """One hash over a wheel's own list of files and their hashes, the same in the wheel and once it is installed."""
    rows = (row for row in csv.reader(io.StringIO(record)) if len(row) >= 2 and row[1])
    placed = ((_LIBRARY.sub("", path), digest) for path, digest, *_ in rows)
    lines = sorted(f"{path} {digest}" for path, digest in placed if _own(path))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _own(path: str) -> bool:
    parts = PurePosixPath(path).parts
    made = path.endswith(".pyc") or ".." in parts or parts[0].endswith(".data")
    return not made and not (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _ADDED)


def problems(pinned: dict[str, str], lock: Lock, installed: dict[str, metadata.Distribution]) -> Iterator[str]:
    """What does not hold, one line each."""
    for name, package in sorted(installed.items()):
        pin = pinned.get(name)
        if pin is None:
            yield f"{name} {package.version} is not pinned: add it to constraints.txt"
        elif not _is(package.version, pin):
            yield f"{name} is {package.version}, pinned {pin}: make setup again"
        elif (found := contents(package.read_text("RECORD") or "")) and (known := lock.get(name)):
            if package.version not in known:
                yield f"{name} {pin} is not in the lock: python scripts/audit.py --write"
            elif found not in known[package.version].values():
                yield f"{name} {pin}: no wheel in the lock has these files; see where it came from, or --write"


def _is(version: str, pin: str) -> bool:
    """A pin without a local part, such as +cpu, is met by any."""
    have, want = Version(version), Version(pin)
    return have == want if want.local else Version(have.public) == want


def changed(package: metadata.Distribution) -> list[str]:
    """Files of a distribution that are not as they were installed."""
    return [
        str(file)
        for file in package.files or ()
        if file.hash and not str(file).endswith(".pyc") and _digest(Path(str(file.locate()))) != file.hash.value
    ]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return "missing"
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def advisories() -> tuple[bool, str]:
    """(nothing is known against a pinned version, or nobody could be asked; what to tell)."""
    tool = shutil.which("pip-audit") or shutil.which("pip-audit", path=str(Path(sys.executable).parent))
    if tool is None:
        return True, "advisories: not audited: pip-audit is not installed"
    command = [tool, "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_AUDIT_SECONDS)
    except subprocess.TimeoutExpired:
        return True, f"advisories: not audited: no answer within {_PIP_AUDIT_SECONDS} s"
    said = (done.stdout + done.stderr).strip()
    if done.returncode == 0:
        return True, "advisories: none known against a pinned version"
    if re.search(r"found \d+ known vulnerabilit", said, re.IGNORECASE):
        return False, f"advisories:\n{said}"
    return True, f"advisories: not audited: {said.splitlines()[-1] if said else 'pip-audit failed'}"


def check(files: bool) -> int:
    """Print what was found; 1 where something does not hold."""
    pinned, installed = pins(CONSTRAINTS.read_text()), needed()
    lock: Lock = json.loads(LOCK.read_text())
    found = list(problems(pinned, lock, installed))
    found += [f"{name}: a lock without a pin" for name in sorted(lock.keys() - pinned.keys())]
    unlocked = sorted(installed.keys() - lock.keys() - NOT_LOCKED)
    found += [f"{name} is not in the lock: python scripts/audit.py --write" for name in unlocked]
    if files:
        found += [f"{name}: {path} was changed" for name, package in installed.items() for path in changed(package)]
    fine, told = advisories()
    for line in (*found, told):
        print(f"audit: {line}")
    print(f"audit: {len(installed)} distributions, {len(found)} problems")
    return 0 if fine and not found else 1


def write(options: list[str], without: Iterable[str] = ()) -> int:
    """Add the wheels of the pinned versions, for this Python or the one that ``options`` name, to the lock.
    ``without``: packages of which there is no wheel for it."""
    lock: Lock = json.loads(LOCK.read_text()) if LOCK.exists() else {}
    pinned = {name: version for name, version in pins(CONSTRAINTS.read_text()).items() if name not in NOT_LOCKED}
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        absent = set(map(canonicalize_name, without))
        fetched = {name: version for name, version in pinned.items() if name not in absent}
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in fetched.items()))
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", folder, "-r", str(wanted), *options], check=True)
        for wheel in sorted(Path(folder).glob("*.whl")):
            name, version = canonicalize_name(wheel.name.split("-")[0]), wheel.name.split("-")[1]
            lock.setdefault(name, {}).setdefault(version, {})[_hash(wheel)] = contents(_record(wheel))
    kept = {
        name: {pinned[name]: lock[name][pinned[name]]} for name in sorted(pinned) if pinned[name] in lock.get(name, {})
    }
    LOCK.write_text(json.dumps(kept, indent=1) + "\n")
    missing = sorted(pinned.keys() - kept.keys())
    print(
        f"audit: {len(kept)} of {len(pinned)} pinned versions are in the lock"
        + (f", without {missing}" * bool(missing))
    )
    return 0


def _hash(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _record(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        name = next(item for item in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", item))
        return archive.read(name).decode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", action="store_true", help="hash every installed file (some seconds)")
    parser.add_argument("--write", action="store_true", help="fetch the pinned wheels and add their hashes to the lock")
    parser.add_argument(
        "--without", metavar="A,B", default="", help="with --write: no wheel of these for that platform"
    )
    options, rest = parser.parse_known_args()
    if rest and not options.write:
        parser.error(f"unknown options: {' '.join(rest)}")
    return write(rest, filter(None, options.without.split(","))) if options.write else check(options.files)


if __name__ == "__main__":
    sys.exit(main())
