"""What a sweep over nodes lets one say: pure analysis of its records."""
