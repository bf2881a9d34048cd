"""Every observer by the name of its instrument: how it observes, and why it may not be able to here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..availability import NotCollected, no_ncu, no_nsys, no_py_spy
from . import counters, host, kineto, nsys
from .job import Job, Observation


@dataclass(frozen=True)
class Observer:
    """``verb`` is the command that runs it; ``missing`` tells beforehand why it cannot run."""

    instrument: str
    verb: str
    observe: Callable[[Job], Observation]
    missing: Callable[[Job], NotCollected | None]


def _no_counters(job: Job) -> NotCollected | None:
    return no_ncu(job.machine) or counters.not_on_cpu(job)


OBSERVERS = (
    Observer("kineto", "kineto", kineto.observe, lambda _: None),
    Observer("nsys", "nsys", nsys.observe, lambda job: no_nsys(job.machine)),
    Observer("ncu-cold", "ncu", counters.cold, _no_counters),
    Observer("ncu-warm", "ncu", counters.warm, _no_counters),
    Observer("py-spy-python", "host", host.python, lambda job: no_py_spy(job.machine)),
    Observer("py-spy-everything", "host", host.everything, lambda job: no_py_spy(job.machine)),
)


def observers(verb: str) -> tuple[Observer, ...]:
    """Those that a verb runs; all of them for "all"."""
    return tuple(item for item in OBSERVERS if verb in (item.verb, "all"))
