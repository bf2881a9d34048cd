"""A flamegraph as one self-contained SVG: no script, no outside file, colours by class, light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from .host_classes import DESCRIPTIONS, HostClass, class_of, is_waiting
from .readers.py_spy import Frame, Samples

WIDTH, ROW, MARGIN, HEAD = 1200.0, 17, 10.0, 58
# Narrower boxes cannot be seen; leaving them out keeps the file small.
_SMALLEST = 0.7
_CHARACTER = 6.7
_LONGEST_TITLE = 140
_DEEPEST = 400

# (light, dark) fills; text on them is dark and light.
_FILLS: dict[HostClass, tuple[str, str]] = {
    "python": ("#9ecae9", "#2f5f8a"),
    "bitsandbytes": ("#f5b971", "#9a5b12"),
    "dispatcher": ("#b9dca4", "#3f6f2f"),
    "driver": ("#d9b8e6", "#6d3f86"),
    "kernels": ("#f2a7a0", "#8f3b34"),
    "waiting": ("#d4d4d4", "#5c5c5c"),
    "other": ("#efe6c8", "#6b623f"),
}


@dataclass
class _Node:
    frame: Frame
    cls: HostClass
    weight: float = 0.0
    children: dict[int, _Node] = field(default_factory=dict)


@dataclass(frozen=True)
class _Box:
    x: float
    depth: int
    width: float
    frame: Frame
    cls: HostClass
    weight: float


def render(samples: Samples, title: str) -> str:
    """The SVG text. Widths are shares of all samples; stacks deeper than 400 frames are cut at the inner end."""
    root = _tree(samples)
    boxes = list(_boxes(root))
    depth = max(box.depth for box in boxes) + 1
    height = HEAD + depth * ROW + MARGIN
    body = "".join(_draw(box, depth, root.weight, samples.unit) for box in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" class="flamegraph" '
        f'role="img" aria-label="{_text(title)}">{_style()}'
        f'<text class="title" x="{MARGIN:g}" y="20">{_text(title)}</text>{_legend(boxes)}{body}</svg>'
    )


def _tree(samples: Samples) -> _Node:
    root = _Node(Frame("all", ""), "other")
    for stack, weight in zip(samples.stacks, samples.weights, strict=True):
        node = root
        node.weight += float(weight)
        for index in stack[:_DEEPEST]:
            if index not in node.children:
                node.children[index] = _Node(samples.frames[index], _class(samples.frames[index], node.cls))
            node = node.children[index]
            node.weight += float(weight)
    return root


def _boxes(root: _Node) -> Iterator[_Box]:
    """Boxes wide enough to see, children side by side above their parent, the heaviest first."""
    scale = (WIDTH - 2 * MARGIN) / root.weight
    pending = [(root, MARGIN, 0)]
    while pending:
        node, x, depth = pending.pop()
        yield _Box(x, depth, node.weight * scale, node.frame, node.cls, node.weight)
        for child in sorted(node.children.values(), key=lambda child: -child.weight):
            if child.weight * scale >= _SMALLEST:
                pending.append((child, x, depth + 1))
            x += child.weight * scale


def _class(frame: Frame, caller: HostClass) -> HostClass:
    """Frames that the table does not know belong to their caller."""
    if is_waiting(frame.function, frame.place, frame.is_python):
        return "waiting"
    return class_of(frame.function, frame.place, frame.is_python) or caller


def _draw(box: _Box, depth: int, total: float, unit: str) -> str:
    y = HEAD + (depth - 1 - box.depth) * ROW
    name = _shorten(str(box.frame), _LONGEST_TITLE)
    title = f"{name}: {box.weight:.6g} {unit}, {100 * box.weight / total:.1f} %"
    label = _shorten(box.frame.function, int((box.width - 4) / _CHARACTER))
    text = f'<text x="{box.x + 2:.1f}" y="{y + 12}">{_text(label)}</text>' if label else ""
    return (
        f'<g class="{box.cls}"><title>{_text(title)}</title>'
        f'<rect x="{box.x:.1f}" y="{y}" width="{box.width:.1f}" height="{ROW - 1}"/>{text}</g>'
    )


def _shorten(text: str, room: int) -> str:
    """At most ``room`` characters; "" where not even three would fit."""
    if len(text) <= room:
        return text
    return text[: room - 1] + "…" if room >= 3 else ""


def _text(text: str) -> str:
    """Escaped, and without the control characters that XML forbids."""
    return escape(re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text))


def _legend(boxes: list[_Box]) -> str:
    present = {box.cls for box in boxes}
    parts, x = [], MARGIN
    for name in (name for name in DESCRIPTIONS if name in present):
        parts.append(
            f'<g class="{name}"><title>{_text(DESCRIPTIONS[name])}</title>'
            f'<rect x="{x:g}" y="32" width="12" height="12"/></g><text class="key" x="{x + 17:g}" y="42">{name}</text>'
        )
        x += 40 + len(name) * _CHARACTER
    return "".join(parts)


def _style() -> str:
    """Everything is under .flamegraph, because a page that holds the SVG inline shares its style rules."""
    light = "".join(f".flamegraph .{name} rect{{fill:{fill}}}" for name, (fill, _) in _FILLS.items())
    dark = "".join(f".flamegraph .{name} rect{{fill:{fill}}}" for name, (_, fill) in _FILLS.items())
    return (
        "<style>.flamegraph{font:11px ui-monospace,monospace;color:#1a1a1a}"
        ".flamegraph text{fill:currentColor}.flamegraph .title{font:600 14px system-ui,sans-serif}"
        f".flamegraph .key{{font:12px system-ui,sans-serif}}{light}"
        f"@media (prefers-color-scheme:dark){{.flamegraph{{color:#f2f2f2}}{dark}}}</style>"
    )
