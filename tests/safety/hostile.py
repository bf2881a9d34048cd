"""Records whose every text is an attack, and a parser that says what got through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from importlib import resources
from typing import Any

from bench.record.schema import Record

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "[click](javascript:alert(1)) ![i](http://evil.example/x)",
    "| a | b |\n|---|---|\n| <b>c</b> | d |\n\n# title",
    "`code` ``` ~~~ <iframe srcdoc=x>",
    "{{ 7*7 }}{% raw %}",
    "&lt;script&gt;&#60;",
    "]]><!-- --><object data=x>",
    'href="#a" id="b" url(#c) xlink:href="http://evil.example"',
    "\x1b[31m\x1b]0;title\x07\x9b2J\x08\x7f",
    "\u202eevil\u2066\u200b\ufeff\x00",
    "[red]markup[/red] :smile: [link=http://evil.example]x[/link]",
    "../../../../etc/passwd",
    "\ud800 alone",
)
# What decides how a record is analysed: an attack here would only take it out of the report.
STRUCTURE = frozenset(
    ("workload", "instrument", "status", "op", "residency", "unit", "name", "kind", "cause", "work", "severity")
)
FREE_NAMES = frozenset(("model", "gpus", "top", "kernels"))


def hostile(records: Iterable[Record], *, keep: Sequence[str] = ()) -> list[Record]:
    """The records with an attack appended to every text but those of fields in STRUCTURE and ``keep``."""
    return [_attacked(record, frozenset((*STRUCTURE, *keep))) for record in records]


def _attacked(value: Any, keep: frozenset[str], name: str = "") -> Any:
    if isinstance(value, str):
        # By the text and not by the turn: what was equal must stay equal, or no two records belong together.
        return value if name in keep else f"{value}{_attack(value, name)}"
    if is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: _attacked(getattr(value, f.name), keep, f.name) for f in fields(value)}
        return replace(value, **changes)
    if isinstance(value, Mapping):
        free = keep - {"name"} if name in FREE_NAMES else keep
        return {key: _attacked(item, free, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_attacked(item, keep, name) for item in value)
    return value


def _attack(value: str, name: str) -> str:
    """A model's name is shown everywhere: it gets one attack on each kind of output."""
    if name == "model":
        return f"{PAYLOADS[0]}{PAYLOADS[12]}{PAYLOADS[14]}"
    return PAYLOADS[sum(value.encode(errors="replace")) % len(PAYLOADS)]


def without_own_script(text: str) -> str:
    """A page less the one script that it may hold: ours, to the letter."""
    own = (resources.files("bench.report") / "page.js").read_text(encoding="utf-8")
    return text.replace(f"<script>{own}</script>", "", 1)


class Page(HTMLParser):
    """What a page holds: elements, attributes, addresses, texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.other: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("href", "src", "action", "xlink:href", "data", "srcdoc", "formaction"):
                self.addresses.append(value or "")

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def handle_pi(self, data: str) -> None:
        self.other.append(data)

    def unknown_decl(self, data: str) -> None:
        self.other.append(data)
