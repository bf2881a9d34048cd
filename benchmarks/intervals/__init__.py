"""Do the intervals of two traces hold the truth? SIMULATED pairs of recordings, with and without a planted cause."""
