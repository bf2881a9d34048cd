"""Does what a model writes work? Programs run in a sandbox, their answers are judged outside it (no torch)."""
