"""Classes of refusals: error messages without what differs from one input to the next."""

from __future__ import annotations

import re
from pathlib import Path

from bench.record.errors import BitledgerError

_LENGTH = 70


def class_of(error: BitledgerError, file: Path) -> str:
    """ "RecordError: FILE: line N is a damaged row" and the like."""
    text = str(error).replace(str(file), "FILE")
    text = re.sub(r"(ncu failed: ).*", r"\1…", text)
    text = re.sub(r"\(.*\)", "(…)", text, flags=re.DOTALL)
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", text)
    text = re.sub(r"-?\d[\d.,]*", "N", text)
    return f"{type(error).__name__}: {' '.join(text.split())[:_LENGTH]}"
