"""What of an arm can be switched on a loaded model, back and forth: an outlier threshold, a dtype to compute in."""

from __future__ import annotations

from typing import Any

from bench.schemes import Arm, holder


class Switches:
    """The switches of a model's quantised Linears; to be made before the first forward."""

    def __init__(self, model: Any) -> None:
        made = ((module, holder(module)) for module in model.modules())
        found = (family.switch(module) for module, family in made if family is not None)
        self._switches = [switch for switch in found if switch is not None]

    def to(self, wanted: Arm) -> int:
        """Give them the settings of ``wanted``; returns how many there are."""
        for switch in self._switches:
            switch(wanted)
        return len(self._switches)
