"""The ledger: where every millisecond of a decode step went, line by line, for a reference and a scheme."""
