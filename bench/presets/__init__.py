"""The presets: what is measured, how often, and for how long. Plain frozen data, chosen by name."""

from .choose import PRESETS, changed, for_layers, from_json, preset
from .forms import ALL_NINE, M_SWEEP, EndToEnd, Observers, Preset

__all__ = [
    "ALL_NINE",
    "M_SWEEP",
    "PRESETS",
    "EndToEnd",
    "Observers",
    "Preset",
    "changed",
    "for_layers",
    "from_json",
    "preset",
]
