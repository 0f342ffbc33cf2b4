"""The engine ``databricks``: a step becomes a Databricks run, which calls the same ``build``."""

from pinterest_platform.engines.registry import EngineType

ENGINE = EngineType(
    name="databricks",
    open=None,
    lake=lambda settings: (
        f"unity://{settings.databricks_catalog}/{settings.databricks_schema_prefix}"
    ),
    local_landing=False,
)
