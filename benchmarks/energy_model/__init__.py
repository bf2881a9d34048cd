"""Simulated energy records, and what the tool makes of them: see benchmarks/energy_verdicts.py."""
