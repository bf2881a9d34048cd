"""One module per verb of ``python -m profiling``, each with ``main(options)``."""
