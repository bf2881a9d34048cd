"""What of an arm can be switched on a loaded model, back and forth: an outlier threshold, a dtype to compute in."""

from __future__ import annotations

from typing import Any

from bench.schemes import Arm
from bench.workloads.quantise import torch_dtype


class Switches:
    """The switches of a model's quantised Linears; to be made before the first forward.

    At a forward bitsandbytes rounds a 4-bit Linear's bias to the dtype that it computes in, in place, and what that
    takes away does not come back. So each bias is kept as it was loaded, and for each dtype as its forwards left it: a
    captured step knows it by its address.
    """

    def __init__(self, model: Any) -> None:
        self._int8 = [module for module in model.modules() if type(module).__name__ == "Linear8bitLt"]
        four = [module for module in model.modules() if type(module).__name__ == "Linear4bit"]
        self._4bit = [(module, _Biases(module)) for module in four]

    def to(self, wanted: Arm) -> int:
        """Give them the threshold and the compute dtype of ``wanted``; returns how many there are.

        bitsandbytes reads both at every forward: the threshold from the module's state, the dtype from the module.
        """
        for module in self._int8:
            module.state.threshold = wanted.threshold or 0.0
        dtype = torch_dtype(wanted.compute_dtype or wanted.dtype)
        for module, biases in self._4bit:
            if module.compute_dtype != dtype:
                biases.change(module, dtype)
                module.compute_dtype, module.compute_type_is_set = dtype, True
        return len(self._int8) + len(self._4bit)


class _Biases:
    """One Linear's bias as it was loaded, and by dtype as used."""

    def __init__(self, module: Any) -> None:
        self._loaded = None if module.bias is None else module.bias.data.clone()
        self._used: dict[Any, Any] = {}

    def change(self, module: Any, dtype: Any) -> None:
        if self._loaded is not None:
            self._used[module.compute_dtype] = module.bias.data
            module.bias.data = self._used.get(dtype, self._loaded.clone())
