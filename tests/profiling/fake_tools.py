"""Programs that play ncu, nsys and py-spy: they read their own options and do what BITLEDGER_FAKE says."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

STEP, GAP = 10_000_000, 1_000_000
THREAD = (7 << 24) | 7

TOOL = """
import json, os, pathlib, shutil, signal, sys, time
name, argv, how = pathlib.Path(sys.argv[0]).name, sys.argv[1:], os.environ["BITLEDGER_FAKE"]
def option(flag):
    return argv[argv.index(flag) + 1]
if argv == ["--version"]:
    print(f"{name} version {os.environ.get('BITLEDGER_FAKE_VERSION', '2025.1.2')}")
    sys.exit()
if name == "nsys" and argv[0] == "export":
    shutil.copy(os.environ["BITLEDGER_FAKE_RESULT"], option("-o"))
    sys.exit()
print("Sampling 10%\\rSampling 100%")
print(f"bitledger's fake {name}: {how}")
if how == "hang":
    if "BITLEDGER_FAKE_STUBBORN" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path(os.environ["BITLEDGER_FAKE_PID"]).write_text(str(os.getpid()))
    time.sleep(60)
if how == "crash":
    print("Segmentation fault somewhere")
    sys.exit(3)
if how == "target fails":
    print("bitledger: cannot load the model: give another folder")
    sys.exit(2)
if how == "disk full":
    with open(option("-o") + ".nsys-rep", "wb", buffering=0) as report:
        try:
            for _ in range(1 << 14):  # never on a disk of some size
                report.write(bytes(1 << 12))
        except OSError as error:
            print(f"cannot write the report: {error.strerror}")
    sys.exit(1)
if how == "refused":
    print("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU Performance Counters")
    sys.exit(1)
if how == "no tracing":
    print("Error: Permission Denied: Try running again with elevated permissions")
    sys.exit(1)
facts = {"case_id": os.environ["BITLEDGER_FAKE_CASE"], "case": {},
         "arm": {"name": "x"}, "model": {"layers": 1}, "torch": "2.13",
         "nvtx": os.environ.get("BITLEDGER_FAKE_NVTX", "0.2.17"), "observed": {}}
pathlib.Path(option("--facts")).write_text(json.dumps(facts))
if how == "no output":
    sys.exit()
suffix = {"ncu": ".ncu-rep", "nsys": ".nsys-rep"}.get(name, "")
shutil.copy(os.environ["BITLEDGER_FAKE_RESULT"], (option("--output") if name == "py-spy" else option("-o")) + suffix)
"""


def install(folder: Path, *names: str) -> None:
    """Put the fakes into a folder that is to be first on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / name
        path.write_text(f"#!{sys.executable} -IS\n{TOOL}")  # starts in a third of the time
        path.chmod(0o755)


def timeline(path: Path, steps: int, *, ranges: bool = True, gpu: bool = True) -> Path:
    """An nsys export: per step two launches and two kernels of 2 ms each, the first after a wait of 0.5 ms.

    Of 10 ms the GPU is busy for 4, the host waits for 0.5, is busy for 1.5, and 4 are the tail."""
    if path.exists():
        path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE StringIds (id INTEGER, value TEXT)")
        names = ["decode_step", "gemm", "cudaLaunchKernel_v7000", "cudaStreamSynchronize_v3020"]
        db.executemany("INSERT INTO StringIds VALUES (?, ?)", list(enumerate(names)))
        columns = "start INT, end INT, eventType INT, text TEXT, domainId INT, globalTid INT"
        db.execute(f"CREATE TABLE NVTX_EVENTS ({columns})")
        if ranges:
            rows = [(n * STEP, (n + 1) * STEP, 59, "decode_step", 1, THREAD) for n in range(steps)]
            db.executemany("INSERT INTO NVTX_EVENTS VALUES (?, ?, ?, ?, ?, ?)", rows)
        if gpu:
            _gpu(db, steps)
    return path


def _gpu(db: sqlite3.Connection, steps: int) -> None:
    calls = "start INT, end INT, globalTid INT, correlationId INT, nameId INT"
    kernels = "start INT, end INT, deviceId INT, streamId INT, correlationId INT, globalPid INT, demangledName INT"
    db.execute(f"CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME ({calls})")
    db.execute(f"CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL ({kernels})")
    for step in range(steps):
        for number in range(2):
            begin, correlation = step * STEP + number * GAP, step * 3 + number + 1
            db.execute("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?, ?, ?, ?, 2)",
                       (begin + 100, begin + 200, THREAD, correlation))  # fmt: skip
            start = step * STEP + 2 * GAP + number * 2 * GAP
            db.execute("INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?, ?, 0, 7, ?, ?, 1)",
                       (start, start + 2 * GAP, correlation, 7 << 24))  # fmt: skip
        wait = step * STEP + GAP + GAP // 2
        db.execute("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?, ?, ?, ?, 3)",
                   (wait, wait + GAP // 2, THREAD, step * 3 + 3))  # fmt: skip
