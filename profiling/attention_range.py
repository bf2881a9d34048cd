"""A range around every call of the model's attention function.

It is no module, so no hook reaches it: for as long as the range is wanted, the function that transformers would call is
replaced by one that opens the range, calls it, and closes the range. What an implementation does in Python or in an
operator of its own then lies inside the attention call as torch's own operator does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_EAGER = "eager_attention_forward"


class AttentionRange:
    """``begin`` opens the range, ``end`` closes it."""

    def __init__(self, begin: Callable[[], Any], end: Callable[[], Any]) -> None:
        self._begin, self._end = begin, end
        self._restore: Callable[[], None] | None = None

    def attach(self, model: Any) -> None:
        """Replace the function that ``model`` calls; nothing where it calls none that is known by name."""
        self.detach()
        chosen = getattr(getattr(model, "config", None), "_attn_implementation", None)
        if chosen is None:
            return
        from transformers import modeling_utils

        known = modeling_utils.ALL_ATTENTION_FUNCTIONS
        if chosen in known:
            self._replace_registered(known, chosen)
        elif chosen == "eager":
            self._replace_eager(sys.modules[type(model).__module__])

    def detach(self) -> None:
        """Put the function back."""
        if self._restore is not None:
            self._restore()
        self._restore = None

    def _replace_registered(self, known: Any, name: str) -> None:
        before = known[name]
        known[name] = self._wrapped(before)

        def restore() -> None:
            del known[name]
            if known.get(name) is not before:
                known[name] = before

        self._restore = restore

    def _replace_eager(self, module: Any) -> None:
        before = getattr(module, _EAGER, None)
        if before is None:
            return
        setattr(module, _EAGER, self._wrapped(before))
        self._restore = lambda: setattr(module, _EAGER, before)

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        begin, end = self._begin, self._end

        def marked(*args: Any, **kwargs: Any) -> Any:
            begin()
            try:
                return function(*args, **kwargs)
            finally:
                end()

        return marked
