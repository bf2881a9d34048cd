"""What a stack frame is part of: one table, read from the top.

A sample belongs to the class of its innermost frame that the table knows; frames it does not know (libc,
the C++ library, the interpreter's own functions) belong to their caller. Waiting is the exception: a driver
call spins inside itself, so one synchronising frame among the native frames at the inner end makes the whole
sample waiting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

HostClass = Literal["python", "bitsandbytes", "dispatcher", "driver", "kernels", "waiting", "other"]

DESCRIPTIONS: dict[HostClass, str] = {
    "python": "interpreter, transformers, torch's Python code and our own",
    "bitsandbytes": "bitsandbytes' Python layers",
    "dispatcher": "torch's dispatcher and operators (native code)",
    "driver": "CUDA driver and runtime: launching",
    "kernels": "arithmetic on the CPU (none is expected where a GPU computes)",
    "waiting": "synchronising, locks and idle",
    "other": "native code that the table does not know",
}


@dataclass(frozen=True)
class FrameRule:
    """``function`` and ``place`` must both be found; ``python`` says which kind of frame the rule is for."""

    cls: HostClass
    python: bool
    function: str = ""
    place: str = ""


WAITING = (
    FrameRule("waiting", False, r"(?i)synchroni[sz]e"),
    FrameRule(
        "waiting", False, r"^_*(pthread_cond_(timed|clock)?wait|futex|do_futex|lll_lock_wait|sem_(timed|clock)?wait)"
    ),
    FrameRule("waiting", False, r"^_*(poll|ppoll|epoll_p?wait|select|pselect|sched_yield|(clock_)?nanosleep|usleep)\b"),
    FrameRule("waiting", False, r"^(take_gil|PyThread_acquire_lock|PyEval_AcquireThread)"),
    FrameRule(
        "waiting",
        True,
        r"(^|\.)(wait|_wait_for_tstate_lock|synchronize|select|poll)$",
        r"(threading|selectors|torch/cuda/\w+)\.py",
    ),
)

RULES = (
    FrameRule("bitsandbytes", True, place=r"(^|/)bitsandbytes/"),
    FrameRule("python", True),
    # Arithmetic first: its functions are named at::native:: too, in a namespace per instruction set.
    FrameRule("kernels", False, r"at::native::(AVX2|AVX512|DEFAULT|ZVECTOR|SVE\d*|NEON)::|at::vec::"),
    FrameRule("kernels", False, r"^_*(mkl_|cblas_|dnnl|openblas|[sdch]gem[mv]_?$|GOMP_|omp_|kmp_)|dnnl::|fbgemm::"),
    FrameRule("kernels", False, place=r"libbitsandbytes_cpu|libgomp|libiomp|libomp|libmkl|libopenblas|libdnnl"),
    FrameRule("driver", False, r"^_*(cu[A-Z]\w+|cuda[A-Z]\w+|cublas\w+|cudnn\w+|nvtx\w+)"),
    FrameRule("driver", False, place=r"libcuda\.|libcudart|libcublas|libcudnn|libnvidia|libbitsandbytes_cuda|libcupti"),
    FrameRule("dispatcher", False, r"(^|[\s(<*&])(at|c10|torch|caffe2|pybind11)::|^THP|^_?PyTorch"),
    FrameRule("dispatcher", False, place=r"libtorch|libc10|_C\.\w*.*\.so|functorch"),
)


def _search(rules: tuple[FrameRule, ...], function: str, place: str, python: bool) -> HostClass | None:
    for rule in rules:
        if rule.python == python and re.search(rule.function, function) and re.search(rule.place, place):
            return rule.cls
    return None


def is_waiting(function: str, place: str, python: bool) -> bool:
    """True for a frame in which a thread waits."""
    return _search(WAITING, function, place, python) is not None


def class_of(function: str, place: str, python: bool) -> HostClass | None:
    """The class of one frame, None where the table does not know it."""
    return _search(RULES, function, place, python)
