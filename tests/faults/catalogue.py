"""All faults in the order of the document."""

from __future__ import annotations

from tests.faults import machine, models, processes, records, storage, tools
from tests.faults.fault import Fault

CHAPTERS: dict[str, tuple[Fault, ...]] = {
    "Processes": processes.FAULTS,
    "Disks and folders": storage.FAULTS,
    "Files of a run": records.FAULTS,
    "Models and what observes them": models.FAULTS,
    "GPU, clock, terminal, network": machine.FAULTS,
    "Profilers": tools.FAULTS,
}
FAULTS: tuple[Fault, ...] = tuple(fault for chapter in CHAPTERS.values() for fault in chapter)
