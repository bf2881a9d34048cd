"""One run made of all blocks: the Records of every attempt in one records.jsonl, their files under one artifacts/.

The attempts stay as they are, and gathering again gives the same. Where two attempts measured the same Case, because a
node that Slurm believed lost went on, the earlier attempt's Record is taken and the other is told.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.record.errors import RecordError, StorageError
from bench.record.files import ARTIFACTS, replace_text
from bench.record.origin import node_of
from bench.record.schema import Artifact, Record
from bench.record.store import RECORDS, as_lines, load, open_run, remedy, why
from bench.record.suggested import quoted
from bench.run.plan import Key
from bench.run.planfile import read_planned

from . import folder as places


@dataclass
class Gathered:
    """What came together. ``missing``: by the number of a block, how many of its planned Records are not there yet.
    ``twice``: Records that another attempt had given already. ``unread``: lines that are no Records. ``beside``:
    Records that were added to the gathered run later, such as judgements, and are kept. ``nodes``: on how many."""

    records: int = 0
    attempts: int = 0
    missing: dict[int, int] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    beside: int = 0
    nodes: int = 0


def gather(folder: Path) -> Gathered:
    """Write the sweep's records.jsonl and artifacts/ from what its blocks hold now.

    Raises RecordError where there is nothing yet, StorageError where it cannot be written; the old file then stays.
    """
    sweep, found = places.read(folder), Gathered()
    chosen = list(_chosen(folder, sweep, found))
    if not chosen:
        raise RecordError(f"no block of {folder} has given a Record yet: see {quoted('run --watch --out', folder)}")
    try:
        with open_run(folder) as writer:
            later = _later(chosen, _present(folder))
            found.beside = len(later)
            replace_text(writer.folder / RECORDS, as_lines((*chosen, *later), folder))
    except OSError as error:
        raise StorageError(f"cannot write {folder / RECORDS}: {why(error)}; {remedy(error)}") from error
    found.records = len(chosen)
    found.nodes = len({node_of(record.environment) for record in (*chosen, *later)})
    return found


def _later(chosen: Sequence[Record], present: Sequence[Record]) -> list[Record]:
    """Those ``present`` in the gathered run that the blocks do not give: added to it, or made good since."""
    known = {record.key for record in chosen}
    good = {record.key for record in chosen if record.status == "ok"}
    return [one for one in present if one.key not in known or (one.status == "ok" and one.key not in good)]


def _present(folder: Path) -> tuple[Record, ...]:
    file = folder / RECORDS
    return load(file).records if file.exists() and file.stat().st_size else ()


def _chosen(folder: Path, sweep: places.Sweep, found: Gathered) -> Iterator[Record]:
    """The Records to keep, block by block and attempt by attempt, their artifacts copied."""
    for number in sweep.numbers:
        planned = read_planned(places.block_folder(folder, number))
        settled: dict[Key, str] = {}
        seen: set[Key] = set()
        for attempt in places.attempts(folder, number):
            found.attempts += 1
            for record in _first_of_each_key(_read(attempt, found), settled, attempt, found):
                seen.add(record.key)
                yield _moved(record, attempt, folder)
        missing = sum(key not in seen for key in planned.keys) if planned else 0
        if missing:
            found.missing[number] = missing


def _read(attempt: Path, found: Gathered) -> Sequence[Record]:
    if not (attempt / RECORDS).exists():
        return ()
    return load(attempt, lambda error: found.unread.append(str(error))).records


def _first_of_each_key(
    records: Iterable[Record], settled: dict[Key, str], attempt: Path, found: Gathered
) -> Iterator[Record]:
    """The Records less those whose key an earlier one has settled: measured, or skipped as this one was. What failed
    may be measured again. ``settled``, by key: the status, is added to."""
    for record in records:
        if settled.get(record.key) in ("ok", record.status):
            found.twice.append(f"{attempt.parent.name}/{attempt.name}: {record.instrument} of {record.case.scheme}")
            continue
        if record.status != "failed":
            settled[record.key] = record.status
        yield record


def _moved(record: Record, attempt: Path, folder: Path) -> Record:
    """The Record with its files under the sweep's artifacts/, in a folder named after block and attempt."""
    if not record.artifacts:
        return record
    return replace(record, artifacts=tuple(_copied(item, attempt, folder) for item in record.artifacts))


def _copied(item: Artifact, attempt: Path, folder: Path) -> Artifact:
    inside = Path(item.path)
    if inside.parts[:1] != (ARTIFACTS,) or ".." in inside.parts:
        return item  # which 'bench verify' then says is amiss
    place = Path(ARTIFACTS, f"block-{attempt.parent.name}-{attempt.name}", *inside.parts[1:])
    source, target = attempt / inside, folder / place
    if source.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)  # they are never written again, so one file under two names takes no space
        except OSError:
            shutil.copy2(source, target)
    return replace(item, path=place.as_posix())
