"""``python -m tools.smoke_model --out DIR``: makes the smoke checkpoint; exit code 2 for a user's error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.record.errors import BitledgerError, UsageError
from bench.workloads.prompts import humaneval
from tools.smoke_model.recipe import Recipe, training_tasks


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, trains and prints where the checkpoint is. Returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        recipe = _recipe(arguments)
        _make(arguments.out, recipe)
    except BitledgerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    recipe = Recipe()
    parser = argparse.ArgumentParser(
        prog="python -m tools.smoke_model",
        description="Train the tiny 'smoke' checkpoint that memorises 39 HumanEval tasks (about 5 minutes, 2 cores).",
        epilog="example: python -m tools.smoke_model --out bench/data/smoke-model",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint; its files are replaced")
    parser.add_argument("--epochs", type=int, default=recipe.epochs, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=recipe.seed, help="default: %(default)s")
    return parser


def _recipe(arguments: argparse.Namespace) -> Recipe:
    if arguments.epochs < 1:
        raise UsageError(f"--epochs {arguments.epochs}: give 1 or more")
    if not 0 <= arguments.seed < 2**63:
        raise UsageError(f"--seed {arguments.seed}: give a whole number from 0 to 2^63 - 1")
    return replace(Recipe(), epochs=arguments.epochs, seed=arguments.seed)


def _make(out: Path, recipe: Recipe) -> None:
    tasks = humaneval()
    # Imported late, so that --help and a mistyped option answer at once.
    import transformers

    from tools.smoke_model.making import make_checkpoint

    transformers.utils.logging.disable_progress_bar()
    record = make_checkpoint(out, recipe, tasks, training_tasks(tasks))
    for scheme, found in record["check"]["schemes"].items():
        print(f"{scheme}: {found['exact_matches']} of {found['of']} tasks known by heart")
    print(f"wrote {out}")


if __name__ == "__main__":
    sys.exit(main())
