"""Does everything take longer by the same factor? Then the machine is slower, and no line is a cause of its own."""

from __future__ import annotations

from collections.abc import Mapping

# Lines with less than this share of the reference's time are too small to tell: a GPU stamps its kernels, the host's
# clock is noisier.
SHARE_GPU, SHARE_HOST = 0.01, 0.04
# A factor nearer to 1 than this is no difference; lines may differ from the common factor by this much of it.
_LEAST, _SPREAD = 0.05, 0.35


def uniform_factor(
    reference: Mapping[str, float], candidate: Mapping[str, float], share: float = SHARE_HOST
) -> float | None:
    """The common factor of the lines (cause → time, one unit), or None.

    At least three lines must be large enough, all of them must have grown (or shrunk) by about the factor of the whole,
    and nothing new may have come that is as large.
    """
    total, after = sum(reference.values()), sum(candidate.values())
    if total <= 0 or after <= 0:
        return None
    factor = after / total
    large = [name for name, value in reference.items() if value >= share * total]
    if abs(factor - 1.0) < _LEAST or len(large) < 3:
        return None
    changes = [candidate.get(name, 0.0) / reference[name] - 1.0 for name in large]
    alike = all(abs(change - (factor - 1.0)) <= _SPREAD * abs(factor - 1.0) for change in changes)
    # What is small in the reference must not have become large.
    small = (total - sum(reference[name] for name in large)) * factor
    new = sum(value for name, value in candidate.items() if name not in large)
    return factor if alike and new <= small + 2 * share * after else None
