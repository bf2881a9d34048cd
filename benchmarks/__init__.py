"""Scale and peer comparisons; not part of the installed program."""
