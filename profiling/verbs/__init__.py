"""The verbs of ``python -m profiling``; those that observe are capture.py, which asks request.py what."""
