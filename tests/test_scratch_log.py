"""What looks at a model leaves no folder behind."""

from __future__ import annotations

import pytest

from bench.verbs.planning import scratch_log


def test_the_log_goes_with_its_folder_also_where_the_look_fails():
    with scratch_log() as log:
        log.write_text("words of a library")
    assert not log.parent.exists()
    with pytest.raises(ValueError), scratch_log() as log:
        raise ValueError
    assert not log.parent.exists()
