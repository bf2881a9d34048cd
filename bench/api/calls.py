"""The verbs as functions: options in, a frozen result out. What the command line prints, these hand back.

A model that a program holds in memory is saved for the processes that measure it: each scheme loads it afresh. What is
measured is the checkpoint, in processes of its own (docs/adr/0002): hooks, patches and compiled code of the object do
not travel, and whatever else this process does on the GPU is in nobody's way but the clock's.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.record.errors import StorageError, UsageError
from bench.record.store import load, remedy, why
from bench.report.visible import dumps

from .results import ComparisonResult, ExplanationResult, RunResult

# Options that print something and end.
_OF_TERMINAL = ("help", "json_schema")


def words(keywords: Mapping[str, Any]) -> Iterator[str]:
    """Keywords as options of the command line: None and False say nothing, True is a flag, a sequence a list A,B.
    Raises UsageError for one that would print and end the process."""
    for name, value in keywords.items():
        if name in _OF_TERMINAL:
            raise UsageError(f"{name}: it prints, and has a place on the command line only")
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif isinstance(value, tuple | list):
            yield f"{flag}={','.join(map(str, value))}"
        elif value is not None and value is not False:
            yield f"{flag}={value}"


def place(given: str | Path | RunResult) -> str:
    """A file or a folder as a word of the command line, which no leading dash makes an option."""
    text = str(given.folder if isinstance(given, RunResult) else given)
    return f"./{text}" if text.startswith("-") else text


def loaded(folder: Path) -> RunResult:
    """The records of a run folder. Raises RecordError where there are none that can be read."""
    found = load(folder)
    return RunResult(folder, found.records, found.findings)


def explanation(options: argparse.Namespace) -> ExplanationResult:
    """Of a run, or of two traces. Raises as the verb does."""
    if options.candidate is not None:
        from bench.report.answer_traces import answer
        from bench.report.traces import traces_document
        from bench.verbs.explain import explained_traces

        pair, asked, taken = explained_traces(options)
        return ExplanationResult(answer(pair, asked).sentence, dumps(traces_document(pair, asked, taken)))
    from bench.report.sections.order import run_document
    from bench.verbs.explain import explained

    found, next_, several = explained(options)
    made = run_document(found, next_, several=several)
    answers = [part["answer"] for part in made.get("machines", [made])]
    sentence = " ".join(answer["sentence"] for answer in answers if answer)
    return ExplanationResult(sentence or "Nothing was compared.", dumps(made))


def comparison(options: argparse.Namespace) -> ComparisonResult:
    """Of two runs, or of two schemes. Raises as the verb does."""
    from bench.report.documents import comparison_document
    from bench.verbs.compare import compared

    return ComparisonResult(dumps(comparison_document(compared(options))))


def refuse_folders(a: str, b: str) -> None:
    """Raises UsageError where two run folders are given in the place of two traces."""
    if Path(a).is_dir() or Path(b).is_dir():
        raise UsageError("explain(a, b) is of two traces: compare(a, b) sets two runs side by side")


@contextmanager
def saved(model: Any, tokenizer: Any, folder: Path | None) -> Iterator[tuple[Path, str | None]]:
    """The folder of its checkpoint, and the name that Records give the model: None for a folder that stays, whose path
    names it. Without ``folder`` the checkpoint lies in a temporary one, which goes again.

    Raises UsageError for what cannot be saved as a whole checkpoint, StorageError where there is no room.
    """
    if not hasattr(model, "save_pretrained"):
        raise UsageError(f"measure needs a model of transformers, with save_pretrained, not a {type(model).__name__}")
    if getattr(model, "peft_config", None):
        raise UsageError(
            "this model carries adapters of PEFT: measure model.merge_and_unload(), or give --model a folder"
        )
    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: give another folder for the checkpoint")
        _save(model, tokenizer, folder)
        yield folder, None
        return
    with tempfile.TemporaryDirectory(prefix="bitledger-model-") as made:
        _save(model, tokenizer, Path(made))
        yield Path(made), f"memory:{type(model).__name__}"


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    try:
        model.save_pretrained(folder, safe_serialization=True)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    except OSError as error:
        raise StorageError(f"cannot save the model in {folder}: {why(error)}; {remedy(error)}") from error
