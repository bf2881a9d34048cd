"""Every error a user can meet. Each becomes one clear line and exit code 2; anything else is a bug.

BitledgerError
├── UsageError        the command line, a preset, a scheme or a model cannot be used as asked
├── RecordError       a record or a records file is malformed, newer than this program, or missing
├── StorageError      the run folder cannot be written (full, read-only, locked by another run)
├── MachineError      what was asked needs something that this machine lacks (GPU, counter, hub)
├── NotApplicableError  a scheme or change has nothing to act on in this model: skipped, not failed
└── MeasurementError  a measurement began and gave something unusable (NaN logits, wrong token count)
"""

from .secrets import mask_text

_LONGEST, _HEAD = 1000, 600


class BitledgerError(Exception):
    """Base of all errors whose message is written for the user.

    Messages quote files and other programs, so what they hold is made one printable line of at most 1,000 characters:
    a name with an escape sequence in it must not reach a terminal. Secrets of the environment are masked, before the
    cut, because half of one would not be recognised when a Record with this text is written.
    """

    def __str__(self) -> str:
        return one_line(mask_text(super().__str__()))


class UsageError(BitledgerError):
    """What was asked cannot be done as asked."""


class RecordError(BitledgerError):
    """A record or a records file cannot be used."""


class StorageError(BitledgerError):
    """The run folder cannot be written."""


class MachineError(BitledgerError):
    """This machine lacks what was asked for."""


class NotApplicableError(BitledgerError):
    """There is nothing in this model that it could act on: its Cases are skipped, and the run ends well."""


class MeasurementError(BitledgerError):
    """A measurement gave something that must not be recorded as a result."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def told(error: Exception) -> str:
    """An error in one line: with its type where the message alone says nothing, as that of a KeyError does; of a
    validator's, the cause, which stands in its second line."""
    first, *more = str(error).strip().splitlines() or [""]
    if first.endswith(":") and more:
        return more[0].strip()
    return (
        first_line(error) if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {first_line(error)}"
    )


def one_line(text: str) -> str:
    """The text with line breaks and all else that is not printable written as escapes, and its middle left out where
    it is very long: the file stands at the beginning and the remedy at the end."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_HEAD]} … {text[_HEAD - _LONGEST + 3 :]}"
