"""The local workspace's other endpoints, and its refusals."""

import io
from typing import Any

import pytest
from dagster_databricks.pipes import volumes_tempdir
from databricks.sdk import WorkspaceClient
from databricks.sdk.credentials_provider import CredentialsStrategy
from databricks.sdk.errors import (
    BadRequest,
    NotFound,
    PermissionDenied,
    ResourceDoesNotExist,
    Unauthenticated,
)
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.catalog import VolumeType

from pinterest_platform_tests.databricks.conftest import VOLUME, Site
from pinterest_platform_tests.databricks.submissions import EXISTING_CLUSTER
from pinterest_platform_tests.databricks.wheels import NAME

WORK = {"python_wheel_task": {"package_name": NAME, "entry_point": "tell"}}
TASK = {"task_key": "task", "existing_cluster_id": EXISTING_CLUSTER, **WORK}
CLUSTER = {"spark_version": "17.3.x-scala2.13", "node_type_id": "m5d.large", "num_workers": 1}


def test_only_the_token_gives_access(site: Site) -> None:
    other = WorkspaceClient(host=site.workspace.host, token="another")
    none = WorkspaceClient(host=site.workspace.host, credentials_strategy=_NoCredentials())

    with pytest.raises(PermissionDenied):
        other.catalogs.get("main")
    with pytest.raises(Unauthenticated):
        none.catalogs.get("main")


class _NoCredentials(CredentialsStrategy):
    def auth_type(self) -> str:
        return "none"

    def __call__(self, _: Any) -> Any:
        return dict


def test_a_downloaded_file_equals_the_uploaded_one(site: Site) -> None:
    path = f"{VOLUME}/new folder/ünï.bin"
    site.client.files.upload(path, io.BytesIO(b"\x00\xff"))
    site.client.files.upload(path, io.BytesIO(b"\x00\xfe"), overwrite=True)

    assert site.download(path) == b"\x00\xfe"
    assert site.client.files.get_metadata(path).content_length == 2
    with pytest.raises(DatabricksError, match="already exists"):
        site.client.files.upload(path, io.BytesIO(b""), overwrite=False)
    site.client.files.delete(path)
    with pytest.raises(NotFound):
        site.client.files.download(path)
    with pytest.raises(NotFound):
        site.client.files.get_metadata(path)


def test_a_directory_is_listed_page_by_page_and_removed_when_empty(site: Site) -> None:
    folder = f"{VOLUME}/listed"
    site.client.files.create_directory(f"{folder}/b")
    site.client.files.upload(f"{folder}/a", io.BytesIO(b"123"))

    found = list(site.client.files.list_directory_contents(folder, page_size=1))

    assert [(entry.name, entry.is_directory, entry.file_size) for entry in found] == [
        ("a", False, 3),
        ("b", True, None),
    ]
    with pytest.raises(BadRequest, match="not empty"):
        site.client.files.delete_directory(folder)
    site.client.files.delete(f"{folder}/a")
    site.client.files.delete_directory(f"{folder}/b")
    site.client.files.delete_directory(folder)
    with pytest.raises(NotFound):
        site.client.files.get_directory_metadata(folder)


def test_dagsters_temporary_folder_is_removed_with_its_content(site: Site) -> None:
    with volumes_tempdir(site.client.files, VOLUME) as folder:
        site.client.files.upload(f"{folder}/deep/0.json", io.BytesIO(b"{}"))
        inside = f"{folder}/deep"

    with pytest.raises(NotFound):
        site.client.files.get_directory_metadata(inside)


@pytest.mark.parametrize("path", ["/Volumes/main/ops/none/file", "/Volumes/main/none/code/file"])
def test_files_exist_only_in_volumes(site: Site, path: str) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        site.client.files.upload(path, io.BytesIO(b""))


def test_catalogs_schemas_and_volumes_are_created_once_and_in_order(site: Site) -> None:
    api = site.client

    with pytest.raises(NotFound, match="Catalog 'lab' does not exist"):
        api.schemas.create("raw", "lab")
    api.catalogs.create("lab")
    with pytest.raises(NotFound, match=r"Schema 'lab\.raw' does not exist"):
        api.volumes.create("lab", "raw", "files", VolumeType.MANAGED)
    api.schemas.create("raw", "lab")
    with pytest.raises(NotFound, match="does not exist"):
        api.volumes.read("lab.raw.files")
    api.volumes.create("lab", "raw", "files", VolumeType.MANAGED)

    assert api.volumes.read("lab.raw.files").full_name == "lab.raw.files"
    assert api.schemas.get("lab.raw").catalog_name == "lab"
    with pytest.raises(BadRequest, match="already exists"):
        api.schemas.create("raw", "lab")


def test_clusters_and_scopes_are_those_of_the_workspace(site: Site) -> None:
    site.workspace.secrets["shown"] = {}

    assert site.cluster_state() == "RUNNING"
    with pytest.raises(ResourceDoesNotExist):
        site.client.clusters.get("0101-120000-nothing")
    assert "shown" in [scope.name for scope in site.client.secrets.list_scopes()]
    with pytest.raises(NotFound):
        site.client.secrets.get_secret("shown", "none")


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"tasks": [TASK], "tags": {}}, "tags"),
        ({"tasks": [TASK | {"librarys": []}]}, "librarys"),
        ({"tasks": []}, "one task"),
        ({"tasks": [WORK | {"existing_cluster_id": EXISTING_CLUSTER}]}, "task_key"),
        ({"tasks": [{"task_key": "task", **WORK}]}, "exactly one of existing_cluster_id"),
        ({"tasks": [TASK | {"new_cluster": CLUSTER}]}, "exactly one of existing_cluster_id"),
        ({"tasks": [TASK | {"existing_cluster_id": "another"}]}, "another does not exist"),
        ({"tasks": [TASK | {"python_wheel_task": None}]}, "exactly one of python_wheel_task"),
        ({"tasks": [TASK | {"python_wheel_task": {"package_name": "x"}}]}, "entry_point"),
        ({"tasks": [{"task_key": "a", "new_cluster": {}, **WORK}]}, "exactly one"),
        ({"tasks": [{"task_key": "a", "new_cluster": {"x": 1}, **WORK}]}, "new_cluster: .'x'"),
        (
            {"tasks": [{"task_key": "a", "new_cluster": CLUSTER | {"spark_version": "4"}, **WORK}]},
            "spark version 4",
        ),
        ({"tasks": [{"task_key": "a", "environment_key": "none", **WORK}]}, "none"),
        (
            {
                "tasks": [
                    {"task_key": "a", "environment_key": "e", "libraries": [{"whl": "x"}], **WORK}
                ],
                "environments": [{"environment_key": "e", "spec": {"environment_version": "4"}}],
            },
            "Libraries field is not supported",
        ),
        ({"tasks": [TASK], "idempotency_token": "x" * 65}, "64 characters"),
    ],
)
def test_an_invalid_payload_creates_no_run(site: Site, payload: dict[str, Any], why: str) -> None:
    before = len(site.workspace.submitted)

    with pytest.raises(BadRequest, match=why):
        site.client.api_client.do("POST", "/api/2.2/jobs/runs/submit", body=payload)

    assert len(site.workspace.submitted) == before


def test_a_missing_run_is_not_found(site: Site) -> None:
    with pytest.raises(NotFound):
        site.client.jobs.get_run(1)


def test_requests_to_unknown_endpoints_are_recorded(site: Site) -> None:
    before = list(site.workspace.unknown)

    with pytest.raises(NotFound):
        site.client.jobs.get(1)

    assert site.workspace.unknown == [*before, ("GET", "/api/2.2/jobs/get")]
