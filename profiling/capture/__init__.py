"""Starts the profilers on one Case each and files what they found as Records. One observer per run."""
