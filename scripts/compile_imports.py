"""Compiles what measuring, explaining and reporting import, once, after installing.

    .venv/bin/python scripts/compile_imports.py

pip installs without bytecode here (--no-compile), because the whole of torch takes minutes to compile. What is imported
would be compiled at every first import again where its user may not write, or PYTHONDONTWRITEBYTECODE is set: 1 s of
each report. So the modules that are imported are compiled now, and no others.
"""

from __future__ import annotations

import compileall
import contextlib
import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

READING = (
    "bench.verbs.explain",
    "bench.verbs.report",
    "bench.report.page",
    "bench.report.terminal",
    "profiling.summarize",
    "profiling.readers.nsys",
    "profiling.readers.kineto",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)


def imported(names: tuple[str, ...]) -> list[Path]:
    """The source files of all modules that are loaded after these were imported, as far as they can be."""
    for name in names:
        with contextlib.suppress(ImportError, OSError, RuntimeError):  # measuring is an extra, and needs its libraries
            import_module(name)
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return sorted({Path(file) for file in files if file and file.endswith(".py")})


def main() -> int:
    """0, also where some of it cannot be written: it is only slower then."""
    from bench.run.processes import PRELOADED

    done = [compileall.compile_file(file, quiet=2) for file in imported((*READING, *PRELOADED))]
    print(f"{sum(map(bool, done))} of {len(done)} imported modules have their bytecode")
    return 0


if __name__ == "__main__":
    sys.exit(main())
