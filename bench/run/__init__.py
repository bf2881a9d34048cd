"""From a plan to Records: what is measured, in which processes, and how far it is."""
