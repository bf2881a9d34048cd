"""The one registry of metrics: name → SI unit, what it is, and which direction is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .causes import MEANINGS, OBSERVED


@dataclass(frozen=True)
class MetricInfo:
    """``difference``: noise or a model may make it negative; ``above_zero``: nothing takes no time."""

    unit: str
    description: str
    better: Literal["lower", "higher"] | None = None
    difference: bool = False
    above_zero: bool = False

    @property
    def signed(self) -> bool:
        """Whether values may be below 0: also a moment's, before what it is counted from, and a temperature's."""
        return self.difference or self.unit == "degC" or (self.unit == "s" and self.better is None)

    def fault_of(self, values: Sequence[float]) -> str:
        """What is wrong with values that nothing measured; "" where nothing is. They are finite, and at least one."""
        low, high = min(values), max(values)
        if low < 0 and not self.signed:
            return f"has a value below 0 ({low:g} {self.unit})"
        if not low and self.above_zero:
            return f"has a value of 0 {self.unit}, and nothing takes no time"
        if max(high, -low) > MOST[self.unit]:
            return f"has a value that nothing can have ({max(high, -low):g} {self.unit})"
        if (
            self.unit != "1"
            and low < LEAST
            and (tiny := next((v for v in values if 0 < abs(v) < LEAST), None)) is not None
        ):
            return f"has a value that no instrument tells ({tiny:g} {self.unit})"
        return ""


# By unit, what no measurement exceeds: 30 years, an exabyte, a year of a power station. Beyond it, and below LEAST,
# sums and ratios would overflow. A bit mask is the largest of the plain numbers.
MOST = {"s": 1e9, "B": 1e18, "J": 1e17, "W": 1e10, "Hz": 1e15, "kg": 1e12, "degC": 1e4, "1": 1e18}
LEAST = 1e-15
JOULES_PER_KWH = 3.6e6
MS_PER_S, MS_PER_NS, S_PER_NS = 1e3, 1e-6, 1e-9


def _s(description: str) -> MetricInfo:
    return MetricInfo("s", description, "lower")


def _work(description: str) -> MetricInfo:
    """What something took that was done."""
    return MetricInfo("s", description, "lower", above_zero=True)


def _difference_of_times(description: str) -> MetricInfo:
    """A difference of times, which noise or a model may make negative."""
    return MetricInfo("s", description, "lower", difference=True)


def _byte(description: str) -> MetricInfo:
    return MetricInfo("B", description, "lower")


# Of the samples beside energy windows, those that are taken at rest too.
AT_REST = {
    "sample_time": MetricInfo("s", "time of each sample of the machine at rest"),
    "gpu_power": MetricInfo("W", "board power at each sample at rest"),
    "gpu_other_processes": MetricInfo("1", "other processes that compute on the GPU at each sample at rest"),
    "counter_gpu": MetricInfo("J", "what the GPU's energy counter showed at each sample at rest"),
    "counter_cpu": MetricInfo("J", "what the CPU packages' energy counters had counted at each sample at rest"),
    "counter_dram": MetricInfo("J", "what the memory's energy counters had counted at each sample at rest"),
}

UNUSED = ("sample_time", "gpu_other_processes")

METRICS: dict[str, MetricInfo] = {
    # generation, timed run (one value per generate call unless said otherwise)
    "time_to_first_token": _work("from the call of generate until the first new token exists, per call"),
    "inter_token_latency": _work("time between successive new tokens of a call, at seen key-value lengths, in order"),
    "generate_time": _work("wall time of one generate call, device synchronised before and after"),
    "decode_steps": MetricInfo("1", "inter-token latencies that belong to each call, in order"),
    # what a process met for the first time (at this batch size): someone who generates once meets nothing else
    "first_generation_time": _work("wall time of the first call over the Case's full length"),
    "first_time_to_first_token": _work("the first call's time to first token"),
    "first_visit_latency": _work(
        "as inter_token_latency, at key-value lengths new to the process; the first call first"
    ),
    "first_visit_length": MetricInfo("1", "key-value length of each first visit"),
    "first_visit_steps": MetricInfo("1", "first visits that belong to each timed call; the ones before, to the first"),
    "tokens_generated": MetricInfo("1", "new tokens really produced by a call, summed over the batch"),
    "prompt_length": MetricInfo("1", "prompt tokens per sequence of a call, padding included"),
    "warmup_time": _s("wall time of each warm-up call or iteration, the first generation included; none is timed"),
    "load_time": _s("time to build or load the model in this scheme, quantisation included"),
    "harness_overhead": _s("cost of the time-stamp taken at each decode step, per step, sampled in batches"),
    "outlier_columns": MetricInfo("1", "activation columns with a magnitude at or over the threshold, per Linear call"),
    # memory
    "model_footprint": _byte("bytes of parameters and buffers, quantisation state included"),
    "memory_allocated_peak": _byte("peak of the framework's allocated device memory during the timed run"),
    "memory_reserved_peak": _byte("peak of the framework's reserved device memory during the timed run"),
    "memory_device_used": _byte("device memory in use as the driver reports it after the timed run"),
    "memory_load_peak": _byte("peak memory while the model was built or loaded (device, or resident set on CPU)"),
    "memory_resident_peak": _byte("peak resident set size of the measuring process"),
    # matmul
    "forward_time": _work("one call: CUDA events with the launch queue kept full, or perf_counter on CPU"),
    "dispatch_time": _work("host time to issue one call while the device is kept busy (CUDA only)"),
    "event_overhead": _s("time between two CUDA events with nothing between them"),
    "relative_error": MetricInfo("1", "‖out − ref‖ / ‖ref‖, Frobenius, reference in float64", "lower"),
    # energy, in windows (one value per window)
    "window_time": _work("length of an energy window"),
    "window_tokens": MetricInfo("1", "new tokens produced in an energy window, summed over the batch"),
    "window_tail_time": _s("end of an energy window without work: waiting for the counter's next tick"),
    "work_begin": MetricInfo("s", "when the work of a window began, since the first window's opening tick"),
    "work_end": MetricInfo("s", "when the work of a window ended; from there to the closing tick nothing is done"),
    "energy_gpu": MetricInfo("J", "GPU energy in a window: difference of NVML's total-energy counter", "lower"),
    "energy_cpu": MetricInfo("J", "CPU package energy in a window: difference of RAPL's counters", "lower"),
    "energy_dram": MetricInfo("J", "memory energy in a window: difference of RAPL's DRAM counters", "lower"),
    "idle_time": _work("length of an idle window, model loaded and no work submitted"),
    "idle_begin": MetricInfo("s", "when each idle window opened: before the first window of work, or after the last"),
    "idle_energy_gpu": MetricInfo("J", "GPU energy in an idle window"),
    "idle_energy_cpu": MetricInfo("J", "CPU package energy in an idle window"),
    "idle_energy_dram": MetricInfo("J", "memory energy in an idle window"),
    "unused_time": _work("length of a window before the process made a CUDA context or loaded a model"),
    "unused_energy_gpu": MetricInfo("J", "GPU energy in a window before the process made a CUDA context"),
    **{
        f"{when}edge_time_{name}": MetricInfo(
            "s", f"when the ticks of the {name} counter were that opened and that closed each {kind}"
        )
        for when, kind in (("", "window"), ("idle_", "idle window"))
        for name in ("gpu", "cpu", "dram")
    },
    # state sampled during energy windows, outside the timed thread
    "sample_time": MetricInfo("s", "time of each sample since the first window began"),
    "gpu_power": MetricInfo("W", "board power at each sample"),
    "gpu_temperature": MetricInfo("degC", "GPU temperature at each sample"),
    "gpu_clock_sm": MetricInfo("Hz", "SM clock at each sample"),
    "gpu_throttle_reasons": MetricInfo("1", "NVML's bit mask of clock event reasons at each sample"),
    "gpu_power_limit": MetricInfo("W", "board power limit in force at each sample"),
    "gpu_other_processes": MetricInfo("1", "other processes that compute on the GPU at each sample"),
    "counter_gpu": MetricInfo("J", "what the GPU's energy counter showed at each sample"),
    "counter_cpu": MetricInfo("J", "what the CPU packages' energy counters had counted at each sample"),
    "counter_dram": MetricInfo("J", "what the memory's energy counters had counted at each sample"),
    # the same state while nothing is submitted; before the process made a CUDA context, whether it is alone
    **{f"idle_{name}": info for name, info in AT_REST.items()},
    **{f"unused_{name}": AT_REST[name] for name in UNUSED},
    # CodeCarbon's offline tracker, one value per window of its own
    "codecarbon_energy": MetricInfo("J", "energy as CodeCarbon reports it, all parts", "lower"),
    "codecarbon_energy_cpu": MetricInfo("J", "CPU part of CodeCarbon's energy", "lower"),
    "codecarbon_energy_gpu": MetricInfo("J", "GPU part of CodeCarbon's energy", "lower"),
    "codecarbon_energy_ram": MetricInfo("J", "RAM part of CodeCarbon's energy: a constant per memory size", "lower"),
    "codecarbon_power_cpu": MetricInfo("W", "CPU power as CodeCarbon reports it, its own mean over a window"),
    "codecarbon_power_ram": MetricInfo("W", "RAM power as CodeCarbon reports it"),
    "codecarbon_emissions": MetricInfo("kg", "CO2-equivalent as CodeCarbon reports it", "lower"),
    # the cost of NVTX annotation: the same call in turn without and with it
    "generate_time_plain": _work("wall time of a generate call without annotation, in the annotation-cost pass"),
    "generate_time_annotated": _work("wall time of a generate call with annotation, in the annotation-cost pass"),
    # programs for HumanEval's tasks and what became of them: one value per task, in the order of setup.tasks
    "repetition_rate": MetricInfo("1", "share of a completion's 4-grams that stood before in it", "lower"),
    "negative_log_likelihood": MetricInfo("1", "mean of the solution's tokens given its prompt, nats", "lower"),
    "passed_base": MetricInfo("1", "1 where the program passed HumanEval's own inputs, else 0", "higher"),
    "passed_plus": MetricInfo("1", "1 where the program passed EvalPlus's inputs too, else 0", "higher"),
    # the machine's ceilings
    "copy_time": _work("one copy of setup.copy_bytes read and as many written"),
    "gemm_time": _work("one square matrix product of setup.gemm_flop floating-point operations"),
    # timelines (nsys, Kineto): one value per observed decode step, in order; all with the observer's disturbance
    "observed_step_time": _work("host time of a decode step's range while observed"),
    "launches_per_step": MetricInfo("1", "calls that launch kernels in a decode step", "lower"),
    "syncs_per_step": MetricInfo("1", "calls that only wait for the GPU in a decode step", "lower"),
    "copies_per_step": MetricInfo("1", "calls that copy memory in a decode step, blocking ones included", "lower"),
    "kernels_per_step": MetricInfo("1", "kernels launched by a decode step's calls", "lower"),
    "gpu_busy_per_step": _s("time in a decode step with at least one kernel or copy on the GPU"),
    "gpu_idle_per_step": _s("time in a decode step with nothing on the GPU: sync_stall + host_busy + gpu_tail"),
    "sync_stall_per_step": _s("GPU idle while the host was inside a synchronising call"),
    "host_busy_per_step": _s("GPU idle within the step's own range while the host did something else than wait"),
    "gpu_tail_per_step": _s("GPU idle after the last GPU work of a decode step's window"),
    "operators_per_step": MetricInfo("1", "operators that a decode step called, nested ones included"),
    "operators_busy_per_step": _s("time in a decode step with at least one operator running"),
    # the ledger of observed decode steps: what a timeline says, and the same less the modelled cost of its events
    **{f"observed_{cause}_per_step": _s(f"as recorded: {MEANINGS[cause]}") for cause in OBSERVED},
    **{
        f"ledger_{cause}_per_step": _difference_of_times(f"less the observer's modelled cost: {MEANINGS[cause]}")
        for cause in OBSERVED
    },
    "plain_step_time": _s("decode steps of the observed call outside the observed ones, in order"),
    "operator_event_cost": _difference_of_times("what recording one operator costs the host, sampled in batches"),
    "range_event_cost": _difference_of_times(
        "what one annotated range costs the host while recording, sampled in batches"
    ),
    "call_event_cost": _difference_of_times(
        "what recording one call of the CUDA runtime costs the host, sampled in batches"
    ),
    # what a replay says of an intervention, before it is measured; per decode step, without the observer
    "predicted_step_time": _difference_of_times(
        "a decode step after the intervention, by replay of the unchanged arm's timeline"
    ),
    "replayed_step_time": _work("the unchanged replay of the same timeline"),
    # hardware counters (ncu): sums over all launches of the observed decode step
    "profiled_launches": MetricInfo("1", "kernel launches that ncu observed"),
    "kernel_time": _s("time of the observed launches, one by one under ncu"),
    "l1_hits": MetricInfo("1", "sectors looked up and found in L1"),
    "l1_misses": MetricInfo("1", "sectors looked up and not found in L1"),
    "l2_hits": MetricInfo("1", "sectors that the SMs looked up and found in L2"),
    "l2_misses": MetricInfo("1", "sectors that the SMs looked up and did not find in L2"),
    "dram_read": _byte("bytes read from device memory"),
    "dram_written": _byte("bytes written to device memory"),
    # host stacks (py-spy): whole samples in the decode loop, by what the innermost known frame is part of
    "host_samples_python": MetricInfo("1", "samples in Python: interpreter, transformers, torch's Python code"),
    "host_samples_bitsandbytes": MetricInfo("1", "samples in bitsandbytes' Python layers themselves"),
    "host_samples_dispatcher": MetricInfo("1", "samples in torch's dispatcher and operators"),
    "host_samples_driver": MetricInfo("1", "samples in the CUDA driver and runtime"),
    "host_samples_kernels": MetricInfo("1", "samples in arithmetic on the CPU"),
    "host_samples_waiting": MetricInfo("1", "samples that waited: synchronising, locks, idle"),
    "host_samples_other": MetricInfo("1", "samples in native code that is not known"),
    "host_samples_under_bitsandbytes": MetricInfo("1", "samples with a bitsandbytes layer anywhere on the stack"),
    "host_samples_elsewhere": MetricInfo("1", "samples outside the decode loop: loading, prefill, other threads"),
}

# What metrics are called that older records hold under another name. ``host_gap`` is a line of the ledger and no other
# figure: from the start of a step's range to the end of its GPU work, and what follows that in the range.
RENAMED = {"host_gap_per_step": "host_busy_per_step"}

# Measured once and read by nothing: what older records hold of them is left out when they are read. A counter's value
# at a tick: the energy of a window is the difference of two.
DROPPED = frozenset(
    (
        "first_seen_latency",
        "gpu_clock_memory",
        "cpu_clock",
        *(f"{when}edge_energy_{name}" for when in ("", "idle_") for name in ("gpu", "cpu", "dram")),
        *(f"{when}_{name}" for when in ("idle", "unused") for name in ("gpu_temperature", "gpu_clock_sm")),
        *(f"unused_{name}" for name in ("gpu_power", "counter_gpu", "counter_cpu", "counter_dram")),
    )
)
