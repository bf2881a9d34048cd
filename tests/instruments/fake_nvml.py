"""A stand-in for pynvml: as many GPUs as a test wants, each function settable, any of them unsupported."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace


class FakeNvmlError(Exception):
    pass


@dataclass
class FakeGpu:
    name: str = "NVIDIA H200"
    uuid: str = "GPU-aaaa1111-0000-0000-0000-000000000000"
    energy_mj: list[int] = field(default_factory=lambda: [1_000_000])
    throttle: int = 0
    temperature: int = 40
    pids: list[int] = field(default_factory=list)
    mig: int = 0
    ecc: int = 1
    persistence: int = 1


class FakeNvml:
    NVMLError = FakeNvmlError
    NVML_TEMPERATURE_GPU = 0
    NVML_TEMPERATURE_THRESHOLD_SLOWDOWN = 1
    NVML_CLOCK_SM = 1
    NVML_CLOCK_MEM = 2

    def __init__(self, gpus=None, unsupported=(), init_fails=False):
        self.gpus = [FakeGpu()] if gpus is None else gpus
        self._init_fails = init_fails
        for name in unsupported:
            setattr(self, name, self._refuse)

    def _refuse(self, *_):
        raise FakeNvmlError("Not Supported")

    def nvmlInit(self):
        if self._init_fails:
            raise FakeNvmlError("Driver Not Loaded")

    def nvmlDeviceGetCount(self):
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid != "MIG-1":
            raise FakeNvmlError("Not Found")
        return "slice"

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle):
        assert handle == "slice"
        return self.gpus[0]

    def nvmlDeviceGetIndex(self, gpu):
        return self.gpus.index(gpu)

    def nvmlDeviceGetName(self, gpu):
        return gpu.name.encode()

    def nvmlDeviceGetUUID(self, gpu):
        return gpu.uuid

    def nvmlSystemGetDriverVersion(self):
        return "570.86.15"

    def nvmlSystemGetCudaDriverVersion(self):
        return 12080

    def nvmlDeviceGetCudaComputeCapability(self, gpu):
        return (9, 0)

    def nvmlDeviceGetMemoryInfo(self, gpu):
        return SimpleNamespace(total=150 << 30, used=7 << 30, free=143 << 30)

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu):
        return 700_000

    nvmlDeviceGetPowerManagementDefaultLimit = nvmlDeviceGetEnforcedPowerLimit

    def nvmlDeviceGetMaxClockInfo(self, gpu, kind):
        return 1980 if kind == self.NVML_CLOCK_SM else 3201

    nvmlDeviceGetDefaultApplicationsClock = nvmlDeviceGetMaxClockInfo
    nvmlDeviceGetClockInfo = nvmlDeviceGetMaxClockInfo

    def nvmlDeviceGetTemperatureThreshold(self, gpu, kind):
        return 90

    def nvmlDeviceGetEccMode(self, gpu):
        return [gpu.ecc, gpu.ecc]

    def nvmlDeviceGetMigMode(self, gpu):
        return [gpu.mig, gpu.mig]

    def nvmlDeviceGetPersistenceMode(self, gpu):
        return gpu.persistence

    def nvmlDeviceGetMaxPcieLinkGeneration(self, gpu):
        return 5

    def nvmlDeviceGetMaxPcieLinkWidth(self, gpu):
        return 16

    nvmlDeviceGetCurrPcieLinkGeneration = nvmlDeviceGetMaxPcieLinkGeneration
    nvmlDeviceGetCurrPcieLinkWidth = nvmlDeviceGetMaxPcieLinkWidth

    def nvmlDeviceGetTemperature(self, gpu, sensor):
        return gpu.temperature

    def nvmlDeviceGetPowerUsage(self, gpu):
        return 123_456

    def nvmlDeviceGetCurrentClocksEventReasons(self, gpu):
        return gpu.throttle

    nvmlDeviceGetCurrentClocksThrottleReasons = nvmlDeviceGetCurrentClocksEventReasons

    def nvmlDeviceGetUtilizationRates(self, gpu):
        return SimpleNamespace(gpu=25, memory=3)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu):
        return [SimpleNamespace(pid=pid) for pid in gpu.pids]

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):
        return gpu.energy_mj[0] if len(gpu.energy_mj) == 1 else gpu.energy_mj.pop(0)
