"""The StarCoder2 quantisation study beside what was measured: rows, claims, confounds, pruning."""
