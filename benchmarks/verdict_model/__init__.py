"""Simulated records, and what the tool makes of them: see benchmarks/verdicts.py."""
