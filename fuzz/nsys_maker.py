"""Nsight Systems exports made in memory: usual ones, and ones whose schema and cells are not what they should be."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from random import Random
from typing import Any

PID = 1 << 48 | 100 << 24
_GPU = ("start", "end", "deviceId", "streamId", "correlationId", "globalPid")
TABLES = {
    "CUPTI_ACTIVITY_KIND_KERNEL": (*_GPU, "demangledName", "shortName", "graphNodeId"),
    "CUPTI_ACTIVITY_KIND_RUNTIME": ("start", "end", "globalTid", "correlationId", "nameId"),
    "CUPTI_ACTIVITY_KIND_MEMCPY": (*_GPU, "bytes", "copyKind"),
    "CUPTI_ACTIVITY_KIND_MEMSET": (*_GPU, "bytes"),
    "CUPTI_ACTIVITY_KIND_GRAPH_TRACE": (*_GPU, "graphId"),
    "NVTX_EVENTS": ("start", "end", "eventType", "text", "globalTid", "domainId", "textId"),
    "TARGET_INFO_SESSION_START_TIME": ("utcEpochNs",),
}
_TEXTS = ("gemm", "cast", "cudaLaunchKernel_v7000", "cudaMemcpyAsync_v3020", "cudaStreamSynchronize_v3020", "step")
_ODD_TEXTS = ("", "\x00", "a\nb", "\x1b[31m", "\u2028", "\U0001f600", "<script>", "k" * 3000)
_ODD: tuple[Any, ...] = (
    *(None, -1, 0, 1, 2**31, -(2**31) - 1, 2**61 + 1, 2**62, 2**63 - 1, -(2**63), 0.5, -1e300, float("inf"), 1e18),
    *("", "soon", "5", "9" * 30, "-1", "é", b"", b"\xff\xfe", b"5", b"x" * 2000),
)
_BOMBS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS start, i AS end, i AS id, i AS value,"
    " 59 AS eventType, 'x' AS text, 1 AS nameId, 1 AS demangledName, 1 AS utcEpochNs FROM n",
    "SELECT a.id AS start, b.id AS end, 1 AS id, hex(zeroblob(100000000)) AS value, 59 AS eventType, 1 AS nameId,"
    " 1 AS demangledName FROM StringIds a, StringIds b, StringIds c, StringIds d, StringIds e, StringIds f",
    "SELECT 1 AS start, 2 AS end, 1 AS id, 'x' AS value, 59 AS eventType, 1 AS nameId, 1 AS demangledName",
)
_GENERATED = ("(hex(zeroblob(50000000)))", "(1)", "(abs(-9223372036854775807 - 1))", "(length(zeroblob(1 << 30)))")
_CHECKS = ("CHECK (length(hex(zeroblob(50000000))) > 0)", "CHECK (0)", "CHECK (abs(-9223372036854775807 - 1))")


def export(rng: Random) -> bytes:
    """A database. Wild ones have odd cells, missing columns, views and bombs; tame ones hardly."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(f"PRAGMA page_size = {rng.choice((512, 512, 512, 1024, 4096))}")
        if rng.random() < 0.05:
            db.execute(f"PRAGMA encoding = '{rng.choice(('UTF-16le', 'UTF-16be'))}'")
        wild = rng.choice((0.0, 0.0, 0.01, 0.05, 0.3))
        _strings(db, rng, wild)
        for table, columns in TABLES.items():
            if rng.random() > 0.2:
                with suppress(sqlite3.Error):
                    _table(db, table, columns, rng, wild)
        for _ in range(rng.choice((0, 0, 0, 1))):
            with suppress(sqlite3.Error):
                db.execute(rng.choice(_EXTRAS))
        try:
            db.commit()
            return db.serialize()
        except sqlite3.Error:  # what was made is no database any more
            return export(rng)


