"""What a Chrome trace of torch.profiler says beside its events: hardware, CUDA's versions, which rank of how many.

torch writes it before the events; who merges or writes a trace again may write it after them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .facts import SMS, Facts, counted, facts_with_value, whole_numbers

_MOST = 64


def facts(header: bytes, trailer: Mapping[str, msgspec.Raw]) -> Facts:
    """(what, value) from the text before the events and the values after them; () where there are none."""
    document = {name: _decoded(value) for name, value in trailer.items()}
    before = _decoded(header.rstrip().rstrip(b",") + b"}")
    document |= before if isinstance(before, dict) else {}
    devices = _devices(document.get("deviceProperties"))
    found = [("GPU", _gpus(devices)), (SMS, _sms(devices))]
    found += [(name, _version(document.get(key))) for key, name in _VERSIONS]
    found.append(("ranks", _ranks(document.get("distributedInfo"))))
    return facts_with_value(found)


def _decoded(text: bytes | msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_VERSIONS = (
    ("cuda_runtime_version", "CUDA runtime"),
    ("cuda_driver_version", "CUDA driver"),
    ("hip_runtime_version", "HIP runtime"),
    ("hip_driver_version", "HIP driver"),
)


def _devices(listed: Any) -> list[dict[str, Any]]:
    """Each device once: in a merged trace every rank lists all the GPUs that it sees."""
    if not isinstance(listed, list):
        return []
    named = [each for each in listed[:_MOST] if isinstance(each, dict) and each.get("name")]
    return list({str(each.get("id", place)): each for place, each in enumerate(named)}.values())


def _gpus(devices: Sequence[Mapping[str, Any]]) -> str:
    return counted([str(each["name"])[:80] for each in devices])


def _sms(devices: Sequence[Mapping[str, Any]]) -> str:
    return whole_numbers(each.get("numSms") for each in devices)


def _version(number: Any) -> str:
    """12080 is 12.8; HIP's 60241134 is 6.2."""
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        return ""
    if number >= 10_000_000:
        return f"{number // 10_000_000}.{number // 100_000 % 100}"
    return f"{number // 1000}.{number % 1000 // 10}"


def _ranks(info: Any) -> str:
    if not isinstance(info, dict):
        return ""
    size = info.get("world_size")
    return str(size) if isinstance(size, int) and not isinstance(size, bool) and size > 0 else ""
