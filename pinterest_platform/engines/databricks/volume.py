"""The volume of Unity Catalog in which the wheel lies, and what the two sides of a run write."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from dagster import PipesContextInjector
from dagster_databricks.pipes import (
    PipesUnityCatalogVolumesMessageReader,
    delete_volume_directory_recursive,
)
from dagster_pipes import PipesBlobStoreMessageWriter, PipesContextData, PipesParams
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.catalog import VolumeType
from typing_extensions import override

from pinterest_platform.engines.databricks.wheel import Wheel
from pinterest_platform.errors import PlatformError

_CONTEXT = "context.json"


class Volume:
    """A volume, ``/Volumes/<catalog>/<schema>/<volume>``, or a folder in it."""

    def __init__(self, workspace: WorkspaceClient, path: str) -> None:
        self._workspace = workspace
        self.path = path

    def make(self) -> None:
        """Make volume and schema unless they exist.

        Raises:
            PlatformError: there is no such catalog.
            databricks.sdk.errors.DatabricksError: no right.
        """
        catalog, schema, volume = self.path.split("/")[2:5]
        volumes, schemas = self._workspace.volumes, self._workspace.schemas
        read = partial(volumes.read, f"{catalog}.{schema}.{volume}")
        if _is_there(read):
            return
        try:
            _make(
                partial(schemas.create, schema, catalog),
                partial(schemas.get, f"{catalog}.{schema}"),
            )
        except NotFound:
            raise PlatformError(
                f"there is no catalog {catalog} for the volume {self.path}: make it, or set "
                "PINTEREST_DATABRICKS_CATALOG or PINTEREST_DATABRICKS_VOLUME"
            ) from None
        _make(partial(volumes.create, catalog, schema, volume, VolumeType.MANAGED), read)

    def hold(self, wheel: Wheel) -> str:
        """Upload a wheel unless it is there; its path."""
        path = f"{self.path}/wheels/{wheel.name}"
        if not _is_there(partial(self._workspace.files.get_metadata, path)):
            self._workspace.files.upload(path, io.BytesIO(wheel.content), overwrite=True)
        return path

    def of_run(self, token: str) -> "RunFolder":
        """The folder of the run that a token stands for."""
        return RunFolder(self._workspace, f"{self.path}/runs/{token}")


class RunFolder(PipesContextInjector):
    """Where a run finds what it is asked for, and leaves what it says.

    Unlike the folders that dagster-databricks makes, it is found again by the run's token and
    stays until it was read: after a lost connection, the step goes on with the same run.
    """

    def __init__(self, workspace: WorkspaceClient, path: str) -> None:
        self._files = workspace.files
        self._workspace = workspace
        self.path = path

    def exists(self) -> bool:
        """Whether an earlier try of the step made it."""
        return _is_there(partial(self._files.get_directory_metadata, self.path))

    def delete(self) -> None:
        """Delete all of it."""
        delete_volume_directory_recursive(self._files, self.path)

    def reader(self) -> "Messages":
        """What reads the messages of the run, from the first."""
        return Messages(self._workspace, f"{self.path}/messages")

    @override
    @contextmanager
    def inject_context(self, context: PipesContextData) -> Iterator[PipesParams]:
        self._files.create_directory(self.path)
        path = f"{self.path}/{_CONTEXT}"
        self._files.upload(path, io.BytesIO(json.dumps(context).encode()), overwrite=True)
        yield {"path": path}

    @override
    def no_messages_debug_text(self) -> str:
        return f"What is asked for is in {self.path}/{_CONTEXT}."


class Messages(PipesUnityCatalogVolumesMessageReader):
    """Reads the messages of a run from a folder that stays."""

    def __init__(self, workspace: WorkspaceClient, path: str) -> None:
        # As often as Pipes can, every second: the default of ten is what a user would wait for.
        super().__init__(interval=0, client=workspace, volume_path=path)

    @override
    @contextmanager
    def get_params(self) -> Iterator[PipesParams]:
        self.files_client.create_directory(self.volume_path)
        yield {
            "path": self.volume_path,
            PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY: True,
        }


def _is_there(read: Callable[[], object]) -> bool:
    try:
        read()
    except NotFound:
        return False
    return True


def _make(create: Callable[[], object], read: Callable[[], object]) -> None:
    """Make what cannot be read; another step may be faster."""
    if _is_there(read):
        return
    try:
        create()
    except DatabricksError:
        if not _is_there(read):
            raise
