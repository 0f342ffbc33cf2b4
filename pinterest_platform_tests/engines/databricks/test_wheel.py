"""The wheel of tasks: reproducible, and with only the necessary dependencies."""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path

import pytest

import pinterest_platform
from pinterest_platform.engines.databricks.wheel import PACKAGE, task_wheel
from pinterest_platform_tests.databricks.environments import Environments
from pinterest_platform_tests.process import DEADLINE_SECONDS, Pinterest

WRITE = """
import sys, pathlib
from pinterest_platform.engines.databricks.wheel import task_wheel
wheel = task_wheel()
(pathlib.Path(sys.argv[1]) / wheel.name).write_bytes(wheel.content)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A second checkout of the package."""
    source = Path(pinterest_platform.__file__).parent
    copied = tmp_path / "checkout" / PACKAGE
    # copyfile gives the files their own times and permissions.
    shutil.copytree(source, copied, copy_function=shutil.copyfile)
    return copied


def wheel_of(copy: Path) -> Path:
    """The wheel that a checkout builds."""
    folder = copy.parent / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    command = [sys.executable, "-c", WRITE, str(folder)]
    subprocess.run(command, cwd=copy.parent, check=True, timeout=DEADLINE_SECONDS)
    (wheel,) = folder.iterdir()
    return wheel


def test_equal_content_gives_the_same_wheel_byte_by_byte(copy: Path) -> None:
    ours, theirs = task_wheel(), wheel_of(copy)

    assert theirs.name == ours.name
    assert theirs.read_bytes() == ours.content


@pytest.mark.parametrize("change", ["a file", "a new file", "a file less", "a name"])
def test_other_content_gives_another_wheel(copy: Path, change: str) -> None:
    match change:
        case "a file":
            (copy / "errors.py").write_text((copy / "errors.py").read_text() + "# changed\n")
        case "a new file":
            (copy / "more.py").write_text("")
        case "a file less":
            (copy / "__main__.py").unlink()
        case "a name":
            (copy / "__main__.py").rename(copy / "__main.py")

    assert wheel_of(copy).name != task_wheel().name


def test_it_contains_no_bytecode() -> None:
    # This process has compiled its imports.
    assert (Path(pinterest_platform.__file__).parent / "__pycache__").exists()
    with zipfile.ZipFile(BytesIO(task_wheel().content)) as archive:
        names = archive.namelist()

    assert not [name for name in names if "__pycache__" in name]
    assert f"{PACKAGE}/engines/databricks/task.py" in names


IN_THE_ENVIRONMENT = """
import sys
from importlib.metadata import distribution, distributions
import pinterest_platform.engines.databricks.task
import pinterest_platform.engines.databricks.task_credentials, databricks.sdk
print(sorted({each.name.lower() for each in distributions()}))
print(sorted({name.partition(".")[0] for name in sys.modules}))
print(pinterest_platform.__file__)
for file in distribution("pinterest_platform").files:
    if file.hash and file.name != "RECORD":
        import base64, hashlib
        digest = hashlib.sha256(file.locate().read_bytes()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file
"""


def test_it_installs_the_tasks_imports_and_not_dagster(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wheel = tmp_path / task_wheel().name
    wheel.write_bytes(task_wheel().content)
    kept = tmp_path_factory.getbasetemp() / "databricks-environments"
    python = Environments(kept).python([str(wheel)])

    command = [str(python), "-P", "-c", IN_THE_ENVIRONMENT]
    summary = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS
    )
    requested = subprocess.run(
        [str(python.parent / "pinterest-task"), "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    assert summary.returncode == 0, summary.stderr
    installed, imported, place = summary.stdout.splitlines()
    assert place.startswith(str(python.parents[1]))
    assert "'dagster-pipes'" in installed
    assert "'dagster_pipes'" in imported
    for package in ("dagster", "dagster-databricks", "click", "sqlalchemy", "mimesis"):
        assert f"'{package}'" not in installed, package
    # The tests' cluster is a Sail server; the task itself does not need Sail.
    assert "'pysail'" not in imported
    assert (requested.returncode, "--from" in requested.stdout) == (0, True), requested.stderr


def test_it_requires_nothing_that_would_replace_packages_of_a_cluster() -> None:
    with zipfile.ZipFile(BytesIO(task_wheel().content)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        lines = archive.read(name).decode().splitlines()
    needed = [line.split(": ")[1] for line in lines if line.startswith("Requires-Dist")]

    names = {requirement.split("=")[0].split(">")[0] for requirement in needed}
    assert not names & {"dagster", "pyspark", "pyspark[connect]", "pysail", "pandas", "pyarrow"}
    assert f"dagster-pipes=={distribution('dagster-pipes').version}" in needed


def test_the_command_leaves_one_wheel_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "pinterest_platform-0.0+old-py3-none-any.whl").touch()
    (folder / "another-1.0-py3-none-any.whl").touch()

    ended = Pinterest(tmp_path / "home")("wheel", str(folder))

    wheel = task_wheel()
    assert (ended.returncode, ended.stdout.strip()) == (0, str(folder / wheel.name))
    assert {path.name for path in folder.iterdir()} == {wheel.name, "another-1.0-py3-none-any.whl"}
    assert (folder / wheel.name).read_bytes() == wheel.content
