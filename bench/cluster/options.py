"""The options of ``bench run`` for many blocks and nodes."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from bench.commandline import INTEGER, SECONDS, names
from bench.record.errors import UsageError
from bench.verbs.shared_options import refuse_together


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """--on and what belongs to it."""
    group = parser.add_argument_group(
        "many blocks, on the nodes of a Slurm cluster or one after the other here",
        "A block is all arms of one model × workload × repeat, in one job on one\n"
        "node; --repeats says how many there are. docs/slurm.md has the commands.",
    )
    add = group.add_argument
    add("--on", choices=("slurm", "local"), help="where the blocks are measured")
    add("--models", type=names, metavar="A,B", help="several models, each in blocks of its own")
    add(
        "--watch",
        type=SECONDS,
        nargs="?",
        const=10.0,
        metavar="S",
        help="show all blocks until they are done, then gather (look every S seconds, default 10); ctrl-C cancels them",
    )
    add("--dry-run", action="store_true", help="print the batch script of --on slurm; nothing is written or submitted")
    add("--cancel", action="store_true", help="cancel the jobs of the sweep in --out; --resume goes on with it")
    add("--cluster", type=Path, metavar="FILE", help="a TOML file with these options: partition, account, …")
    add("--partition", metavar="NAME", help="Slurm's partition")
    add("--account", metavar="NAME", help="Slurm's account")
    add("--qos", metavar="NAME", help="Slurm's quality of service")
    add("--constraint", metavar="TEXT", help="features that the nodes must have, such as h100")
    add("--nodelist", metavar="NODES", help="only these nodes")
    add("--exclude", metavar="NODES", help="not these nodes")
    add("--gpus", type=INTEGER, metavar="N", help="GPUs per block (default 1; 0: measure the CPU)")
    add("--cpus", type=INTEGER, metavar="N", help="CPU cores per block (default 8)")
    add("--memory", type=float, metavar="GB", help="memory per block (default: the partition's)")
    add(
        "--time",
        type=INTEGER,
        metavar="MIN",
        help="time of a job (default 60); a block that needs more goes on in another",
    )
    add("--at-once", type=INTEGER, metavar="N", help="blocks that run at the same time (default 256)")
    add("--exclusive", action="store_true", default=None, help="the whole node for one block")
    add("--image", metavar="FILE", help="Apptainer image to measure in (docs/hosts.md)")


def refuse_stray(options: argparse.Namespace) -> None:
    """Raises UsageError for an option that would do nothing."""
    from .cluster import Cluster  # for what it knows only: nothing is asked of Slurm here

    known = ("cluster", *(item.name for item in fields(Cluster)))
    given = [name for name in known if getattr(options, name, None) is not None]
    if given and options.on != "slurm":
        raise UsageError(f"--{given[0].replace('_', '-')} is for --on slurm")
    if options.dry_run and options.on != "slurm":
        raise UsageError("--dry-run prints the batch script of --on slurm: add that, or leave it out")
    refuse_together(options, "dry_run", ("watch", "cancel"), "nothing is submitted: leave one of them out")
    if options.dry_run and options.resume and options.repeats:
        raise UsageError("--dry-run adds no blocks to a sweep: leave --repeats out")
    if options.models and not options.on:
        raise UsageError("--models needs --on slurm or --on local")
