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
    """One reader.

    ``read``: what the reader makes of a file. ``use``: what the program does with that, up to printing it. ``seeds``:
    inputs to begin with. ``make``: a new input from scratch. ``mutate``: a change that knows the format. ``size``: what
    counts as the size of an input (unpacked, where a format is packed by design).
    """

    name: str
    suffix: str
    read: Callable[[Path], Any]
    use: Callable[[Any], None]
    seeds: Callable[[], Sequence[bytes]]
    make: Callable[[Random], bytes]
    mutate: Callable[[bytes, Random], bytes]
    size: Callable[[bytes], int] = len


def printed(value: Any) -> None:
    """Print a result as the command line would, into nothing. Raises where it is no strict JSON or no text."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
