"""bitledger: why is the quantised model slower, and what do I change? The face of the packages bench and profiling."""
