"""Text from records, made harmless for a terminal, a page and a drawing: control characters become visible.

Names of models, kernels and machines come from elsewhere. Raw, an escape sequence in one would move a terminal's cursor
or change its title, a control character would make an SVG ill-formed, and a mark of writing direction would show
another text than is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass, replace
from operator import is_
from typing import Any

from bench.record.schema import Metric

_C0 = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_OTHERS = [0x7F, *range(0x80, 0xA0), 0x061C, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070)]
_OTHERS += [0xFEFF, *range(0xFFF9, 0xFFFC), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)]
_TABLE = _C0 | dict.fromkeys(_OTHERS, "\N{REPLACEMENT CHARACTER}") | {0x7F: "\N{SYMBOL FOR DELETE}"}
_ANY = re.compile(f"[{''.join(map(re.escape, map(chr, _TABLE)))}]")
_NO_TEXT = frozenset((int, float, bool))
_RAW = re.compile(f"[{''.join(f'{chr(code)}' for code in _TABLE if code >= 0x7F)}]")


def visible(text: str) -> str:
    """The text with every control character but newline and tab as a visible sign: ␛ for escape, and so on."""
    return text if text.isprintable() or not _ANY.search(text) else text.translate(_TABLE)


def dumps(document: Any, **options: Any) -> str:
    """JSON for a terminal or a pipe: letters of all languages as they are, what controls something escaped."""
    return _RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(document, ensure_ascii=False, **options))


def visible_all(value: Any) -> Any:
    """``value`` with every text in it made visible: dataclasses, mappings and sequences; itself where all is harmless.

    What draws figures cannot take a lone surrogate at all, so that a single one would cost the whole report.
    """
    return _all(value, {})


def _all(value: Any, known: dict[int, Any]) -> Any:
    """``known``: what became of each part by its id, because records have their machine and their arm in common."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list | tuple):
        if not value or isinstance(value[0], float | Metric):  # raw samples, by the thousand, under registered names
            return value
        items = [_all(item, known) for item in value]
        return value if _same_text(items, value) else type(value)(items)
    if isinstance(value, Mapping) or (is_dataclass(value) and not isinstance(value, type)):
        if id(value) not in known:
            known[id(value)] = _mapping(value, known) if isinstance(value, Mapping) else _dataclass(value, known)
        return known[id(value)]
    return value


def _mapping(value: Mapping[Any, Any], known: dict[int, Any]) -> Mapping[Any, Any]:
    if "\\" not in repr(value):  # which escapes all that is not printable: nothing to do, found ten times faster
        return value
    shown = {_all(key, known): _all(item, known) for key, item in value.items()}
    return value if _same_text(shown.items(), value.items()) else shown


def _dataclass(value: Any, known: dict[int, Any]) -> Any:
    changed = {}
    for name in value.__dataclass_fields__:
        part = getattr(value, name)
        if part and type(part) not in _NO_TEXT and (new := _all(part, known)) is not part:
            changed[name] = new
    return replace(value, **changed) if changed else value


def _same_text(new: Iterable[Any], old: Iterable[Any]) -> bool:
    return all(
        one is other or (isinstance(one, tuple) and all(map(is_, one, other)))
        for one, other in zip(new, old, strict=True)
    )
