"""What the fuzzer needs to know of a reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any


@dataclass(frozen=True)
class Reader:
    """``read``: gives the reader a file and uses what it returns. ``seeds``: inputs to begin with. ``make``: a new
    input from scratch. ``mutate``: a change that knows the format. ``size``: what counts as the size of an input
    (unpacked, where a format is packed by design). ``packages``: whose code a coverage-guided engine watches."""

    name: str
    suffix: str
    read: Callable[[Path], None]
    seeds: Callable[[], Sequence[bytes]]
    make: Callable[[Random], bytes]
    mutate: Callable[[bytes, Random], bytes]
    size: Callable[[bytes], int] = len
    packages: tuple[str, ...] = ("profiling", "bench")


def printed(value: Any) -> None:
    """Print a result as the command line would, into nothing. Raises where it is no strict JSON or no text."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
