"""Unit words of Nsight Compute → SI base units.

Both vocabularies occur: "usecond" and "us", "Kbyte/block" and "byte/s". ncu scales by powers of 1000 (a
block's 1,024 reserved bytes are printed as 1.02 Kbyte).
"""

from __future__ import annotations

import re

# Scales are kept as (multiply, divide) because x / 1e9 is correctly rounded and x * 1e-9 is not.
_PREFIXES = {"": (1.0, 1.0), "n": (1.0, 1e9), "u": (1.0, 1e6), "µ": (1.0, 1e6), "m": (1.0, 1e3)}
_PREFIXES |= {"K": (1e3, 1.0), "k": (1e3, 1.0), "M": (1e6, 1.0), "G": (1e9, 1.0), "T": (1e12, 1.0), "P": (1e15, 1.0)}
_PREFIXES |= {f"{letter}i": (1024.0**power, 1.0) for power, letter in enumerate("KMGTP", 1)}

_SMALL = {"second": "s", "seconds": "s", "sec": "s", "s": "s"}
_LARGE = {"byte": "B", "bytes": "B", "B": "B", "hz": "Hz", "Hz": "Hz", "HZ": "Hz"}
# Counted things: ncu writes some of them in the plural.
_COUNTED = ("inst", "sector", "request", "cycle", "warp", "thread", "block", "register", "branch", "pass", "wavefront")
_PLURALS = {f"{word}s": word for word in _COUNTED} | {"branches": "branch", "passes": "pass"}
_WORDS = _LARGE | {word: word for word in _COUNTED} | _PLURALS

_SMALL_UNIT = re.compile(rf"([num\u00b5]?)({'|'.join(sorted(_SMALL, key=len, reverse=True))})")
_LARGE_UNIT = re.compile(rf"((?:[KMGTP]i|[KkMGTP])?)({'|'.join(sorted(_WORDS, key=len, reverse=True))})")


def base_unit(unit: str) -> tuple[str, float, float]:
    """(canonical unit, multiply, divide): value · multiply / divide is the value in the canonical unit.

    Times become "s", bytes "B", frequencies "Hz"; rates are scaled on both sides of the slash
    ("cycle/nsecond" → "cycle/s"). "%" and words not known here stay as they are.
    """
    parts = [_unit_of_word(part) for part in unit.strip().split("/")]
    names, first, rest = [part[0] for part in parts], parts[0], parts[1:]
    multiply, divide = first[1], first[2]
    for _, times, over in rest:
        multiply, divide = multiply * over, divide * times
    return "/".join(names), multiply, divide


def _unit_of_word(word: str) -> tuple[str, float, float]:
    for pattern, names in ((_SMALL_UNIT, _SMALL), (_LARGE_UNIT, _WORDS)):
        match = pattern.fullmatch(word.strip())
        if match:
            return (names[match[2]], *_PREFIXES[match[1]])
    return word.strip(), 1.0, 1.0
