"""A run goes on only on the machine that it was begun on: figures of two machines in one run would be compared."""

from __future__ import annotations

from collections.abc import Sequence

from bench.record.errors import MachineError
from bench.record.schema import Environment, Record


def refuse_other_machine(recorded: Sequence[Record], machine: Environment) -> None:
    """Raise MachineError where the first Record was made with other hardware than ``machine`` has."""
    if recorded and recorded[0].environment.hardware() != machine.hardware():
        raise MachineError("this run was begun on another machine: start a new run here, and compare the two")
