"""A run's explanation as JSON: the first screen, then what each section has to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.analysis.explain import Explanation
from bench.hooks import attached_documents

from .answer_json import answer_document
from .content import Commands
from .sections.order import SECTIONS


def run_document(
    found: Mapping[str, Explanation], commands: Commands | None = None, *, several: bool
) -> dict[str, Any]:
    """A run's explanation as JSON; of several kinds of hardware as a list of such under "machines"."""
    if several:
        return {"machines": [{"machine": name, **document(each, commands)} for name, each in found.items()]}
    return document(next(iter(found.values())), commands)


def document(found: Explanation, commands: Commands | None = None) -> dict[str, Any]:
    """A run's explanation as JSON; ``commands``: what a user may type next."""
    made: dict[str, Any] = {"phase": found.phase.name, "answer": answer_document(found, commands)}
    for entry in SECTIONS:
        made |= entry.document(found) if entry.document else {}
    for attached in attached_documents(found):
        made |= attached.document
        for told, pair in zip(made["energy"], found.energy, strict=True):
            told |= attached.of_energy(pair)
    return made
