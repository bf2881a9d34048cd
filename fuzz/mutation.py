"""Changes that hurt parsers: of bytes, of text with the tokens that formats trip over, and of JSON trees."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any

TOKENS = (
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\r\n", b"\r", b"\n", b"\x1b[31m", b"\x1a"),
    *("\u2028".encode(), "\u0085".encode(), "\U0001f600".encode(), "\u00a0".encode(), b"\xa0", b"\xed\xa0\x80"),
    *(b"\\ud800", b"\x7f"),
    *(b"NaN", b"-Infinity", b"1e400", b"-1e400", b"1e-400", b"-0", b"-1", b"0x10", b"1.5", b"1,5", b"1.234.567,8"),
    *(b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"9" * 400, b"9" * 5000),
    *(b'"', b"'", b"\\", b",", b";", b":", b"[", b"]", b"{", b"}", b"(", b")", b"/", b"==ERROR== ", b"==WARNING== x"),
    *(b"[" * 3000, b'{"a":' * 2000, b"[]," * 500, b"null", b"true", b"<script>alert(1)</script>", b" " * 300),
)  # fmt: skip

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, -(2**31) - 1, 2**53, 2**61, 2**62, 2**63, -(2**63) - 1, 2**64, 10**400),
    *(0.5, -0.5, 1e-320, 1e15, 2.0**51, 1e18, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
    *("", "x", "0", "-1", "1e400", "NaN", "9" * 30, "9" * 5000, "\x00", "a\nb", "a\u2028b", "\x1b[31m", "\ud800", "é"),
    *("\U0001f600", "<script>", "x" * 3000, [], {}, [[]], {"a": 1}, [None], [0] * 50, {"": ""}),
)  # fmt: skip


def mutated(data: bytes, rng: Random) -> bytes:
    """A few changes of bytes, tokens and slices."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8, 30))):
        _one_change(changed, rng)
    return bytes(changed)


def _one_change(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data) + 1)
    length = rng.choice((1, 2, 4, 16, 100, 1000))
    kind = rng.randrange(9)
    if kind == 0:
        data[at : at + 1] = bytes([rng.randrange(256)])
    elif kind == 1 and at < len(data):
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        data[at:at] = rng.choice(TOKENS)
    elif kind == 3:
        data[at : at + length] = rng.choice(TOKENS)
    elif kind == 4:
        del data[at : at + length]
    elif kind == 5:
        data[at:at] = data[at : at + length] * rng.choice((1, 1, 2, 20))
    elif kind == 6:
        source = rng.randrange(len(data) + 1)
        data[at : at + length] = data[source : source + length]
    elif kind == 7 and rng.random() < 0.3:
        del data[at:]
    elif kind == 8:
        data[at : at + length] = bytes(rng.choice((0, 0xFF)) for _ in range(1)) * length


def mutated_lines(data: bytes, rng: Random) -> bytes:
    """Lines left out, doubled, swapped, joined and re-ended."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        kind = rng.randrange(6)
        if kind == 0 and len(lines) > 1:
            del lines[at]
        elif kind == 1:
            lines.insert(other, lines[at])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            lines[at] = mutated(lines[at], rng)
        elif kind == 4:
            lines[at] += lines[other]
        else:
            lines[at] += rng.choice((b"\r", b"\r\r", b" ", b"\x0b", b"\x85"))
    return b"\n".join(lines)


def mutated_tree(value: Any, rng: Random, changes: int) -> Any:
    """A JSON value with some nodes replaced, left out, doubled, renamed or buried; ``value`` itself is changed."""
    for _ in range(changes):
        parent, key = _somewhere(value, rng)
        if parent is None:
            return odd(rng)
        _change_child(parent, key, rng)
    return value


def _somewhere(value: Any, rng: Random) -> tuple[Any, Any]:
    """A container within ``value`` and a key or index in it, (None, None) where there is none."""
    parent, key, node = None, None, value
    while isinstance(node, dict | list) and node:
        parent = node
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        node = node[key]
        if rng.random() < 0.25:
            break
    return parent, key


def _change_child(parent: Any, key: Any, rng: Random) -> None:
    kind = rng.randrange(6)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(key, deepcopy(parent[rng.randrange(len(parent))]))
    elif kind == 2 and isinstance(parent, dict):
        parent[rng.choice((*parent, "", "x", "\ud800", "case_id"))] = deepcopy(parent[key])
    elif kind == 3:
        parent[key] = [parent[key]] if rng.random() < 0.5 else {"a": parent[key]}
    elif kind == 4 and isinstance(parent[key], int | float) and abs(parent[key]) < 2**100:
        parent[key] = parent[key] * rng.choice((-1, 0, 10, 1e6, 0.5)) + rng.choice((0, 1, -1))
    else:
        parent[key] = odd(rng)


def odd(rng: Random) -> Any:
    """A value of its own: one that several trees shared would change with each of them."""
    return deepcopy(rng.choice(ODD))


def json_bytes(value: Any, rng: Random) -> bytes:
    """``value`` as JSON text in one of the ways in which programs write it."""
    separators = rng.choice(((",", ":"), (", ", ": ")))
    text = json.dumps(value, ensure_ascii=rng.random() < 0.7, separators=separators, indent=rng.choice((None, None, 1)))
    return text.encode("utf-8", "surrogatepass")
