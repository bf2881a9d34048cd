"""What the raw data say, as one JSON document: SI units, every ratio with its interval."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.analysis.statistics import Estimate

from ..published import ORIGINAL
from .claims import claims
from .confounds import confounds
from .grounds import Grounds
from .joules import ArmJoules, SettingJoules
from .means import Mean


def document(g: Grounds) -> dict[str, Any]:
    return {
        "claims": [
            {"id": one.statement.id, "text": one.statement.text, "from": one.statement.source,
             "readings": [asdict(reading) for reading in one.readings]}
            for one in claims(g)
        ],
        "settings": [_arm(setting, arm) for setting in g.settings for arm in setting.arms],
        "gpu_busy": [asdict(one) for one in g.host],
        "cpu_cache_misses": [asdict(one) for one in g.misses],
        "table_3": [asdict(one) for one in g.cells],
        "confounds": [asdict(one) for one in confounds(g)],
        "between_nodes": {"gpu": g.gpu_nodes, "all_parts": g.all_nodes},
    }  # fmt: skip


def _arm(setting: SettingJoules, arm: ArmJoules) -> dict[str, Any]:
    name = arm.arm.arm
    ratios = {
        "time": setting.time(name),
        "energy_as_written": setting.written(name),
        "energy_corrected": setting.corrected(name),
        "energy_gpu": setting.gpu(name),
    }
    return {
        "model": setting.model,
        "tokens": setting.tokens,
        "arm": name,
        "seconds": _mean(arm.seconds),
        "joules_gpu": _mean(arm.gpu),
        "joules_as_written": _mean(arm.total),
        "joules_corrected": _mean(arm.corrected),
        "wraps": [run.wraps.fit.wraps if run.wraps.fit else None for run in arm.runs],
        "over_original": {key: _ratio(value) for key, value in ratios.items()} if name != ORIGINAL else {},
    }


def _mean(value: Mean) -> dict[str, Any]:
    return {"mean": value.value, "sd": value.sd, "low": value.low, "high": value.high, "runs": list(value.runs)}


def _ratio(value: Estimate) -> list[float | None]:
    return [value.value, value.low, value.high]
