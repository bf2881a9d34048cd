"""What a user reads is one printable line, whatever a file or another program put into it."""

from __future__ import annotations

import pytest

from bench.record.errors import BitledgerError, RecordError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a plain message: do this", "a plain message: do this"),
        ("é – × 漢", "é – × 漢"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred\x00", "\\x1b[31mred\\x00"),
        ("a\u2028b\x85c", "a\\u2028b\\x85c"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert str(RecordError(text)) == shown
    assert str(RecordError(text)).encode()


def test_the_middle_of_an_endless_message_is_left_out() -> None:
    message = str(BitledgerError(f"file.csv: {'9' * 5000} is no number: profile again"))
    assert len(message) == 1000
    assert message.startswith("file.csv: 999")
    assert message.endswith("profile again")
