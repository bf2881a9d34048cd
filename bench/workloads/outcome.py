"""What a workload hands over: everything of a Record that the workload knows. The child adds the rest."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from bench.record.errors import BitledgerError, NotApplicableError
from bench.record.schema import Artifact, Case, Finding, Metric, Status
from bench.record.secrets import mask_text

# How torch's allocator and the C library say that the host has no memory left.
_HOST_MEMORY = re.compile("can't allocate memory|cannot allocate memory|not enough memory|bad_alloc", re.IGNORECASE)
_LESS = "take a smaller model or batch size"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Outcome:
    """See bench.record.schema.Record for the fields."""

    case: Case
    instrument: str
    status: Status = "ok"
    reason: str = ""
    setup: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    not_collected: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    artifacts: tuple[Artifact, ...] = ()


def failed(case: Case, instrument: str, error: Exception) -> Outcome:
    """The Outcome of what an error ended; skipped where it says that there was nothing to measure."""
    return Outcome(case, instrument, "skipped" if isinstance(error, NotApplicableError) else "failed", explain(error))


def explain(error: Exception) -> str:
    """One line for the Record: our own errors as they are, memory and disk in plain words, others with their type."""
    text = (mask_text(str(error)).strip() or "no message").splitlines()[0]  # a secret may go over several lines
    if isinstance(error, BitledgerError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return _of_system(error)
    if _on_host(error, text):
        return f"out of memory on the host{f' ({text})' if str(error) else ''}: {_LESS}"
    if is_memory(error):
        return f"out of memory: {text.rstrip('.')}: {_LESS}"
    return f"{type(error).__name__}: {text}"


def is_memory(error: Exception) -> bool:
    """Whether the host or the device had no memory left."""
    return _on_host(error, str(error)) or "out of memory" in str(error).lower()


def _on_host(error: Exception, text: str) -> bool:
    return isinstance(error, MemoryError) or bool(_HOST_MEMORY.search(text))


def _of_system(error: OSError) -> str:
    """Without the folders of this machine, which have no place in a Record."""
    if error.errno in _FULL:
        return "no space left on the device: free some, then run again with --resume --retry-failed"
    if error.errno == errno.ENOMEM:
        return f"out of memory on the host ({error.strerror}): {_LESS}"
    name = f" ({PurePath(str(error.filename)).name})" if error.filename else ""
    return f"{type(error).__name__}: {error.strerror}{name}"
