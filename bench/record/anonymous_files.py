"""The files of a run folder without who measured and where. What cannot be read as text is left out: a profiler's own
binary holds the whole environment of what it observed, and the names of all processes."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from . import packed
from .anonymous import Anonymiser
from .anonymous_json import strings
from .anonymous_sqlite import clean_sqlite
from .files import replacing
from .naming_fields import names_somebody

_JSON = (".json", ".jsonl")
_TEXT = (".log", ".txt", ".csv", ".md", ".folded", ".raw", ".svg", ".html", ".xml", ".toml")
_SQLITE = (".sqlite", ".db")
_KEY_BEGINS = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_KEY_ENDS = b"-----END"


def why_not(file: Path) -> str:
    """Why such a file cannot be made anonymous; "" where it can."""
    if _suffix(file) in (*_JSON, *_TEXT, *_SQLITE):
        return ""
    return "a file of another program that may hold names, folders and variables of the machine"


def clean(file: Path, new: Path, names: Anonymiser) -> None:
    """Write ``file`` to ``new``, which may be the same, without what ``names`` takes out.

    Raises ValueError where it is not what its name says, OSError where it cannot be read or written.
    """
    suffix, gzipped = _suffix(file), file.suffix == ".gz"
    if suffix in _SQLITE:
        clean_sqlite(file, new, names)
        return
    with replacing(new) as out, packed.opened(file) if gzipped else file.open("rb") as stream:
        pieces = strings(stream, names) if suffix in _JSON else _lines(stream, names, rows=suffix == ".csv")
        if not gzipped:
            out.writelines(pieces)
            return
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0, filename="") as target:
            for piece in pieces:
                target.write(piece)


def _suffix(file: Path) -> str:
    return (file.with_suffix("") if file.suffix == ".gz" else file).suffix.lower()


def _lines(stream: IO[bytes], names: Anonymiser, *, rows: bool) -> Iterator[bytes]:
    columns: list[str] = []
    for line in _whole_keys(stream):
        if b"\0" in line:
            raise ValueError("it is no text in UTF-8")
        text = line.decode("utf-8", "replace")
        if rows:
            columns, text = _row(text, columns, names)
        yield names.text(text).encode()


def _whole_keys(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines, those of a private key in one."""
    lines = iter(stream)
    for line in lines:
        if _KEY_BEGINS.search(line) and _KEY_ENDS not in line:
            line = b"".join((line, *_until_key_ends(lines)))
        yield line


def _until_key_ends(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield line
        if _KEY_ENDS in line:
            return


def _row(line: str, columns: list[str], names: Anonymiser) -> tuple[list[str], str]:
    """(columns, line): of a table the cells that name somebody, made anonymous. Its longest row names the columns."""
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error:  # a cell of more than 128 KiB
        return columns, line
    if len(cells) < 2 or len(cells) != len(columns):
        return (cells if len(cells) > len(columns) else columns), line
    made = [
        str(names.document(cell, name)) if names_somebody(name) else cell
        for name, cell in zip(columns, cells, strict=True)
    ]
    if made == cells:
        return columns, line
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(made)
    return columns, out.getvalue()
