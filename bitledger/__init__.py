"""bitledger: why is the quantised model slower, and what do I change? The face of the packages bench and profiling.

``import bitledger`` gives ``explain``, ``load``, ``compare``, ``summarize`` and ``measure`` (docs/python-api.md). They
are imported when they are first asked for, because the command must not wait for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.record.errors import BitledgerError

    from .functions import compare, explain, load, measure, summarize

__all__ = ["BitledgerError", "compare", "explain", "load", "measure", "summarize"]


def __getattr__(name: str) -> Any:
    if name == "BitledgerError":
        from bench.record import errors

        return errors.BitledgerError
    if name in __all__:
        from . import functions

        return getattr(functions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
