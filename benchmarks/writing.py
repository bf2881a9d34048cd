"""Where a benchmark's result goes: an earlier result is replaced as a whole, another file is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.record.errors import BitledgerError
from bench.record.files import check_file, replace_text


def check(out: Path | None, *inputs: Path) -> None:
    """To be called before anything is measured. Ends the program with one line and exit code 2 where ``out`` is one of
    the ``inputs``, is no earlier result, or cannot be written."""
    try:
        if out is not None:
            check_file(out, *inputs, begins=b"{\n")
    except BitledgerError as error:
        print(f"bitledger: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def write(out: Path, document: Mapping[str, Any]) -> None:
    """Raises OSError where it cannot be written."""
    replace_text(out, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
