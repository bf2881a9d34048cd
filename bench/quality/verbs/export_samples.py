"""``python -m bench evaluate RUN_FOLDER --export FILE``: what a run's arms wrote, as EvalPlus reads it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.record.errors import StorageError, UsageError
from bench.record.files import check_file, replace_text
from bench.record.instruments import SAMPLES
from bench.record.schema import Record
from bench.record.store import load, remedy, why
from bench.report.console import console as make_console
from bench.report.short import Passage, line, print_passages
from bench.report.terminal import print_path
from bench.report.units import plural
from bench.workloads.samples import for_evalplus

_ALWAYS = "scheme"


def main(options: argparse.Namespace) -> int:
    """A file for each arm: FILE itself where only one wrote programs, else its name with the arm's added.

    Raises UsageError where no arm wrote programs or a file is there already, StorageError where one cannot be written.
    """
    if not options.samples.is_dir():
        raise UsageError("--export needs a run folder: a file of samples is one that EvalPlus reads already")
    records = [record for record in load(options.samples).records if record.instrument == SAMPLES and record.setup]
    if not records:
        raise UsageError(f"{options.samples} holds no samples: run a preset with pass@1, such as smoke or paper")
    wanted = {check_file(file, options.samples): record for file, record in files(options.export, records).items()}
    for file, record in wanted.items():
        _write(file, for_evalplus(record))
    passages = [
        Passage(
            partial(print_path, f"{len(record.setup['tasks'])} programs of {record.case.scheme}", file), 1, "more file"
        )
        for file, record in wanted.items()
    ]
    print_passages([line(f"{plural(len(wanted), 'file')} written"), *passages], make_console(), "")
    return 0


def files(wanted: Path, records: Sequence[Record]) -> Mapping[Path, Record]:
    """Which file each Record goes to; of two with the same Case and repeat, the later one."""
    latest = {record.key: record for record in records}
    if len(latest) == 1:
        return {wanted: records[-1]}
    names = _names(list(latest.values()))
    return {wanted.with_stem(f"{wanted.stem}-{name}"): record for name, record in names.items()}


def _names(records: Sequence[Record]) -> dict[str, Record]:
    """Each arm by its scheme, and by what else is not the same in all of them."""
    places = [{**record.case.coordinates(), "repeat": record.repeat} for record in records]
    keys = sorted({key for place in places for key in place} - {_ALWAYS})
    differing = [key for key in keys if len({place.get(key) for place in places}) > 1]
    return {_name(place, differing): record for place, record in zip(places, records, strict=True)}


def _name(place: Mapping[str, object], differing: Sequence[str]) -> str:
    parts = [str(place[_ALWAYS]), *(f"{key}-{place[key]}" for key in differing if key in place)]
    return re.sub(r"[^\w.+-]+", "-", "-".join(parts))


def _write(file: Path, text: str) -> None:
    try:
        replace_text(file, text)
    except OSError as error:
        raise StorageError(f"cannot write {file}: {why(error)}; {remedy(error)}") from error
