"""Stack samples of py-spy (profiling/readers/py_spy.py)."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from profiling.flamegraph import render
from profiling.host import host_shares, read_samples
from profiling.readers.py_spy import Samples

from .kinds import Reader, printed
from .mutation import json_bytes, mutated, mutated_lines, mutated_tree
from .packed import sometimes_packed, unpacked_size

_FRAMES = (
    "main (app.py:1)",
    "_sample (transformers/generation/utils.py:2700)",
    "0x7f00 (libcuda.so.1)",
    "",
    " ",
    "f ()",
)
_FRAMES += ("Linear4bit.forward (bitsandbytes/nn/modules.py:637)", "cudaStreamSynchronize (libcudart.so.12)")
_FRAMES += (
    "a (b)c",
    "<module> (<frozen importlib>:690)",
    "at::native::AVX512::gemm (libtorch_cpu.so)",
    "<script> (é.py:0)",
)
_COUNTS = ("1", "10", "0", "187", "3.5", "999999999999999", "-1", "", "1e5", "\u0661", "0.0")


def use(samples: Samples) -> None:
    found = host_shares(samples, None)
    printed({"shares": dict(found.shares), "inside": found.inside, "folded": samples.folded()})
    render(samples, "samples").encode()


def seeds() -> list[bytes]:
    folded = "".join(f"{_FRAMES[0]};{frame} {n + 1}\n" for n, frame in enumerate(_FRAMES))
    return [folded.encode(), json.dumps(_speedscope(Random(1))).encode()]


def _speedscope(rng: Random) -> dict[str, Any]:
    frames = [
        {"name": text.partition(" (")[0], "file": rng.choice(("app.py", "libc.so", None, ""))} for text in _FRAMES
    ]
    stacks = [[rng.randrange(len(frames)) for _ in range(rng.randrange(6))] for _ in range(rng.choice((0, 1, 9)))]
    weights = [rng.choice((0.01, 0, 1, 1e300, 5e-324)) for _ in stacks]
    profile = {"type": "sampled", "unit": rng.choice(("seconds", "none")), "samples": stacks, "weights": weights}
    return {"shared": {"frames": frames}, "profiles": [profile] * rng.choice((1, 1, 2))}


def make(rng: Random) -> bytes:
    if rng.random() < 0.5:
        changes = rng.choice((0, 1, 2, 6))
        return sometimes_packed(json_bytes(mutated_tree(_speedscope(rng), rng, changes), rng), rng)
    lines = [
        f"{';'.join(rng.choice(_FRAMES) for _ in range(rng.choice((0, 1, 3, 80))))} {_count(rng)}"
        for _ in range(rng.choice((1, 3, 20)))
    ]
    return sometimes_packed(rng.choice(("\n", "\r\n")).join(lines).encode(), rng)


def _count(rng: Random) -> str:
    return rng.choice(_COUNTS[:4]) if rng.random() < 0.95 else rng.choice(_COUNTS)


def mutate(data: bytes, rng: Random) -> bytes:
    if data[:1] == b"{" and rng.random() < 0.5:
        try:
            return json_bytes(mutated_tree(json.loads(data), rng, rng.choice((1, 2, 4))), rng)
        except (ValueError, RecursionError):
            return mutated(data, rng)
    return sometimes_packed(mutated_lines(data, rng) if rng.random() < 0.5 else mutated(data, rng), rng)


READER = Reader("host-samples", ".raw", read_samples, use, seeds, make, mutate, unpacked_size)
