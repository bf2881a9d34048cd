"""The archive itself: the same bytes for the same files, and nothing in it that leaves its folder."""

from __future__ import annotations

import lzma
import tarfile
from pathlib import Path

from .errors import BundleError
from .manifest import inside

# A fixed time, because an archive of the same files is to have the same hash. After 1980, for zip's sake.
_TIME = 1_577_836_800


def write_archive(folder: Path, archive: Path, level: int = 9) -> None:
    """``folder`` becomes the one top-level folder; compressed where the name ends in .xz, ``level`` 0 (fast) to 9."""
    partial = archive.with_name(archive.name + ".partial")
    if archive.suffix == ".xz":
        with lzma.open(partial, "wb", preset=level) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
            _add(tar, folder)
    else:
        with tarfile.open(partial, "w") as tar:
            _add(tar, folder)
    partial.replace(archive)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack into ``folder``; returns the bundle's own folder there. Raises BundleError if it is damaged or unsafe."""
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            _check(members)
            extract(tar, folder)
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        why = str(error).partition("\n")[0].rstrip(": ")  # tarfile lists, line by line, all that it tried
        raise BundleError(f"{archive.name} is damaged ({why}): copy it again") from error
    return folder / members[0].name.split("/")[0]


def extract(tar: tarfile.TarFile, folder: Path) -> None:
    """All members, which the caller has looked at or made. tarfile's own filter comes on top where there is one:
    Python has it from 3.11.4 on, and Debian 12 brings 3.11.2."""
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, filter="data")
    else:
        tar.extractall(folder)  # noqa: S202


def _check(members: list[tarfile.TarInfo]) -> None:
    wrong = [member.name for member in members if not inside(member.name) or not (member.isfile() or member.isdir())]
    if wrong or len({member.name.split("/")[0] for member in members}) != 1:
        raise BundleError(f"not an archive of 'make bundle': {(wrong or ['more than one folder'])[0]}")


def _add(tar: tarfile.TarFile, folder: Path) -> None:
    # Wheels last and each kind of file beside its like, because compression looks back only so far.
    for path in sorted(folder.rglob("*"), key=lambda path: (path.suffix == ".whl", path.as_posix())):
        if path.is_symlink() or not path.is_file():
            continue
        entry = tar.gettarinfo(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = _TIME
        entry.mode = 0o755 if entry.mode & 0o100 else 0o644
        with path.open("rb") as file:
            tar.addfile(entry, file)
