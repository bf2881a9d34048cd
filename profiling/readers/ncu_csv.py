"""Nsight Compute CSV → Counters: live output, details page (one row per metric) or raw page (one row per launch)."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from bench.record.errors import RecordError

from .counters import Counters, counters_of
from .ncu_chatter import is_chatter, messages, why_no_table
from .ncu_lines import Lines
from .ncu_table import find_tables, has_header
from .ncu_values import columns_of, holes


def looks_like_ncu_text(head: bytes) -> bool:
    """True if the text holds a counter table's header or ncu's own chatter."""
    return any(has_header(line) or is_chatter(line) for line in Lines(_decode(head)))


def read_ncu_csv(path: Path) -> Counters:
    """Counters of all tables of a file.

    Raises RecordError, with the remedy, where there is no table, no launch, a damaged row or a value that
    is not a number.
    """
    try:
        return parse_ncu_csv(path.read_bytes())
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def parse_ncu_csv(content: bytes) -> Counters:
    """The same for the content of a file. Raises RecordError."""
    if not content.strip():
        raise RecordError("empty: profile again, and read ncu's own messages")
    lines = Lines(_decode(content))
    launches, columns, guesses = columns_of(find_tables(lines, lines.complete))
    if not launches:
        raise RecordError(why_no_table(lines))
    warnings = [f"ncu warned: {text}" for text in messages(lines, "WARNING")]
    warnings += [f"ncu reported an error: {text}" for text in messages(lines, "ERROR")]
    return counters_of(launches, columns, guesses + warnings + holes(launches, columns))


def _decode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
    # Locales of the Latin-1 family group thousands with a lone byte 0xA0.
    return re.sub("(?<=\\d)\ufffd(?=\\d{3})", "\u00a0", text) if b"\xa0" in content else text
