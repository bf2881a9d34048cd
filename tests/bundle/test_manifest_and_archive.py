"""What is unpacked is what was packed, and lies in its own folder."""

import io
import json
import tarfile

import pytest

from bundling.archive import unpack, write_archive
from bundling.errors import BundleError
from bundling.manifest import PLACE, read_manifest, verify, write_manifest


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "bitledger-test"
    (made / "bundle/wheels").mkdir(parents=True)
    (made / "bundle/wheels/a.whl").write_bytes(b"wheel")
    (made / "bench").mkdir()
    (made / "bench/cli.py").write_text("print()\n")
    (made / "run.sh").write_text("#!/bin/sh\n")
    (made / "run.sh").chmod(0o755)
    write_manifest(made, {"name": made.name})
    return made


def test_every_file_is_hashed_and_the_untouched_bundle_passes(folder):
    manifest = read_manifest(folder)
    assert set(manifest["files"]) == {"bundle/wheels/a.whl", "bench/cli.py", "run.sh"}
    verify(folder, manifest)
    (folder / ".venv").mkdir()  # what is made there later is none of the manifest's business
    verify(folder, manifest)


def test_a_changed_and_a_missing_file_are_told_by_name(folder):
    manifest = read_manifest(folder)
    (folder / "bundle/wheels/a.whl").write_bytes(b"wheeL")
    with pytest.raises(BundleError, match=r"bundle/wheels/a\.whl is not as it was packed \(sha256\)"):
        verify(folder, manifest)
    (folder / "bundle/wheels/a.whl").unlink()
    with pytest.raises(BundleError, match=r"a\.whl is missing from the bundle"):
        verify(folder, manifest)


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "bench/../../outside"])
def test_a_manifest_that_names_something_outside_is_refused(folder, name):
    with pytest.raises(BundleError, match="outside the bundle"):
        verify(folder, {"files": {name: "0" * 64}})


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "is no bundle"), ("{", "damaged"), ("[]", "not of format 1"), ('{"format": 2}', "not of format 1")],
)
def test_what_is_no_manifest_is_refused(folder, text, message):
    (folder / PLACE).unlink()
    if text is not None:
        (folder / PLACE).write_text(text)
    with pytest.raises(BundleError, match=message):
        read_manifest(folder)


@pytest.mark.parametrize("ending", [".tar.xz", ".tar"])
def test_an_archive_comes_back_as_it_was(folder, tmp_path, ending):
    archive = tmp_path / f"made{ending}"
    write_archive(folder, archive, level=0)
    back = unpack(archive, tmp_path / "there")
    assert back == tmp_path / "there" / folder.name
    verify(back, read_manifest(back))
    assert (back / "run.sh").stat().st_mode & 0o111
    assert not list(tmp_path.glob("*.partial"))


def test_no_name_leaves_its_folder_and_no_owner_is_kept(folder, tmp_path):
    write_archive(folder, tmp_path / "made.tar")
    with tarfile.open(tmp_path / "made.tar") as tar:
        members = tar.getmembers()
    assert members and all(member.isfile() for member in members)
    assert all(member.name.startswith("bitledger-test/") and ".." not in member.name for member in members)
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}


def test_the_same_files_make_the_same_bytes(folder, tmp_path):
    write_archive(folder, tmp_path / "one.tar.xz", level=0)
    (folder / "bench/cli.py").touch()
    write_archive(folder, tmp_path / "two.tar.xz", level=0)
    assert (tmp_path / "one.tar.xz").read_bytes() == (tmp_path / "two.tar.xz").read_bytes()


@pytest.mark.parametrize("name", ["/absolute", "top/../../up"])
def test_an_archive_that_writes_elsewhere_is_refused(tmp_path, name):
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(BundleError, match="not an archive of 'make bundle'"):
        unpack(archive, tmp_path / "there")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_torn_archive_is_told(folder, tmp_path, keep):
    write_archive(folder, tmp_path / "made.tar.xz", level=0)
    (tmp_path / "torn.tar.xz").write_bytes((tmp_path / "made.tar.xz").read_bytes()[:keep])
    with pytest.raises(BundleError, match=r"torn\.tar\.xz is damaged.*copy it again"):
        unpack(tmp_path / "torn.tar.xz", tmp_path / "there")


def test_the_manifest_is_json_with_its_format_first(folder):
    assert next(iter(json.loads((folder / PLACE).read_text()))) == "format"


def test_an_archive_is_unpacked_by_a_python_without_tarfiles_filter(tmp_path, monkeypatch):
    """Debian 12's Python 3.11.2."""
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(tarfile.TarFile, "extractall", old_extractall)
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "file").write_text("x")
    write_archive(folder, tmp_path / "a.tar")
    assert (unpack(tmp_path / "a.tar", tmp_path / "there") / "file").read_text() == "x"


def old_extractall(tar, path):
    """As it was before the filter: for one argument more it is an error."""
    for member in tar.getmembers():
        tar.extract(member, path)
