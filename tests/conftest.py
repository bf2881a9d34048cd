"""Settings of all tests."""

import os

from hypothesis import settings

# A shared or loaded machine must not fail a property by being slow: timings belong in benchmarks.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
# No test may reach the hub, even where there is one.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
