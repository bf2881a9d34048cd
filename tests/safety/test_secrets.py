"""Secrets of the environment reach neither records nor logs nor what profilers write."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.instruments import environment
from bench.record import logs
from bench.record.errors import StorageError
from bench.record.logs import child_log
from bench.record.secrets import MASK, found_in, is_secret_name, mask_argv, mask_text, secret_values
from bench.record.store import RECORDS, load, open_run
from bench.run.runner import _keep_tail
from profiling.capture.process import run_tool
from profiling.commands import Command
from profiling.surroundings import cleaned
from tests.factories import generation

CANARIES = {
    "HF_TOKEN": "canary-of-the-hub-1234",
    "AWS_SECRET_ACCESS_KEY": "canary/of+the/cloud=5678",
    "WANDB_API_KEY": "canary-of-the-tracker",
    "HTTPS_PROXY": "http://alice:canary-of-the-proxy@proxy.example:3128",
}
VALUES = ("canary-of-the-hub-1234", "canary/of+the/cloud=5678", "canary-of-the-tracker", "alice:canary-of-the-proxy")


@pytest.fixture
def canaries(monkeypatch):
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "name",
    ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "WANDB_API_KEY", "GITHUB_PAT",
     "OPENAI_API_KEY", "PGPASSWORD_PASSWORD", "hf-token", "api_key", "SLACK_WEBHOOK_URL", "SENTRY_DSN", "APIKEY",
     "SESSION", "PHPSESSION", "session-id", "AWS_SESSION_TOKEN", "DBPW", "MYSQL_PW", "DB_PWD",
     "PGPASSWORD", "PGPASS", "MYSQLPASS"),
)  # fmt: skip
def test_names_of_secrets_are_known(name):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    (
        "PWD",
        "PATH",
        "TOKENIZERS_PARALLELISM",
        "OMP_NUM_THREADS",
        "KEYBOARD",
        "new-tokens",
        "MAX_TOKENS",
        "COMPASS",
        "OLDPWD",
        "BYPASS",
        "XDG_SESSION_TYPE",
        "SESSION_MANAGER",
    ),
)
def test_other_names_are_not(name):
    assert not is_secret_name(name)


def test_short_values_are_left_alone_because_chance_would_find_them():
    assert secret_values({"HF_TOKEN": "false"}) == {}


@pytest.mark.parametrize(
    ("argv", "masked"),
    [
        (("--hf-token", "abc", "--model", "smoke"), ("--hf-token", MASK, "--model", "smoke")),
        (("--api-key=abc", "x"), (f"--api-key={MASK}", "x")),
        (("--new-tokens", "32", "--key"), ("--new-tokens", "32", "--key")),
        (("--model", "https://bob:pw1@host/m"), ("--model", f"https://{MASK}@host/m")),
        (("hf_abcdefghijklmnopqrstuvwxyz",), (MASK,)),
        (("--token", "--json"), ("--token", "--json")),
    ],
)
def test_a_command_line_is_recorded_without_credentials(argv, masked):
    assert mask_argv(argv, {}) == masked


def test_a_folder_is_no_secret_or_the_search_path_would_go_with_it(tmp_path):
    environ = {"GPG_KEY": str(tmp_path), "PATH": f"{tmp_path}:/bin", "AWS_SECRET_ACCESS_KEY": "/no/such/file+here"}
    assert secret_values(environ) == {"/no/such/file+here": "AWS_SECRET_ACCESS_KEY"}
    assert cleaned(environ) == {"PATH": environ["PATH"]}


def test_a_value_that_is_no_text_is_searched_for_too(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "canary-\udcff-1234")
    assert found_in(b"canary-\xff-1234") == ("HF_TOKEN",)


def test_texts_that_look_like_credentials_are_masked():
    told = mask_text("401 for https://u:p@h/x with Bearer abcdefghijklmnop1234 and AKIAABCDEFGHIJKLMNOP", {})
    assert told == f"401 for https://{MASK}@h/x with Bearer {MASK} and {MASK}"


def test_no_field_of_a_record_keeps_a_secret_of_this_environment(tmp_path, canaries):
    leak = " ".join(VALUES)
    record = replace(
        generation(),
        argv=("python", "-m", "bench", "run", "--hf-token", "x", leak),
        status="failed",
        reason=f"403 with {leak}",
        setup={"command": [leak], leak: {"deep": [leak]}},
        not_collected={"energy_gpu": leak},
    )
    with open_run(tmp_path) as writer:
        writer.append(record)
    text = (tmp_path / RECORDS).read_text()
    assert not any(value in text for value in VALUES)
    (read,) = load(tmp_path).records
    assert (read.case, read.metrics) == (record.case, record.metrics)
    assert read.argv[5] == MASK


def test_only_named_variables_are_recorded_and_their_urls_are_masked():
    environ = {**CANARIES, "OMP_NUM_THREADS": "2", "BNB_API_KEY": "12345678", "LD_PRELOAD": "http://u:p@h/x.so"}
    assert environment.variables(environ) == {"LD_PRELOAD": f"http://{MASK}@h/x.so", "OMP_NUM_THREADS": "2"}


def test_a_kept_log_is_masked(tmp_path, canaries):
    log = tmp_path / "child.log"
    log.write_text("\n".join(VALUES) + "\nlast\n")
    assert _keep_tail(log, keep=True) == "last"
    assert log.read_text() == f"{MASK}\n{MASK}\n{MASK}\n{MASK}\nlast\n"


def test_what_a_killed_run_left_is_masked_when_its_folder_is_next_opened(tmp_path, canaries):
    with open_run(tmp_path):
        pass
    log, other = child_log(tmp_path, 7, 0), tmp_path / "artifacts" / "trace.json"
    elsewhere = tmp_path / "elsewhere.log"
    for file in (log, other, elsewhere):
        file.write_text("Authorization: " + " ".join(VALUES))
    child_log(tmp_path, 8, 0).symlink_to(elsewhere)
    with pytest.raises(StorageError), open_run(tmp_path), open_run(tmp_path):
        pass
    assert log.read_text() == "Authorization: " + " ".join([MASK] * len(VALUES))
    assert other.read_text() == elsewhere.read_text() == "Authorization: " + " ".join(VALUES)


def test_a_run_that_goes_on_elsewhere_keeps_its_log_as_it_is(tmp_path, canaries):
    with open_run(tmp_path):
        log = child_log(tmp_path, 7, 0)
        log.write_text(VALUES[0])
        with pytest.raises(StorageError), open_run(tmp_path):
            pass
        assert log.read_text() == VALUES[0]


def test_a_secret_that_the_cut_goes_through_is_masked(tmp_path, canaries, monkeypatch):
    monkeypatch.setattr(logs, "TAIL_BYTES", 12)
    log = tmp_path / "child.log"
    log.write_text(f"{VALUES[0]} end")
    assert logs.keep_tail(log) == f"{MASK} end"


def test_a_profiler_gets_a_cleaned_environment(tmp_path, canaries, monkeypatch):
    monkeypatch.setenv("SOMETHING_ELSE", "canary-of-a-name-that-says-nothing")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    program = "import os, json; print(json.dumps(dict(os.environ)))"
    finished = run_tool(Command((sys.executable, "-c", program), {"LC_ALL": "C"}), tmp_path / "log.txt", 60)
    seen = json.loads(finished.output[-1])
    assert "canary" not in json.dumps(seen)
    assert seen["PATH"] == os.environ["PATH"]
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["LC_ALL"], seen["HF_HUB_OFFLINE"]) == ("0", "C", "1")


def test_what_a_measurement_depends_on_reaches_the_observed_program():
    needed = {
        "OMP_NUM_THREADS": "1", "PYTORCH_ALLOC_CONF": "x", "BNB_CUDA_VERSION": "130", "HF_HOME": "/models",
        "LD_LIBRARY_PATH": "/cuda", "CUBLAS_WORKSPACE_CONFIG": ":16:8", "https_proxy": "http://proxy:1",
    }  # fmt: skip
    assert cleaned(needed) == needed


def test_a_raw_file_that_holds_a_secret_is_recognised(canaries):
    assert found_in(b"\0" + VALUES[0].encode() + b"\0") == ("HF_TOKEN",)
    assert found_in(b"nothing") == ()


def test_masking_needs_no_torch():
    program = "import sys, bench.record.secrets, profiling.surroundings; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_argument_that_is_no_text_costs_no_record(tmp_path):
    with open_run(tmp_path) as writer:
        writer.append(replace(generation(), argv=("python", "--out", "runs/\udcff")))
    assert load(tmp_path).records[0].argv == ("python", "--out", "runs/?")
