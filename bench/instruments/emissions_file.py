"""CodeCarbon's emissions.csv (versions 2 and 3), and tables of runs in Wh as the StarCoder2 study kept them, in SI."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.record.errors import UsageError
from bench.record.metrics import JOULES_PER_KWH

PARTS = ("cpu", "gpu", "ram")


@dataclass(frozen=True)
class EmissionsRow:
    """One run. ``joules``: of each part that the file has, and of "total". ``watts``: what the tool itself says of each
    part. ``kg``: of CO2. ``place``: the line in the file. ``cpu_model``: as the tool names it, or ""."""

    place: int
    name: str
    seconds: float
    joules: Mapping[str, float]
    watts: Mapping[str, float] = field(default_factory=dict)
    kg: float | None = None
    cpu_model: str = ""
    pue: float = 1.0


@dataclass(frozen=True)
class _Form:
    """How a kind of file names its columns, and what its units are in J and kg."""

    seconds: str
    energies: Mapping[str, str]
    to_joules: float
    carbon: str
    to_kg: float
    name: str = ""


_FORMS = (
    _Form(
        "duration",
        {"cpu": "cpu_energy", "gpu": "gpu_energy", "ram": "ram_energy", "total": "energy_consumed"},
        JOULES_PER_KWH,
        "emissions",
        1.0,
        "project_name",
    ),
    _Form("Runtime", {"cpu": "CPU", "gpu": "GPU", "ram": "DRAM", "total": "total"}, 3600.0, "EstimatedCO2", 1e-3),
)


def read_emissions(file: Path) -> tuple[EmissionsRow, ...]:
    """The runs in a file, in its order.

    Raises UsageError, naming the file and the line, for a file that is missing, empty, or of another form.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file} is not text: give CodeCarbon's emissions.csv") from error
    rows = tuple(_rows(file, lines))
    if not rows:
        raise UsageError(f"{file} holds no run: give a CodeCarbon emissions.csv with at least one line of figures")
    return rows


def _rows(file: Path, lines: list[str]) -> Iterator[EmissionsRow]:
    reader = csv.DictReader(lines)
    columns = reader.fieldnames or ()
    form = next((one for one in _FORMS if {one.seconds, *one.energies.values()} <= set(columns)), None)
    if form is None:
        needed = ", ".join((_FORMS[0].seconds, *_FORMS[0].energies.values()))
        raise UsageError(f"{file} is not CodeCarbon's emissions.csv: it needs the columns {needed}")
    for line in reader:
        yield _row(form, line, f"{file}, line {reader.line_num}", reader.line_num)


def _row(form: _Form, line: Mapping[str, str | None], where: str, place: int) -> EmissionsRow:
    def number(column: str) -> float:
        text = line.get(column)
        try:
            value = float(text) if text else 0.0
        except (TypeError, ValueError):
            raise UsageError(f"{where}: {column} is {text!r}, not a number") from None
        if not math.isfinite(value):
            raise UsageError(f"{where}: {column} is {text!r}, not a number")
        return value

    watts = {part: number(f"{part}_power") for part in PARTS if line.get(f"{part}_power")}
    return EmissionsRow(
        place,
        str(line.get(form.name) or ""),
        number(form.seconds),
        {part: number(column) * form.to_joules for part, column in form.energies.items()},
        watts,
        number(form.carbon) * form.to_kg if line.get(form.carbon) else None,
        str(line.get("cpu_model") or ""),
        number("pue") if line.get("pue") else 1.0,
    )
