"""The study's own raw data, looked at again: no run of one's own, no GPU."""
