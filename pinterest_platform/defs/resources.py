"""The engine, which PINTEREST_ENGINE selects, as a Dagster resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import PrivateAttr
from typing_extensions import override

from pinterest_platform.build.outcomes import Outcome
from pinterest_platform.build.request import Request
from pinterest_platform.engines.databricks.messages import Access
from pinterest_platform.engines.engine import Engine
from pinterest_platform.engines.registry import engine_type, places_of
from pinterest_platform.places import Places
from pinterest_platform.settings import Settings

if TYPE_CHECKING:
    from pinterest_platform.engines.databricks.engine import DatabricksEngine


class DatabricksConfig(dg.Config):
    """The compute and access of the engine databricks: names only, no secrets."""

    compute: str
    cluster_id: str
    node_type: str
    workers: int
    spark_version: str
    instance_profile: str
    volume: str
    service_credential: str
    secret_scope: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The configuration in the settings."""
        names = cls.model_fields
        return cls(**{name: getattr(settings, f"databricks_{name}") for name in names})


class EngineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Builds tables with the engine of the settings; one session serves the whole run."""

    name: str
    places: dict[str, Any]
    # May contain a token: as an EnvVar, so that Dagster shows only the variable's name.
    remote: str
    databricks: DatabricksConfig

    _engine: "Engine | DatabricksEngine" = PrivateAttr()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The engine that the settings select."""
        return cls(
            name=settings.engine,
            places=places_of(settings).to_json(),
            remote=dg.EnvVar("PINTEREST_SPARK_REMOTE") if settings.spark_remote else "",
            databricks=DatabricksConfig.of(settings),
        )

    @override
    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        places = Places.from_json(self.places)
        if engine_type(self.name).open is None:
            self._engine = self._on_databricks(places)
            yield self
            return
        with Engine(self.name, places, self.remote) as engine:
            self._engine = engine
            yield self

    def build(self, context: dg.AssetExecutionContext, request: Request) -> Iterator[Outcome]:
        """Build tables and run checks; see ``build.tables.build``."""
        if isinstance(self._engine, Engine):
            return self._engine.build(request)
        return self._engine.build(context, request)

    def _on_databricks(self, places: Places) -> "DatabricksEngine":
        # 4 s of imports that no other engine needs.
        from pinterest_platform.engines.databricks.compute import Compute  # noqa: PLC0415
        from pinterest_platform.engines.databricks.engine import DatabricksEngine  # noqa: PLC0415

        chosen = self.databricks
        compute = Compute(
            kind=chosen.compute,
            cluster_id=chosen.cluster_id,
            node_type=chosen.node_type,
            workers=chosen.workers,
            spark_version=chosen.spark_version,
            instance_profile=chosen.instance_profile,
        )
        access = Access(chosen.service_credential, chosen.secret_scope)
        return DatabricksEngine(compute, places, access, chosen.volume)
