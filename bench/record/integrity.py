"""Is a run folder whole? Each check is a value: what was looked at, whether it holds, and what was found.

What was left out of a run folder on purpose, left-out.json names with the reason, so that it differs from lost:
timelines are large, and a run that goes into a repository keeps some of them; a run on a rented GPU may have ended
before all of its plan was measured. Records go on naming the files with their hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from bench.record.suggested import quoted

from . import plausible
from .anonymous import ANONYMOUS
from .errors import RecordError, StorageError
from .files import replace_text
from .instruments import TIMELINE
from .origin import block_of
from .schema import Artifact, Record
from .store import RECORDS, check_chain, load

Result = Literal["ok", "problem", "note"]
Key = tuple[str, str, int]
LEFT_OUT = "left-out.json"
MISSING = "missing"
_JUDGED_ELSEWHERE = frozenset(("quality",))


@dataclass(frozen=True)
class Omission:
    """``artifacts``: paths of files; ``records``: keys of planned Records (case_id, instrument, repeat)."""

    reason: str
    artifacts: tuple[str, ...] = ()
    records: tuple[Key, ...] = ()


@dataclass(frozen=True)
class IntegrityCheck:
    """``examples`` are what is amiss, one text each, all of them. ``missing``: what could be left out on purpose."""

    name: str
    result: Result
    found: str
    examples: tuple[str, ...] = ()
    missing: Omission | None = None


def readable(folder: Path) -> tuple[tuple[Record, ...], tuple[IntegrityCheck, ...]]:
    """All Records that can be read, and the checks of the file. Raises RecordError where there is no such file."""
    damaged: list[RecordError] = []
    try:
        loaded = load(folder)  # who has read it before need not read it again
    except RecordError:
        loaded = load(folder, damaged.append)
    count = f"{len(loaded.records)} records of known schema"
    bad = tuple(str(error) for error in damaged)
    checks = [
        IntegrityCheck(
            "schema", "problem" if bad else "ok", f"{len(bad)} damaged lines, {count}" if bad else count, bad
        )
    ]
    if loaded.findings:
        messages = tuple(finding.message for finding in loaded.findings)
        checks.append(
            IntegrityCheck(
                "last line", "problem", "incomplete: a run ended while it wrote; finish it, --resume", messages
            )
        )
    if (folder / RECORDS).exists() and (folder / f"{RECORDS}.gz").exists():
        same = load(folder / RECORDS).records == load(folder / f"{RECORDS}.gz").records if not bad else False
        found = f"{RECORDS} and {RECORDS}.gz, which hold {'the same' if same else 'different records'}"
        checks.append(IntegrityCheck("files of records", "note" if same else "problem", found))
    return loaded.records, tuple(checks)


def anonymous(folder: Path) -> tuple[IntegrityCheck, ...]:
    """Whether the run was made anonymous, and how: a shared copy has hashes of its own, and says whether those of the
    run held. Raises RecordError where the file that says so is damaged."""
    try:
        document = json.loads((folder / ANONYMOUS).read_text(encoding="utf-8"))
        amiss = tuple(map(str, document.get("problems_of_the_run", ())))
        copy = document["made_by"] == "share"
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{folder / ANONYMOUS} is damaged ({error}): restore the file") from error
    if amiss:
        return (IntegrityCheck("shared copy", "problem", "of a run that was not verified itself", amiss),)
    how = "a shared copy: its hashes were made again when names were taken out" if copy else "measured with --anonymous"
    return (IntegrityCheck("anonymous", "note", f"{how}; {ANONYMOUS} says what went"),)


def chained(folder: Path) -> IntegrityCheck:
    """No line was changed, removed, added or moved since it was written. Raises RecordError as ``readable``."""
    found = check_chain(folder)
    if not found.have:
        return IntegrityCheck(
            "chain", "note", f"{found.lack} lines of an older version, which have no hash of their own"
        )
    bad = tuple(f"line {n}: it, or a line before it, is not what was written" for n in found.broken)
    if found.broken[:1] == (1,):
        bad = ("line 1: it, or the plan, is not what was written", *bad[1:])
    lack = f", {found.lack} of an older version without a hash" if found.lack else ""
    return IntegrityCheck(
        "chain", "problem" if bad else "ok", f"{found.have} lines, each after the one before it{lack}", bad
    )


def self_consistent(records: Sequence[Record]) -> tuple[IntegrityCheck, ...]:
    """What each Record says of itself fits."""
    found = {
        "arms": (plausible.arms(records), "each Record's arm is its Case's"),
        "tokens": (plausible.tokens(records), "as many tokens and steps as were asked for"),
        "times": (plausible.times(records), "no start in the future, every call as long as its steps"),
        "copies": (plausible.copied(records), "no two Records tell the same times"),
        "verdicts": (plausible.verdicts(records), "judged programs are marked as they were judged"),
        "metrics": (plausible.missing_metrics(records), "each Record tells what others of its kind tell, or why not"),
    }
    return tuple(
        IntegrityCheck(name, "problem" if bad else "ok", good, tuple(bad)) for name, (bad, good) in found.items()
    )


def unique(records: Sequence[Record]) -> IntegrityCheck:
    """Each key at most once; only a failed or skipped Record may have a later one, which measured it again."""
    done = Counter(record.key for record in records if record.status == "ok")
    last = {record.key: record.status for record in records}
    twice = [_key(key) for key, count in done.items() if count > 1]
    undone = [f"{_key(key)}: {last[key]} after it was ok" for key in done if last[key] != "ok"]
    again = len(records) - len({record.key for record in records})
    found = f"{len(records) - again} keys" + (f", {again} measured again" if again else "")
    return IntegrityCheck("no duplicates", "problem" if twice or undone else "ok", found, (*twice, *undone))


def agreeing(records: Sequence[Record], ownrun: str | None) -> tuple[IntegrityCheck, ...]:
    """What all Records of one run have in common."""
    runs = sorted({record.run_id for record in records} | ({ownrun} if ownrun else set()))
    measured = [record for record in records if record.instrument not in _JUDGED_ELSEWHERE]
    machines = list(dict.fromkeys(repr(record.environment.hardware()) for record in measured))
    swept = bool(measured) and all(map(block_of, measured))
    revisions: dict[str, set[str]] = {}
    for record in records:
        if record.case.workload != "machine":  # which is of no model
            revisions.setdefault(record.case.model, set()).add(record.case.revision)
    models = [f"{name}: {', '.join(sorted(found))}" for name, found in revisions.items() if len(found) > 1]
    commits = list(dict.fromkeys(str(record.environment.source.get("commit", "unknown")) for record in measured))
    return (
        _all_one("run", runs, "run_id"),
        _hardware(machines) if swept else _all_one("machine", machines, "machine"),
        IntegrityCheck(
            "models", "problem" if models else "ok", f"{len(revisions)}, each of one revision", tuple(models)
        ),
        IntegrityCheck(
            "code",
            "ok" if len(commits) <= 1 else "note",
            "one commit of this project" if len(commits) == 1 else f"{len(commits)} commits of this project",
            tuple(commits),
        ),
    )


def _all_one(name: str, found: Sequence[str], what: str) -> IntegrityCheck:
    one = len(found) <= 1
    return IntegrityCheck(
        name, "ok" if one else "problem", f"one {what}" if one else f"{len(found)} of them", tuple(found)
    )


def _hardware(found: Sequence[str]) -> IntegrityCheck:
    """Of a sweep: its comparisons are within a block, and so on one node, whatever the others are."""
    if len(found) <= 1:
        return IntegrityCheck("machine", "ok", "one hardware on all nodes", tuple(found))
    text = f"{len(found)} kinds of hardware, as a sweep may have: each is reported for itself"
    return IntegrityCheck("machine", "note", text, tuple(found))


def complete(
    records: Sequence[Record], planned: Sequence[Key], left_out: Sequence[Omission]
) -> tuple[IntegrityCheck, ...]:
    """Every planned Record is there, or was left out on purpose; how the others stand to the plan."""
    known, wanted = {record.key for record in records}, set(planned)
    excused = {key for entry in left_out for key in entry.records}
    absent = [key for key in planned if key not in known]
    missing = [key for key in absent if key not in excused]
    checks = [
        IntegrityCheck(
            "complete",
            "problem" if missing else "ok",
            f"{len(wanted & known)} of {len(wanted)} planned records"
            + (f"; finish with {quoted('run --resume --out')} and this folder" if missing else ""),
            tuple(map(_key, missing)),
            Omission("", records=tuple(missing)),
        )
    ]
    if len(absent) > len(missing):
        checks.append(_excused("planned records", len(absent) - len(missing), left_out))
    others = [record for record in records if record.key not in wanted]
    # A timeline may be added by profiling; what else the plan asks for comes from its run alone.
    own = {instrument for _, instrument, _ in wanted} - {TIMELINE}
    strange = tuple(_key(record.key) for record in others if record.instrument in own)
    if strange:
        checks.append(IntegrityCheck("unplanned", "problem", f"{len(strange)} records that no plan asks for", strange))
    extra = Counter(record.instrument for record in others if record.instrument not in own)
    if extra:
        found = ", ".join(f"{count} {name}" for name, count in extra.items())
        checks.append(IntegrityCheck("beside the plan", "note", f"{found}: of intervene, evaluate or profiling"))
    bad = Counter(record.status for record in records if record.status != "ok")
    if bad:
        checks.append(
            IntegrityCheck("outcomes", "note", ", ".join(f"{count} {status}" for status, count in bad.items()))
        )
    return tuple(checks)


def artifacts(folder: Path, records: Sequence[Record], left_out: Sequence[Omission]) -> tuple[IntegrityCheck, ...]:
    """Every file that a Record names lies inside the folder and has the recorded hash, or was left out on purpose."""
    named = list(dict.fromkeys(artifact for record in records for artifact in record.artifacts))
    excused = {path for entry in left_out for path in entry.artifacts}
    found = {artifact: problem_of(folder, artifact) for artifact in named}
    gone = [artifact.path for artifact, problem in found.items() if problem == MISSING]
    missing = tuple(path for path in gone if path not in excused)
    bad = [f"{artifact.path}: {problem}" for artifact, problem in found.items() if problem not in ("", MISSING)]
    good = sum(problem == "" for problem in found.values())
    amiss = (*bad, *(f"{path}: {MISSING}" for path in missing))
    text = f"{good} of {len(named)} files there, with the recorded hash"
    checks = [IntegrityCheck("artifacts", "problem" if amiss else "ok", text, amiss, Omission("", artifacts=missing))]
    if len(gone) > len(missing):
        checks.append(_excused("artifacts", len(gone) - len(missing), left_out))
    return tuple(checks)


def problem_of(folder: Path, artifact: Artifact) -> str:
    """What is wrong with one artifact; "" where nothing is."""
    path = PurePosixPath(artifact.path)
    if path.is_absolute() or ".." in path.parts or not path.parts or not artifact.path.isprintable():
        return "not the name of a file inside the run folder"
    file = folder / path
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            return "a link that leaves the run folder"
        if not file.exists():
            return MISSING
        if not file.is_file():
            return "not a file"
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, up to Python 3.12
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return "" if digest == artifact.sha256 else "changed since it was recorded: another hash"


def unnamed(folder: Path, records: Sequence[Record]) -> IntegrityCheck:
    """Files under artifacts/ that no Record names: the logs of children that failed, and what nobody knows."""
    named = {artifact.path for record in records for artifact in record.artifacts}
    files = sorted(path for path in (folder / "artifacts").rglob("*") if path.is_symlink() or not path.is_dir())
    left = [path.relative_to(folder).as_posix() for path in files]
    left = [path for path in left if path not in named]
    return IntegrityCheck("unnamed files", "note" if left else "ok", f"{len(left)} under artifacts/", tuple(left))


def _excused(what: str, count: int, left_out: Iterable[Omission]) -> IntegrityCheck:
    kind = "artifacts" if what == "artifacts" else "records"
    reasons = dict.fromkeys(entry.reason for entry in left_out if getattr(entry, kind))
    return IntegrityCheck(f"{what} left out", "note", f"{count} on purpose", tuple(reasons))


def _key(key: Key) -> str:
    return f"{key[1]} of Case {key[0]}, repeat {key[2]}"


def omissions_in(folder: Path) -> tuple[Omission, ...]:
    """What left-out.json says; () where there is no such file. Raises RecordError for a damaged one."""
    try:
        return tuple(_entry(item) for item in json.loads((folder / LEFT_OUT).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(f"{folder / LEFT_OUT} is damaged ({error}): restore the file") from error


def add_omission(folder: Path, entry: Omission) -> None:
    """Write down what was left out, and why. Raises StorageError where the folder cannot be written."""
    document = [_document(item) for item in (*omissions_in(folder), entry)]
    try:
        replace_text(folder / LEFT_OUT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise StorageError(f"cannot write {folder / LEFT_OUT}: {error.strerror or error}") from error


def _entry(item: Any) -> Omission:
    records = tuple((str(case_id), str(instrument), int(repeat)) for case_id, instrument, repeat in item["records"])
    if not item["reason"]:
        raise ValueError("an entry without a reason")
    return Omission(str(item["reason"]), tuple(map(str, item["artifacts"])), records)


def _document(entry: Omission) -> dict[str, Any]:
    records: Sequence[list[Any]] = [list(key) for key in entry.records]
    return {"reason": entry.reason, "artifacts": list(entry.artifacts), "records": records}
