"""Where joules come from: the counters of the hardware, and what CodeCarbon adds up.

NVML's and RAPL's counters are measurements. CodeCarbon adds a constant for memory and, without RAPL, a guess for
the CPU: it is carried as "estimated" and never mixed with the counters.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """``energy``: the metric of a window's joules. ``counter``: the ending of the counter's own metrics, such as
    "gpu"; "" where there is none, and so no baseline."""

    name: str
    instrument: str
    energy: str
    counter: str = ""

    @property
    def idle(self) -> str | None:
        """The metric of an idle window's joules; None where no baseline is possible."""
        return f"idle_energy_{self.counter}" if self.counter else None


SOURCES = (
    Source("GPU (NVML counter)", "energy", "energy_gpu", "gpu"),
    Source("CPU package (RAPL counter)", "energy", "energy_cpu", "cpu"),
    Source("CodeCarbon, all parts", "codecarbon", "codecarbon_energy"),
)


def source_of(energy: str) -> Source:
    """The source of a metric of joules; one without a counter for any other, such as a part of CodeCarbon's."""
    return next((source for source in SOURCES if source.energy == energy), Source(energy, "", energy))
