"""Pure analysis: records in, statistics and verdicts out. No torch, no files."""
