"""The verbs that judge programs."""
