"""Nsight Compute CSV → Counters: live output, details page (one row per metric) or raw page (one row per launch)."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from bench.record.errors import RecordError

from .counters import Counters, from_launches
from .ncu_cells import TableReader
from .ncu_chatter import is_chatter, messages, why_no_table
from .ncu_table import find_tables, has_header
from .ncu_values import holes, store_values


def looks_like_ncu_text(head: bytes) -> bool:
    """True if the text holds a counter table's header or ncu's own chatter."""
    return any(has_header(line) or is_chatter(line) for line in _decode(head).splitlines())


def read_ncu_csv(path: Path) -> Counters:
    """Counters of all tables of a file.

    Raises RecordError, with the remedy, where there is no table, no launch, a damaged row or a value that
    is not a number.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    try:
        return parse_ncu_csv(content)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def parse_ncu_csv(content: bytes) -> Counters:
    """The same for the content of a file. Raises RecordError."""
    if not content.strip():
        raise RecordError("empty: profile again, and read ncu's own messages")
    *lines, rest = re.split(r"\r?\n", _decode(content))
    tables = find_tables([*lines, rest] if rest else lines, complete=not rest)
    if not any(table.rows for table in tables):
        raise RecordError(why_no_table([*lines, rest]))
    reader = TableReader()
    for table in tables:
        reader.read(table)
    store_values(reader.cells, reader.launches)
    warnings = [f"ncu warned: {text}" for text in messages(lines, "WARNING")]
    warnings += [f"ncu reported an error: {text}" for text in messages(lines, "ERROR")]
    return from_launches(reader.launches, warnings + holes(reader.launches))


def _decode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
    # Locales of the Latin-1 family group thousands with a lone byte 0xA0.
    return re.sub("(?<=\\d)\ufffd(?=\\d{3})", "\u00a0", text) if b"\xa0" in content else text
