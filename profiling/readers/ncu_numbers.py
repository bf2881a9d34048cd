"""Numbers as ncu prints them: decimal and thousands separators follow the locale of the profiled machine.

``666,624`` is two thirds of a million in one locale and two thirds of a thousand in another, so the format
is decided once for a whole file, from the values that leave no doubt, and then applied to all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ABSENT = frozenset({"", "-", "--", "n/a", "na", "none", "<none>"})
# What is no number, as libraries of C write it: nan, -nan(ind), +inf, and of old on Windows 1.#QNAN.
_NO_NUMBER = re.compile(r"[+-]?(nan(\(\w*\))?|inf(inity)?|1[.,]#(q?nan|s?nan|ind|inf)\d*)")

# Blanks and apostrophes only ever group digits; they say nothing about the decimal separator.
_GROUPING = " '\u2019\u00a0\u2007\u2009\u202f_"
_NUMBER = re.compile(rf"[+-]?[\d.,{_GROUPING}]*\d[\d.,]*(?:[eE][+-]?\d+)?", re.ASCII)
# A pattern takes quadratic time to refuse a long text; no number of ncu's is longer than a few dozen characters.
_LONGEST = 300
# No counter is that large, and sums of what is larger would be no numbers.
_LARGEST = 1e100
_GROUPED = re.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}", re.ASCII)


@dataclass(frozen=True)
class NumberFormat:
    """``decimal`` is "." or ","; the other one groups thousands. ``guess``: a number of the file that may be another,
    where none of them tells the format."""

    decimal: str = "."
    guess: str = ""


def infer_format(values: Iterable[tuple[str, bool]]) -> NumberFormat:
    """The number format that the values of one file agree on; "." decimal where nothing tells, and then with a text of
    which that is a guess.

    ``values``: (text, whether it must be a whole number, as sums of sectors, instructions, … are): a single separator
    in one of those groups thousands.
    """
    votes, guessed = {".": 0, ",": 0}, ""
    for text, whole in values:
        if _has_separator(text):
            cleaned = _clean(text)
            proved = _decimal_of(cleaned) or (_decimal_of_whole(cleaned) if whole else None)
            if proved:
                votes[proved] += 1
            elif not guessed and _is_number(cleaned):
                guessed = cleaned
    if not any(votes.values()):
        return NumberFormat(guess=guessed)
    return NumberFormat("," if votes[","] > votes["."] else ".")


def _decimal_of_whole(text: str) -> str | None:
    """The decimal separator that a whole number proves by grouping its thousands with the other one."""
    separators = set(re.findall(r"[.,]", text))
    return _other_separator(separators.pop()) if len(separators) == 1 else None


def parse_number(text: str, style: NumberFormat) -> float | None:
    """The value of one cell; None for ``n/a``, an empty cell, nan, inf and what is larger than any counter.

    Raises ValueError for text that is not a number of this format.
    """
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= 100 else None
    cleaned = _clean(text)
    if cleaned.lower() in ABSENT or _NO_NUMBER.fullmatch(cleaned.lower()):
        return None
    if not _is_number(cleaned):
        raise ValueError(f"{text.strip()[:40]!r} is not a number")
    mantissa, mark, exponent = cleaned.lower().partition("e")
    whole, point, fraction = mantissa.partition(style.decimal)
    sign, digits = (whole[0], whole[1:]) if whole[:1] in {"+", "-"} else ("", whole)
    plain = _ungroup(digits, _other_separator(style.decimal))
    if plain is None or not (fraction.isdigit() or not fraction):
        raise ValueError(f"{text.strip()[:40]!r} is not a number with {style.decimal!r} as decimal separator")
    value = float(f"{sign}{plain or '0'}{point and '.'}{fraction}{mark}{exponent}")
    return value if abs(value) < _LARGEST else None


def _is_number(text: str) -> bool:
    return len(text) <= _LONGEST and _NUMBER.fullmatch(text) is not None


def _clean(text: str) -> str:
    """Without the surrounding blanks, ncu's "(!)" mark and a list of instances after the value."""
    text = text.strip().removeprefix("(!)").strip()
    start = text.rfind("(")
    instances = start > 0 and text[start - 1].isspace() and text.find(")", start) == len(text) - 1
    return text[:start].rstrip() if instances else text


def _has_separator(text: str) -> bool:
    return "." in text or "," in text


def _other_separator(separator: str) -> str:
    return "," if separator == "." else "."


def _decimal_of(text: str) -> str | None:
    """The decimal separator that this text proves, or None where it proves nothing."""
    if not _is_number(text):
        return None
    mantissa = re.split("[eE]", text)[0].lstrip("+-")
    dot, comma = mantissa.rfind("."), mantissa.rfind(",")
    if dot >= 0 and comma >= 0:
        return "." if dot > comma else ","
    separator = "." if dot >= 0 else ","
    return _decimal_of_one(mantissa, separator) if separator in mantissa else None


def _decimal_of_one(mantissa: str, separator: str) -> str | None:
    """The same for a text with one kind of separator only."""
    if mantissa.count(separator) > 1:
        return _other_separator(separator)
    before, after = mantissa.split(separator)
    digits = re.sub(rf"[{_GROUPING}]", "", before)
    # Three digits after and one to three before could be a group; anything else is a fraction.
    could_group = len(after) == 3 and 1 <= len(digits) <= 3 and digits[0] != "0" and digits == before
    return None if could_group else separator


def _ungroup(digits: str, separator: str) -> str | None:
    """Digits without their grouping; None where the groups are not groups."""
    unified = re.sub(rf"[{re.escape(_GROUPING + separator)}]", ",", digits)
    if "," in unified and not _GROUPED.fullmatch(unified):
        return None
    plain = unified.replace(",", "")
    return plain if plain.isdigit() or not plain else None
