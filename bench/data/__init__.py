"""Data files that travel with the package: HumanEval, model shapes, the smoke checkpoint. No code."""
