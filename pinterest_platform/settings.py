"""The configuration. No other module reads it from the environment."""

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pinterest_platform.errors import PlatformError
from pinterest_platform.folders import unusable_characters
from pinterest_platform.kinds import KINDS

# Each is a module or package of ``engines`` with an ``ENGINE``.
EngineName = Literal["sail", "spark", "connect", "databricks"]

# Names that Unity Catalog accepts unquoted and that cannot contain SQL.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
OptionalName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")]

# Rust's clients panic on other URLs.
_ENDPOINT = re.compile(r"https?://(.*@)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?(/\S*)?")

_BROKER = re.compile(r"(\w+://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?")

# Keys may contain only characters that Sail, Spark and obstore neither encode nor decode.
_S3_URL = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_./=+@,-]*)?")


def _local_path(value: object) -> Path:
    """The absolute path of a local file or folder; ``~`` and ``file://`` are expanded.

    Raises:
        ValueError: the value is another kind of URL, or has characters that engines do not support.
    """
    path = str(value)
    scheme, slashes, rest = path.partition("://")
    if slashes and scheme == "file":
        host, slash, below = rest.partition("/")
        if host not in ("", "localhost") or not slash or re.search("[?#]", below):
            raise ValueError(
                "write file:///folder, its special characters as %XX ('?' is %3F, '#' is %23), or "
                "the path itself"
            )
        path = unquote(f"/{below}", errors="surrogateescape")
    elif slashes and re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise ValueError("it must be on this machine: write its path")
    elif re.match("(file|s3[an]?):", path):
        raise ValueError("a URL begins with file:/// or s3://")
    try:
        absolute = Path(path).expanduser().absolute()
    except RuntimeError:
        raise ValueError("it begins with ~, but that user has no known home folder") from None
    if reason := unusable_characters(str(absolute)):
        raise ValueError(f"the path {str(absolute)!a} has {reason}: choose another")
    return absolute


def _folder(value: object) -> str:
    """Like ``_local_path``; an empty text, which means the default, stays empty."""
    return str(_local_path(value)) if value else ""


def _place(value: object) -> str:
    """A folder as an absolute path, or an ``s3://`` URL; an empty text stays empty.

    Raises:
        ValueError: the value is another kind of location, or in a form that engines do not support.
    """
    place = str(value)
    scheme, slashes, rest = place.partition("://")
    if not slashes or scheme == "file":
        return _folder(place)
    if scheme != "s3":
        prefix = f"{scheme}://" if scheme.isalnum() else "this"
        raise ValueError(
            f"'{prefix}' is not a location for the lake or the landing objects: set it to a "
            "folder, file:///... or s3://bucket/..."
        )
    if "@" in rest.partition("/")[0]:
        raise ValueError(
            "it contains credentials: write s3://bucket/prefix, and set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or use a profile or a role"
        )
    if not _S3_URL.fullmatch(place):
        raise ValueError(
            "write s3://bucket/prefix, the prefix with letters, digits and _ - . = + @ , only"
        )
    return place.rstrip("/")


LocalPath = Annotated[Path, BeforeValidator(_local_path)]
Place = Annotated[str, BeforeValidator(_place)]


def _require_endpoints(environ: Mapping[str, str]) -> None:
    for name, url in environ.items():
        if name.startswith("AWS_ENDPOINT_URL") and url and not _ENDPOINT.fullmatch(url):
            raise PlatformError(f"{name} cannot be used: write http://host:port or https://host")


