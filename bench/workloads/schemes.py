"""The schemes under their former name: see bench/schemes."""

from bench.schemes import ARMS, REFERENCE, Arm, Kind, arm

__all__ = ["ARMS", "REFERENCE", "Arm", "Kind", "arm"]
