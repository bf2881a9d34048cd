"""A shared copy of a run holds neither host nor user nor folder nor secret, wherever they stood, and says the same."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import zlib
from dataclasses import replace

import pytest

from bench import presets
from bench.cli import main
from bench.record import anonymous, naming
from bench.record.anonymous import ANONYMOUS, Anonymiser
from bench.record.anonymous_files import clean, why_not
from bench.record.chain import relinked
from bench.record.errors import UsageError
from bench.record.schema import Finding
from bench.record.store import RECORDS, load, open_run
from bench.run.plan import make_plan
from bench.run.planfile import Run, read_plan, write_plan
from bench.verbs.run import refuse_whole_paths
from bench.workloads.sources import Source, resolve
from benchmarks.traces import make as make_trace
from benchmarks.traces import write_kineto, write_nsys
from profiling.summarize import summarize
from tests import factories as make

HOST, USER, WORD, SECRET = "zquartz17", "mirabelle", "falconproject", "tok-4711-abcdefghij"
HOME = f"/home/{USER}"
PLANTED = (HOST, USER, WORD, SECRET, "/home/", "/srv/labstore", "hf_" + "k" * 20, "GPU-77d0", "mirabelles-cluster")
GPU_ID = "GPU-77d0aaaa-0000-1111-2222-333344445555"


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("LAB_TOKEN", SECRET)
    anonymous.own.cache_clear()


def _machine(environment):
    gpus = tuple({**gpu, "uuid": GPU_ID} for gpu in environment.gpus)
    variables = {
        "SLURMD_NODENAME": HOST, "SLURM_JOB_ID": "991234", "SLURM_CLUSTER_NAME": "mirabelles-cluster",
        "LD_PRELOAD": f"{HOME}/lib/libfast.so:/srv/labstore/tcmalloc.so",
    }  # fmt: skip
    return replace(environment, hostname=f"{HOST}.lab.example", gpus=gpus, variables=variables)


def _records():
    model = f"{HOME}/models of mine/tiny"
    told = f"cannot open {HOME}/models of mine/tiny/config.json on {HOST} (see file:///srv/labstore/log/{USER}.txt)"
    for scheme in ("fp16", "nf4"):
        for repeat in range(2):
            one = make.generation(scheme, repeat, calls=2, new_tokens=8, device="cuda", model=model)
            finding = Finding(
                "odd", "warning", f"{told} with {GPU_ID}", f"user={USER}, hf_{'k' * 20}", f"ask {USER}@{HOST}"
            )
            argv = (
                "python",
                "-m",
                "bench",
                "run",
                "--model",
                model,
                f"--out={HOME}/runs/{WORD}",
                "--",
                "secret.py",
                USER,
            )
            yield replace(
                one, environment=_machine(one.environment), findings=(finding,), argv=argv,
                setup={**one.setup, "model": {**one.setup["model"], "name": model}},
            )  # fmt: skip


def _kineto(path):
    write_kineto(path, make_trace(480))
    document = json.loads(path.read_text())
    document |= {"traceName": f"{HOME}/trace.json", "hostname": HOST, "env": "x", "note": f'"{HOST}" \\ said {WORD}'}
    document["traceEvents"].append(
        {"ph": "M", "name": "process_name", "args": {"name": f"python {HOME}/x/run.py", "user": USER}}
    )
    path.with_suffix(".json.gz").write_bytes(gzip.compress(json.dumps(document).encode()))
    path.unlink()
    return path.with_suffix(".json.gz")


def _nsys(path):
    write_nsys(path, make_trace(480))
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS TARGET_INFO_SYSTEM_ENV (name TEXT, value TEXT)")
        rows = [("Hostname", HOST), ("NvDriverVersion", "580.1"), ("LAB_TOKEN", SECRET), ("HOME", HOME)]
        connection.executemany("INSERT INTO TARGET_INFO_SYSTEM_ENV VALUES (?, ?)", rows)
        connection.execute("CREATE TABLE PROCESS_EVENTS (globalPid INTEGER, name TEXT, content BLOB)")
        connection.execute("INSERT INTO PROCESS_EVENTS VALUES (1, ?, ?)", (f"{HOME}/bin/{WORD}", HOST.encode()))
        connection.execute("INSERT INTO StringIds VALUES (99999, ?)", (f"{WORD} of {USER}",))
        connection.execute("CREATE TABLE CARDS (uuid TEXT)")
        connection.execute("INSERT INTO CARDS VALUES (?)", (GPU_ID,))
        connection.execute("CREATE TABLE OTHER (hostname TEXT, note TEXT, blob BLOB)")
        connection.execute(
            "INSERT INTO OTHER VALUES (?, ?, ?)", ("elsewhere9", f"by {USER}", f"\xe9{HOST}".encode("latin-1"))
        )
        connection.execute(f"CREATE TRIGGER t AFTER UPDATE ON OTHER BEGIN SELECT '{USER}'; END")
    connection.close()
    return path


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "labstore" / "mine"
    with open_run(folder) as writer:
        place = folder / "artifacts" / "kineto-fp16"
        place.mkdir(parents=True)
        (place / f"{HOST}.log").write_text(
            f"{USER}@{HOST}: loading {HOME}/a b/c from /srv/labstore/x/y\nHF hf_{'k' * 20}\n"
        )
        (place / "stacks.txt").write_text(f"forward ({HOME}/.venv/lib/python3.11/site-packages/torch/nn/f.py:1);g 3\n")
        (place / "report.nsys-rep").write_bytes(b"\0" + HOST.encode())
        files = (_kineto(place / "trace.json"), _nsys(place / "report.sqlite"), place / "report.nsys-rep",
                 place / "stacks.txt", place / f"{HOST}.log")  # fmt: skip
        artifacts = tuple(writer.artifact(file, f"made on {HOST}") for file in files)
        for number, record in enumerate(_records()):
            writer.append(replace(record, artifacts=artifacts if not number else ()))
    (folder / "notes.txt").write_text(f"of {USER}")
    (folder / "report.html").write_text(f"on {HOST}")
    return folder


def contents(folder):
    """(name, all that a reader could see) of each file, unpacked too."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            yield file.relative_to(folder).as_posix(), content
            if content[:2] == b"\x1f\x8b":
                yield f"{file.name} unpacked", gzip.decompress(content)
            for record in load(folder).records if file.name == RECORDS else ():
                for text in (record.setup.get("ledger") or {}).values():
                    if isinstance(text, str) and text.startswith("H4sI"):
                        yield "rows", zlib.decompress(base64.b64decode(text), 31)


