"""The environment that profilers and the observed program get: an allow-list.

Nsight Systems writes the whole environment of what it starts into its report, and so into the run folder. A token that
was set for something else would travel with the report.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from bench.record.secrets import is_secret_name, secret_values

_KEPT = re.compile(
    "|".join(
        (
            r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TERM|TMPDIR|TEMP|TMP",
            r"LD_\w+|PYTHON\w*|VIRTUAL_ENV|CONDA_PREFIX|XDG_(CACHE|CONFIG|DATA|RUNTIME)_(HOME|DIRS?)",
            r"(CUDA|CUDNN|CUBLAS|CUBLASLT|NVIDIA|NVTX|NSYS|NV|NCCL|QUADD)_?\w*",
            r"(OMP|MKL|KMP|GOMP|OPENBLAS|NUMEXPR|BLIS|ONEDNN|DNNL|ATEN|MALLOC|GLIBC|TORCH|PYTORCH|TRITON)\w*",
            r"(BNB|BITSANDBYTES|BITLEDGER|TRANSFORMERS|TOKENIZERS|SAFETENSORS|CODECARBON|ACCELERATE)\w*",
            r"HF_(HOME|HUB_\w+|ENDPOINT|DATASETS_OFFLINE)|HUGGINGFACE_HUB_CACHE",
            r"(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy",
            r"SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE",
        )
    )
)
_HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def cleaned(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """``environ`` less all that is not known to be needed, less secrets by name, less values that hold a secret.

    Where a token of the Hugging Face hub is held back, the observed program is told to use the local cache: asking the
    hub for a gated model without a token would fail. A token kept by ``hf auth login`` is a file, and stays usable.
    """
    environ = os.environ if environ is None else environ
    secrets = secret_values(environ)
    kept = {
        name: value
        for name, value in environ.items()
        if _KEPT.fullmatch(name) and not is_secret_name(name) and not any(secret in value for secret in secrets)
    }
    if any(environ.get(name) for name in _HUB_TOKENS):
        kept.setdefault("HF_HUB_OFFLINE", "1")
    return kept
