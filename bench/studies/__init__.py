"""Published studies, each with its figures, its raw data where they are public, and its claims judged.

The core imports nothing from here but through bench/hooks.py.
"""
