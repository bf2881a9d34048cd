"""The command line: verbs, their options and examples, and what an error looks like.

Each verb's module is imported only when it is called, so that ``--help`` is instant and reports need no torch. This
is the one module of bench that may open the profiling room.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from bench import kinds
from bench.cluster.options import add_options
from bench.kinds import Parser, each_once, layer_sets, names
from bench.output import accept_any_terminal, ended
from bench.record.secrets import mask_argv
from bench.verbs.choosing import add_choices
from bench.verbs.step_options import add_step_options

EXIT_CODES = """exit codes:
  0    done
  1    done, but some Cases failed, compare found a difference with --fail-on-slower, or verify or
       energy check something amiss
  2    bad input, or this machine lacks what was asked for: one line says what to do
  130  interrupted; what was measured is kept (143: ended by SIGTERM, 129: by SIGHUP)
"""


PROGRAM = "python -m bench"


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run one verb; returns the exit code. ``program``: what the user called, for help and errors."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] in (["_child"], ["_nursery"]):
        return _measuring_process(arguments)
    accept_any_terminal()
    kept = "interrupted; what was measured is kept"
    return ended(lambda: _call(arguments, program), debug="--debug" in arguments, interrupted=kept)


def _end_in_order() -> None:
    """SIGTERM, and the end of the terminal, end a verb as ctrl-C does, unless they are ignored (nohup)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(128 + number)


# Verbs of what hangs on the core.
_ELSEWHERE = {
    "gather": "bench.cluster.verbs.gather",
    "evaluate": "bench.quality.verbs.evaluate",
    "tradeoff": "bench.quality.verbs.tradeoff",
    "study": "bench.studies.starcoder2.verb",
}


def _call(arguments: Sequence[str], program: str) -> int:
    options = parser(program).parse_args(arguments)
    _end_in_order()
    name = options.verb.replace("-", "_")
    verb = import_module(_ELSEWHERE.get(name, f"bench.verbs.{name}"))
    options.argv = mask_argv(("python", "-m", "bench", *arguments))
    options.read_timeline = _read_timeline
    return int(verb.main(options))


def _read_timeline(path: Path) -> Any:
    from profiling.summarize import read_timeline

    return read_timeline(path)


def _measuring_process(arguments: Sequence[str]) -> int:
    """Not for users: the process that measures, or the one from which such processes are forked."""
    from bench.run import child, processes

    if arguments[0] == "_child":
        return child.main(_tools)
    preloaded = processes.PRELOADED_GPU if arguments[2:] == ["gpu"] else processes.PRELOADED
    return processes.serve(int(arguments[1]), lambda task, pipe: child.run_task(task, pipe, _tools), preloaded)


def _tools(run_folder: Path) -> Any:
    from bench.workloads.annotation import Tools

    def timeline(session: Any, options: Any) -> Any:
        from profiling.inrun import timeline

        return timeline(session, options, run_folder)

    return Tools(_annotator, timeline)


def _annotator() -> Any:
    from profiling.annotate import NvtxAnnotator

    return NvtxAnnotator()


