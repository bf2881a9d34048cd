"""Where joules come from: the counters of the hardware, and what CodeCarbon adds up.

NVML's and RAPL's counters are measurements. CodeCarbon adds a constant for memory and, without RAPL, a guess for
the CPU: it is carried as "estimated" and never mixed with the counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.record.schema import Record


@dataclass(frozen=True)
class EnergySource:
    """``energy``: the metric of a window's joules. ``counter``: the ending of the counter's own metrics, such as
    "gpu"; "" where there is none, and so no baseline. ``part``: a part of the machine that no arm is judged by alone;
    where no record speaks of it, nothing is said of it."""

    name: str
    instrument: str
    energy: str
    counter: str = ""
    part: bool = False

    @property
    def idle(self) -> str | None:
        """The metric of an idle window's joules; None where no baseline is possible."""
        return f"idle_energy_{self.counter}" if self.counter else None

    def told_of(self, records: Sequence[Record]) -> bool:
        """Whether something is to be said of it where these are the records."""
        return not self.part or any(
            record.values(self.energy) or self.energy in record.not_collected for record in records
        )


SOURCES = (
    EnergySource("GPU (NVML counter)", "energy", "energy_gpu", "gpu"),
    EnergySource("CPU package (RAPL counter)", "energy", "energy_cpu", "cpu"),
    EnergySource("Memory (RAPL DRAM counter)", "energy", "energy_dram", "dram", part=True),
    EnergySource("CodeCarbon, all parts", "codecarbon", "codecarbon_energy"),
)


PARTS = frozenset(source.name for source in SOURCES if source.part)


def is_own(source: str, on_gpu: bool) -> bool:
    """Whether the source of that name is the counter of the device that did the work."""
    return source.startswith("GPU" if on_gpu else "CPU")


def source_of(energy: str) -> EnergySource:
    """The source of a metric of joules; one without a counter for any other, such as a part of CodeCarbon's."""
    return next((source for source in SOURCES if source.energy == energy), EnergySource(energy, "", energy))
