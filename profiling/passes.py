"""How often ncu replays a launch to count a tier of counters. It is said by --help, so nothing heavy is imported."""

from __future__ import annotations

AMPERE, HOPPER = "sm_80", "sm_90"
# Tier → chip → passes, by NVIDIA's own scheduler of counters (libnvperf_host of CUPTI 13.5, which needs no GPU). Of the
# 5 of "cause" one is for the stall reasons of instructions: without these it takes 4.
PASSES = {
    "core": {AMPERE: 2, HOPPER: 2},
    "cause": {AMPERE: 5, HOPPER: 5},
    "all": {AMPERE: 8, HOPPER: 12},
}


def replay_passes(tier: str, chip: str | None) -> int | None:
    """Passes of a tier on a chip such as "sm_90"; None for a chip of which it is not known. Raises KeyError for an
    unknown tier."""
    return PASSES[tier].get(chip or "")


def text() -> str:
    """Every tier with its passes on A100 and H100, in a few words."""
    told = {tier: "/".join(map(str, dict.fromkeys(known.values()))) for tier, known in PASSES.items()}
    return ", ".join(f"{tier} {passes}" for tier, passes in told.items())
