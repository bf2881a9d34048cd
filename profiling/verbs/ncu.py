"""``python -m profiling ncu``."""

from profiling.capture.verb import main

__all__ = ["main"]
