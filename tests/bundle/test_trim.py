"""A wheel with files left out is still one that pip installs, and its RECORD is true."""

import csv
import io
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import pytest
from fake_wheels import CUDA_LIBRARIES, digest, make_wheel

from bundling.errors import BundleError
from bundling.trim import check_cuda, keep_cuda, repack


@pytest.fixture
def bitsandbytes(tmp_path):
    (tmp_path / "in").mkdir()
    return make_wheel(tmp_path / "in", "bitsandbytes", "0.50.2", files=CUDA_LIBRARIES)


@pytest.fixture
def trimmed(bitsandbytes, tmp_path):
    out = tmp_path / bitsandbytes.name
    repack(bitsandbytes, out, keep_cuda("130"))
    return out


def test_one_cuda_library_and_the_cpus_stay(bitsandbytes, tmp_path):
    removed = repack(bitsandbytes, tmp_path / "out.whl", keep_cuda("130"))
    with zipfile.ZipFile(tmp_path / "out.whl") as archive:
        kept = {name for name in archive.namelist() if name.endswith(".so")}
    assert kept == {"bitsandbytes/libbitsandbytes_cpu.so", "bitsandbytes/libbitsandbytes_cuda130.so"}
    assert kept | set(removed) == set(CUDA_LIBRARIES)


def test_for_cpus_alone_no_cuda_library_stays(bitsandbytes, tmp_path):
    assert len(repack(bitsandbytes, tmp_path / "out.whl", keep_cuda("cpu"))) == len(CUDA_LIBRARIES) - 1


def test_record_lists_exactly_what_is_there_with_true_hashes(trimmed):
    with zipfile.ZipFile(trimmed) as archive:
        record = next(name for name in archive.namelist() if name.endswith("RECORD"))
        rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(archive.read(record).decode()))}
        assert set(rows) == set(archive.namelist())
        for name in set(rows) - {record}:
            data = archive.read(name)
            assert rows[name] == [digest(data), str(len(data))]
        assert rows[record] == ["", ""]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


@pytest.mark.skipif(find_spec("pip") is None, reason="this environment has no pip of its own")
def test_pip_installs_it_and_can_take_it_away_again(trimmed, tmp_path):
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-compile", "--target", target, trimmed], check=True)
    installed = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert "bitsandbytes/libbitsandbytes_cuda130.so" in installed
    assert "bitsandbytes/libbitsandbytes_cuda118.so" not in installed
    listed = (target / "bitsandbytes-0.50.2.dist-info/RECORD").read_text().splitlines()
    assert {line.split(",")[0] for line in listed} == installed


def test_a_damaged_download_is_not_passed_on(tmp_path):
    wheel = make_wheel(tmp_path, "package", files={"package/data.bin": b"right"})
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in (contents | {"package/data.bin": b"wrong"}).items():
            archive.writestr(name, data)
    with pytest.raises(BundleError, match=r"package/data\.bin is not as its RECORD says"):
        repack(wheel, tmp_path / "out.whl")


def test_a_wheel_that_carries_others_keeps_its_own_record(tmp_path):
    inner = {"setuptools/_vendor/other-1.0.dist-info/RECORD": b"x,,\n"}
    wheel = make_wheel(tmp_path, "setuptools", files=inner)
    assert repack(wheel, tmp_path / "out.whl") == []


def test_a_cuda_version_without_a_library_is_refused_by_name(bitsandbytes):
    check_cuda(bitsandbytes, "128")
    check_cuda(bitsandbytes, "cpu")
    with pytest.raises(BundleError, match=r"no library for CUDA 126: name one of 118, 128, 130, or cpu"):
        check_cuda(bitsandbytes, "126")
