"""The Unity Catalog volume with the wheel and the files that both sides of a run exchange."""

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
from pinterest_platform.errors import ConfigurationError

_CONTEXT = "context.json"


class Volume:
    """A volume, ``/Volumes/<catalog>/<schema>/<volume>``, or a folder within a volume."""

    def __init__(self, workspace: WorkspaceClient, path: str) -> None:
        self._workspace = workspace
        self.path = path

    def make(self) -> None:
        """Create the volume and its schema unless they exist.

        Raises:
            PlatformError: the catalog does not exist.
            databricks.sdk.errors.DatabricksError: a permission is missing.
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
            raise ConfigurationError(
                f"there is no catalog {catalog} for the volume {self.path}: create it, or set "
                "PINTEREST_DATABRICKS_CATALOG or PINTEREST_DATABRICKS_VOLUME"
            ) from None
        _make(partial(volumes.create, catalog, schema, volume, VolumeType.MANAGED), read)

    def hold(self, wheel: Wheel) -> str:
        """Upload a wheel unless it exists, and return its path."""
        path = f"{self.path}/wheels/{wheel.name}"
        if not _is_there(partial(self._workspace.files.get_metadata, path)):
            self._workspace.files.upload(path, io.BytesIO(wheel.content), overwrite=True)
        return path

    def of_run(self, token: str) -> "RunFolder":
        """The folder of the run with this idempotency token."""
        return RunFolder(self._workspace, f"{self.path}/runs/{token}")


class RunFolder(PipesContextInjector):
    """The folder through which a run gets its context and returns its messages.

    Unlike dagster-databricks' folders, this one is derived from the run's token and remains until
    its messages were read: after a lost connection, the step resumes the same run.
    """

    def __init__(self, workspace: WorkspaceClient, path: str) -> None:
        self._files = workspace.files
        self._workspace = workspace
        self.path = path

    def exists(self) -> bool:
        """Whether an earlier attempt of the step created the folder."""
        return _is_there(partial(self._files.get_directory_metadata, self.path))

    def delete(self) -> None:
        """Delete the folder with its content."""
        delete_volume_directory_recursive(self._files, self.path)

    def reader(self) -> "Messages":
        """A reader of the run's messages, starting with the first."""
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
        return f"The request is in {self.path}/{_CONTEXT}."


class Messages(PipesUnityCatalogVolumesMessageReader):
    """Reads a run's messages from a folder that outlives the reader."""

    def __init__(self, workspace: WorkspaceClient, path: str) -> None:
        # Poll every second, as often as Pipes can: the default of ten would delay users.
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
    """Create an object unless it exists; another step may create it first."""
    if _is_there(read):
        return
    try:
        create()
    except DatabricksError:
        if not _is_there(read):
            raise
