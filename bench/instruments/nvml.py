"""NVML, the driver's own library: a connection, and which of its GPUs CUDA programs here can see.

NVML numbers the GPUs of the host by PCI bus and ignores CUDA_VISIBLE_DEVICES, so that variable is
followed here. Without CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA may number unlike GPUs otherwise; like ones
cannot be told apart that way, so ``order_is_certain`` says whether an index can be trusted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from bench.record.errors import MachineError


class Nvml:
    """An initialised NVML. ``module`` is pynvml (package nvidia-ml-py) or a stand-in for tests."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def call(self, function: str, *arguments: Any) -> Any:
        """The result of one NVML function.

        Raises MachineError with NVML's own words if the driver or the library does not offer it.
        """
        try:
            result = getattr(self.module, function)(*arguments)
        except self.module.NVMLError as error:
            raise MachineError(f"{function}: {error}") from error
        except AttributeError as error:
            raise MachineError(f"{function}: this nvidia-ml-py does not have it") from error
        return result.decode() if isinstance(result, bytes) else result

    def handles(self) -> list[Any]:
        """Every GPU of the host in NVML's order."""
        count = self.call("nvmlDeviceGetCount")
        return [self.call("nvmlDeviceGetHandleByIndex", index) for index in range(count)]

    def visible(self, environ: Mapping[str, str] | None = None) -> list[Any]:
        """The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; for a MIG slice, the board it is part of.

        As CUDA does, stop at the first unknown one.
        """
        handles = self.handles()
        wanted = (os.environ if environ is None else environ).get("CUDA_VISIBLE_DEVICES")
        if wanted is None:
            return handles
        found = []
        for token in wanted.split(","):
            handle = self._by_token(token.strip(), handles)
            if handle is None:
                break
            found.append(handle)
        return found

    def _by_token(self, token: str, handles: list[Any]) -> Any:
        if token.isdigit():
            return handles[int(token)] if int(token) < len(handles) else None
        if token.startswith("MIG-"):
            return self._board_of_slice(token)
        matches = [h for h in handles if token.startswith("GPU-") and self.uuid(h).startswith(token)]
        return matches[0] if len(matches) == 1 else None

    def _board_of_slice(self, uuid: str) -> Any:
        try:
            return self.call(
                "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", self.call("nvmlDeviceGetHandleByUUID", uuid)
            )
        except MachineError:
            return None

    def uuid(self, handle: Any) -> str:
        """NVML's name for one GPU, "GPU-" and five groups of hexadecimal digits."""
        return str(self.call("nvmlDeviceGetUUID", handle))

    def order_is_certain(self, environ: Mapping[str, str] | None = None) -> bool:
        """Whether NVML's and CUDA's numbering surely agree: one kind of GPU, PCI order, or UUIDs."""
        environ = os.environ if environ is None else environ
        if environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
            return True
        if environ.get("CUDA_VISIBLE_DEVICES", "").startswith("GPU-"):
            return True
        return len({self.call("nvmlDeviceGetName", handle) for handle in self.handles()}) <= 1


def connect(module: Any = None) -> Nvml:
    """Import pynvml (or take ``module``) and initialise it. NVML counts initialisations, so calling again is cheap.

    Raises MachineError, with what to do, without the package, the library or a driver.
    """
    if module is None:
        try:
            module = import_module("pynvml")
        except ImportError:
            raise MachineError("NVML is not available: install the package nvidia-ml-py") from None
    try:
        module.nvmlInit()
    except module.NVMLError as error:
        raise MachineError(f"no NVIDIA driver answers here (NVML: {error})") from None
    return Nvml(module)


def measured_gpu(nvml: Nvml, uuid: str | None = None, environ: Mapping[str, str] | None = None) -> Any:
    """The handle of the GPU that cuda:0 is, or of the one with ``uuid`` (torch gives it without "GPU-").

    Raises MachineError if CUDA_VISIBLE_DEVICES names a MIG slice (whose energy is not counted apart),
    leaves no GPU, or no GPU has that UUID.
    """
    environ = os.environ if environ is None else environ
    wanted = environ.get("CUDA_VISIBLE_DEVICES", "")
    if wanted.startswith("MIG-"):
        raise MachineError("CUDA_VISIBLE_DEVICES names a MIG slice: NVML counts energy for whole GPUs only")
    handles = nvml.handles() if uuid else nvml.visible(environ)
    if uuid:
        handles = [handle for handle in handles if nvml.uuid(handle).removeprefix("GPU-") == uuid.removeprefix("GPU-")]
    if not handles:
        what = f"no GPU has the UUID {uuid}" if uuid else f"CUDA_VISIBLE_DEVICES={wanted!r} leaves no GPU"
        raise MachineError(what if uuid or wanted else "NVML reports no GPU")
    return handles[0]