class Settings(BaseSettings):
    """The platform's settings. Each field is the environment variable PINTEREST_<FIELD>.

    Relative paths are relative to the current folder; ``load`` makes them absolute, so that
    processes that Dagster starts in other folders see the same locations.
    """

    model_config = SettingsConfigDict(
        env_prefix="PINTEREST_",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        validate_default=True,
    )

    home: LocalPath = Path(".pinterest")
    engine: EngineName = "sail"
    spark_remote: SecretStr = SecretStr("")
    lake: Place = ""
    landing: Place = ""
    start_date: date = date(2026, 1, 1)
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "pinterest"
    gateway_url: str = "http://127.0.0.1:8082"
    gateway_token: SecretStr = SecretStr("")
    # none: the gateway listens on non-loopback addresses without a token.
    gateway_auth: Literal["token", "none"] = "token"
    gateway_hosts: str = ""
    # records: records only, without creating and deleting streams.
    gateway_streams: Literal["any", "platform", "records", "none"] = "platform"
    kafka_bootstrap: str = ""
    kafka_security: Literal["plaintext", "tls", "scram-sha-256", "scram-sha-512", "iam"] = (
        "plaintext"
    )
    kafka_user: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca: LocalPath | None = None
    db_url: str = ""
    db_creds: LocalPath | None = None
    # Name or ARN of a secret in AWS Secrets Manager; RDS uses "!" in its names.
    db_secret: Annotated[str, Field(pattern=r"^(arn:[a-z0-9:-]+:)?[A-Za-z0-9/_+=.@!-]*$")] = ""
    # If unset, TLS is used if the server offers it, without verification.
    db_ca: LocalPath | None = None
    dagster_home: Annotated[
        str, BeforeValidator(_folder), Field(validation_alias="DAGSTER_HOME")
    ] = ""
    # boto3 reads only AWS_DEFAULT_REGION; ECS, Lambda and the other SDKs set AWS_REGION.
    aws_region: Annotated[
        str, Field(validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
    ] = ""
    databricks_compute: Literal["serverless", "new_cluster", "existing_cluster"] = "serverless"
    databricks_cluster_id: str = ""
    databricks_node_type: str = ""
    databricks_workers: Annotated[int, Field(ge=0)] = 1
    # LTS, with Spark 4. The oldest supported runtime is 16.4 (Spark 3.5, Python data sources).
    databricks_spark_version: str = "17.3.x-scala2.13"
    databricks_instance_profile: str = ""
    databricks_catalog: Name = "main"
    databricks_schema_prefix: OptionalName = ""
    databricks_volume: Annotated[str, Field(pattern=r"^(/Volumes(/[A-Za-z0-9_-]+){3,})?$")] = ""
    databricks_service_credential: str = ""
    databricks_secret_scope: str = ""
    # Delta's default. A shorter one can break queries and writes that take longer.
    lake_retention_days: Annotated[int, Field(ge=1)] = 7
    run_retention_days: Annotated[int, Field(ge=1)] = 30
    post_years: Annotated[tuple[int, int], NoDecode] = (2018, 2022)
    joining_years: Annotated[tuple[int, int], NoDecode] = (2015, 2020)

    @field_validator("spark_remote")
    @classmethod
    def _is_connect_url(cls, remote: SecretStr) -> SecretStr:
        url = remote.get_secret_value()
        if url and not (url.startswith("sc://") and urlsplit(url).hostname):
            raise ValueError("a Spark Connect server has the form sc://host:port")
        return remote

    @field_validator("kafka_bootstrap")
    @classmethod
    def _are_brokers(cls, brokers: str) -> str:
        if brokers and not all(_BROKER.fullmatch(broker.strip()) for broker in brokers.split(",")):
            raise ValueError(
                "brokers have the form host:port,host:port; set the user in PINTEREST_KAFKA_USER "
                "and the password in PINTEREST_KAFKA_PASSWORD"
            )
        return brokers

    @field_validator("gateway_token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise ValueError("a token has only printable ASCII characters and no blanks")
        return token

    @field_validator("gateway_hosts")
    @classmethod
    def _are_names(cls, hosts: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._*-]*(,[A-Za-z0-9._*-]+)*", hosts.replace(" ", "")):
            raise ValueError("hosts are names without a port, separated by commas")
        return hosts

    @field_validator("post_years", "joining_years", mode="before")
    @classmethod
    def _years(cls, value: object) -> object:
        """Parse '2018-2022' into (2018, 2022)."""
        if isinstance(value, str):
            return tuple(value.split("-"))
        return value

    @field_validator("post_years", "joining_years")
    @classmethod
    def _ascending(cls, years: tuple[int, int]) -> tuple[int, int]:
        if years[0] > years[1]:
            raise ValueError("the first year is after the last")
        return years

    @property
    def source_db(self) -> Path:
        """The SQLite file that replaces MySQL if no database is configured."""
        return self.home / "source.db"

    @property
    def hosts(self) -> list[str]:
        """The host names in ``gateway_hosts``."""
        return [name.strip() for name in self.gateway_hosts.split(",") if name.strip()]

    @property
    def topics(self) -> dict[str, str]:
        """The topic of each kind of record: ``{"pin": "<id>.pin", ...}``."""
        return {name: kind.topic(self.id) for name, kind in KINDS.items()}

    @property
    def streams(self) -> dict[str, str]:
        """The Kinesis stream of each kind of record: ``{"pin": "streaming-<id>-pin", ...}``."""
        return {name: kind.stream(self.id) for name, kind in KINDS.items()}


def load() -> Settings:
    """Read the settings from the environment, with absolute paths.

    Raises:
        PlatformError: names the invalid variable and the reason, never its value.
    """
    try:
        settings = Settings()
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0])
        name = name if name.isupper() else f"PINTEREST_{name.upper()}"
        reason = first["msg"].removeprefix("Value error, ")
        raise PlatformError(f"{name} cannot be used: {reason}") from None
    _require_endpoints(os.environ)
    home = settings.home
    return settings.model_copy(
        update={
            "dagster_home": settings.dagster_home or str(home / "dagster"),
            "lake": settings.lake or str(home / "lake"),
            "landing": settings.landing or str(home / "landing"),
            "databricks_volume": settings.databricks_volume
            or f"/Volumes/{settings.databricks_catalog}"
            f"/{settings.databricks_schema_prefix}platform/files",
        }
    )
