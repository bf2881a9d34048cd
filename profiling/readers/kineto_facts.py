"""What the header of a Chrome trace of torch.profiler says: hardware, CUDA's versions, which rank of how many."""

from __future__ import annotations

from typing import Any

import msgspec

from .facts import Facts, counted, facts_with_value

_MOST = 64


def facts(header: bytes) -> Facts:
    """(what, value) from the text before the events; () where it is not the beginning of a JSON object."""
    try:
        document = msgspec.json.decode(header.rstrip().rstrip(b",") + b"}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    if not isinstance(document, dict):
        return ()
    found = [("GPU", _gpus(document.get("deviceProperties")))]
    found += [(name, _version(document.get(key))) for key, name in _VERSIONS]
    found.append(("ranks", _ranks(document.get("distributedInfo"))))
    return facts_with_value(found)


_VERSIONS = (
    ("cuda_runtime_version", "CUDA runtime"),
    ("cuda_driver_version", "CUDA driver"),
    ("hip_runtime_version", "HIP runtime"),
    ("hip_driver_version", "HIP driver"),
)


def _gpus(devices: Any) -> str:
    if not isinstance(devices, list):
        return ""
    names = [str(each["name"])[:80] for each in devices[:_MOST] if isinstance(each, dict) and each.get("name")]
    return counted(names)


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
