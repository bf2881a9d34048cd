"""``python -m bench list``: what can be asked for."""

from __future__ import annotations

import argparse

from bench.interventions.table import INTERVENTIONS
from bench.presets import PRESETS
from bench.record.causes import LINES, MEANINGS
from bench.record.metrics import METRICS
from bench.report.documents import catalogue_document
from bench.report.visible import dumps
from bench.schemes import ARMS, REFERENCE, SAVED, Arm, family
from bench.workloads.sources import SHAPES, SMOKE

EXAMPLES = """
list
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what each is, and the metrics")


def main(options: argparse.Namespace) -> int:
    """Print the tables, or all of it as JSON."""
    if options.json:
        document = catalogue_document(
            presets={name: preset.description for name, preset in PRESETS.items()},
            schemes={arm.name: arm.facts() for arm in (*ARMS.values(), SAVED)},
            reference=REFERENCE,
            models=_models(),
            interventions={name: f"{item.sense}: {item.cause}" for name, item in INTERVENTIONS.items()},
        )
        print(dumps(document, indent=1))
    else:
        _print_tables(verbose=options.verbose)
    return 0


def _models() -> dict[str, str]:
    models = {SMOKE: "the committed tiny checkpoint (memorised): runs anywhere, offline"}
    models |= {f"shape:{shape}": "exact shapes, random weights" for shape in SHAPES}
    return models | {
        "FOLDER": "a local checkpoint: config.json, tokenizer and *.safetensors",
        "OWNER/NAME": "a Hugging Face id, with --revision",
    }


def _beside(arm: Arm) -> str:
    missing = family(arm).unavailable(arm, "cuda")
    return f"; not here: {missing}" if missing else " (reference)" if arm.name == REFERENCE else ""


def _print_tables(*, verbose: bool) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from bench.report.console import console as make_console
    from bench.report.short import SAME_WITH_V, line, print_passages

    console = make_console()
    every = (*ARMS.values(), SAVED)
    schemes = {arm.name: arm.description + _beside(arm) for arm in every}
    metrics = {name: f"{info.description} [{info.unit}]" for name, info in METRICS.items()}
    presets = {name: preset.description for name, preset in PRESETS.items()}
    interventions = {name: f"{item.sense} {item.cause}" for name, item in INTERVENTIONS.items()}
    causes = {name: MEANINGS[name] for name in LINES}
    tables = (
        ("presets", presets),
        ("schemes", schemes),
        ("models", _models()),
        ("interventions", interventions),
        ("lines of the ledger", causes),
        ("metrics", metrics),
    )
    if not verbose:
        short = [
            line(Text(f"{title}: ", style="bold") + Text(", ".join(rows), style="default"))
            for title, rows in tables[:-1]
        ]
        print_passages(short, console, f"What each is, and {len(metrics)} metrics: {SAME_WITH_V}")
        return
    for title, rows in tables:
        table = Table(title=title, box=box.SIMPLE, title_justify="left", show_header=False, title_style="bold")
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for name, text in rows.items():
            table.add_row(name, text)
        console.print(table)
