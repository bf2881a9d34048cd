"""The doctor: what this machine can measure, and how to get what is missing. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from .check import Check, Machine
from .examine import diagnose as _diagnose

__all__ = ["Check", "Machine", "diagnose"]


def diagnose(reports_folder: Path, machine: Machine | None = None) -> tuple[Check, ...]:
    """All checks in reading order. Takes a few seconds at most; never raises for what a machine lacks."""
    return _diagnose(machine or Machine(), reports_folder)
