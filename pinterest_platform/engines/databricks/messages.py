"""The JSON between Dagster's side and the task on Databricks.

The extras of the Pipes context carry the request; custom messages return the outcomes of ``build``,
so a step emits the same events on every engine.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pinterest_platform.build.request import Request
from pinterest_platform.places import Places

END = "end"

ERROR = "error"

OUTAGE = "outage"


@dataclass(frozen=True)
class Access:
    """The names under which the task finds credentials for S3 and Kinesis.

    Without a name, the task uses the cluster's instance profile.
    """

    service_credential: str = ""  # of Unity Catalog
    secret_scope: str = ""  # with the keys aws_access_key_id and aws_secret_access_key


def extras_of(request: Request, places: Places, access: Access) -> dict[str, Any]:
    """The extras that start a task."""
    return {
        "request": request.to_json(),
        "places": places.to_json(),
        "access": asdict(access),
    }


def task_of(extras: Mapping[str, Any]) -> tuple[Request, Places, Access]:
    """The request, places and access that ``extras_of`` wrote."""
    return (
        Request.from_json(extras["request"]),
        Places.from_json(extras["places"]),
        Access(**extras["access"]),
    )
