"""Whether an error left the device usable.

Out of memory, or a kernel that could not be launched, ends one measurement. An illegal access or a failed assertion on
the device ends the CUDA context: every later call of the process fails with the same error.
"""

from __future__ import annotations


def is_lost(device: str) -> bool:
    """True where ``device`` ("cpu" or "cuda") answers nothing more in this process."""
    if device == "cpu":
        return False
    import torch

    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False
