"""What is added to an arm of any family, after a "+" in its name: "nf4+adapter", "fp16+compile".

An arm with a variant stands beside the plain one in the same setting, so that what it adds is a difference between two
arms like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from shutil import which

from bench.record.errors import UsageError

from .definition import Arm

COMPILE, ADAPTER, MERGED = "compile", "adapter", "merged"
_MARK = "+"
# An adapter is either beside the weights or merged into them.
_APART = frozenset((ADAPTER, MERGED))


def _compiled(arm: Arm) -> Arm:
    description = f"{arm.description}; decode steps through torch.compile, with a static cache"
    return replace(arm, compiled=True, disable_compile=False, description=description)


def _adapted(arm: Arm) -> Arm:
    return replace(arm, adapter="attached", description=f"{arm.description}; with a PEFT adapter beside its weights")


def _merged(arm: Arm) -> Arm:
    description = f"{arm.description}; a PEFT adapter merged into the weights in {arm.dtype}, before any quantising"
    return replace(arm, adapter="merged", description=description)


VARIANTS: Mapping[str, Callable[[Arm], Arm]] = {COMPILE: _compiled, ADAPTER: _adapted, MERGED: _merged}


def parts(name: str) -> tuple[str, tuple[str, ...]]:
    """The plain scheme's name, and its variants in order. Raises UsageError for a variant that there is not, twice the
    same, an adapter both beside the weights and merged into them, or another order: an arm has one name."""
    base, *variants = name.split(_MARK)
    for one in variants:
        if one not in VARIANTS:
            raise UsageError(f"unknown variant {one!r} of scheme {base!r}: choose from {', '.join(VARIANTS)}")
    if len(set(variants)) < len(variants) or set(variants) >= _APART:
        raise UsageError(f"scheme {name!r} has variants that exclude each other: give one of them")
    ordered = sorted(variants, key=list(VARIANTS).index)
    if variants != ordered:
        raise UsageError(f"scheme {name!r} is called {_MARK.join((base, *ordered))!r}: use that name")
    return base, tuple(variants)


def unavailable(name: str, device: str) -> str:
    """Why the variants of a scheme cannot be measured on ``device`` here, with what to do; "" where they can."""
    compilers = filter(None, (os.environ.get("CXX"), "g++", "clang++"))
    if compiles(name) and device == "cpu" and not any(map(which, compilers)):
        return "install a C++ compiler, such as g++: torch.compile makes its kernels for a CPU with one"
    return ""


def plain_name(name: str) -> str:
    """A scheme's name without its variants, whether it is known or not."""
    return name.partition(_MARK)[0]


def named(base: str, variant: str) -> str:
    """The name of a scheme's variant."""
    return f"{base}{_MARK}{variant}"


def has_adapter(name: str) -> bool:
    """Whether a scheme of this name needs an adapter."""
    return not _APART.isdisjoint(name.split(_MARK)[1:])


def compiles(name: str) -> bool:
    """Whether a scheme of this name is compiled."""
    return COMPILE in name.split(_MARK)[1:]


def varied(arm: Arm, name: str) -> Arm:
    """``arm`` with the variants in ``name``, by which it is then called."""
    for one in parts(name)[1]:
        arm = VARIANTS[one](arm)
    return replace(arm, name=name)
