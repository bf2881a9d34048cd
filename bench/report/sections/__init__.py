"""The sections of the page, one file each: its tables, its figures, its text, its JSON."""
