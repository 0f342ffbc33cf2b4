"""Tiny wheels for tests: one module each, as zip files."""

import hashlib
import re
import zipfile
from pathlib import Path

NAME = "tiny_task"


def write_wheel(folder: Path, code: str) -> Path:
    """Write a wheel with the module ``tiny_task``, whose functions are the entry points.

    Args:
        folder: the folder of the wheel.
        code: the module's source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    functions = re.findall(r"^def (\w+)", code, re.MULTILINE)
    scripts = "\n".join(f"{name} = {NAME}:{name}" for name in functions)
    information = f"{NAME}-1.0.dist-info"
    files = {
        f"{NAME}.py": code,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{information}/entry_points.txt": f"[console_scripts]\n{scripts}\n",
    }
    # The build tag distinguishes wheels with different code in uv's cache.
    build = int(hashlib.sha256(code.encode()).hexdigest()[:8], 16)
    wheel = folder / f"{NAME}-1.0-{build}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        record = f"{information}/RECORD"
        archive.writestr(record, "\n".join(f"{path},," for path in [*files, record]) + "\n")
    return wheel
