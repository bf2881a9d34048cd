"""Columns read from a file's pages are those that SQLite gives, or SQLite is asked."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.record.errors import RecordError
from benchmarks.traces import make, write_nsys
from profiling.readers import nsys, sqlite_columns
from profiling.readers.sqlite_pages import Only, StoredColumn, UnusualError, read_pages

COLUMNS = "a INTEGER, b TEXT, c INTEGER NOT NULL, d"
# All sizes in which SQLite stores a number, and their edges.
EDGES = [
    0,
    1,
    2,
    -1,
    *(sign * 2**bits + more for bits in (7, 15, 23, 31, 47, 62) for sign in (1, -1) for more in (-1, 0)),
]
NUMBERS = st.sampled_from([*EDGES, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1)
TEXTS = st.none() | st.text("xé", max_size=3) | st.integers(50, 3000).map(lambda size: "x" * size)
ROWS = st.lists(st.tuples(st.none() | NUMBERS, TEXTS, NUMBERS, st.none() | NUMBERS), min_size=1, max_size=60)


def write(path, rows, columns=COLUMNS, page=512, before="", after=""):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA page_size = {page}; {before} CREATE TABLE t ({columns});")
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", rows)
        connection.commit()
        connection.executescript(after)
    return path


def root(path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 't'").fetchone()[0])


def by_pages(path, wanted, only=None):
    return [column.tolist() for column in read_pages(path, root(path), wanted, only)]


def unusual(*_):
    raise UnusualError("of a test")


A, C, D, NONE = StoredColumn(0, -7), StoredColumn(2), StoredColumn(3, 5), StoredColumn(-1, 9)


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, page=st.sampled_from([512, 1024, 4096, 65536]), copies=st.sampled_from([1, 30]))
def test_numbers_of_all_sizes(tmp_path_factory, rows, page, copies):
    """Also beside texts, whose types are longer than a byte, and on trees of several levels."""
    rows = [(a, b if page > 1024 else (b or "")[:300], c, d) for a, b, c, d in rows] * copies
    path = write(tmp_path_factory.mktemp("any") / "a.sqlite", rows, page=page)
    expected = [[-7 if a is None else a for a, *_ in rows], [row[2] for row in rows]]
    expected += [[5 if d is None else d for *_, d in rows], [9] * len(rows)]
    try:
        found = by_pages(path, (A, C, D, NONE))
    except UnusualError as error:
        assert "another page" in str(error)  # a text so long that what follows it lies elsewhere
        assert page < 4096
        return
    assert found == expected
    assert by_pages(path, (C,), Only(0, (rows[0][2], 4))) == [[c for *_, c, _ in rows if c in (rows[0][2], 4)]]


def test_a_text_longer_than_a_page_after_the_numbers(tmp_path):
    rows = [(n, 1, 2, "x" * size) for n, size in enumerate((10, 400, 500, 5_000, 70_000))]
    path = write(tmp_path / "a.sqlite", rows, "a, b, c, d")
    assert by_pages(path, (A, C)) == [[0, 1, 2, 3, 4], [2] * 5]


def test_many_long_texts_before_a_number(tmp_path):
    """Their types fill more bytes than there are columns, and the rows differ in the last of them only."""
    texts, draws = ["y" * 60] * 18, random.Random(1)
    rows = [(*texts, *("z" * draws.randrange(60, 90) for _ in "ab"), 1000 + n, "end" * 60) for n in range(200)]
    path = write(tmp_path / "a.sqlite", rows, ", ".join(f"x{n}" for n in range(22)), page=8192)
    assert by_pages(path, (StoredColumn(20),)) == [[1000 + n for n in range(200)]]


@pytest.mark.parametrize(
    ("columns", "rows", "why"),
    [
        ("a, b, c", [(1, 2, 3.5)], "no integer"),
        ("a, b, c", [(1, 2, "three")], "no integer"),
        ("a, b, c", [(1, 2, b"three")], "no integer"),
        ("a, b, c", [(1, 2, None)], "missing"),
        ("a, b, c, PRIMARY KEY (a)) WITHOUT ROWID; CREATE TABLE u (a", [(1, 2, 3)], "leaf page"),
    ],
)
def test_what_is_left_to_sqlite(tmp_path, columns, rows, why):
    with pytest.raises(UnusualError, match=why):
        by_pages(write(tmp_path / "a.sqlite", rows, columns), (C,))


def test_a_column_that_was_added_later(tmp_path):
    """Older rows do not hold it; what stands for it is in the table's text."""
    path = write(tmp_path / "a.sqlite", [(1, 2)], "a, b", after="ALTER TABLE t ADD COLUMN c DEFAULT 8;")
    with pytest.raises(UnusualError, match="fewer columns"):
        by_pages(path, (C,))
    with sqlite_columns.opened(path) as connection:
        assert sqlite_columns.read_integers(connection, path, "t", {"c": None})[0].tolist() == [8]


