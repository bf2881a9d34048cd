"""One colour per scheme, and markers, so that no figure depends on colour alone.

Each light colour is used for one role only, because the page finds it in the SVG and puts a CSS variable in its
place; that is how a figure follows the reader's light or dark setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.record import causes as c
from bench.schemes import ARMS


@dataclass(frozen=True)
class Role:
    """A colour by its CSS variable, on light and on dark paper."""

    variable: str
    light: str
    dark: str


INK = Role("--fig-ink", "#1b1f24", "#e8eaed")
SOFT = Role("--fig-soft", "#5c6570", "#a5adb8")
GRID = Role("--fig-grid", "#dfe3e8", "#3a414b")
BAND = Role("--fig-band", "#eef1f4", "#262c34")
PAPER = Role("--fig-paper", "#fefefe", "#15181c")
MORE = Role("--fig-more", "#c4443c", "#f08a80")
LESS = Role("--fig-less", "#2b8352", "#72cf98")
MORE_HOST = Role("--fig-more-host", "#e3a29b", "#9c5a53")
LESS_HOST = Role("--fig-less-host", "#93c7a8", "#3f7a57")
NEITHER = Role("--fig-neither", "#c3c9d0", "#59626d")

# Of work by its cause; the same colour, pale, is idle time before that work. Then what the host does.
CAUSES = {
    c.GEMM: Role("--c-gemm", "#4a6fa5", "#86aee6"),
    c.DEQUANTISE: Role("--c-dequantise", "#d9822b", "#f2a65a"),
    c.QUANTISE: Role("--c-quantise", "#8e5bb5", "#c79ee8"),
    c.OUTLIERS: Role("--c-outliers", "#c2385a", "#f27f9c"),
    c.CAST: Role("--c-cast", "#a8992a", "#ddd063"),
    c.ATTENTION: Role("--c-attention", "#2f9c95", "#6fd3cc"),
    c.NORM: Role("--c-norm", "#6f9e45", "#a9d67f"),
    c.LM_HEAD: Role("--c-lm-head", "#34688f", "#5f9fcb"),
    c.SAMPLING: Role("--c-sampling", "#a46a4f", "#d8a287"),
    c.MEMCPY: Role("--c-memcpy", "#7f8790", "#aab2bb"),
    c.COMMUNICATION: Role("--c-communication", "#d15fae", "#f09fd6"),
    c.OTHER: Role("--c-other", "#9b9384", "#c4bcae"),
    c.SYNC_STALL: Role("--c-stall", "#e3b505", "#e3c24a"),
}
PYTHON = Role("--h-python", "#e9dfcf", "#3d372c")
OPERATORS = Role("--h-operators", "#c9b999", "#71664f")
CALLS = Role("--h-calls", "#86775a", "#b3a37f")

# Those of the schemes that have colours of their own.
_SCHEMES = {name: Role(f"--s-{name}", *one.colours) for name, one in ARMS.items() if one.colours[0]}
_OTHERS = tuple(
    Role(f"--s-other-{index}", light, dark)
    for index, (light, dark) in enumerate(
        (("#6b8f2f", "#a5c967"), ("#8a6d1f", "#cfae55"), ("#5b4b9a", "#a393e6"), ("#96405a", "#e08aa3"))
    )
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")

_PLAIN = (INK, SOFT, GRID, BAND, PAPER, MORE, LESS, MORE_HOST, LESS_HOST, NEITHER)
ROLES: tuple[Role, ...] = (*_PLAIN, *CAUSES.values(), PYTHON, OPERATORS, CALLS, *_SCHEMES.values(), *_OTHERS)


def colour(scheme: str, schemes: Sequence[str]) -> str:
    """The light colour of a scheme; unknown schemes take the spare colours in order."""
    if scheme in _SCHEMES:
        return _SCHEMES[scheme].light
    unknown = [name for name in schemes if name not in _SCHEMES]
    return _OTHERS[unknown.index(scheme) % len(_OTHERS)].light


def marker(scheme: str) -> str:
    """A marker that stays with the scheme."""
    names = list(_SCHEMES)
    index = names.index(scheme) if scheme in names else len(names) + sum(scheme.encode())
    return MARKERS[index % len(MARKERS)]


def css(dark: bool) -> str:
    """The CSS variables of all roles."""
    return "".join(f"{role.variable}:{role.dark if dark else role.light};" for role in ROLES)
