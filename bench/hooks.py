"""What hangs on the core: the one place of it that names a study, and only by its module's name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.presets.forms import Preset

# A study's module here has ``presets() -> tuple[Preset, ...]``.
_WITH_PRESETS = ("bench.studies.starcoder2.presets",)


def study_presets() -> tuple[Preset, ...]:
    """The presets that studies bring, in their order."""
    return tuple(preset for name in _WITH_PRESETS for preset in import_module(name).presets())
