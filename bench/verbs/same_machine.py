"""A run goes on only on the machine that it was begun on: figures of two machines in one run would be compared.

With other software it goes on, but the user is told: mending what failed is a reason, and the report tells it too.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.repeated import differences
from bench.record.errors import MachineError
from bench.record.schema import Environment, Record


def refuse_other_machine(recorded: Sequence[Record], machine: Environment) -> None:
    """Raise MachineError where the first Record was made with other hardware than ``machine`` has."""
    if recorded and recorded[0].environment.hardware() != machine.hardware():
        raise MachineError("this run was begun on another machine: start a new run here, and compare the two")


def tell_other_software(recorded: Sequence[Record], machine: Environment) -> None:
    """Print what is not as it was for the Records that are there."""
    found = dict.fromkeys(text for then in _each(recorded) for text in differences(then, machine))
    if found:
        print(
            f"warning: this run was begun with other software ({'; '.join(found)}): what is measured now may not be "
            "comparable with what is there; for a sound comparison start a new run"
        )


def _each(recorded: Sequence[Record]) -> list[Environment]:
    """One Environment for each software that Records were made with."""
    known = {
        repr((e.packages, e.python, e.os, e.source, e.variables, e.gpus)): e for e in (r.environment for r in recorded)
    }
    return list(known.values())
