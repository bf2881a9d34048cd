"""Names of instruments that several rooms must agree on."""

from __future__ import annotations

# A few decode steps under torch.profiler, at key-value lengths that the process has met, and at new ones. They are
# records of their own, so that no step of one kind is ever taken for one of the other.
TIMELINE = "kineto"
FIRST_VISITS = "kineto-first"
# The pass over the prompt under torch.profiler.
PREFILL = "kineto-prefill"
# A cheap remedy that a run tries by itself, taking turns with the unchanged arm in its process; "intervention" is one
# in a process of its own.
TRY = "try"
# The programs that an arm wrote, and which of them passed, maybe judged on another machine.
SAMPLES, QUALITY = "samples", "quality"
