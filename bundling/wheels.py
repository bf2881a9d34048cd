"""The wheels that a host needs, found by walking their requirements with the host's markers.

pip's own resolver evaluates markers for the Python it runs in, whatever --python-version says, and cannot leave out
what the host brings. The versions are pinned already, so a walk that downloads without dependencies does.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from .errors import BundleError
from .target import Target

# At the top only: setuptools carries wheels of others in itself.
_METADATA = re.compile(r"[^/]+\.dist-info/METADATA")


@dataclass(frozen=True)
class Wheel:
    """A wheel file and what its METADATA says."""

    path: Path
    name: str
    version: str
    requires: tuple[Requirement, ...]


def read_wheel(path: Path) -> Wheel:
    """Raises BundleError if the file is no wheel."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = next(name for name in archive.namelist() if _METADATA.fullmatch(name))
            metadata = HeaderParser().parsestr(archive.read(inside).decode())
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise BundleError(f"{path.name} is no wheel ({error or 'no METADATA'}): download again") from error
    requires = tuple(Requirement(line) for line in metadata.get_all("Requires-Dist", ()))
    return Wheel(path, canonicalize_name(metadata["Name"]), metadata["Version"], requires)


class Collector:
    """Downloads into ``folder`` what is wanted and whatever that requires on ``target``, but for ``brought``."""

    def __init__(self, target: Target, folder: Path, constraints: Path, brought: Collection[str]) -> None:
        self.target, self.folder, self.constraints, self.brought = target, folder, constraints, brought
        self.wheels: dict[str, Wheel] = {}
        self._asked: list[Requirement] = []
        self._walked: set[tuple[str, str]] = set()

    def collect(self, wanted: Sequence[Requirement]) -> list[Wheel]:
        """All wheels, by name. Raises BundleError if one cannot be had, or its version contradicts a requirement."""
        while wanted:
            self._asked += wanted
            missing = [each for each in wanted if canonicalize_name(each.name) not in self.wheels]
            if missing:
                self._download(missing)
            wanted = [each for requirement in wanted for each in self._requirements_of(requirement)]
        self._check()
        return [self.wheels[name] for name in sorted(self.wheels)]

    def _requirements_of(self, requirement: Requirement) -> Iterator[Requirement]:
        """What this one requires and was not walked yet."""
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in self._walked:
                continue
            self._walked.add((name, extra))
            for needed in self.wheels[name].requires:
                if self._applies(needed, extra) and canonicalize_name(needed.name) not in self.brought:
                    yield needed

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        environment = self.target.markers() | {"extra": extra}
        return requirement.marker is None or requirement.marker.evaluate(environment)

    def _download(self, missing: Sequence[Requirement]) -> None:
        """pip gets name and versions only: it would judge a marker by the Python that it runs in."""
        lines = sorted({f"{each.name}{each.specifier}" for each in missing})
        # pip refuses two lines of one name: the constraints pin it, and what they do not is checked at the end.
        first = {canonicalize_name(Requirement(line).name): line for line in lines}
        run_pip(
            *("download", "--quiet", "--no-deps", "--dest", str(self.folder), "--constraint", str(self.constraints)),
            *self.target.pip_options(),
            *first.values(),
        )
        for path in self.folder.glob("*.whl"):
            name = canonicalize_name(parse_wheel_filename(path.name)[0])
            if name not in self.wheels:
                self.wheels[name] = read_wheel(path)

    def _check(self) -> None:
        for requirement in self._asked:
            wheel = self.wheels[canonicalize_name(requirement.name)]
            if not requirement.specifier.contains(wheel.version, prereleases=True):
                raise BundleError(f"{requirement} contradicts {wheel.path.name}: see constraints.txt")


def run_pip(*words: str) -> None:
    """Raises BundleError with pip's own last word."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise BundleError(f"pip: {(errors or ['failed: ' + done.stderr.strip()[-200:]])[-1]}")
