"""What a user can get wrong or find broken, told in one line."""

from __future__ import annotations


class BundleError(Exception):
    """Exit code 2: the message says what is wrong and what to do."""
