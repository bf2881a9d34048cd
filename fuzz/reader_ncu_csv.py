"""Nsight Compute's CSV (profiling/readers/ncu_csv.py): live output, details page and raw page."""

from __future__ import annotations

from pathlib import Path
from random import Random

from profiling.counters_summary import summarise
from profiling.readers.counters import Counters
from profiling.readers.ncu import looks_like_counters
from profiling.readers.ncu_csv import read_ncu_csv
from tests.profiling.ncu_files import L2_HIT, L2_MISS, TIME, long_csv, samples, wide_csv

from .kinds import Reader, printed
from .mutation import ODD, mutated, mutated_lines

_METRICS = (
    TIME,
    L2_HIT,
    L2_MISS,
    "dram__bytes_read.sum",
    "Duration",
    "L1/TEX Hit Rate",
    "device__name",
    "sm__x.pct",
    "",
)
_UNITS = ("ns", "usecond", "sector", "Kbyte", "byte/s", "%", "", "cycle/nsecond", "Kbyte/block", "///", "inst")
_VALUES = ("5", "1,234", "1.234", "1,234,567.8", "1.234.567,8", "12\u202f345", "0.5", "n/a", "", "nan", "inf", "1e400")
_VALUES += ("-3", "(!) 7", "7 (1; 2; 3)", "CachePreferNone", "1'000", ".", ",", "-", "+", "1,2,3", "9" * 400, "1e-400")
_KERNELS = ("gemm", 'f<"x">(int, float)', "void a::b<c, d>(int)", "", "k\\n", "é", "\U0001f600", "==ERROR== k")
_CHATTER = (
    "==PROF== Connected to process 7 (/bin/app)\n",
    "",
    "==WARNING== No metrics\n",
    "hello, world\n",
    "==ERROR== \n",
)

_RANGE = "thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg"
_RANGES = ('"<default domain>:a:none:none:none:none:none:none"', '"d:a:b"', "", '":')


def read(path: Path) -> Counters:
    looks_like_counters(path)
    return read_ncu_csv(path)


def use(counters: Counters) -> None:
    printed(summarise(counters))


def seeds() -> list[bytes]:
    rows = [(n, "gemm", metric, unit, "1,234") for n in range(3) for metric, unit in ((TIME, "ns"), (L2_HIT, "sector"))]
    wide = wide_csv([(TIME, "us"), (L2_HIT, "sector")], [("gemm", ["1.5", "10"]), ("cast", ["2,5", "20"])])
    made = [long_csv(rows).encode(), wide.encode(), wide.encode("utf-16"), b"==ERROR== ERR_NVGPUCTRPERM\n"]
    return [*made, *(path.read_bytes() for path in samples("ncu") if path.suffix == ".csv")]


def make(rng: Random) -> bytes:
    text = _long(rng) if rng.random() < 0.6 else _wide(rng)
    if rng.random() < 0.2:
        text += _long(rng)
    encoding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    data = text.encode(encoding, "replace")
    if rng.random() < 0.1:
        data = data.replace(b"\n", b"\r\n")
    return mutate(data, rng) if rng.random() < 0.4 else data


def _value(rng: Random) -> str:
    return rng.choice(_VALUES) if rng.random() < 0.7 else str(rng.choice(ODD[:26]))


def _long(rng: Random) -> str:
    rows = [
        (rng.choice((0, 1, 2, n)), rng.choice(_KERNELS[:2]), rng.choice(_METRICS), rng.choice(_UNITS), _value(rng))
        for n in range(rng.choice((0, 1, 3, 12)))
    ]
    return long_csv(rows, before=rng.choice(_CHATTER))


def _wide(rng: Random) -> str:
    metrics = [(rng.choice(_METRICS), rng.choice(_UNITS)) for _ in range(rng.choice((1, 2, 6)))]
    launches = [
        (rng.choice(_KERNELS), [*(_value(rng) for _ in metrics), rng.choice(_RANGES)])
        for _ in range(rng.choice((0, 1, 4)))
    ]
    return wide_csv([*metrics, (_RANGE, "")], launches)


def mutate(data: bytes, rng: Random) -> bytes:
    return mutated_lines(data, rng) if rng.random() < 0.5 else mutated(data, rng)


READER = Reader("ncu-csv", ".csv", read, use, seeds, make, mutate)
