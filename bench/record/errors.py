"""Every error a user can meet. Each becomes one clear line and exit code 2; anything else is a bug.

BitledgerError
├── UsageError        the command line, a preset, a scheme or a model cannot be used as asked
├── RecordError       a record or a records file is malformed, newer than this program, or missing
├── StorageError      the run folder cannot be written (full, read-only, locked by another run)
├── MachineError      what was asked needs something that this machine lacks (GPU, counter, hub)
└── MeasurementError  a measurement began and gave something unusable (NaN logits, wrong token count)
"""


class BitledgerError(Exception):
    """Base of all errors whose message is written for the user."""


class UsageError(BitledgerError):
    """What was asked cannot be done as asked."""


class RecordError(BitledgerError):
    """A record or a records file cannot be used."""


class StorageError(BitledgerError):
    """The run folder cannot be written."""


class MachineError(BitledgerError):
    """This machine lacks what was asked for."""


class MeasurementError(BitledgerError):
    """A measurement gave something that must not be recorded as a result."""