_EXTRAS = (
    "CREATE INDEX extra ON CUPTI_ACTIVITY_KIND_KERNEL (start)",
    "CREATE INDEX extra ON NVTX_EVENTS (hex(text)) WHERE start > 0",
    "CREATE TRIGGER extra AFTER INSERT ON StringIds BEGIN DELETE FROM NVTX_EVENTS; END",
    "CREATE VIRTUAL TABLE extra USING fts5(text)",
    "CREATE VIEW extra AS SELECT upper(value) FROM StringIds",
    "ALTER TABLE CUPTI_ACTIVITY_KIND_MEMCPY ADD COLUMN more INTEGER DEFAULT 5",
    "DROP TABLE StringIds",
    "DELETE FROM StringIds WHERE id % 2",
)


def _strings(db: sqlite3.Connection, rng: Random, wild: float) -> None:
    if rng.random() < wild:
        db.execute(f"CREATE VIEW StringIds AS {rng.choice(_BOMBS)}")
        return
    key = rng.choice(("id INTEGER PRIMARY KEY", "id INTEGER", "id"))
    db.execute(f"CREATE TABLE StringIds ({key}, value TEXT)")
    texts = [rng.choice(_ODD_TEXTS) if rng.random() < wild else text for text in _TEXTS]
    rows = [(n + 1, _cell(text, rng, wild)) for n, text in enumerate(texts)]
    db.executemany("INSERT INTO StringIds VALUES (?, ?)", rows)
    if rng.random() < wild:
        db.execute("INSERT INTO StringIds VALUES (7, CAST(x'ff80fe' AS TEXT))")


def _table(db: sqlite3.Connection, name: str, columns: tuple[str, ...], rng: Random, wild: float) -> None:
    if rng.random() < wild / 3:
        db.execute(f"CREATE VIEW {name} AS {rng.choice(_BOMBS)}")
        return
    if rng.random() < wild / 6:
        db.execute(f"CREATE VIRTUAL TABLE {name} USING fts5({', '.join(columns)})")
    kept = [column for column in columns if rng.random() >= wild / 3]
    declared = [f'"{column}" {rng.choice(("INTEGER", "INTEGER", "INTEGER", "TEXT", "", "REAL"))}' for column in kept]
    if rng.random() < wild:
        declared.append(rng.choice(_CHECKS))
    tail = "WITHOUT ROWID" if kept and rng.random() < wild / 3 else ""
    if tail:
        declared.append(f'PRIMARY KEY ("{kept[0]}")')
    db.execute("PRAGMA ignore_check_constraints = 1")
    db.execute(f"CREATE TABLE {name} ({', '.join(declared)}) {tail}")
    rows = [_row(kept, rng, wild) for _ in range(rng.choice((0, 1, 3, 10, 40)))]
    names = ", ".join(f'"{column}"' for column in kept)
    db.executemany(f"INSERT OR IGNORE INTO {name} ({names}) VALUES ({', '.join('?' * len(kept))})", rows)  # noqa: S608
    if rng.random() < wild:
        # Afterwards, because it is computed for every row that is inserted.
        db.execute(f'ALTER TABLE {name} ADD COLUMN "{rng.choice((*columns, "rowid"))}" AS {rng.choice(_GENERATED)}')


def _row(columns: list[str], rng: Random, wild: float) -> list[Any]:
    start = rng.randrange(10**4)
    usual: dict[str, Any] = {
        "start": start,
        "end": start + rng.randrange(1000),
        "deviceId": rng.randrange(2),
        "streamId": 7,
        "globalPid": PID,
        "globalTid": PID | rng.choice((100, 101)),
        "eventType": rng.choice((59, 59, 60, 70, 75, 34)),
        "text": rng.choice((None, "decode_step", "q_proj")),
        "textId": rng.choice((None, 6)),
        "graphNodeId": None,
        "copyKind": rng.choice((1, 2, 8)),
        "utcEpochNs": 1767189312000000000,
    }
    return [_cell(usual.get(column, rng.randrange(1, 6)), rng, wild / 5) for column in columns]


def _cell(value: Any, rng: Random, wild: float) -> Any:
    return rng.choice(_ODD) if rng.random() < wild else value
