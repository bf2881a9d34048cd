"""Published studies, each with its figures, its raw data where they are public, and its claims judged.

Where starcoder2 hangs on the core (its hook.py; bench/hooks.py calls it):
    presets             paper and paper-compat: what its authors ran, corrected and as it was (presets.py)
    report --study      a user's runs beside what it printed (replication/)
    the command line    study: its claims settled on its authors' own raw data (raw/, verb.py)
"""
