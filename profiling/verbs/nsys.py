"""``python -m profiling nsys``."""

from profiling.capture.verb import main

__all__ = ["main"]
