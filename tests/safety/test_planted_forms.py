"""No form in which a secret, a path, a person or a machine is written outlives sharing, in any field of a record or in
any kind of artifact; and what the analysis reads stays as it was."""

from __future__ import annotations

import errno
import gzip
import json
import re
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.cli import main
from bench.record.anonymous import Anonymiser
from bench.record.anonymous_files import clean
from bench.record.schema import Finding, to_json
from bench.record.shared_copy import anonymous_record
from bench.record.store import open_run
from tests import factories as make
from tests.safety.planted import HASH, PLANTED


def test_no_planted_form_outlives_in_running_text():
    left = [(text, made, word) for text, words in PLANTED for made in (Anonymiser().text(text),) for word in words
            if word.lower() in made.lower()]  # fmt: skip
    assert not left


@pytest.mark.parametrize("text", ["in a log: {}", "{}.", "({})", "x={}", '"{}"', "{} and {}"])
def test_nor_beside_other_words(text):
    planted = [item for item in PLANTED if not item[0].startswith(("{", "'", "#", "uid", "Serial", "machine-id"))]
    left = [(made, word) for form, words in planted for made in (Anonymiser().text(text.replace("{}", form)),)
            for word in words if word.lower() in made.lower()]  # fmt: skip
    assert not left


def _all_in(tmp_path, name):
    """A file of that name with all planted texts in it."""
    file, texts = tmp_path / name, [text for text, _ in PLANTED]
    document = {"traceEvents": [{"name": text, "args": {text: [1, text]}} for text in texts]}
    if ".sqlite" in name:
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE OTHER (id INTEGER, note TEXT, bytes BLOB)")
            connection.executemany("INSERT INTO OTHER VALUES (1, ?, ?)", [(text, text.encode()) for text in texts])
        connection.close()
        return file
    text = json.dumps(document, ensure_ascii=False) if ".json" in name else "\n".join(texts)
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


NAMES = ("x.json", "x.json.gz", "x.jsonl", "x.log", "x.txt", "x.log.gz", "x.csv", "x.md", "x.folded", "x.raw", "x.svg",
         "x.html", "x.xml", "x.toml", "x.sqlite")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_nor_in_an_artifact_of_any_kind(tmp_path, name):
    clean(_all_in(tmp_path, name), tmp_path / f"new-{name}", Anonymiser())
    content = (tmp_path / f"new-{name}").read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf-8", "replace").lower()
    assert not [word for _, words in PLANTED for word in words if word.lower() in text]


def test_nor_in_any_field_of_a_record():
    one = make.generation("fp16", 0, calls=2, new_tokens=8)
    for text, words in PLANTED:
        finding = Finding("odd", "warning", text, text, text)
        environment = replace(
            one.environment, os=text, variables={"OMP_PLACES": text}, before={"cpu_clock_reason": text}
        )
        record = replace(
            one, status="failed", reason=text, environment=environment, findings=(finding,), not_collected={"x": text},
            argv=("run", f"--out={text}", text), setup={**one.setup, "note": [text], text: {"deep": text}},
        )  # fmt: skip
        made = json.dumps(to_json(anonymous_record(record, Anonymiser())), ensure_ascii=False).lower()
        assert not [word for word in words if word.lower() in made], text


@pytest.mark.parametrize(
    ("name", "document", "gone"),
    [
        ("x.json", '{"hosts": ["n17", "n18"], "n": 1}', ("n17", "n18")),
        ("x.json", '{"env": {"PROJ": "falcon", "A": {"B": "falcon"}}, "cwd": "falcon"}', ("falcon",)),
        ("x.json", '{"serial": 1322621094822}', ("1322621094822",)),
        ("x.json", '{"api_key": "correcthorse", "account": "falcon"}', ("correct", "falcon")),
        ("x.csv", "id,Host Name,uuid,serial,user\n1,n17,abc-77d0,42,mirabelle\n", ("n17", "77d0", "42", "mirabelle")),
        ("x.log", "of mirabelle\n/home/mirabelle/x/y\n", ()),
    ],
)
def test_fields_that_name_somebody_are_known_in_documents_and_tables(tmp_path, name, document, gone):
    (tmp_path / name).write_text(document)
    clean(tmp_path / name, tmp_path / "new", Anonymiser())
    text = (tmp_path / "new").read_text()
    assert not [word for word in gone if word in text]
    if name == "x.json":
        assert json.loads(text).keys() == json.loads(document).keys()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", b"{'host': 'n17'}"),
        ("x.json", b'{"a": "b", "cut off: /home/mirabelle/'),
        ("x.json", '{"host": "n17"}'.encode("utf-16")),
        ("x.log", "of mirabelle".encode("utf-16")),
    ],
)
def test_what_is_not_what_its_name_says_is_left_out(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"JSON|UTF-8"):
        clean(tmp_path / name, tmp_path / "new", Anonymiser())
    assert not (tmp_path / "new").exists()


