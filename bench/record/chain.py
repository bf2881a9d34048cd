"""A hash on each line of a records file that depends on all lines before it, so that a line which was changed, removed,
added or moved shows: its own hash, or that of the next line, is another.

The first line's hash depends on the run's plan, too, where there was one. Lines of older versions carry no hash and
are part of those that follow. It is no signature: who changes a line can make all hashes again.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FIELD = "chain"
_END = re.compile(rb', "chain": "([0-9a-f]{64})"\}')
_END_BYTES = len(', "chain": ""}') + 64
PLAN = "plan.json"


@dataclass(frozen=True)
class Chain:
    """Of the lines of a file: how many ``have`` a hash, how many ``lack`` one, and the numbers of the ``broken``."""

    have: int
    lack: int
    broken: tuple[int, ...]


def seed(folder: Path) -> str:
    """What the first line's hash depends on: the plan, or nothing."""
    try:
        return hashlib.sha256((folder / PLAN).read_bytes()).hexdigest()
    except OSError:
        return ""


def linked(line: bytes, before: str) -> tuple[bytes, str]:
    """The line of a JSON object with its hash in the place of an older one, and the hash."""
    body, _ = _split(line)
    found = _link(before, body)
    return body[:-1] + f', "{FIELD}": "{found}"}}'.encode(), found


def relinked(lines: Iterable[bytes], before: str = "") -> Iterator[bytes]:
    """Lines, with their ends, of one or several files as the lines of a new one."""
    for line in lines:
        made, before = linked(line.rstrip(), before)
        yield made + b"\n"


def last(stream: io.FileIO, before: str) -> str:
    """The hash on which that of a next line depends. ``stream``: a file of whole lines, at any place."""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, end - _END_BYTES - 1))
    digest = _split(stream.read().rstrip())[1]
    if digest:
        return digest
    stream.seek(0)
    buffered = io.BufferedReader(stream)  # the writer's own stream has none
    for line in filter(None, map(bytes.strip, buffered)):
        body, digest = _split(line)
        before = digest or _link(before, body)
    buffered.detach()
    return before


def check(lines: Iterable[bytes], seeds: Iterable[str]) -> Chain:
    """Whether each line follows the one before it. ``seeds``: what the first line may depend on."""
    befores = tuple(dict.fromkeys(seeds))
    have = lack = 0
    broken = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        body, digest = _split(line.strip())
        made = tuple(_link(before, body) for before in befores)
        have, lack = have + bool(digest), lack + (not digest)
        if digest and digest not in made:
            broken.append(number)
        elif not digest and have:
            broken.append(number)  # this version writes none without
        befores = (digest,) if digest else made
    return Chain(have, lack, tuple(broken))


def _split(line: bytes) -> tuple[bytes, str]:
    """The line without its hash, and the hash; "" where it has none."""
    found = _END.fullmatch(line[-_END_BYTES:])
    return (line[:-_END_BYTES] + b"}", found[1].decode()) if found else (line, "")


def _link(before: str, body: bytes) -> str:
    return hashlib.sha256(before.encode() + b"\n" + body).hexdigest()
