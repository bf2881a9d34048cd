"""JSON of any size without who measured and where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import IO

from .anonymous import Anonymiser
from .naming_fields import OF_A_MACHINE, field

_BLOCK = 1 << 22
_NEXT = re.compile(rb'([^"]*)("(?:[^"\\]|\\.)*+")', re.DOTALL)
_FIELD = re.compile(rb"\s*:\s*")
# What may stand between the texts of JSON: a program's own way to print a mapping has texts without ".
_BETWEEN = re.compile(rb"(?:[\s\d\[\]{}:,.+-]|[eE]|true|false|null|NaN|Infinity)*+")
# Bytes that may stand between a field's name and its colon; the longest text; texts kept with what became of them.
_AHEAD, _LONGEST, _MOST = 256, 256 << 20, 200_000
# A number that tells which machine, behind its field's name; the variables of a process.
_FIGURE = re.compile(rb"\s*:\s*(-?\d+)")
_VARIABLES = ("env", "environ")


def strings(stream: IO[bytes], names: Anonymiser) -> Iterator[bytes]:
    """JSON of any size, its strings made anonymous by the names of their fields, and all else as it is.

    A field's name holds for the texts of its list, until the next field or the end of the mapping."""
    left, known = b"", dict[tuple[bytes, str], bytes]()
    name, complete, depth = "", False, 0
    while not complete:
        block = stream.read(_BLOCK)
        text, at, complete = left + block, 0, not block
        pieces: list[bytes] = []
        while found := _NEXT.match(text, at):
            if found.end() + _AHEAD > len(text) and not complete:
                break  # what follows tells whether it is a field's name
            between, literal = found.groups()
            is_field = _FIELD.match(text, found.end())
            if depth or (b"{" in between and name in _VARIABLES):
                depth += between.count(b"{") - between.count(b"}")
            within = "" if is_field or b"{" in between or b"}" in between else name
            key = (literal, _VARIABLES[0] if depth and not is_field else within)
            if key not in known:
                known[key] = _string(*key, names)
            pieces += (_checked(between, name), known[key])
            at = found.end()
            name = _field_name(literal) if is_field else within
        yield b"".join(pieces)
        left = text[at:]
        if len(left) > _LONGEST:
            raise ValueError("it holds a text of more than 256 MiB, or is no JSON")
        if len(known) > _MOST:
            known.clear()
    yield _checked(left, name)


def _checked(between: bytes, name: str) -> bytes:
    """What stands behind a field's name and before the next text."""
    if not _BETWEEN.fullmatch(between):
        raise ValueError("it is no JSON")
    figure = _FIGURE.match(between) if field(name) in OF_A_MACHINE else None
    return between[: figure.start(1)] + b"0" + between[figure.end(1) :] if figure else between


def _string(literal: bytes, name: str, names: Anonymiser) -> bytes:
    text = _decoded(literal)
    made = names.document(text, name)
    return literal if made == text else json.dumps(made, ensure_ascii=False).encode()


@lru_cache(maxsize=10_000)
def _field_name(literal: bytes) -> str:
    return _decoded(literal)


def _decoded(literal: bytes) -> str:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return literal[1:-1].decode("utf-8", "replace")
