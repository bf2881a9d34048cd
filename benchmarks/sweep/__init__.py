"""A simulated sweep over many nodes: how well its intervals hold, with pairing and without."""
