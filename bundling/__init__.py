"""One archive for a host without internet: wheels, source, data, and what checks and installs them there.

Two rooms that share ``manifest`` and ``archive``:

- where there is internet (``python -m bundling``): target, requirements, wheels, trim, source, build;
- on the host (``python -m bundling.install``): install, host. Standard library only, because nothing is installed yet.
"""
