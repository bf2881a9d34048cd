"""The report's parts about quality."""
