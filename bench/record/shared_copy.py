"""A copy of a run folder without who measured it and where; its hashes are made again, which ``verify`` says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import integrity
from .anonymous import ANONYMOUS, JOBS, OWN_PROMPT, Anonymiser
from .anonymous_files import clean, why_not
from .chain import PLAN
from .errors import RecordError
from .files import ARTIFACTS, is_records, replace_text
from .integrity import Omission
from .lines import RecordLines
from .naming import own_hosts, own_roots, own_users, users_in
from .origin import NODE_VARIABLE
from .schema import Case, Record, from_json, to_json
from .store import RECORDS, as_lines, records_file
from .typed import decode

# What a report, a study or a sweep wrote there is made again, or is about the machine.
_MADE_AGAIN = frozenset(("report.md", "report.html", "figures", "study.md", "study.html"))
_COPIED = frozenset((RECORDS, f"{RECORDS}.gz", PLAN, integrity.LEFT_OUT, ARTIFACTS, ANONYMOUS))
_OF_OTHERS = "of another program, or of a sweep: it is not part of a run"
_OTHER_RECORDS = "records beside those that the run is read from"
REASON = "taken out when the run was shared"


@dataclass(frozen=True)
class SharedCopy:
    """``taken``: what was taken out of its texts, and how often. ``left_out``: files that are not in it, and why.
    ``problems``: the checks that the run itself did not pass."""

    folder: Path
    taken: tuple[tuple[str, int], ...]
    left_out: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def make(
    folder: Path, out: Path, records: Sequence[Record], names: Anonymiser, problems: Sequence[str] = ()
) -> SharedCopy:
    """The copy, in the new folder ``out``. Raises OSError where it cannot be written, RecordError for damage."""
    (out / ARTIFACTS).mkdir(parents=True)
    known = -1
    while known < names.known:  # a name that was first met in the last file may stand in the others too
        known = names.known
        names.taken.clear()
        hashes, left_out = _copy_artifacts(folder, out, names)
        ids: dict[str, str] = {}
        if (folder / PLAN).exists():
            replace_text(out / PLAN, json.dumps(_plan(folder, names, ids), indent=1))
        made = [anonymous_record(record, names, hashes) for record in records]
    replace_text(out / RECORDS, as_lines(made, out))
    _write_omissions(folder, out, left_out, names, ids)
    others = [
        (path.name, _OTHER_RECORDS if is_records(path.name) else _OF_OTHERS)
        for path in sorted(folder.iterdir())
        if path.name not in _COPIED | _MADE_AGAIN and path != out
    ]
    copied = SharedCopy(
        out,
        tuple(sorted(names.taken.items())),
        tuple((names.file_name(path), why) for path, why in (*left_out.items(), *others)),
        tuple(problems),
    )
    _write_mark(copied)
    return copied


def anonymiser(folder: Path, records: Sequence[Record], also: Iterable[str] = ()) -> Anonymiser:
    """Knows the names of all who measured these records, and of who runs this process."""
    environments = [record.environment for record in records]
    users = own_users()
    for _, line in RecordLines(records_file(folder)):
        users |= users_in(line or b"")
    names = Anonymiser(
        {one.hostname for one in environments}
        | {one.variables[NODE_VARIABLE] for one in environments if NODE_VARIABLE in one.variables}
        | own_hosts(),
        users,
        gpus={str(gpu.get("uuid", "")) for one in environments for gpu in one.gpus},
        jobs={one.variables[name] for one in environments for name in JOBS if name in one.variables},
        roots=(*own_roots(), folder.resolve().parent),
        also=also,
    )  # fmt: skip
    models = {(record.case.model, _is_folder(record.case)) for record in records}
    adapters = {str(record.case.adapter).rpartition("@")[0] for record in records}
    names.keep_apart(
        {model for model, folder in models if folder} | {name for name in adapters if "/" in name},
        (model for model, folder in models if not folder),
    )
    return names


def _is_folder(case: Case) -> bool:
    """Whether its model is one of the user's own, by its path: a model of the hub has a commit for its revision."""
    return case.model.startswith(("/", "~", ".")) or ("/" in case.model and "sha256:" in case.revision)


def anonymous_record(record: Record, names: Anonymiser, hashes: Mapping[str, str] | None = None) -> Record:
    """``hashes``: of the artifacts as they are now, by path."""
    document = names.record(to_json(record))
    document["case_id"] = Case(**document["case"]).case_id
    for item in document["artifacts"]:
        item["sha256"] = (hashes or {}).get(item["path"], item["sha256"])
    return from_json(json.loads(json.dumps(document)))


def _plan(folder: Path, names: Anonymiser, ids: dict[str, str]) -> Any:
    """``ids`` is told the new id of each Case by its old one."""
    try:
        document = decode((folder / PLAN).read_bytes())
        for model in (document["model"], *document.get("beside", ())):
            if model.pop("prompt", ""):
                names.taken[OWN_PROMPT] += 1
        made = names.document(document)
        for old, new in zip(document["blocks"], made["blocks"], strict=True):
            for before, after in zip(old["requests"], new["requests"], strict=True):
                ids[Case(**before["case"]).case_id] = Case(**after["case"]).case_id
        return made
    except (ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{folder / PLAN} is damaged ({error}): restore the file") from error


def _copy_artifacts(folder: Path, out: Path, names: Anonymiser) -> tuple[dict[str, str], dict[str, str]]:
    """(hash by path, reason by path of what was left out)."""
    hashes, left_out = {}, {}
    for file in sorted((folder / ARTIFACTS).rglob("*")):
        if file.is_dir() and not file.is_symlink():
            continue
        path = file.relative_to(folder).as_posix()
        new = names.file_name(path)
        reason = "no plain file" if file.is_symlink() or not file.is_file() else why_not(file)
        if new in hashes:
            reason = "another file has this name once names are taken out"
        if not reason:
            (out / new).parent.mkdir(parents=True, exist_ok=True)
            try:
                clean(file, out / new, names)
                with (out / new).open("rb") as stream:
                    hashes[new] = hashlib.file_digest(stream, "sha256").hexdigest()
            except ValueError as error:
                reason = f"it cannot be read: {error}"
        if reason:
            left_out[path] = reason
    return hashes, left_out


def _write_omissions(
    folder: Path, out: Path, left_out: Mapping[str, str], names: Anonymiser, ids: Mapping[str, str]
) -> None:
    for entry in integrity.omissions_in(folder):
        keys = tuple((ids.get(case_id, case_id), instrument, repeat) for case_id, instrument, repeat in entry.records)
        integrity.add_omission(
            out, Omission(names.text(entry.reason), tuple(map(names.file_name, entry.artifacts)), keys)
        )
    for reason in sorted(set(left_out.values())):
        paths = tuple(names.file_name(path) for path, why in left_out.items() if why == reason)
        integrity.add_omission(out, Omission(f"{REASON}: {reason}", paths))


def _write_mark(copy: SharedCopy) -> None:
    document = {
        "made_by": "share",
        "taken_out": dict(copy.taken),
        "left_out": [list(item) for item in copy.left_out],
        "problems_of_the_run": list(copy.problems),
    }
    replace_text(copy.folder / ANONYMOUS, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
