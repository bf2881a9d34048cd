"""The options of the capturing verbs. Imports next to nothing, so that --help is instant."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.kinds import COUNT, COUNT_OR_NONE, INTEGER, SECONDS, SEED, each_once, whole

from ..passes import PASSES
from ..passes import text as passes
from .settings import Settings

_DEFAULTS = Settings()
_TIERS = f"ncu: counters (default {_DEFAULTS.tier}; replay passes of each launch on A100/H100: {passes()})"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every capturing verb."""
    add = parser.add_argument
    add("--out", type=Path, help="run folder to file in; the Cases are those of its plan (default: a new one)")
    add("--preset", help="whose Cases to observe (default: the run's, or quick with a GPU, else smoke)")
    add("--model", help="smoke, shape:NAME, a local folder, or a Hugging Face id (default: the preset's)")
    add("--revision", help="commit, tag or branch of a Hugging Face id")
    add("--scheme", type=each_once, metavar="A,B", help="only these schemes (default: all of the preset)")
    add("--batch", type=INTEGER, help="batch size (default: the preset's first)")
    add("--cache", choices=("dynamic", "static"), help="key-value cache (default: the preset's first)")
    add("--new-tokens", type=INTEGER, metavar="N", help="new tokens per sequence (default: the preset's)")
    add("--prompt-tokens", type=INTEGER, metavar="N", help="prompt length of random-weight models")
    add("--drop-layers", metavar="LIST", help="decoder layers to remove, such as 2-29: each is like the others")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where it is usable")
    add("--seed", type=SEED, help="seed of weights and prompts (default: the run's, or 0)")
    add("--steps", type=COUNT, default=_DEFAULTS.steps, help="decode steps observed (default %(default)s; ncu: 1)")
    add("--skip", type=COUNT_OR_NONE, default=_DEFAULTS.skip, help="decode steps before them (default %(default)s)")
    add("--seconds", type=SECONDS, default=_DEFAULTS.seconds, help="host: how long to decode (default %(default)s)")
    add("--rate", type=whole(1, 10_000), default=_DEFAULTS.rate, help="host: samples per second (default %(default)s)")
    add("--no-report", action="store_true", help="observe only; 'python -m bench report' writes the report")
    add("--tier", choices=tuple(PASSES), default=_DEFAULTS.tier, help=_TIERS)
    add("--ncu-caches", choices=("cold", "warm", "both"), default="both", help="ncu: flushed, as left, or both")
    add("--limit", type=SECONDS, default=_DEFAULTS.limit_s, metavar="S", help="end a tool after this (default 900 s)")
    add("--keep-mb", type=COUNT_OR_NONE, default=200, metavar="MB", help="largest raw file to keep (default 200)")
