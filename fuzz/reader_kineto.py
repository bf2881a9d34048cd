"""Kineto's Chrome traces (profiling/readers/kineto.py)."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from random import Random
from typing import Any

from bench.analysis.timeline import Analysis
from bench.record.timeline import Timeline
from profiling.readers import kineto_events
from profiling.readers.kineto import read_kineto
from profiling.summarize import timeline_summary
from tests.profiling.trace_files import event, kineto_document
from tests.profiling.trace_files import kineto_events as story

from .kinds import Reader, printed
from .mutation import json_bytes, mutated, mutated_tree
from .packed import sometimes_packed, unpacked_size

_CATEGORIES = ("kernel", "gpu_memcpy", "gpu_memset", "cuda_runtime", "cuda_driver", "user_annotation", "cpu_op")
_CATEGORIES += ("python_function", "Operator", "Runtime", "gpu_user_annotation", "Trace", "overhead", "")
_NAMES = ("gemm", "cudaLaunchKernel", "cudaMemcpyAsync", "cudaStreamSynchronize", "Memcpy DtoH (Device -> Pageable)")
_NAMES += ("Memset (Device)", "bitledger/q_proj", "## x ##", 'odd " }, { \\ name', "", "decode_step", "aten::mm")
_LETTERS = ("a", "é", "\U0001f600", "\\", '"')
# The reader cuts its text into blocks; small ones let small inputs meet every cut.
_SMALL, _BLOCKS = 1 << 15, (64, 256, 1000, 1 << 20)


def read(path: Path) -> Timeline:
    """Read a trace in blocks of a size that the content chooses."""
    usual, content = kineto_events._BLOCK, path.read_bytes()
    if unpacked_size(content) < _SMALL:
        kineto_events._BLOCK = _BLOCKS[zlib.crc32(content) % len(_BLOCKS)]
    try:
        return read_kineto(path)
    finally:
        kineto_events._BLOCK = usual


def use(timeline: Timeline) -> None:
    printed(timeline_summary(Analysis(timeline)))


def seeds() -> list[bytes]:
    events = story()
    marked = event("cpu_op", "aten::mm", 100, 900, 1, "1", correlation=None)
    plain = [kineto_document(events), json.dumps(events), json.dumps({"traceEvents": [marked, *events]}, indent=1)]
    return [text.encode() for text in plain]


def make(rng: Random) -> bytes:
    document: Any = {"schemaVersion": 1, "baseTimeNanoseconds": rng.choice((42, "42", 1767189312000000000, None, -1))}
    document["traceEvents"] = [_event(rng) for _ in range(rng.choice((0, 1, 3, 10, 30)))]
    if rng.random() < 0.3:
        document["traceEvents"] += story()
    if rng.random() < 0.2:
        document["more"] = [{"ph": "X", "n": n} for n in range(5)]
    if rng.random() < 0.1:
        document = document["traceEvents"]
    changes = rng.choice((0, 0, 1, 2, 10))
    return sometimes_packed(_spelt(json_bytes(mutated_tree(document, rng, changes), rng), rng), rng)


def _event(rng: Random) -> dict[str, Any]:
    start = rng.choice((0, 1000, rng.randrange(10**6)))
    end = start + rng.choice((0, 1, rng.randrange(10**4)))
    args = {"correlation": rng.choice((1, 2, 3)), "stream": 7, "device": 0, "bytes": 4, "graph node id": 5}
    kept = {key: value for key, value in args.items() if rng.random() < 0.6}
    name = rng.choice(_NAMES) + rng.choice(_LETTERS) * rng.choice((0, 0, 0, 3, 200))
    return event(rng.choice(_CATEGORIES), name, start, end, rng.choice((0, 1, "1", "x")), rng.choice((7, "7")), **kept)


def _spelt(text: bytes, rng: Random) -> bytes:
    """With the spellings that writers have for what JSON has no number for, and other texts around."""
    if rng.random() < 0.15:
        text = text.replace(b"NaN", b"nan").replace(b"Infinity", b"inf")
    if rng.random() < 0.05:
        text = rng.choice((b"\xef\xbb\xbf", b" \r\n", b"\x00", b"// x\n")) + text
    if rng.random() < 0.05:
        text += rng.choice((b"\n", b"\x00", b",", b"{}", b"]", b"}"))
    return text


def mutate(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.5:
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError):
            return mutated(data, rng)
        return _spelt(json_bytes(mutated_tree(tree, rng, rng.choice((1, 1, 2, 5))), rng), rng)
    return sometimes_packed(mutated(data, rng), rng)


READER = Reader("kineto", ".json", read, use, seeds, make, mutate, unpacked_size)
