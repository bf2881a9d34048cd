"""Rules of the user for names of kernels and operators, in the form of the table of classes, from a TOML file.

[[rule]]
cause = "gemm"
name = "my_kernel_.*"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.record import causes as c
from bench.record.errors import UsageError

from .class_table import Rule

_PATTERNS = ("name", "within", "outside_of", "range", "no_range", "followed_by")
_FLAGS = ("outermost", "glue", "calls")
_WHERE = ("kernel", "operator", "both")


def user_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a file, in its order; the first that fits decides. Raises UsageError where one cannot be used."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    found = document.get("rule")
    if set(document) != {"rule"} or not isinstance(found, list) or not found:
        raise UsageError(f'{path}: give rules, each as [[rule]] with cause = "…" and name = "…"')
    return tuple(_rule(item, f"{path}: rule {number}") for number, item in enumerate(found, 1))


def _rule(item: Any, where: str) -> Rule:
    known = [field.name for field in fields(Rule)]
    if not isinstance(item, dict) or not set(item) <= set(known):
        raise UsageError(f"{where}: its fields may be {', '.join(known)}")
    if item.get("cause") not in c.OBSERVED:
        raise UsageError(f"{where}: cause {item.get('cause')!r}: choose from {', '.join(c.OBSERVED)}")
    for name, value in item.items():
        _check(name, value, where)
    if not any(item.get(name) for name in _PATTERNS):
        raise UsageError(f"{where}: it would fit every kernel: give a name, or what is around it")
    return Rule(**item)


def _check(name: str, value: Any, where: str) -> None:
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise UsageError(f"{where}: {name} is true or false")
    elif not isinstance(value, str):
        raise UsageError(f"{where}: {name} is a text")
    elif name == "on" and value not in _WHERE:
        raise UsageError(f"{where}: on is one of {', '.join(_WHERE)}")
    elif name in _PATTERNS:
        try:
            re.compile(value)
        except re.error as error:
            raise UsageError(f"{where}: {name} is no regular expression: {error}") from error