def found_in(folder, words):
    return [(name, word) for name, text in contents(folder) for word in words
            if word.lower().encode() in text.lower() or word in name]  # fmt: skip


def test_nothing_planted_is_in_a_shared_copy(run, tmp_path, capsys):
    assert {word for _, word in found_in(run, PLANTED)} == set(PLANTED)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    out = tmp_path / "copy"
    assert main(["share", str(run), "--out", str(out), "--also", WORD, "-v"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert not found_in(out, [*PLANTED, str(tmp_path), "elsewhere9"])
    assert (out / "report.html").exists()
    assert (out / "report.md").exists()
    assert "report.nsys-rep: a file of another program" in told
    assert "notes.txt: of another program" in told
    assert "taken out: name of a host" in told
    assert before == {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}


def test_a_shared_copy_loads_verifies_and_says_the_same(run, tmp_path, capsys):
    out = tmp_path / "copy"
    assert main(["share", str(run), "--out", str(out), "--also", WORD, "--no-report"]) == 0
    assert main(["verify", str(out)]) == 0
    assert "a shared copy: its hashes were made again" in " ".join(capsys.readouterr().out.split())
    original, copy = load(run).records, load(out).records
    assert [one.metrics for one in copy] == [one.metrics for one in original]
    assert {one.case.model for one in copy} == {"…/tiny"}
    answers = []
    for folder in (run, out):
        main(["explain", str(folder), "--json"])
        answers.append(_less_names(json.loads(capsys.readouterr().out)))
    assert answers[0] == answers[1]
    place = out / "artifacts" / "kineto-fp16"
    for name in ("trace.json.gz", "report.sqlite"):
        sums = [summarize(folder / "artifacts" / "kineto-fp16" / name) for folder in (run, out)]
        assert sums[0]["kernels"] == sums[1]["kernels"]
        assert sums[0]["ranges"] == sums[1]["ranges"]
    assert (place / "stacks.txt").read_text() == "forward (…/torch/nn/f.py:1);g 3\n"


def _less_names(value):
    """Without the model's folder and the commands that name it: all else that is said."""
    if isinstance(value, dict):
        return {name: _less_names(item) for name, item in value.items() if name not in ("model", "code")}
    return [_less_names(item) for item in value] if isinstance(value, list) else value


def test_records_beside_those_of_the_run_are_not_said_to_be_of_another_program(run, tmp_path, capsys):
    (run / "as-measured.jsonl.gz").write_bytes(gzip.compress((run / RECORDS).read_bytes()))
    assert main(["share", str(run), "--out", str(tmp_path / "copy"), "--no-report"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "left out: as-measured.jsonl.gz: records beside those that the run is read from" in printed


def test_a_changed_run_is_not_made_good_by_sharing_it(run, tmp_path, capsys):
    file = run / RECORDS
    lines = file.read_bytes().splitlines(True)
    file.write_bytes(b"".join([lines[0].replace(b'"status": "ok"', b'"status":  "ok"'), *lines[1:]]))
    out = tmp_path / "copy"
    assert main(["share", str(run), "--out", str(out), "--no-report"]) == 1
    assert "is not verified (chain)" in " ".join(capsys.readouterr().out.split())
    assert main(["verify", str(out)]) == 1
    assert "not verified itself" in " ".join(capsys.readouterr().out.split())


def test_a_copy_is_shared_again_and_stays_the_same(run, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["share", str(run), "--out", str(one), "--also", WORD, "--no-report"]) == 0
    assert main(["share", str(one), "--out", str(two), "--no-report"]) == 0
    first, second = load(one).records, load(two).records
    assert [replace(record, artifacts=()) for record in first] == [replace(record, artifacts=()) for record in second]
    kept = {item.path: item.sha256 for item in first[0].artifacts if not item.path.endswith(".sqlite")}
    assert kept.items() <= {item.path: item.sha256 for item in second[0].artifacts}.items()


def test_a_report_is_anonymous_and_the_records_stay(run, capsys):
    before = (run / RECORDS).read_bytes()
    (run / "notes.txt").unlink()
    assert main(["report", str(run), "--anonymous"]) == 0
    assert (run / RECORDS).read_bytes() == before
    pages = [run / "report.html", run / "report.md", *(run / "figures").iterdir()]
    text = b"".join(page.read_bytes() for page in pages).lower()
    assert not [
        word for word in (HOST, USER, SECRET, "/home/", "/srv/labstore", str(run)) if word.lower().encode() in text
    ]


def test_nodes_stay_apart_and_keep_their_order():
    names = Anonymiser(["n10", "n02", "n02.lab"], gpus=["GPU-b", "GPU-a"])
    assert [names.name("host", name) for name in ("n02", "n02.lab", "n10", "n02")] == [
        "host-1",
        "host-2",
        "host-3",
        "host-1",
    ]
    assert names.name("host", "other9") == "host-4"
    assert names.text("other9 went to n10") == "host-4 went to host-3"
    assert [names.name("GPU", name) for name in ("GPU-a", "GPU-b")] == ["GPU-1", "GPU-2"]


def test_two_models_of_one_name_stay_two():
    names = Anonymiser([], ["carla"])
    names.keep_apart(["/a/one/tiny", "/b/two/tiny", "mine/tiny"], ["carla/tiny"])
    texts = (
        "/a/one/tiny",
        "/b/two/tiny",
        "mine/tiny",
        "carla/tiny",
        "smoke",
        "from mine/tiny/x, not from goldmine/tiny",
    )
    assert [names.text(text) for text in texts] == [
        "…/tiny", "…/tiny-2", "…/tiny-3", "carla/tiny", "smoke", "from …/tiny-3/x, not from goldmine/tiny"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["J/token and HumanEval/0", "https://example.org/a/b", "mounted at /sys/class/powercap/x", "bigcode/starcoder2-3b",
     "reports/runs/mine", "3 / 4 and /s", "at::native::(anonymous)/x", "n/a", "aten::mul", ""],
)  # fmt: skip
def test_what_is_no_folder_of_the_users_stays(text):
    assert Anonymiser(["host9"], ["carla"]).text(text) == text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("in /srv/a/b.json, line 3", "in …/b.json, line 3"),
        ("(/opt/x/y.py:30)", "(…/y.py:30)"),
        ("--out=/srv/runs/mine", "--out=…/mine"),
        ("cc -I/srv/a/include", "cc -I…/include"),
        ("a:/srv/x/y:/srv/z/w", "a:…/y:…/w"),
        ("file:///srv/x/y", "file://…/y"),
        ("~carla/x/y and ~/a/b", "…/y and …/b"),
        ("C:\\Users\\carla\\x.json", "…/x.json"),
        ("CARLA@Host9 carlas", "user-1@host-1 carlas"),
        ("/usr/lib/python3.11/dist-packages/numpy/core/x.so", "…/numpy/core/x.so"),
        ("/usr/lib/python3.11/threading.py", "…/threading.py"),
    ],
)
def test_folders_and_names_go(text, made):
    assert Anonymiser(["host9"], ["carla"]).text(text) == made


@pytest.mark.parametrize("size", [1, 7, 64, 300])
def test_json_is_read_in_blocks_of_any_size(tmp_path, monkeypatch, size):
    document = {"hostname": "elsewhere", "a": ['x \\ " /srv/a/b', {"user": "anna"}], "user": 3, "n": 1.50, "": "é\n"}
    file, new = tmp_path / "a.json", tmp_path / "b.json"
    file.write_text(json.dumps(document, indent=1))
    monkeypatch.setattr("bench.record.anonymous_files._BLOCK", size)
    monkeypatch.setattr("bench.record.anonymous_files._AHEAD", 8)
    clean(file, new, Anonymiser())
    assert json.loads(new.read_text()) == {
        **document, "hostname": "host-1", "a": ["x \\ \" …/b", {"user": "user-1"}]
    }  # fmt: skip
    assert '"n": 1.5' in new.read_text()


def test_what_cannot_be_read_is_left_out(tmp_path):
    for name in ("x.nsys-rep", "x.ncu-rep", "x.qdrep", "x.pt", "x", "x.bin.gz"):
        assert why_not(tmp_path / name)
    (tmp_path / "x.sqlite").write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(ValueError, match="no SQLite file"):
        clean(tmp_path / "x.sqlite", tmp_path / "y.sqlite", Anonymiser())
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(b"{}")[:-9])
    with pytest.raises(ValueError, match="end mark"):
        clean(tmp_path / "x.json.gz", tmp_path / "y.json.gz", Anonymiser())
    assert not list(tmp_path.glob("y*"))


def test_an_anonymous_run_writes_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr(naming, "own_hosts", lambda: {HOST})
    monkeypatch.setattr(naming, "own_users", lambda: {USER})
    with open_run(tmp_path / "run") as writer:
        anonymous.begin(writer.folder)
        log = writer.folder / "artifacts" / "child-1-0001.log"
        log.write_text(f"{USER} in {HOME}/x/y")
        artifact = writer.artifact(log, "what was printed")
        for record in _records():
            case = replace(record.case, model="smoke")
            writer.append(replace(record, case=case, artifacts=(artifact,), setup={}))
    assert not found_in(tmp_path / "run", [HOST, USER, SECRET, "/home/", "GPU-77d0", "mirabelles"])
    assert main(["verify", str(tmp_path / "run")]) in (0, 1)
    assert (tmp_path / "run" / ANONYMOUS).exists()
    assert load(tmp_path / "run").records[0].environment.hostname.startswith("host-")


def test_a_model_or_adapter_by_its_whole_path_is_refused_with_what_to_do():
    with pytest.raises(UsageError, match="relative to the folder"):
        refuse_whole_paths(Source(f"{HOME}/tiny", "folder", "", "", ""))
    with pytest.raises(UsageError, match="relative to the folder"):
        refuse_whole_paths(Source("smoke", "smoke", "", "", "", adapter=f"{HOME}/lora"))
    refuse_whole_paths(Source("tiny", "folder", "", "", ""), Source("smoke", "smoke", "", "", ""))


def test_relinked_lines_of_a_copy_are_a_chain(run, tmp_path):
    out = tmp_path / "copy"
    main(["share", str(run), "--out", str(out), "--no-report"])
    lines = (out / RECORDS).read_bytes().splitlines(True)
    assert b"".join(relinked(lines)) == b"".join(lines)


def test_a_prompt_of_the_users_own_is_in_no_shared_copy(tmp_path, capsys):
    text = "def project_mirabelle_secret():"
    source = replace(resolve("smoke"), prompt=text)
    preset = presets.preset("smoke", {"schemes": ("fp16",), "tasks": 0})
    blocks = make_plan(preset, source, (), "cpu", 0)
    case = next(one.case for block in blocks for one in block.requests if one.instrument == "generation")
    with open_run(tmp_path / "run") as writer:
        write_plan(tmp_path / "run", Run("mine", preset, source, "cpu", 0, blocks))
        for repeat, argv in enumerate((("run", "--prompt", text, "--seed", "0"), ("run", f"--prompt={text}"))):
            writer.append(replace(make.generation("fp16", repeat), case=case, argv=argv))
    out = tmp_path / "copy"
    main(["share", str(tmp_path / "run"), "--out", str(out), "--no-report"])
    assert "prompt of the user's own (" in " ".join(capsys.readouterr().out.partition("taken out: ")[2].split())
    assert not found_in(out, ["_secret():"])
    told = [record.argv for record in load(out).records]
    assert told == [("run", "--prompt", "…", "--seed", "0"), ("run", "--prompt=…")]
    assert read_plan(out).blocks == tuple(replace(b, source=replace(b.source, prompt="")) for b in blocks)
