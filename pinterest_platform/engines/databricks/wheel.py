"""Builds the wheel for tasks on Databricks: this package with only the dependencies needed there.

The project's own wheel would install Dagster, Sail and a second PySpark on the cluster.
"""

import base64
import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from importlib.metadata import requires, version
from pathlib import Path

import pinterest_platform

PACKAGE = "pinterest_platform"

ENTRY_POINT = "pinterest-task"

# Imports of the entry point that a cluster may lack or have in another version. The runtime
# provides pyspark, pandas, numpy, pyarrow and databricks-sdk.
_NEEDED = ("boto3", "obstore", "protobuf", "pydantic-settings", "typing-extensions")

# The earliest timestamp of a zip file. A constant one makes wheels of equal content equal.
_NO_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A wheel, with a hash of its content in the name."""

    name: str
    content: bytes


def task_wheel() -> Wheel:
    """Build the wheel from the installed or checked-out package."""
    root = Path(pinterest_platform.__file__).parent
    files = {
        f"{PACKAGE}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    needed = _requirements()
    digest = hashlib.sha256("\n".join(needed).encode())
    for name, content in files.items():
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    number = f"{version(PACKAGE)}+{digest.hexdigest()[:16]}"
    info = f"{PACKAGE}-{number}.dist-info"
    files |= {
        f"{info}/METADATA": _lines(
            "Metadata-Version: 2.1",
            f"Name: {PACKAGE}",
            f"Version: {number}",
            "Requires-Python: >=3.11",
            *(f"Requires-Dist: {requirement}" for requirement in needed),
        ),
        f"{info}/WHEEL": _lines(
            "Wheel-Version: 1.0",
            f"Generator: {PACKAGE}",
            "Root-Is-Purelib: true",
            "Tag: py3-none-any",
        ),
        f"{info}/entry_points.txt": _lines(
            "[console_scripts]", f"{ENTRY_POINT} = {PACKAGE}.engines.databricks.task:main"
        ),
    }
    record = [f"{name},sha256={_hash(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = _lines(*record, f"{info}/RECORD,,")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _NO_MOMENT)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return Wheel(f"{PACKAGE}-{number}-py3-none-any.whl", packed.getvalue())


def _requirements() -> list[str]:
    """The project's requirements for these packages, and Pipes in the version of this process."""
    own = {
        re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]: requirement
        for requirement in requires(PACKAGE) or []
        if "extra ==" not in requirement
    }
    return [*(own[name] for name in _NEEDED), f"dagster-pipes=={version('dagster-pipes')}"]


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
