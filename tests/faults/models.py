"""Models that give no numbers, do not fit, or whose observers break."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np

from bench.record.store import load
from bench.workloads.sources import data_folder
from tests.faults.fault import Fault, Seen, Slow, resume_command, resumed, seen
from tests.faults.plans import plan
from tests.faults.run import Scene

FAILED = "failed: "


def codecarbon(scene: Scene) -> Seen:
    plan(scene.run, schemes=("fp16", "nf4"), instruments=("generation", "codecarbon", "annotation"))
    done = scene.start(*resume_command(scene), model="codecarbon breaks").done()
    statuses = [(record.instrument, record.status) for record in load(scene.run).records]
    assert statuses == [("generation", "ok"), ("codecarbon", "failed"), ("annotation", "ok")] * 2
    return seen(scene, done, FAILED).then(f"the passes after it go on; {resumed(scene, '--retry-failed')}")


def too_large(scene: Scene) -> Seen:
    plan(scene.run, schemes=("fp16", "nf4"), instruments=("generation",), batches=(1, 64, 2))
    done = scene.start(*resume_command(scene), model="one batch is too large").done()
    assert [record.status for record in load(scene.run).records] == ["ok", "failed", "ok"] * 2
    return seen(scene, done, FAILED).then(f"the batch sizes after it go on; {resumed(scene, '--retry-failed')}")


def not_finite(scene: Scene) -> Seen:
    """The real child on a checkpoint whose activations fit float32 and overflow float16."""
    model = _overflowing(scene.place / "model")
    plan(scene.run, schemes=("fp16", "fp32"), instruments=("generation",), model=str(model), limit_s=120.0)
    done = scene.start(*resume_command(scene), real=True).done(limit_s=150.0)
    assert [record.status for record in load(scene.run).records] == ["failed", "ok"], done.output
    found = seen(scene, done, FAILED)
    assert "Traceback" not in found.message
    return found.then("no figure of a broken model is kept; fp32, which does not overflow, is measured")


def _overflowing(folder: Path) -> Path:
    """The smoke checkpoint with both weights of each MLP 1024 times larger: their product passes float16's largest."""
    shutil.copytree(data_folder() / "smoke-model", folder)
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if ".mlp." in name and name.endswith(".weight"):
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            weights = np.frombuffer(bytes(content[begin:end]), np.float16)
            content[begin:end] = (weights * np.float16(1024)).tobytes()
    file.write_bytes(content)
    return folder


FAULTS = (
    Slow("NaN outputs from a model", "the real child on a checkpoint whose activations overflow float16", not_finite),
    Slow("GPU out of memory for one batch size", "of three in one process the second does not fit", too_large),
    Fault("CodeCarbon fails", "its tracker raises when it starts", codecarbon),
)
