"""A package, so that one of the same name that evalplus brings along does not hide it."""
