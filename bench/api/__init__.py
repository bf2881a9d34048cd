"""What Python programs get of the core: frozen results with tables in them, and a model in memory measured.

``import bitledger`` hands it on; docs/python-api.md shows it.
"""