def parser(program: str = PROGRAM, more: Callable[[Any], None] | None = None) -> argparse.ArgumentParser:
    """All verbs and their options; ``more`` adds those of another room to the same help."""
    parser = Parser(
        prog=program,
        description="Measure fp16 against bitsandbytes int8, fp4 and nf4, end to end and by layer, and report it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for add in VERBS:
        add(verbs)
    if more is not None:
        more(verbs)
    return parser


def _verb(verbs: Any, name: str, help_: str, examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=f"examples:\n{examples}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # SUPPRESS keeps a --debug that was given before the verb.
    parser.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )
    return parser


def _verbose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", help="print the tables too, not the answer alone")


def _add_run(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "run",
        "measure a preset and report it",
        "  python -m bench run\n"
        "  python -m bench run --preset smoke --out reports/runs/mine\n"
        "  python -m bench run --preset quick --model shape:starcoder2-7b --schemes fp16,int8,nf4\n"
        "  python -m bench run --resume --out reports/runs/mine\n"
        "  python -m bench run --on slurm --partition gpu --repeats 10 --watch --out reports/runs/mine\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("--preset", default="auto", help="what to measure (default: quick with a usable GPU, else smoke)")
    add("--model", help="smoke, shape:NAME, a local folder, or a Hugging Face id (default: the preset's)")
    add("--revision", help="commit, tag or branch of a Hugging Face id")
    add("--out", type=Path, help="run folder (default: reports/runs/<run-id>)")
    add("--resume", action="store_true", help="finish the run in --out; nothing recorded is repeated")
    add("--retry-failed", action="store_true", help="with --resume: measure failed Cases again")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where it is usable")
    add("--schemes", type=each_once, metavar="A,B", help="only these schemes")
    add("--batch-sizes", type=kinds.numbers(kinds.BATCH), metavar="N,N", help="batch sizes of every sweep")
    add("--caches", type=each_once, metavar="KIND,KIND", help="dynamic and/or static key-value cache")
    add("--reference", metavar="SCHEME", help="what the others are compared with (default: the preset's)")
    add("--no-tries", dest="tries", action="store_const", const=(), help="leave out the cheap remedies that are tried")
    add("--new-tokens", type=kinds.TOKENS, metavar="N", help="new tokens per sequence")
    add("--prompt-tokens", type=kinds.COUNT, metavar="N", help="prompt length of random-weight models")
    add("--prompts", choices=("humaneval", "random"), help="random: token ids drawn at random, for want of a tokenizer")
    add(
        "--prompt-style",
        metavar="STYLE",
        help="how HumanEval's prompts are given: stripped (default), as-is, evalplus (stripped and a newline), chat",
    )
    add("--beside", type=names, metavar="A,B", help="checkpoints to measure beside --model, such as pruned ones")
    add(
        "--tasks",
        type=kinds.COUNT_OR_NONE,
        metavar="N",
        help="HumanEval+ tasks for pass@1 (0: none; default: the preset's)",
    )
    add("--workers", type=kinds.WORKERS, default=2, metavar="N", help="programs judged at the same time (default 2)")
    add(
        "--drop-layers",
        dest="dropped_layers",
        type=layer_sets,
        metavar="SET;SET",
        help="decoder layers to remove, such as 4-5, last:2 or 0;last:1 (the timed sweeps run once for each set)",
    )
    add("--energy-seconds", type=kinds.SECONDS, metavar="S", help="length of an energy window (default: the preset's)")
    add("--calls", type=kinds.COUNT, metavar="N", help="timed generate calls per process")
    add(
        "--repeats",
        type=kinds.REPEATS,
        metavar="N",
        help="fresh processes per Case; with --resume: more blocks for a sweep",
    )
    add(
        "--matmul-m",
        type=kinds.ROWS_OR_NONE,
        metavar="N,N",
        help="rows (M) of the layer products; an empty list for none",
    )
    add("--matmul-seconds", type=kinds.SECONDS, metavar="S", help="time limit of one matmul point")
    add(
        "--threads",
        type=kinds.THREADS,
        metavar="N",
        help="CPU threads of torch (default: the preset's; smoke uses one)",
    )
    add("--annotate", action="store_true", default=None, help="NVTX ranges in timed runs (off for figures)")
    add("--no-report", action="store_true", help="measure only; 'python -m bench report' writes the report")
    add("--country", metavar="ISO", help="country for CodeCarbon's carbon intensity (three letters)")
    add("--seed", type=kinds.SEED, default=0, help="seed of weights, prompts and orders (default 0)")
    add_options(parser)
    _verbose(parser)


def _add_gather(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "gather",
        "make one run of the blocks of a sweep, and report it",
        "  python -m bench gather reports/runs/mine\n",
    )
    parser.add_argument("sweep", type=Path, help="folder of a sweep, as given to 'bench run --on … --out'")
    parser.add_argument("--no-report", action="store_true", help="gather only")
    _verbose(parser)


def _add_list(verbs: Any) -> None:
    parser = _verb(verbs, "list", "list presets, schemes, models and metrics", "  python -m bench list\n")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _add_show(verbs: Any) -> None:
    parser = _verb(
        verbs, "show", "print a run's Cases and raw values", "  python -m bench show reports/runs/mine --json\n"
    )
    parser.add_argument("run", type=Path, help="run folder or records file")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _add_compare(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "compare",
        "say which of two runs, or two schemes of runs, is faster: FASTER, SLOWER, SAME or AMBIGUOUS",
        "  python -m bench compare reports/runs/before reports/runs/after\n"
        "  python -m bench compare reports/runs/mine::fp16 reports/runs/mine::nf4\n",
    )
    parser.add_argument("a", metavar="A", help="reference: a run folder, or FOLDER::SCHEME")
    parser.add_argument("b", metavar="B", help="what is judged: a run folder, or FOLDER::SCHEME")
    parser.add_argument("--force", action="store_true", help="compare even if machines or conditions differ")
    parser.add_argument(
        "--allow",
        type=names,
        default=(),
        metavar="NAMES",
        help="conditions that may differ because they are the question, such as versions,commit",
    )
    parser.add_argument("--margin", type=float, default=0.02, help="relative difference that counts as none (0.02)")
    parser.add_argument("--fail-on-slower", action="store_true", help="exit 1 if anything is SLOWER")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _add_report(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "report",
        "write report.md, report.html and the figures of a run, and print the summary",
        "  python -m bench report reports/runs/mine\n"
        "  python -m bench report --study reports/runs/corrected reports/runs/as-they-ran-it\n",
    )
    parser.add_argument("run", type=Path, nargs="+", help="run folder; with --study, one or more")
    parser.add_argument(
        "--study",
        action="store_true",
        help="set the runs beside the published StarCoder2 study: study.md and study.html in the first run folder",
    )
    parser.add_argument("--reference", metavar="SCHEME", help="what to compare with (default: the run's own, or fp16)")
    _verbose(parser)


def _add_rerun(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "rerun",
        "measure again what a run measured, from its plan, into a new folder, and say what differs around it",
        "  python -m bench rerun reports/runs/mine\n"
        "  python -m bench rerun reports/runs/h100-starcoder2-3b-20261126 --out reports/runs/again --dry-run\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("run", type=Path, help="run folder to repeat")
    add("--out", type=Path, help="run folder (default: reports/runs/<run-id>)")
    add("--dry-run", action="store_true", help="say what would be repeated and what differs, and measure nothing")
    add("--workers", type=kinds.WORKERS, default=2, metavar="N", help="programs judged at the same time (default 2)")
    add("--no-report", action="store_true", help="measure only; 'python -m bench report' writes the report")
    _verbose(parser)


def _add_verify(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "verify",
        "check a run folder: schema of the records, hashes of the files they name, completeness against the plan",
        "  python -m bench verify reports/runs/mine\n"
        "  python -m bench verify reports/runs/mine --leave-out 'timelines of 50 MB each, kept elsewhere'\n",
    )
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument(
        "--leave-out", metavar="REASON", help="write down that what is missing now was left out on purpose, and why"
    )
    parser.add_argument("--all", action="store_true", help="name everything that is amiss, not the first five")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _add_doctor(verbs: Any) -> None:
    parser = _verb(
        verbs, "doctor", "say what this machine can measure and how to get the rest", "  python -m bench doctor\n"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--reports", type=Path, default=Path("reports/runs"), help="where runs would be written")


def _add_explain(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "explain",
        "say why a scheme is slower: the ledger of a run, or of any two traces, as lines that add up",
        "  python -m bench explain reports/runs/mine\n"
        "  python -m bench explain reports/runs/mine --scheme nf4 --batch-size 8\n"
        "  python -m bench explain --reference fp16.sqlite --candidate nf4.sqlite\n"
        "  python -m bench explain --reference a.json.gz --candidate b.json.gz --step-range 'execute_*' --json\n"
        "  python -m bench explain --reference a.sqlite --candidate b.sqlite --reference-time 16 --candidate-time 20\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("run", type=Path, nargs="?", help="run folder")
    add("--reference", metavar="A", help="a trace (nsys SQLite or Kineto JSON); with a run folder: a scheme")
    add("--candidate", type=Path, metavar="B", help="the trace to explain")
    unprofiled = "ms per step of this trace's steps without a profiler (default: that of the run folder it lies in)"
    add("--reference-time", type=kinds.MILLISECONDS, metavar="MS", help=unprofiled)
    add("--candidate-time", type=kinds.MILLISECONDS, metavar="MS", help=unprofiled)
    add("--reference-range", metavar="NAME", help="the same, of the reference alone")
    add("--candidate-range", metavar="NAME", help="the same, of the candidate alone")
    add_step_options(parser)
    add("--json", action="store_true", help="as JSON")
    add_choices(parser)
    _verbose(parser)


def _add_whatif(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "whatif",
        "predict a step's time with a cause removed or scaled, by replaying a trace",
        "  python -m bench whatif trace.sqlite --remove sync_stall\n"
        "  python -m bench whatif trace.json.gz --scale host_gap=0.5 --scale dequantise=0.5\n"
        "  python -m bench whatif trace.json.gz --cuda-graph --json\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("file", type=Path, help="a trace: nsys SQLite or Kineto JSON")
    add("--remove", action="append", metavar="CAUSE", help="a line of the ledger; may be given several times")
    add("--scale", action="append", metavar="CAUSE=FACTOR", help="multiply a cause's cost; may be given several times")
    add("--cuda-graph", action="store_true", help="each step's launches become one")
    add(
        "--time", type=kinds.MILLISECONDS, metavar="MS",
        help="ms per step without a profiler (default: that of the run folder it lies in, else the step as recorded)",
    )  # fmt: skip
    add_step_options(parser)
    add("--json", action="store_true", help="as JSON")


def _add_intervene(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "intervene",
        "remove each cause by its switch: gain predicted by replay first, then measured",
        "  python -m bench intervene --out reports/runs/mine\n"
        "  python -m bench intervene --schemes int8,nf4 --batch-sizes 4,8\n"
        "  python -m bench intervene --schemes nf4-dq --only double-quant-off,bare-op\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("--out", type=Path, help="run folder to add to; its model and preset are used (default: a new one)")
    add("--preset", help="without a run: whose setting to use (default: quick with a GPU, else smoke)")
    add("--model", help="without a run: smoke, shape:NAME, a local folder, or a Hugging Face id")
    add("--revision", help="commit, tag or branch of a Hugging Face id")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where it is usable")
    add("--schemes", type=each_once, metavar="A,B", help="arms to intervene on (default: the reference, int8, nf4)")
    add("--no-report", action="store_true", help="measure only; 'python -m bench report' writes the report")
    add("--only", type=each_once, metavar="A,B", help="only these interventions (see 'python -m bench list')")
    add("--reference", metavar="SCHEME", help="what the arms are compared with (default: the run's)")
    add("--at-batch", type=kinds.BATCH, metavar="N", help="batch size of the arms (default: the run's first)")
    add("--at-cache", choices=("dynamic", "static"), help="key-value cache of the arms (default: the run's first)")
    add(
        "--batch-sizes",
        type=kinds.numbers(kinds.BATCH),
        metavar="N,N",
        help="batch sizes to sweep, of 2, 4, 6, 8, 16, 32, 64",
    )
    add("--new-tokens", type=kinds.TOKENS, metavar="N", help="new tokens per sequence")
    add("--calls", type=kinds.COUNT, metavar="N", help="timed generate calls per process")
    add("--repeats", type=kinds.REPEATS, metavar="N", help="fresh processes per intervention")
    add("--threads", type=kinds.THREADS, metavar="N", help="CPU threads of torch (default: the preset's)")
    add("--seed", type=kinds.SEED, default=0, help="seed of weights, prompts and orders (default 0)")
    _verbose(parser)


def _add_evaluate(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "evaluate",
        "judge a model's programs on HumanEval+ or MBPP+ in a sandbox: pass@k",
        "  python -m bench evaluate samples.jsonl\n"
        "  python -m bench evaluate samples.jsonl --tasks HumanEval/0,HumanEval/32 --workers 4 --out scores.json\n"
        "  python -m bench evaluate reports/runs/mine --export samples.jsonl\n"
        "  python -m bench evaluate samples.jsonl --dataset mbppplus --data MbppPlus.jsonl.gz\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("samples", type=Path, help="JSON lines (or .gz) with task_id, and solution or completion; or a run folder")
    add("--dataset", choices=("humanevalplus", "mbppplus"), default="humanevalplus", help="default: humanevalplus")
    add("--data", type=Path, help="its file (default: the package's HumanEval+; MBPP+ does not travel with it)")
    add("--tasks", type=each_once, metavar="A,B", help="only these tasks; every sample must be of one of them")
    add("--workers", type=kinds.WORKERS, default=2, help="programs that run at a time (default 2)")
    add("--no-cache", action="store_true", help="make the right answers again, and do not keep them")
    add("--against", type=Path, metavar="FILE", help="compare with EvalPlus's *_eval_results.json, task for task")
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
    _verbose(parser)


def _add_tradeoff(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "tradeoff",
        "weigh arms by quality, time, energy and memory, and map where quantising lowers joules",
        "  python -m bench tradeoff reports/runs/mine\n"
        "  python -m bench tradeoff reports/runs/mine --weights quality=2,time=1,energy=1,memory=0\n"
        "  python -m bench tradeoff reports/runs/a100 reports/runs/h100 --json\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN", help="run folders or records files")
    add("--weights", metavar="NAME=W,…", help="weights of quality, time, energy, memory (default: all 1)")
    add("--reference", metavar="SCHEME", help="what to compare with (default: the first run's own, or fp16)")
    add("--out", type=Path, metavar="FOLDER", help="also write the figures there")
    add("--json", action="store_true", help="as JSON")


def _add_energy(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "energy",
        "check joules that another tool wrote down: CodeCarbon's emissions.csv, and counters that wrapped unseen",
        "  python -m bench energy check emissions.csv\n"
        "  python -m bench energy check emissions.csv --cpu-power 240-310\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("action", choices=("check",), help="what to do with the file")
    add("file", type=Path, metavar="FILE.csv", help="emissions.csv of CodeCarbon 2 or 3")
    add("--cpu-power", metavar="W-W", help="what the node's CPU packages drew together, from another source: 240-310")
    add("--range", type=kinds.JOULES, metavar="J", help="what the counter counts to (default: by the CPU's maker)")
    add("--json", action="store_true", help="as JSON")


def _add_study(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "study",
        "settle the StarCoder2 study on its authors' own raw data: no GPU and no run of your own needed",
        "  python -m bench study\n"
        "  python -m bench study --paper docs/study.md\n"
        "  python -m bench study reports/runs/mine          # the same as report --study\n",
    )
    add: Callable[..., Any] = parser.add_argument
    add("run", type=Path, nargs="*", metavar="RUN", help="run folders to set beside the study")
    add("--out", type=Path, metavar="FOLDER", help="where to write (default: reports/runs/starcoder2-study)")
    add("--paper", type=Path, metavar="FILE.md", help="write the Markdown alone, its figures in a folder beside it")
    add("--json", action="store_true", help="as JSON; write nothing")


VERBS = (
    _add_run,
    _add_gather,
    _add_explain,
    _add_intervene,
    _add_whatif,
    _add_evaluate,
    _add_tradeoff,
    _add_energy,
    _add_study,
    _add_report,
    _add_show,
    _add_verify,
    _add_rerun,
    _add_compare,
    _add_list,
    _add_doctor,
)
