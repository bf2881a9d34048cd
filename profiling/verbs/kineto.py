"""``python -m profiling kineto``."""

from profiling.capture.verb import main

__all__ = ["main"]