def test_a_database_keeps_no_copy_of_its_values(tmp_path):
    with sqlite3.connect(tmp_path / "x.sqlite") as connection:
        connection.execute("CREATE TABLE META (name TEXT, value TEXT, bytes BLOB)")
        rows = [("Hostname", "n17", "n17".encode("utf-16")), ("EXPORT_PRODUCT_VERSION", "2026.1.2.3", b"")]
        connection.executemany("INSERT INTO META VALUES (?, ?, ?)", rows)
        connection.execute("CREATE INDEX i ON META (value)")
        connection.execute("ANALYZE")
    connection.close()
    clean(tmp_path / "x.sqlite", tmp_path / "new", Anonymiser())
    content = (tmp_path / "new").read_bytes()
    assert b"n17" not in content.replace(b"\0", b"")
    assert b"2026.1.2.3" in content


def test_a_full_disk_is_no_damage_of_a_database(tmp_path):
    """Its file would be left out of the copy, with a reason that is none."""
    with sqlite3.connect(tmp_path / "x.sqlite") as connection:
        connection.execute("CREATE TABLE T (note TEXT)")
        connection.executemany("INSERT INTO T VALUES (?)", [(f"/srv/falcon/{n}.json",) for n in range(5000)])
    connection.close()
    program = (
        "import sys, pathlib, resource, shutil\nfrom bench.record.anonymous import Anonymiser\n"
        "from bench.record.anonymous_files import clean\ncopy = shutil.copyfile\n"
        "def filled(*files):\n    copy(*files)\n    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))\n"
        "shutil.copyfile = filled\n"
        "try:\n    clean(*map(pathlib.Path, sys.argv[1:]), Anonymiser())\n"
        "except OSError as error:\n    print(error.errno)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "x.sqlite"), str(tmp_path / "new")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(errno.ENOSPC), done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["x.sqlite"]


@pytest.mark.parametrize(
    "text",
    [
        "void cutlass::Kernel2<cutlass_80_wmma_tensorop_f16_s161616gemm_f16_32x32_128x1_tn_align8>(Params)",
        "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<c10::Half>, std::array<char*, 1>>()",
        "ampere_fp16_s16816gemm_fp16_64x64_sliced1x2_ldg8_f2f_stages_64x5_tn", "fa::add<at::Half>", "dequant<ab::be>",
        "_ZN2at6native18elementwise_kernelILi128ELi4EZNS0_22gpu_kernel_impl_nocastI", "nn.Module: Attention_12",
        "bigcode/starcoder2-3b", "meta-llama/Llama-3.2-1B", "https://huggingface.co/docs/bitsandbytes", "layers[0-31]",
        "https://github.com/bitsandbytes-foundation/bitsandbytes/issues/1", "http://localhost:8000/v1", "[0-9]+",
        "time per token: 0.0123456s", "per token: starcoder2-3b", "session: StarCoder2-3B",
        "new_tokens=12345678", "eos_token='<|endoftext|>'", "pad_token_id: 50256",
        "0.1234 J/token and 12.5 ms/step", "2026-11-30T10:43:52.123+00:00", "80.00 GiB", "user: 0.12s, sys: 0.34s",
        "sha256:" + HASH, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4", "missing key: model.layers.0.self_attn.weight",
        "torch.nn.modules.linear.Linear", "self.net(x), pair.net, model.net.0", "host_gap", "node=0, user=3.2",
        "glibc-2.36-9+deb12u10", "hf_quantizer.validate_environment", "the secret of speed", "token by token",
        "regexes such as \\\\d+\\\\w and \\\\nfoo\\\\nbar", "C++ \\n and \\t", "100%25 of 50%", "job 12 of 40",
    ],
)  # fmt: skip
def test_what_a_reader_needs_stays(text):
    assert Anonymiser().text(text) == text


@pytest.mark.parametrize(
    "name", ["marlin", "flash", "silu", "machete", "norm", "warp", "index", "rope", "nccl", "experts"]
)
def test_who_is_called_like_a_word_of_the_class_table_renames_no_kernel(name):
    text = f"void vllm::{name}<{name}_gemm, 4>(Params)"
    assert Anonymiser([name], [name]).text(text) == text


def test_a_name_that_is_met_late_is_in_no_file_before(tmp_path):
    with open_run(tmp_path / "run") as writer:
        place = tmp_path / "run" / "artifacts"
        place.mkdir(exist_ok=True)
        (place / "a.log").write_text("on zquartz17\n")
        (place / "zquartz18_12.345.pt.trace.json").write_text('{"hostname": "zquartz17", "by": "joe.doe@acme.com"}')
        (place / "joe.doe@acme.com.log").write_text("zquartz18\n")
        (place / "***.log").write_text("another\n")
        artifacts = tuple(writer.artifact(file, "x") for file in sorted(place.iterdir()))
        writer.append(replace(make.generation("fp16", 0, calls=2, new_tokens=8), artifacts=artifacts))
    out = tmp_path / "copy"
    assert main(["share", str(tmp_path / "run"), "--out", str(out), "--no-report"]) == 0
    for file in out.rglob("*"):
        held = f"{file.name} {file.read_text()}" if file.is_file() else file.name
        assert not re.search("zquartz|acme", held), file
    assert main(["verify", str(out)]) == 0
