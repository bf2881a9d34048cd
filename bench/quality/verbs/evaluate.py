"""``python -m bench evaluate SAMPLES``: which programs of a model pass HumanEval+ or MBPP+, in a sandbox."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bench.commandline import WORKERS, each_once
from bench.quality.against import Verdict, VerdictsCompared, compare, read_verdicts
from bench.quality.answers import Kept, folder
from bench.quality.evaluate import Judgement, Sample, evaluate, read_samples
from bench.quality.mbpp import TOO_LARGE, mbpp_plus
from bench.quality.report.scores import against_passages, passages, scores_document, with_against
from bench.quality.sandbox import Sandbox, accepted, find
from bench.quality.sanitise import sanitise, version
from bench.quality.tasks import PlusTask, humaneval_plus, shipped
from bench.quality.verbs.judging import judging
from bench.record.errors import StorageError, UsageError
from bench.record.files import check_file, replace_text
from bench.record.store import remedy, why
from bench.report.console import console
from bench.report.short import MOST_LINES, SAME_WITH_V, Passage, print_passages
from bench.verbs.shared_options import add_verbose, refuse, refuse_together

# Lines that tell of another judge.
_OF_ANOTHER = 9
# How a file of scores begins: an earlier one is written over, another file is not.
BEGINNING = b'{\n "dataset": "'


EXAMPLES = """
evaluate samples.jsonl
evaluate samples.jsonl --tasks HumanEval/0,HumanEval/32 --workers 4 --out scores.json
evaluate reports/runs/mine --export samples.jsonl
evaluate samples.jsonl --dataset mbppplus --data MbppPlus.jsonl.gz
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this verb."""
    add = parser.add_argument
    add("samples", type=Path, help="JSON lines (or .gz) with task_id, and solution or completion; or a run folder")
    add("--dataset", choices=("humanevalplus", "mbppplus"), default="humanevalplus", help="default: humanevalplus")
    add("--data", type=Path, help="its file (default: the package's HumanEval+; MBPP+ does not travel with it)")
    add("--tasks", type=each_once, metavar="A,B", help="only these tasks; every sample must be of one of them")
    add("--workers", type=WORKERS, default=2, help="programs that run at a time (default 2)")
    add("--no-cache", action="store_true", help="make the right answers again, and do not keep them")
    add("--against", type=Path, metavar="FILE", help="compare with EvalPlus's *_eval_results.json, task for task")
    add(
        "--judge",
        choices=("own", "evalplus"),
        default="own",
        help="evalplus: its judge too, in bubblewrap, compared task for task (extra quality)",
    )
    add("--sanitize", action="store_true", help="take programs out of a chat model's answers with evalplus.sanitize")
    add("--out", type=Path, metavar="FILE", help="write scores and judgements as JSON")
    add("--export", type=Path, metavar="FILE", help="write a run's programs as EvalPlus reads them; judge nothing")
    add("--no-sandbox", action="store_true", help="run them with your own rights: only where the machine may be lost")
    add(
        "--sandbox-without",
        type=each_once,
        default=(),
        metavar="PART,PART",
        help="go on where this machine's sandbox lacks these parts (a refusal names them): seccomp, keyring, inodes",
    )
    add("--json", action="store_true", help="as JSON")
    add_verbose(parser)


# What has no place where a run's own programs are judged or exported.
_OF_SAMPLES = ("judge", "sanitize", "out", "against", "tasks", "data", "dataset", "no_cache", "json")


def main(options: argparse.Namespace) -> int:
    """Judge the samples; print the scores and what failed."""
    if options.workers < 1:
        raise UsageError("--workers: give at least 1")
    refuse_together(options, "no_sandbox", ("sandbox_without",), "one of them says what the other denies")
    refuse_together(options, "judge", ("against", "no_sandbox"), "its verdicts are made here, in bubblewrap")
    if options.export is not None:
        refuse(
            options, (*_OF_SAMPLES, "no_sandbox", "sandbox_without"), "--export judges nothing: leave one of them out"
        )
        from bench.quality.verbs import export_samples

        return export_samples.main(options)
    if options.samples.is_dir():
        refuse(options, _OF_SAMPLES, "a run's programs are judged on the tasks of its plan, into its records")
        from bench.quality.verbs import evaluate_run

        return evaluate_run.main(options)
    out = check_file(options.out, options.samples, options.data, begins=BEGINNING) if options.out else None
    tasks = _tasks(options)
    read = _judgeable(read_samples(options.samples, tasks))
    theirs = read_verdicts(options.against, options.samples.name) if options.against else None
    cleaned = sanitise(read, {task.task_id: task.entry_point for task in tasks}) if options.sanitize else None
    samples = cleaned.samples if cleaned else read
    _refuse_before_judging(options)
    sandbox = find(options.no_sandbox, without=accepted(options.sandbox_without))
    if options.no_sandbox:
        print("bitledger: no sandbox: programs that a model wrote run with your rights", file=sys.stderr)
    # What runs without a sandbox could change the kept answers, and so let wrong programs pass for ever after.
    kept = None if options.no_cache or options.no_sandbox else Kept(folder(), sandbox.limits)
    found = _judged(tasks, samples, sandbox, options, kept)
    document = scores_document(
        options.dataset, options.samples.name, tasks, samples, found,
        sandbox=sandbox, kept=kept, sanitised=cleaned,
    )  # fmt: skip
    # What was judged here is told first: the other judge may fail.
    if out:
        _write(out, json.dumps(document, indent=1))
    if not options.json:
        another = theirs is not None or options.judge == "evalplus"
        _show(passages(document, found), verbose=options.verbose, most=MOST_LINES - another * _OF_ANOTHER)
    try:
        theirs = _of_evalplus(samples, sandbox, options) if options.judge == "evalplus" else theirs
        if theirs is not None:
            against = compare(found, samples, theirs)
            document = with_against(document, against)
            if out:
                _write(out, json.dumps(document, indent=1))
            _tell_against(against, options)
    finally:
        if options.json:
            print(json.dumps(document))
    return 0


def _refuse_before_judging(options: argparse.Namespace) -> None:
    """What the other judge would refuse after minutes."""
    if options.judge == "evalplus":
        version()
        if options.data is None and options.dataset != "humanevalplus":
            raise UsageError("--judge evalplus needs the file of MBPP+ too: give --data")


def _tell_against(against: VerdictsCompared, options: argparse.Namespace) -> None:
    if not options.json:
        judge = options.against.name if options.against else version()
        _show(against_passages(against, judge), verbose=options.verbose, most=_OF_ANOTHER)


def _of_evalplus(samples: Sequence[Sample], sandbox: Sandbox, options: argparse.Namespace) -> Mapping[str, Verdict]:
    """What EvalPlus's own judge says of the same programs."""
    from bench.quality.peer import verdicts

    return verdicts(samples, options.dataset, options.data or shipped(), options.workers, sandbox.bubblewrap)


