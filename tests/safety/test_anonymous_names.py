"""What identifies who measured goes also where no field and no variable names it."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from dataclasses import replace

import pytest

from bench.cli import main
from bench.record.anonymous import Anonymiser
from bench.record.anonymous_files import clean
from bench.record.schema import Artifact
from bench.record.store import load, open_run
from tests import factories as make

HOST = "zquartz17.lab.zacme.example"
FRAME = "/home/zoltan/zproject/run.py:3"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("cwd=/home/carla of carla", "cwd=*** of user-1"),
        ("cwd /" + "Users/carla/", "cwd …/user-1"),
        ("../../home/carla/x/y.py", "…/y.py"),
        ("-v/home/carla:/work", "-v…/user-1:/work"),
        ("file://node9/home/carla/x.py of carla", "file://…/x.py of user-1"),
        ("C:\\Users\\carla", "…/user-1"),
        ("/home/ubuntu/x.py and Ubuntu 22.04", "…/x.py and Ubuntu 22.04"),
        ("/home/conda/feedstock_root/aten/a.cpp of conda", "…/a.cpp of conda"),
        ("eth0:10.12.3.4<0>", "eth0:***<0>"),
        ("connect to [10.12.3.4]:29500", "connect to [***]:29500"),
        ("[fe80::5054:ff:fe12:3456%eth0]", "[***%eth0]"),
        ("link/ether 52:54:00:12:34:56 brd", "link/ether *** brd"),
        ("mail joe.doe@acme.com now", "mail *** now"),
        ("GPU-99999999-2222-3333-4444-555555555555 is busy", "GPU-1 is busy"),
    ],
)  # fmt: skip
def test_who_and_where_go_from_running_text(text, made):
    assert Anonymiser().text(text) == made


@pytest.mark.parametrize(
    "text",
    ["10.3.5.147", "nvidia-curand-cu12==10.3.5.147", "127.0.0.1:8000", "memcpy@GLIBC_2.2.5", "at 12:34:56.789",
     "00000000:17:00.0", "1.2.3", "std::vector<int>::at", "/dev/shm/x"],
)  # fmt: skip
def test_versions_times_and_symbols_stay(text):
    assert Anonymiser().text(text) == text


def test_what_a_model_wrote_stays_as_it_was_judged():
    held = {"completions": ["return '192.168.0.1' or 'a.b@c.org'"], "said": "192.168.0.1 up"}
    assert Anonymiser().document(held) == {**held, "said": "*** up"}


def test_a_database_whose_tables_are_named_after_somebody_is_left_out(tmp_path):
    with sqlite3.connect(tmp_path / "x.sqlite") as connection:
        connection.execute("CREATE TABLE t (name TEXT DEFAULT '/home/zoltan/x')")
    connection.close()
    with pytest.raises(ValueError, match="tables"):
        clean(tmp_path / "x.sqlite", tmp_path / "y.sqlite", Anonymiser())
    assert not (tmp_path / "y.sqlite").exists()


@pytest.mark.parametrize("name", ["bench", "torch", "nf4", "test", "bitledger", "kernel"])
def test_a_user_called_like_a_word_of_kernels_does_not_rename_them(name):
    text = f"void {name}_dequantize<{name}>, /home/{name}/x.py"
    assert Anonymiser([], [name]).text(text) == f"void {name}_dequantize<{name}>, …/x.py"
    assert Anonymiser([], [name]).document({"user": name}) == {"user": "user-1"}


def test_a_copy_that_is_shared_again_gives_no_number_twice():
    names = Anonymiser(["host-3"])
    assert [names.name("host", name) for name in ("host-3", "b", "c")] == ["host-3", "host-4", "host-5"]


def test_a_node_is_known_by_its_short_name_and_with_its_domain():
    names = Anonymiser(["n02.lab.example", "n10"])
    assert (
        names.text("n02-ib0, n02.lab.example, n10.lab.example/x, n10.log") == "host-1-ib0, host-1, host-2/x, host-2.log"
    )
    assert names.name("host", "n02") == names.name("host", "n02.lab.example")


def test_a_host_called_like_a_gpu_does_not_rename_the_gpu():
    machine = {"hostname": "h100", "os": "Debian on h100", "gpus": [{"name": "NVIDIA H100 80GB HBM3", "uuid": "GPU-x"}],
               "cpu": {"model": "AMD h100"}}  # fmt: skip
    made = Anonymiser(["h100"]).environment(machine)
    assert made["gpus"] == [{"name": "NVIDIA H100 80GB HBM3", "uuid": "GPU-1"}]
    assert (made["cpu"], made["os"]) == ({"model": "AMD h100"}, "Debian on host-1")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "zquartz17-run"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><text x="1" y="1">main ({FRAME})</text></svg>'
    with open_run(folder) as writer:
        place = folder / "artifacts" / "host-fp16"
        place.mkdir(parents=True)
        (place / "flame.svg").write_text(svg)
        drawing = Artifact(
            "artifacts/host-fp16/flame.svg", hashlib.sha256(svg.encode()).hexdigest(), "stacks of the decode loop"
        )
        for number, scheme in enumerate(("fp16", "nf4")):
            one = make.generation(scheme, 0, calls=2, new_tokens=8)
            one = replace(one, environment=replace(one.environment, hostname=HOST))
            writer.append(one)
            if not number:
                writer.append(replace(one, instrument="py-spy-python", metrics=(), artifacts=(drawing,)))
    return folder


def test_an_anonymous_report_shows_no_frame_of_a_drawing_and_no_name_of_the_folder(run, capsys):
    assert main(["report", str(run)]) == 0
    assert FRAME in (run / "report.html").read_text()
    capsys.readouterr()
    assert main(["report", str(run), "--anonymous"]) == 0
    files = (run / "report.html", run / "report.md", *(run / "figures").iterdir())
    assert not [file.name for file in files for word in (b"zoltan", b"zquartz17") if word in file.read_bytes()]
    assert "--anonymous -v" in " ".join(capsys.readouterr().out.split())


def test_a_copy_goes_neither_into_its_run_nor_over_another(run, tmp_path, capsys):
    assert main(["share", str(run), "--out", str(run / "artifacts" / "copy"), "--no-report"]) == 2
    assert "lies in the run itself" in capsys.readouterr().err
    assert not (run / "artifacts" / "copy").exists()
    words = ["share", str(run), "--out", str(tmp_path / "copy"), "--no-report"]
    assert main(words) == 0
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "already holds a run" in told
    assert "--resume" not in told


def test_a_copy_is_not_named_after_the_host(run):
    assert main(["share", str(run)]) == 0
    (copy,) = (path for path in run.parent.iterdir() if path != run)
    assert re.fullmatch(r"host-\d-run-shared", copy.name)
    assert load(copy).records
    assert not [path for path in copy.rglob("*") if path.is_file() and b"quartz" in path.read_bytes()]