@pytest.mark.parametrize("values", [(1,), (1, 9), (9,)])
def test_rows_are_chosen_by_what_stands_for_null(tmp_path, monkeypatch, values):
    """By both readers alike, in a column of the table as in one that it lacks."""
    path = write(tmp_path / "a.sqlite", [(1, 10), (None, 20), (2, 30)], "a INTEGER, b INTEGER")

    def read(column):
        with sqlite_columns.opened(path) as connection:
            wanted = {"b": None, column: 9}
            return [c.tolist() for c in sqlite_columns.read_integers(connection, path, "t", wanted, (column, values))]

    of_pages = read("a"), read("missing")
    assert of_pages[0][0] == [b for a, b in ((1, 10), (9, 20), (2, 30)) if a in values]
    assert of_pages[1][0] == ([10, 20, 30] if 9 in values else [])
    monkeypatch.setattr(sqlite_columns, "read_pages", unusual)
    assert (read("a"), read("missing")) == of_pages


def test_a_key_that_is_the_row_s_number(tmp_path):
    """It is stored as NULL."""
    path = write(tmp_path / "a.sqlite", [(5, 2)], "a INTEGER PRIMARY KEY, b")
    with sqlite_columns.opened(path) as connection:
        assert sqlite_columns.read_integers(connection, path, "t", {"a": 0, "b": 0})[0].tolist() == [5]


def test_pages_of_pointers_and_of_other_tables_between_its_own(tmp_path):
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL; CREATE TABLE u (x);")
        connection.execute("CREATE TABLE t (a, b, c)")
        for n in range(3000):
            connection.execute("INSERT INTO t VALUES (?, 0, ?)", (n, -n))
            connection.execute("INSERT INTO u VALUES (?)", ("y" * (n % 300),))
        connection.execute("DELETE FROM t WHERE a % 3 = 1")
        connection.commit()
    kept = [n for n in range(3000) if n % 3 != 1]
    assert by_pages(path, (A, C)) == [kept, [-n for n in kept]]


def test_as_sqlite_reads_a_whole_trace(tmp_path, monkeypatch):
    write_nsys(tmp_path / "a.sqlite", make(3_000))
    fast, asked = nsys.read_nsys(tmp_path / "a.sqlite"), []
    monkeypatch.setattr(sqlite_columns, "read_pages", lambda *_: asked.append(True) or unusual())
    slow = nsys.read_nsys(tmp_path / "a.sqlite")
    assert asked
    for name in ("kernels", "calls", "ranges"):
        for column in getattr(slow, name).__dataclass_fields__:
            one, other = (getattr(getattr(each, name), column) for each in (fast, slow))
            assert (one == other).all(), (name, column)


def test_the_pages_of_a_trace_are_plain(tmp_path, monkeypatch):
    """Else the way through SQLite would be taken without anybody noticing."""
    write_nsys(tmp_path / "a.sqlite", make(3_000))
    monkeypatch.setattr(sqlite_columns, "_of_sqlite", lambda *_: pytest.fail("SQLite was asked"))
    assert len(nsys.read_nsys(tmp_path / "a.sqlite").kernels) == 2_880


@pytest.mark.parametrize(("rows", "copies"), [(150, 300), pytest.param(600, 1500, marks=pytest.mark.slow)])
def test_damaged_pages(tmp_path, rows, copies):
    """Whatever bytes are changed: numbers, or UnusualError, and nothing else."""
    source = write(tmp_path / "a.sqlite", [(n, "x" * (n % 200), n * n, -n) for n in range(rows)])
    whole, at, draws = source.read_bytes(), root(source), random.Random(1)
    damaged, refused = tmp_path / "b.sqlite", 0
    for _ in range(copies):
        data = bytearray(whole)
        page = draws.randrange(1, len(data) // 512) * 512
        for _ in range(draws.choice((1, 1, 3, 30))):
            data[page + draws.randrange(draws.choice((8, 40, 512)))] = draws.choice(
                (0, 1, 0x7F, 0x80, 0xFF, draws.randrange(256))
            )
        damaged.write_bytes(data[: draws.choice((len(data), len(data), draws.randrange(1024, len(data))))])
        try:
            found = read_pages(damaged, at, (A, C, D))
        except UnusualError:
            refused += 1
        else:
            assert len({len(column) for column in found}) == 1 and found[0].dtype == np.int64
    assert copies / 8 < refused < copies


@pytest.mark.parametrize(("mode", "ending"), [("WAL", "-wal"), ("DELETE", "-journal")])
def test_a_file_that_is_being_written_is_refused(tmp_path, mode, ending):
    """Its pages are older, or half of them newer, than what its writer sees."""
    path = tmp_path / "a.sqlite"
    write_nsys(path, make(3_000))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"PRAGMA journal_mode = {mode}; PRAGMA cache_size = 1; BEGIN; DELETE FROM NVTX_EVENTS;"
        )
        with pytest.raises(RecordError, match=f"a part of it is in a.sqlite{ending}"):
            nsys.read_nsys(path)
        connection.rollback()
    assert len(nsys.read_nsys(path).kernels) == 2_880


def test_a_damaged_file_says_so_as_before(tmp_path):
    """Where SQLite has something to say of it."""
    write_nsys(tmp_path / "a.sqlite", make(3_000))
    data = bytearray((tmp_path / "a.sqlite").read_bytes())
    data[len(data) // 2 // 4096 * 4096] = 99
    (tmp_path / "a.sqlite").write_bytes(data)
    with pytest.raises(RecordError, match="corrupt SQLite file"):
        nsys.read_nsys(tmp_path / "a.sqlite")
