"""What a Record says of the share of its model's weights that the scheme quantised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# From this share of the weights on, what a scheme leaves in 16 bits (a router, a projection) is a detail.
NEARLY_ALL = 0.95


def share_of(setup: Mapping[str, Any]) -> float | None:
    """The share of the weights outside embedding and head, 0 to 1; None for a scheme that quantises nothing, and for
    Records of before it was told."""
    told = _quantised_facts(setup)
    share = told.get("share")
    return float(share) if told.get("modules") and isinstance(share, int | float) else None


def modules_of(setup: Mapping[str, Any]) -> int | None:
    """How many modules hold them; None as above."""
    modules = _quantised_facts(setup).get("modules")
    return modules if isinstance(modules, int) and modules else None


def partly(share: float | None) -> bool:
    """Whether a good part of the weights stayed as it was, so that the scheme's name promises too much."""
    return share is not None and share < NEARLY_ALL


def _quantised_facts(setup: Mapping[str, Any]) -> Mapping[str, Any]:
    model = setup.get("model")
    told = model.get("quantised") if isinstance(model, Mapping) else None
    return told if isinstance(told, Mapping) else {}
