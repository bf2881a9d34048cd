"""Readers of profilers' files, by format: each gives one normal form."""
