"""What the GPU and the host did: annotation, capture and readers of profiler output."""

from pkgutil import extend_path

# Python 3.15's standard library has a package of this name: its modules stay importable beside ours (docs/adr/0020).
__path__ = extend_path(__path__, __name__)
