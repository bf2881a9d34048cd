"""``python -m profiling.target``: runs ONE Case for an observer. The program that every profiler here starts.

It loads and checks the model as the timed run does, warms up, and then either makes one generate call in which only a
few steady decode steps are open to the observer, or (``--seconds``) keeps decoding so that a sampler sees the loop.
What ran is written as JSON to ``--facts``, for the record.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.record.errors import BitledgerError, UsageError
from bench.record.schema import Case
from bench.record.typed import decode, typed
from bench.run.plan import check_case
from bench.schemes import arm
from bench.workloads.session import Session
from bench.workloads.sources import Source, resolve_again, with_adapter

from .inside import observe, observe_kineto, prompts
from .window import CudaProfiler, Recorder, Unopened


def main(argv: Sequence[str] | None = None) -> int:
    """Run the Case; returns the exit code (2 with one line for an error that a user can mend)."""
    options = _parser().parse_args(argv)
    try:
        run(options)
    except BitledgerError as error:
        if options.debug:
            raise
        print(f"bitledger: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m profiling.target", description="Run one Case for a profiler.")
    add = parser.add_argument
    add("--case", required=True, metavar="JSON", help="the Case: its coordinates as JSON, or a file with them")
    add("--steps", type=int, default=4, help="decode steps open to the observer")
    add("--skip", type=int, default=8, help="decode steps before them")
    add("--warmup", type=int, default=1, help="generate calls before the observed one")
    add("--ranges", choices=("nvtx", "record_function", "none"), default="nvtx")
    add("--kineto", metavar="FILE", help="observe with torch.profiler and write the trace here (.gz is packed)")
    add("--seconds", type=float, help="no window: keep decoding for this long")
    add("--facts", type=Path, help="write what ran as JSON")
    add("--threads", type=int, help="CPU threads of torch")
    add("--debug", action="store_true")
    return parser


def case_of(text: str) -> Case:
    """The Case whose coordinates ``text`` is, or the file of that name holds, as JSON (``Case.canonical``).

    Raises UsageError for one that is none, or that an observer cannot be shown.
    """
    try:
        case: Case = typed(Case, decode(text.encode() if text.startswith("{") else Path(text).read_bytes()))
        check_case("generation", case)
    except OSError as error:
        raise UsageError(f"--case: cannot read {text}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--case: {error}") from error
    if case.intervention is not None:
        raise UsageError("--case: only an arm as it is can be observed, without an intervention")
    return case


def source_of(case: Case) -> Source:
    """Where its model is. Raises UsageError where that is another one than the Case's."""
    source = resolve_again(case.model, case.revision)
    if source.revision != case.revision:
        raise UsageError(f"{case.model} is another one now ({case.revision} → {source.revision})")
    if case.adapter:
        source = with_adapter(source, case.adapter.rpartition("@")[0])
        if f"{source.adapter}@{source.adapter_revision}" != case.adapter:
            raise UsageError(f"adapter {source.adapter} is another one now: it should be {case.adapter}")
    return replace(source, random_prompts=source.has_text and case.prompts == "random")


def check_window(first: int, steps: int, new_tokens: int) -> None:
    """Raises UsageError where the observed steps are not all inside the call: it has new_tokens - 1 decode steps."""
    if first < 0 or steps < 1:
        raise UsageError("--steps must be at least 1 and --skip at least 0")
    if first + steps > new_tokens - 1:
        raise UsageError(
            f"--skip {first} and --steps {steps} need {first + steps + 1} new tokens, and the call makes {new_tokens}: "
            "use fewer of them, or more --new-tokens"
        )


def run(options: argparse.Namespace) -> None:
    """Load, warm up, and be observed. Raises a BitledgerError."""
    from bench.workloads import models
    from bench.workloads.batches import make_batches

    case = case_of(options.case)
    chosen = arm(case.scheme)
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    if options.seconds is None:
        check_window(options.skip, options.steps, case.new_tokens or 0)
    source = source_of(case)
    models.require_device(case.device)
    loaded = models.load(source, chosen, case.device, case.seed, case.dropped_layers)
    models.check(loaded, chosen, case.device)
    session = Session(case, loaded, make_batches(case, loaded, 1))
    for _ in range(options.warmup):
        session.generate(session.batches[0])
    observed = _keep_decoding(session, options.seconds) if options.seconds else _one_window(session, options)
    facts = {"case": case.coordinates(), "case_id": case.case_id, "arm": chosen.facts(), "model": loaded.facts}
    _write(options.facts, facts | _software() | {"warmup_calls": options.warmup, "observed": observed})


def _one_window(session: Session, options: argparse.Namespace) -> dict[str, Any]:
    """One generate call with the window in it, and what was timed beside it."""
    if options.kineto:
        seen = observe_kineto(session, Path(options.kineto), options.skip, options.steps)
    else:
        recorder: Recorder = CudaProfiler() if session.case.device == "cuda" else Unopened()
        seen = observe(session, recorder, options.ranges, options.skip, options.steps)
    return {**seen.facts, "samples": seen.samples}


def _keep_decoding(session: Session, seconds: float) -> dict[str, Any]:
    """Generate until the time is up, and at least once."""
    end = time.perf_counter() + seconds
    calls = 0
    while not calls or time.perf_counter() < end:
        session.generate(session.batches[calls % len(session.batches)])
        calls += 1
    return {"seconds": seconds, "calls": calls, "prompts": prompts(session)}


def _software() -> dict[str, Any]:
    import torch

    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "nvtx": _version("nvtx"),
        "threads": torch.get_num_threads(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _write(path: Path | None, facts: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(facts))


if __name__ == "__main__":
    sys.exit(main())
