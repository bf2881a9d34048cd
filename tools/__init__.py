"""What makes things that the project ships; not in the wheel."""
