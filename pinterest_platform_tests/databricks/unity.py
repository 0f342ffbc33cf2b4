"""Unity Catalog: catalogs, schemas, volumes and service credentials.

Catalogs, schemas and volumes are folders, so tasks can create them, too.
"""

import time
from pathlib import Path
from typing import Any

from pinterest_platform_tests.databricks.api import (
    Answer,
    ApiError,
    Request,
    Route,
    invalid,
    missing,
)

_API = "/api/2.1/unity-catalog"

# The temporary credentials that AWS issues for an hour.
_CREDENTIAL_SECONDS = 3600


class UnityCatalog:
    """Tables at ``<managed>/<catalog>/<schema>/<table>``, volumes below ``volumes`` likewise.

    Attributes:
        service_credentials: AWS's ``access_key_id`` and so on, by the credential's name.
    """

    def __init__(self, managed: Path, volumes: Path) -> None:
        self._managed = managed
        self._volumes = volumes
        self.service_credentials: dict[str, dict[str, str]] = {}
        (managed / "main").mkdir(parents=True)

    @property
    def routes(self) -> list[Route]:
        """The routes of this API."""
        return [
            ("GET", f"{_API}/catalogs/", self._catalog),
            ("POST", f"{_API}/catalogs", self._make_catalog),
            ("GET", f"{_API}/schemas/", self._schema),
            ("POST", f"{_API}/schemas", self._make_schema),
            ("GET", f"{_API}/volumes/", self._volume),
            ("POST", f"{_API}/volumes", self._make_volume),
            ("POST", f"{_API}/temporary-service-credentials", self._give_credential),
        ]

    def _catalog(self, request: Request) -> Answer:
        (name,) = _names(request, 1)
        self._need_catalog(name)
        return Answer(json={"name": name, "full_name": name, "catalog_type": "MANAGED_CATALOG"})

    def _make_catalog(self, request: Request) -> Answer:
        name = _given(request, "name")
        _make(self._managed / name, "Catalog", name)
        return Answer(json={"name": name, "full_name": name, "catalog_type": "MANAGED_CATALOG"})

    def _schema(self, request: Request) -> Answer:
        catalog, schema = _names(request, 2)
        self._need_schema(catalog, schema)
        return Answer(json=_schema_info(catalog, schema))

    def _make_schema(self, request: Request) -> Answer:
        catalog, schema = _given(request, "catalog_name"), _given(request, "name")
        self._need_catalog(catalog)
        _make(self._managed / catalog / schema, "Schema", f"{catalog}.{schema}")
        return Answer(json=_schema_info(catalog, schema))

    def _volume(self, request: Request) -> Answer:
        catalog, schema, volume = _names(request, 3)
        self._need_schema(catalog, schema)
        if not (self._volumes / catalog / schema / volume).is_dir():
            message = f"Volume '{catalog}.{schema}.{volume}' does not exist."
            raise missing(message, "VOLUME_DOES_NOT_EXIST")
        return Answer(json=_volume_info(catalog, schema, volume))

    def _make_volume(self, request: Request) -> Answer:
        catalog, schema = _given(request, "catalog_name"), _given(request, "schema_name")
        volume = _given(request, "name")
        if _given(request, "volume_type") != "MANAGED":
            raise invalid("The local workspace has only managed volumes.")
        self._need_schema(catalog, schema)
        full_name = f"{catalog}.{schema}.{volume}"
        _make(self._volumes / catalog / schema / volume, "Volume", full_name)
        return Answer(json=_volume_info(catalog, schema, volume))

    def _give_credential(self, request: Request) -> Answer:
        name = request.json.get("credential_name", "")
        if name not in self.service_credentials:
            message = f"Service credential '{name}' does not exist."
            raise missing(message, "CREDENTIAL_DOES_NOT_EXIST")
        expires = int((time.time() + _CREDENTIAL_SECONDS) * 1000)
        given = {"aws_temp_credentials": self.service_credentials[name], "expiration_time": expires}
        return Answer(json=given)

    def _need_catalog(self, name: str) -> None:
        if not (self._managed / name).is_dir():
            raise missing(f"Catalog '{name}' does not exist.", "CATALOG_DOES_NOT_EXIST")

    def _need_schema(self, catalog: str, schema: str) -> None:
        self._need_catalog(catalog)
        if not (self._managed / catalog / schema).is_dir():
            message = f"Schema '{catalog}.{schema}' does not exist."
            raise missing(message, "SCHEMA_DOES_NOT_EXIST")


def _names(request: Request, count: int) -> list[str]:
    full_name = request.path.rpartition("/")[2]
    names = full_name.split(".")
    if len(names) != count or "" in names:
        raise invalid(f"'{full_name}' is not a valid name.")
    return names


def _given(request: Request, field: str) -> str:
    value = request.json.get(field)
    if not isinstance(value, str) or not value or set(value) & set("./ "):
        raise invalid(f"Invalid or missing field: {field}")
    return value


def _make(folder: Path, kind: str, name: str) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        code = f"{kind.upper()}_ALREADY_EXISTS"
        raise ApiError(400, code, f"{kind} '{name}' already exists") from None


def _schema_info(catalog: str, schema: str) -> dict[str, Any]:
    return {"name": schema, "catalog_name": catalog, "full_name": f"{catalog}.{schema}"}


def _volume_info(catalog: str, schema: str, volume: str) -> dict[str, Any]:
    return {
        "name": volume,
        "catalog_name": catalog,
        "schema_name": schema,
        "full_name": f"{catalog}.{schema}.{volume}",
        "volume_type": "MANAGED",
    }
