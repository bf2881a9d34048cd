"""Wheels made in a test: real zip files with a true RECORD."""

import base64
import hashlib
import zipfile
from pathlib import Path

CUDA_LIBRARIES = {
    f"bitsandbytes/libbitsandbytes_{name}.so": name.encode() * 50
    for name in ("cpu", "cuda118", "cuda128", "cuda130", "rocm64", "xpu2025")
}


def make_wheel(folder: Path, name: str, version: str = "1.0", requires: tuple[str, ...] = (), files=None) -> Path:
    """A pure wheel with ``files`` (name → bytes) besides its dist-info."""
    info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata = "\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), ""])
    contents = {f"{name}/__init__.py": b"", **(files or {})}
    contents[f"{info}/METADATA"] = metadata.encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [f"{path},{digest(data)},{len(data)}" for path, data in contents.items()]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, data in contents.items():
            archive.writestr(inside, data)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    return path


def digest(data: bytes) -> str:
    """A hash as RECORD has it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
