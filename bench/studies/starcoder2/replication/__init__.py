"""The study beside a user's own runs: rows, claims, confounds, pruning, and their page."""
