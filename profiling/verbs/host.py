"""``python -m profiling host``."""

from profiling.capture.verb import main

__all__ = ["main"]
