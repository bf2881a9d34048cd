"""Architectures × schemes: what is measured of a model is what it says, tried on tiny random checkpoints."""
