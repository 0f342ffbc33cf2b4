"""The configuration, read here from the environment and nowhere else."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pinterest_platform.errors import PlatformError

# What Unity Catalog takes without quotes, and what no SQL can hide in.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
OptionalName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")]


class Settings(BaseSettings):
    """Where everything is. Each field is the environment variable PINTEREST_<FIELD>.

    Relative paths are below the current folder; ``load`` makes them absolute, so that a process
    started elsewhere by Dagster sees the same places.
    """

    model_config = SettingsConfigDict(
        env_prefix="PINTEREST_",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    home: Path = Path(".pinterest")
    engine: Literal["sail", "spark", "connect", "databricks"] = "sail"
    # It may hold a token.
    spark_remote: SecretStr = SecretStr("")
    lake: str = ""
    landing: str = ""
    start_date: date = date(2026, 1, 1)
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "pinterest"
    gateway_url: str = "http://127.0.0.1:8082"
    # host:port,host:port: where it is set, the gateway's topics are in Kafka.
    kafka_bootstrap: str = ""
    kafka_security: Literal["plaintext", "tls", "scram-sha-256", "scram-sha-512", "iam"] = (
        "plaintext"
    )
    kafka_user: str = ""
    kafka_password: SecretStr = SecretStr("")
    # The certificates of the authority that signed the brokers', when the system does not know it.
    kafka_ca: Path | None = None
    db_url: str = ""
    db_creds: Path | None = None
    # The certificates of the authority that signed the database server's: then only that server's
    # own is taken. Without it TLS is used where the server offers it, and nobody is sure with whom.
    db_ca: Path | None = None
    # The Dagster instance; the one variable that is Dagster's own.
    dagster_home: Annotated[str, Field(validation_alias="DAGSTER_HOME")] = ""
    # boto3 reads AWS_DEFAULT_REGION only; ECS, Lambda and the other SDKs set AWS_REGION.
    aws_region: Annotated[
        str, Field(validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
    ] = ""
    databricks_compute: Literal["serverless", "new_cluster", "existing_cluster"] = "serverless"
    databricks_cluster_id: str = ""
    databricks_node_type: str = ""
    databricks_workers: Annotated[int, Field(ge=0)] = 1
    # The oldest runtime with all that the transforms and data sources use is 16.4 (Spark 3.5 with
    # Spark 4's Python data sources); this is the long-term one with Spark 4.
    databricks_spark_version: str = "17.3.x-scala2.13"
    databricks_instance_profile: str = ""
    databricks_catalog: Name = "main"
    databricks_schema_prefix: OptionalName = ""
    databricks_volume: Annotated[str, Field(pattern=r"^(/Volumes(/[A-Za-z0-9_-]+){3,})?$")] = ""
    databricks_service_credential: str = ""
    databricks_secret_scope: str = ""
    # First and last year that the outputs look at, written 2018-2022.
    post_years: Annotated[tuple[int, int], NoDecode] = (2018, 2022)
    joining_years: Annotated[tuple[int, int], NoDecode] = (2015, 2020)

    @field_validator("spark_remote")
    @classmethod
    def _is_connect_url(cls, remote: SecretStr) -> SecretStr:
        url = remote.get_secret_value()
        if url and not (url.startswith("sc://") and urlsplit(url).hostname):
            raise ValueError("a Spark Connect server is written sc://host:port")
        return remote

    @field_validator("post_years", "joining_years", mode="before")
    @classmethod
    def _years(cls, value: object) -> object:
        """Read '2018-2022' as (2018, 2022)."""
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
        """The SQLite file that stands in for MySQL when no database is configured."""
        return self.home / "source.db"

    @property
    def topics(self) -> dict[str, str]:
        """The topic of each kind of record: ``{"pin": "<id>.pin", ...}``."""
        return {kind: f"{self.id}.{kind}" for kind in ("pin", "geo", "user")}

    @property
    def streams(self) -> dict[str, str]:
        """The Kinesis stream of each kind of record: ``{"pin": "streaming-<id>-pin", ...}``."""
        return {kind: f"streaming-{self.id}-{kind}" for kind in ("pin", "geo", "user")}


def load() -> Settings:
    """Read the settings from the environment, paths made absolute.

    Raises:
        PlatformError: names the variable that cannot be used and why, never its value.
    """
    try:
        settings = Settings()
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        name = f"PINTEREST_{str(first['loc'][0]).upper()}"
        reason = first["msg"].removeprefix("Value error, ")
        raise PlatformError(f"{name} cannot be used: {reason}") from None
    home = settings.home.absolute()
    return settings.model_copy(
        update={
            "home": home,
            "dagster_home": _place(settings.dagster_home, home / "dagster"),
            "lake": _place(settings.lake, home / "lake"),
            "landing": _place(settings.landing, home / "landing"),
            "databricks_volume": settings.databricks_volume
            or f"/Volumes/{settings.databricks_catalog}"
            f"/{settings.databricks_schema_prefix}platform/files",
        }
    )


def _place(url: str, default: Path) -> str:
    """A folder as an absolute path without ``file://``; an ``s3://`` URL as it is."""
    if not url:
        return str(default)
    if url.startswith("s3://"):
        return url.rstrip("/")
    if "://" in url and not url.startswith("file://"):
        scheme = url.split("://", 1)[0]
        raise PlatformError(
            f"'{scheme}://' is no place for the lake or the landing objects: "
            "set PINTEREST_LAKE and PINTEREST_LANDING to a folder, file:///... or s3://bucket/..."
        )
    return str(Path(url.removeprefix("file://")).absolute())
