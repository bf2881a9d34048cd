"""The report's parts about nodes."""
