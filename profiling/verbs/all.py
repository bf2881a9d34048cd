"""``python -m profiling all``."""

from profiling.capture.verb import main

__all__ = ["main"]
