"""Files of other tools that are no trace: what each is, and what to give instead."""

from __future__ import annotations

import re
from pathlib import Path

from bench.record.errors import RecordError

from .ncu_chatter import TEXT_OUTPUT

_SQLITE = "give the .sqlite or .nsys-rep that it was made from"
_ROCM = "record the timeline with torch.profiler, which works on ROCm, and give its .json"
_BEGIN = rb"\A(?:\xef\xbb\xbf)?\s*\"?"
# What `nsys stats` prints of its own work before a table.
_NSYS = rb"\A(?:\xef\xbb\xbf)?(?:(?:Generating SQLite|Processing \[|NOTICE:|SKIPPED:)[^\n]*\n|\s*\n)*\"?"
_CELL = rb"\"?[,;\t]\"?"

_Table = tuple[tuple[re.Pattern[bytes], str], ...]


def _compiled(*rows: tuple[bytes, str]) -> _Table:
    return tuple((re.compile(pattern, re.DOTALL), text) for pattern, text in rows)


# First bytes → what wrote them, and what to give instead.
_OTHERS = _compiled(
    (
        _NSYS + rb"(?:Start|Duration|End) ?\(\w+\)" + _CELL,
        f"a report of `nsys stats`, which holds calls, ranges and kernels apart from each other: {_SQLITE}",
    ),
    (
        _NSYS + rb"(?:[^\n]*[,;\t\"])?Time ?\(%\)" + _CELL,
        f"a report of `nsys stats`, in which nothing has a time any more: {_SQLITE}",
    ),
    (_NSYS + rb"[^\n]*[\w%] \((?:ns|us|ms|s|[KMG]?i?B)\)\"?[,;\t]", f"a report of `nsys stats`: {_SQLITE}"),
    (
        rb"\*\* [^\n]{0,80}\((cuda|nvtx|osrt)_\w+\):",
        f"the text of `nsys stats`: {_SQLITE}",
    ),
    (
        _BEGIN
        + rb"(Index"
        + _CELL
        + rb"KernelName|Name"
        + _CELL
        + rb"Calls"
        + _CELL
        + rb"TotalDuration|(Kind|Domain)"
        + _CELL
        + rb"(Agent_Id|Function|Direction)|Dispatch_ID|Correlation_Id|Node_Id)",
        f"output of rocprof: {_ROCM}",
    ),
    (rb"==\d+== (NVPROF is|Profiling (application|result))", "output of nvprof, which is not read: record with nsys"),
    (
        rb"\"?ID\"?[;\t]\"?Process ID\"?[;\t]",
        "a table of Nsight Compute that a spreadsheet saved with other separators: give ncu's own file",
    ),
    (rb"Section: [^\n]+\n[^\n]*---[^\n]*\n[^\n]*Metric Name", TEXT_OUTPUT),
    (
        rb"\A-+[ -]*\n *Name +Self CPU %",
        "the table of torch.profiler, in which nothing has a time any more: write its trace with export_chrome_trace",
    ),
    (rb"\A\x28\xb5\x2f\xfd", "packed with zstd: unpack it first (zstd -d)"),
    (rb"\A.{257}ustar", "an archive of tar: unpack it first (tar -xf), and give one of its traces"),
    (rb"\AQDSTRM|\A.{0,16}qdstrm", "an unfinished recording of nsys: make the report with QdstrmImporter -i"),
    (rb"\APERFILE", "a recording of perf, which knows nothing of the GPU"),
    (rb"\Aversion https://git-lfs", "a pointer of Git LFS to the file, not the file itself: get it with git lfs pull"),
    (rb"(?i)\A\s*<(!doctype html|html)", "a web page: download the file itself"),
    (rb"\A(\xff\xfe\x00\x00|\x00\x00\xfe\xff)", "text in UTF-32: save it as UTF-8"),
)

# The same of files that begin as JSON does, and are no Chrome trace.
_JSON = _compiled(
    (
        _BEGIN[:-3] + rb"\[\s*\{[^{}]{0,400}\"[\w #]+ \((?:%|ns|us|ms|s|[KMG]?i?B)\)\"\s*:",
        f"a report of `nsys stats`: {_SQLITE}",
    ),
    (
        rb"\"(CudaEvent|NvtxEvent|TraceProcessEvent|globalPid)\"|\"SchemaVersion\"\s*:\s*\"",
        "an export of nsys as JSON, which is not read: export it with nsys export --type sqlite",
    ),
    (rb"\"rocprofiler-sdk-tool\"", f"output of rocprofv3: {_ROCM}"),
    (rb"\"\$schema\"\s*:\s*\"https://www\.speedscope", "a profile of speedscope, which knows nothing of the GPU"),
    (rb"\"schema\"\s*:\s*\"[^\"]*chakra", "an execution trace of torch, without the GPU's: give export_chrome_trace's"),
)
_CHROME = b'"traceEvents"'


def refuse_others(path: Path, head: bytes, *, json: bool = False) -> None:
    """Raises RecordError where the file is the output of a tool, or in a form, that is known and not read. ``json``: of
    one that begins as JSON does."""
    for pattern, text in () if _CHROME in head else _JSON if json else _OTHERS:
        if pattern.search(head):
            raise RecordError(f"{path}: this is {text}")
