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

KEY = "q8Zt5Lw2Xv9Rb4Nm7Kc1"
NUMBER = "1f0e8a2c-77d0-4b1e-9c3d-0a1b2c3d4e5f"
HASH = "ab12" * 16
PEM = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\nAAAAMwAAAAtzc2gtZWQyNTUxOQ\n"
    "-----END OPENSSH PRIVATE KEY-----"
)
# (text, words that must not be in what is made of it)
PLANTED = (
    # paths
    (r"open \\fileserv9\falcon\mirabelle\x.json", ["fileserv9", "falcon", "mirabelle"]),
    (r"open '\\\\fileserv9\\falcon\\x.json'", ["fileserv9", "falcon"]),
    (r"C:\\Users\\mirabelle\\x.json", ["mirabelle"]),
    (r"C:\Users\Mira Belle\runs\x.json", ["Mira", "Belle"]),
    (r"D:\falcon\x", ["falcon"]),
    ("file%3A%2F%2F%2Fhome%2Fmirabelle%2Ffalcon%2Fx.json", ["mirabelle", "falcon"]),
    ("path=%2Fsrv%2Ffalcon%2Fx.json", ["falcon"]),
    ("a%252Fb %252Fhome%252Fmirabelle%252Fx", ["mirabelle"]),
    (r"{\"p\": \"\/home\/mirabelle\/falcon\/x.json\"}", ["mirabelle", "falcon"]),
    (r"\u002fhome\u002fmirabelle\u002fx.json", ["mirabelle"]),
    (r"\u002Fsrv\u002Ffalcon\u002Fx.json", ["falcon"]),
    (r"\x2fhome\x2fmirabelle\x2fx.json", ["mirabelle"]),
    ("&#47;home&#47;mirabelle&#x2F;x", ["mirabelle"]),
    ("/mnt/lustre/projects/falcon", ["falcon"]),
    ("/scratch/mirabelle", ["mirabelle"]),
    ("/scratch/mirabelle/", ["mirabelle"]),
    ("/Users/mirabelle", ["mirabelle"]),
    ("/home/dept9/mirabelle", ["dept9"]),
    ("/gpfs/falcon ok", ["falcon"]),
    ("cd '/srv/Falcon Project/run 1/x.json'", ["Falcon", "Project"]),
    ("../falcon/models/tiny", ["falcon"]),
    ("./mirabelle/x/y.py", ["mirabelle"]),
    ("//fileserv9/falcon/x.json", ["fileserv9", "falcon"]),
    ("smb://fileserv9/falcon/x", ["fileserv9", "falcon"]),
    ("s3://falcon-bucket/mirabelle/x.json", ["falcon", "mirabelle"]),
    ("gs://falcon-bucket/x", ["falcon"]),
    ("hdfs://namenode9:8020/user/mirabelle/x", ["namenode9", "mirabelle"]),
    ("dbfs:/mnt/falcon/x", ["falcon"]),
    # secrets
    (f"sk-proj-{KEY}{KEY}", [KEY]),
    (f"sk-ant-api03-{KEY}-{KEY}", [KEY]),
    (f"hf_{KEY}", [KEY]),
    (f"ghp_{KEY}{KEY}"[:40], [KEY]),
    (f"github_pat_11ABCDE_{KEY}{KEY}", [KEY]),
    (f"xoxb-123456789012-{KEY}", [KEY]),
    (f"xapp-1-A123-{KEY}", [KEY]),
    (f"https://hooks.slack.com/services/T0AAAA/B0BBBB/{KEY}", [KEY]),
    ("AKIAABCDEFGHIJKLMNOP", ["AKIAABC"]),
    (f"aws_secret_access_key = {KEY}{KEY}", [KEY]),
    (f"AWS_SECRET_ACCESS_KEY={KEY}{KEY}", [KEY]),
    (f"AIzaSy{KEY}abcdefghijklm", [KEY]),
    (f"ya29.a0{KEY}{KEY}", [KEY]),
    (f"GOCSPX-{KEY}abcdefgh", [KEY]),
    (f"AccountKey={KEY}{KEY}==;EndpointSuffix", [KEY]),
    (f"?sv=2022&sig={KEY}%3D", [KEY]),
    (f"glpat-{KEY}", [KEY]),
    (f"npm_{KEY}abcdefghijklmnop", [KEY]),
    (f"pypi-AgEIcHlwaS5vcmc{KEY}", [KEY]),
    (f"dckr_pat_{KEY}", [KEY]),
    (f"gsk_{KEY}{KEY}", [KEY]),
    (f"nvapi-{KEY}{KEY}", [KEY]),
    (f"r8_{KEY}{KEY}", [KEY]),
    (f"SG.{KEY}ab.{KEY}{KEY}", [KEY]),
    (f"hvs.{KEY}", [KEY]),
    (f"sk_live_{KEY}", [KEY]),
    ("dapi9f3c5b7a1d8e20469f3c5b7a1d8e2046", ["9f3c5b7a1d"]),
    ("WANDB_API_KEY=9f3c5b7a1d8e20469f3c5b7a1d8e204601234567", ["9f3c5b7a1d8e2046"]),
    ("wandb: api_key: 9f3c5b7a1d8e20469f3c5b7a1d8e204601234567", ["9f3c5b7a1d8e2046"]),
    ("machine api.wandb.ai login user password 9f3c5b7a1d8e20469f3c5b7a1d8e204601234567", ["9f3c5b7a1d8e2046"]),
    ("{'api_key': '9f3c5b7a1d8e20460123'}", ["9f3c5b7a1d8e2046"]),
    ('{"password": "hunter2hunter2"}', ["hunter2"]),
    ("Authorization: Basic dXNlcjpzZWNyZXQxMjM0", ["dXNlcj"]),
    ("authorization: bearer " + KEY, [KEY]),
    ("X-Api-Key: " + KEY, [KEY]),
    ("--password=hunter2hunter2 --token hunter3hunter3", ["hunter2", "hunter3"]),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", ["eyJzdWI"]),
    (PEM, ["b3Blbn", "AAAAMw"]),
    ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq8Zt5Lw2Xv9Rb4Nm7Kc1 mirabelle@n17", ["AAAAC3", "mirabelle"]),
    ("https://mirabelle:hunter2@git.falcon.example/x", ["mirabelle", "hunter2"]),
    (f"https://{KEY}@github.com/falconorg/x.git", [KEY, "falconorg"]),
    ("git@github.com:falconorg/secret.git", ["falconorg"]),
    ("https://github.com/falconorg/secret.git", ["falconorg"]),
    ("ssh://git@gitlab.falcon.io:2222/grp/x.git", ["falcon", "grp"]),
    ("pip install --index-url https://__token__:" + KEY + "@pypi.falcon.io/simple x", [KEY, "falcon.io"]),
    ("--extra-index-url https://pypi.falcon.internal/simple", ["falcon"]),
    ("http_proxy=http://proxy.falcon.io:3128", ["falcon"]),
    ("proxy.falcon.com:3128", ["falcon"]),
    ("https://x.blob.core.windows.net/c/f?sig=" + KEY, [KEY]),
    ("X-Amz-Signature=" + "ab12" * 16, ["ab12"]),
    ("token=" + KEY, [KEY]),
    # addresses
    ("2001:db8:85a3::8a2e:370:7334 up", ["2001:db8"]),
    ("[2a02:26f7:c9c0::1]:443", ["2a02"]),
    ("http://[2a02:26f7:c9c0::1]:443/x", ["2a02"]),
    ("8.8.8.8:53 x", ["8.8.8.8"]),
    ("host=10.12.3.4", ["10.12.3.4"]),
    ("MASTER_ADDR=10.12.3.4", ["10.12.3.4"]),
    ("tcp://10.12.3.4:29500", ["10.12.3.4"]),
    ("ip-10-12-3-4", ["10-12-3-4"]),
    ("ip-10-12-3-4.ec2.internal", ["10-12-3"]),
    ("52-54-00-12-34-56 nic", ["52-54"]),
    ("52:54:00:12:34:56", ["52:54"]),
    ("5254.0012.3456", ["5254"]),
    ("mira.belle+x@falcon.co.uk", ["mira", "falcon"]),
    ("mail%3Amirabelle%40falcon.com", ["mirabelle"]),
    ("ib0 guid 0x0002c90300a1b2c3", ["0002c9"]),
    # slurm
    ("sbatch: --account=falcon --partition=bigpart --qos=qfalc -J jobfalc", ["falcon", "bigpart", "qfalc"]),
    ("--job-name=jobfalc", ["jobfalc"]),
    ("#SBATCH -A falcon", ["falcon"]),
    (
        "SLURM_JOB_ACCOUNT=falcon SLURM_JOB_QOS=qfalc SLURM_JOB_NAME=jobfalc SLURM_JOB_PARTITION=bigpart",
        ["falcon", "qfalc", "jobfalc", "bigpart"],
    ),
    ("SLURM_JOB_NODELIST=n[001-004,007]", ["n[001"]),
    ("nodes gpuq[001-004] down", ["gpuq[001"]),
    ("SLURM_SUBMIT_HOST=login3", ["login3"]),
    ("srun: job 991234 queued", ["991234"]),
    ("USER=mirabelle HOSTNAME=n17 LOGNAME=mirabelle", ["mirabelle", "n17"]),
    ("uid=1000(mirabelle) gid=1000(falcongrp)", ["mirabelle", "falcongrp"]),
    ("mirabelle@n17:~/x$ ls", ["mirabelle", "n17"]),
    ("rsync mirabelle@n17:/data/x", ["mirabelle", "n17"]),
    # ids
    (f"GPU UUID: {NUMBER}", [NUMBER]),
    (f"MIG-{NUMBER}", [NUMBER]),
    (f"MIG-GPU-{NUMBER}/3/0", [NUMBER]),
    ("Serial Number: 1322621094822", ["1322621094822"]),
    ("serial=1322621094822", ["1322621094822"]),
    (f"0::/system.slice/docker-{HASH}.scope", ["ab12"]),
    (f"/docker/{HASH}", ["ab12"]),
    (f"cri-containerd-{HASH}.scope", ["ab12"]),
    (f"boot_id {NUMBER}", [NUMBER]),
    ("machine-id: 9f3c5b7a1d8e20469f3c5b7a1d8e2046", ["9f3c5b7a1d"]),
    (f"pod{NUMBER.replace('-', '_')}", ["77d0_4b1e"]),
    ("i-0a1b2c3d4e5f67890 is up", ["0a1b2c"]),
    ("arn:aws:iam::123456789012:role/falcon", ["123456789012", "falcon"]),
    ("n17.cluster.falcon.de failed", ["falcon"]),
    ("wss://jupyter.falcon.net/x", ["falcon"]),
)


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
        "time per token: 0.0123456s", "new_tokens=12345678", "eos_token='<|endoftext|>'", "pad_token_id: 50256",
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
