"""The lines of the ledger, by name, and what each means. Every module that writes or reads a line uses these names."""

from __future__ import annotations

# Time in which the GPU (on a CPU: an operator) was busy, by what it was busy with.
GEMM = "gemm"
NOT_QUANTISED = "not_quantised"
DEQUANTISE = "dequantise"
QUANTISE = "quantise_activations"
OUTLIERS = "outliers"
CAST = "cast"
ATTENTION = "attention"
NORM = "norm_elementwise"
LM_HEAD = "lm_head"
ADAPTER = "adapter"
SAMPLING = "sampling"
MEMCPY = "memcpy"
COMMUNICATION = "communication"
OTHER = "other"
BUSY = (GEMM, NOT_QUANTISED, ADAPTER, DEQUANTISE, QUANTISE, OUTLIERS, CAST, ATTENTION, NORM, LM_HEAD, SAMPLING, MEMCPY,
        COMMUNICATION, OTHER)  # fmt: skip

# Time in which it was idle, by what the host did meanwhile.
SYNC_STALL = "sync_stall"
HOST_GAP = "host_gap"
ATTENTION_PLANS = "attention_plans"
IDLE = (SYNC_STALL, HOST_GAP, ATTENTION_PLANS)

# What an observed step cannot show.
DISTURBANCE = "profiler_disturbance"
UNEXPLAINED = "unexplained"

CORRECTIONS = (DISTURBANCE, UNEXPLAINED)

CAUSES = (*BUSY, *IDLE)
# What no trace shows by itself: it takes steps at new key-value lengths and at seen ones (ledger/first_visits.py).
DERIVED = (ATTENTION_PLANS,)
OBSERVED = tuple(cause for cause in CAUSES if cause not in DERIVED)
LINES = (*CAUSES, *CORRECTIONS)

MEANINGS = {
    GEMM: "matrix products of the quantised or plain Linears, fused dequantisation included",
    NOT_QUANTISED: "matrix products of weights that quantisers leave alone: the experts of a mixture, which one "
    "three-dimensional parameter holds",
    DEQUANTISE: "turning stored weights or int32 products into floating point, as a step of its own",
    QUANTISE: "turning activations into int8",
    OUTLIERS: "finding and splitting off outlier columns (LLM.int8())",
    CAST: "changes of number format",
    ATTENTION: "attention, rotary embedding and the key-value cache",
    NORM: "norms, activation functions, additions and other elementwise work",
    ADAPTER: "what an adapter (LoRA) beside the weights adds: its two small products, casts and the addition",
    LM_HEAD: "the output layer, which quantisers leave alone",
    SAMPLING: "choosing the next token and deciding whether to stop",
    MEMCPY: "copies and memsets",
    COMMUNICATION: "exchange between GPUs (NCCL, RCCL, all-reduces of engines), waiting for the other ranks included",
    OTHER: "work that the table of classes does not know",
    SYNC_STALL: "the GPU idle while the host was inside a synchronising call",
    HOST_GAP: "nothing running while the host was busy elsewhere: Python, dispatch, launching",
    ATTENTION_PLANS: "host time inside the attention call at a new key-value length over that at a seen one: most "
    "likely a plan that its library builds for each length (inferred)",
    DISTURBANCE: "what observing changed beyond the modelled cost of its events",
    UNEXPLAINED: "the rest, up to the unprofiled wall time",
}

# In a few words, for readers who know nothing of the tool.
LABELS = {
    GEMM: "matrix products",
    NOT_QUANTISED: "products of experts that stay unquantised",
    DEQUANTISE: "dequantising",
    QUANTISE: "quantising activations",
    OUTLIERS: "outlier handling",
    CAST: "changes of number format",
    ATTENTION: "attention",
    NORM: "norms and elementwise work",
    ADAPTER: "the adapter beside the weights",
    LM_HEAD: "the output layer",
    SAMPLING: "choosing the token",
    MEMCPY: "copies",
    COMMUNICATION: "exchange between GPUs",
    OTHER: "other work",
    SYNC_STALL: "waiting for the GPU",
    HOST_GAP: "the host: Python and dispatch",
    ATTENTION_PLANS: "attention plans for new lengths",
    DISTURBANCE: "what observing changed",
    UNEXPLAINED: "unexplained",
}
