"""Try every architecture in every scheme and write docs/models.md: ``python -m benchmarks.model_matrix``.

Exit code 1 where a cell is a fault of this program: a model that is not what the scheme is called without a word, or
other greedy tokens than plain transformers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.model_matrix import architectures, page, trying

SCHEMES = ("fp16", "bf16", "int8", "nf4", "int4-tinygemm")
PACKAGES = ("torch", "transformers", "bitsandbytes")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="architectures (default: all)")
    parser.add_argument("--schemes", type=lambda text: tuple(text.split(",")), default=SCHEMES)
    parser.add_argument("--out", type=Path, help="the raw results, as JSON")
    parser.add_argument("--page", type=Path, help="the matrix, as Markdown")
    options = parser.parse_args(argv)
    document = matrix(options.names or architectures.NAMES, options.schemes)
    if options.out:
        options.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.page:
        options.page.write_text(page.page(document), encoding="utf-8")
    faults = [cell for cell in document["cells"] if cell["state"] == "fault"]
    print(f"{len(document['cells'])} cells, {len(faults)} faults")
    return 1 if faults else 0


def matrix(names: Any, schemes: Any) -> dict[str, Any]:
    """The raw results of ``names`` in ``schemes``."""
    document: dict[str, Any] = {
        "versions": {name: version(name) for name in PACKAGES}, "schemes": list(schemes), "cells": [], "refused": {},
        "unmade": {},
    }  # fmt: skip
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            _row(name, Path(scratch) / "checkpoint", schemes, document)
    return document


def _row(name: str, folder: Path, schemes: Any, document: dict[str, Any]) -> None:
    from bench.workloads.sources import data_folder

    try:
        architectures.make(name, folder, data_folder() / "smoke-model")
    except Exception as error:  # whatever a version of transformers has against it
        document["unmade"][name] = f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0][:200]}"
        print(f"{name}: not made")
        return
    if line := trying.describe(folder):
        document["refused"][name] = line
        print(f"{name}: {line}")
        return
    for scheme in schemes:
        cell = trying.attempt(name, folder, scheme)
        document["cells"].append(cell.to_json())
        print(
            f"{name}, {scheme}: {cell.state} {cell.line or (cell.share if cell.share is not None else '')}", flush=True
        )


def _quiet() -> None:
    import torch
    import transformers

    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)


if __name__ == "__main__":
    _quiet()
    sys.exit(main())
