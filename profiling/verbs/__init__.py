"""The verbs of ``python -m profiling`` that read; those that observe are in profiling/capture/verb.py."""
