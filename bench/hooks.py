"""What hangs on the core: the one place of it that names rooms outside it, and only as text.

Such a room has a module ``hook``, and in it those of the functions below for which it has something to give, under the
same name. Each imports what it needs when it is called. Where a room is not there, the core does without it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.analysis.explain import Explanation
    from bench.presets.forms import Preset
    from bench.record.schema import Environment, Finding
    from bench.record.store import Writer
    from bench.report.analysed import Analysed, Attached, AttachedDocument

# Their order is that in which what they give stands.
ROOMS = ("bench.cluster", "bench.quality", "bench.studies.starcoder2")


def presets() -> tuple[Preset, ...]:
    """Presets beside those of the core, in their order."""
    return tuple(preset for give in _functions_of_rooms("presets") for preset in give())


def attached(analysed: Analysed) -> tuple[Attached, ...]:
    """What the rooms add to the report of a run."""
    return tuple(found for give in _functions_of_rooms("attached") if (found := give(analysed)) is not None)


def attached_documents(found: Explanation) -> tuple[AttachedDocument, ...]:
    """What the rooms add to an explanation as JSON."""
    return tuple(give(found) for give in _functions_of_rooms("attached_document"))


def add_run_options(parser: ArgumentParser) -> None:
    """The rooms' own options of ``run``."""
    for add in _functions_of_rooms("add_run_options"):
        add(parser)


def run_elsewhere(options: Namespace) -> int | None:
    """The exit code where a room has measured what ``run`` was asked for; None: it is to be measured here, now."""
    codes = (measure(options) for measure in _functions_of_rooms("run_elsewhere"))
    return next((code for code in codes if code is not None), None)


def before_run(instruments: Collection[str]) -> tuple[Finding, ...]:
    """What a run with these instruments will record that the rooms cannot finish here."""
    return tuple(finding for look in _functions_of_rooms("before_run") for finding in look(instruments))


def after_run(writer: Writer, machine: Environment, argv: tuple[str, ...], workers: int) -> None:
    """What is done with the Records of a run once all is measured. ``workers``: processes at the same time."""
    for do in _functions_of_rooms("after_run"):
        do(writer, machine, argv, workers)


def report_beside_study(folders: Sequence[Path]) -> bool:
    """Write the runs beside a study's figures; False where no study is there."""
    writing = [*_functions_of_rooms("report_beside_study")]
    for write in writing:
        write(folders)
    return bool(writing)


def is_there(module: str) -> bool:
    """Whether a module that may belong to such a room can be imported: the room's folder is there."""
    room = next((name for name in ROOMS if f"{module}.".startswith(f"{name}.")), None)
    return room is None or _hook(room) is not None


def _functions_of_rooms(name: str) -> Iterator[Callable[..., Any]]:
    """The function of that name of each room that has one."""
    for room in ROOMS:
        give = getattr(_hook(room), name, None)
        if give is not None:
            yield give


def _hook(room: str) -> Any:
    """A room's module of hooks; None where the room is not there. What goes wrong in a room that is there is raised."""
    try:
        return import_module(f"{room}.hook")
    except ModuleNotFoundError as error:
        if error.name is not None and f"{room}.hook.".startswith(f"{error.name}."):
            return None
        raise
