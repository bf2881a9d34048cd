"""A simulation made in parts: those that are named are made again, the others are kept as they are in the file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import writing


def parser(
    description: str | None, parts: Iterable[str], page: str = "the page whose tables are made again"
) -> argparse.ArgumentParser:
    """The options that all simulations have. ``page``: what is made again of it."""
    known = ",".join(parts)
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--out", type=Path, required=True, help="where to write the result as JSON")
    made.add_argument("--page", type=Path, help=page)
    made.add_argument("--parts", default=known, help=f"some of {known}; '' for the page alone")
    return made


def remade(options: argparse.Namespace, make: Callable[[str], Mapping[str, Any]]) -> dict[str, Any]:
    """The document with the parts of ``options.parts`` as ``make`` gives them, written after each.

    Ends the program with one line and exit code 2 where ``options.out`` is no earlier result.
    """
    writing.check(options.out, *filter(None, (options.page,)))
    document: dict[str, Any] = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    for part in filter(None, options.parts.split(",")):
        document |= make(part)
        writing.write(options.out, document)
    return document
