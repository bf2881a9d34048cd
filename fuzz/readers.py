"""The readers that are fuzzed, by name. A reader's module is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from .kinds import Reader

MODULES = {
    "nsys": "reader_nsys",
    "kineto": "reader_kineto",
    "ncu-csv": "reader_ncu_csv",
    "ncu-report": "reader_ncu_report",
    "records": "reader_records",
    "host-samples": "reader_host_samples",
    "samples": "reader_samples",
}


def reader(name: str) -> Reader:
    found: Reader = import_module(f".{MODULES[name]}", __package__).READER
    return found
