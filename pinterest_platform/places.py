"""The places that the settings name, as engines take them."""

from pinterest_platform.build.request import Places
from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import Settings


def places_of(settings: Settings) -> Places:
    """The places and limits that the settings name.

    Raises:
        PlatformError: Databricks cannot reach them.
    """
    lake, landing = settings.lake, settings.landing
    if settings.engine == "databricks":
        lake = f"unity://{settings.databricks_catalog}/{settings.databricks_schema_prefix}"
        if not landing.startswith(("s3://", "/Volumes/")):
            raise PlatformError(
                "Databricks cannot read the landing objects of a folder on this machine: set "
                "PINTEREST_LANDING to s3://bucket/... or /Volumes/..."
            )
    return Places(
        lake,
        landing,
        settings.topics,
        settings.start_date,
        {"post_years": settings.post_years, "joining_years": settings.joining_years},
        settings.streams,
        settings.aws_region,
    )
