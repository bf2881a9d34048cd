"""What rooms that hang on the core add to a run's report (bench/hooks.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.analysis.energy.ledger import EnergyPair
from bench.record.schema import Finding

from .content import Section, Table

if TYPE_CHECKING:
    from .analysed import Analysed


@dataclass(frozen=True)
class Attached:
    """``sections``: what makes them, and the name in the page's list after which they come. ``machine``: all machines
    in one line, where there are several, and ``environment`` the tables about them, in place of one machine's."""

    after: str
    sections: Callable[[Analysed], Sequence[Section | None]]
    findings: tuple[Finding, ...] = ()
    machine: str = ""
    environment: Callable[[], tuple[Table, ...]] | None = None


@dataclass(frozen=True)
class AttachedDocument:
    """Entries of an explanation's JSON, and of that of each pair of energies in it."""

    document: Mapping[str, Any]
    of_energy: Callable[[EnergyPair], Mapping[str, Any]]