def _tasks(options: argparse.Namespace) -> tuple[PlusTask, ...]:
    if options.dataset == "humanevalplus":
        return humaneval_plus(options.data, options.tasks or ())
    if options.data is None:
        return _mbpp_of_evalplus(options)
    return mbpp_plus(options.data, options.tasks or ())


def _mbpp_of_evalplus(options: argparse.Namespace) -> tuple[PlusTask, ...]:
    """Where nobody names a file, evalplus may bring it."""
    if find_spec("evalplus") is None:
        raise UsageError(
            "--dataset mbppplus needs --data, MbppPlus.jsonl.gz of github.com/evalplus/mbppplus_release, or evalplus, "
            "which fetches it: pip install 'bitledger[quality]'"
        )
    from bench.quality.peer import mbpp_plus_of_evalplus

    return mbpp_plus_of_evalplus(options.tasks or ())


def _judgeable(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples less those of tasks whose answers are too large, which are told. Raises UsageError where none is
    left."""
    left = tuple(sample for sample in samples if sample.task_id not in TOO_LARGE)
    for task_id in sorted({sample.task_id for sample in samples} & TOO_LARGE):
        print(f"bitledger: {task_id} is left out: its right answers take gigabytes", file=sys.stderr)
    if not left:
        raise UsageError("no sample is left to judge")
    return left


def _judged(
    tasks: Sequence[PlusTask],
    samples: Sequence[Sample],
    sandbox: Sandbox,
    options: argparse.Namespace,
    kept: Kept | None,
) -> tuple[Judgement, ...]:
    count = len({sample.task_id for sample in samples})
    with judging(count, console(stderr=True), lines=10) as done:
        return evaluate(tasks, samples, sandbox, options.workers, done, kept)


def _write(file: Path, text: str) -> None:
    try:
        replace_text(file, f"{text}\n")
    except OSError as error:
        raise StorageError(f"cannot write {file}: {why(error)}; {remedy(error)}") from error


def _show(parts: Sequence[Passage], *, verbose: bool, most: int = MOST_LINES) -> None:
    if verbose:
        for part in parts:
            part.show(console())
    else:
        print_passages(parts, console(), f"Every task: {SAME_WITH_V}", most)
