"""How reports/runs/h100-starcoder2-3b-20261126/records.jsonl.gz came from as-measured.jsonl.gz beside it.

That run was measured with two faults of this tool, both mended since. CUDA timing events were created when they were
first recorded, inside the timed loop: a decode step took 35 ms more from the first one whose event had not been used in
the warm-up. And CUPTI stayed attached after the timeline pass, so that what came later in the same process ran with an
observer. Nothing is corrected here: what the faults touched is left out, with the reason in its place, or marked.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

Document = dict[str, Any]
EVENTS = (
    "CUDA events were created inside the timed loop from here on, 35 ms each "
    "(a fault of bitledger, mended since): left out"
)
CUPTI = {
    "code": "observer-attached",
    "severity": "warning",
    "message": "CUPTI was still attached from the timeline pass before, which cost 3 to 14 ms per decode step",
    "evidence": "decode steps of the observed call before and after its window, in the kineto record's plain_step_time",
    "remedy": "measured again, timelines come last (mended since); until then read these as upper bounds",
}
TRIMMED = {
    "code": "steps-left-out",
    "severity": "warning",
    "message": "only the decode steps whose CUDA events existed are kept: the first ones of the call",
    "evidence": "as-measured.jsonl.gz holds all of them",
    "remedy": "measured again, all steps count (mended since)",
}
TOUCHED = ("generate_time", "tokens_generated", "warmup_time")


def amended(record: Document) -> Document | None:
    """The record as it may be used; None where all of it was touched."""
    case, instrument = record["case"], record["instrument"]
    if case["workload"] != "generation" or record["status"] != "ok" or instrument in ("kineto", "prediction"):
        return record
    if instrument == "energy":
        return {**record, "findings": [*record["findings"], CUPTI]}
    if case["new_tokens"] == 256 or case["batch_size"] > 1:  # after a timeline, and no or three steps with events
        return None
    return _trimmed(record)


def _trimmed(record: Document) -> Document:
    """The steps whose events the warm-up call had used: one fewer than its tokens."""
    kept = record["setup"]["options"]["warmup_tokens"] - 1
    metrics = [metric for metric in record["metrics"] if metric["name"] not in TOUCHED]
    for place, metric in enumerate(metrics):
        if metric["name"] == "inter_token_latency":
            metrics[place] = {**metric, "values": metric["values"][:kept]}
        if metric["name"] == "decode_steps":
            metrics[place] = {**metric, "values": [kept]}
    absent = {**record["not_collected"], **dict.fromkeys(TOUCHED, EVENTS)}
    return {**record, "metrics": metrics, "not_collected": absent, "findings": [*record["findings"], TRIMMED]}


def amend(text: str) -> str:
    """All lines of a records file."""
    kept = [amended(json.loads(line)) for line in text.splitlines()]
    return "".join(json.dumps(record) + "\n" for record in kept if record is not None)


def pack(text: str) -> bytes:
    """The same bytes for the same text."""
    return gzip.compress(text.encode(), mtime=0)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    measured = gzip.decompress((folder / "as-measured.jsonl.gz").read_bytes()).decode()
    (folder / "records.jsonl.gz").write_bytes(pack(amend(measured)))
