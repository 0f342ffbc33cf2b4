"""The JSON between Dagster's side and the task on Databricks.

The request travels in the extras of the Pipes context, outcomes as custom messages. They are those
of ``build``, so a step makes the same events of them on every engine.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pinterest_platform.build.request import Request
from pinterest_platform.places import Places

# The last message of a task that served its whole request.
END = "end"

# Why a task failed, in a sentence for people.
ERROR = "error"

# Beside an error: whether a later try may succeed.
OUTAGE = "outage"


@dataclass(frozen=True)
class Access:
    """Where the task finds credentials for S3 and Kinesis: by name, never themselves.

    With neither, the cluster has a role: its instance profile.
    """

    service_credential: str = ""  # of Unity Catalog
    secret_scope: str = ""  # with the keys aws_access_key_id and aws_secret_access_key


def extras_of(request: Request, places: Places, access: Access) -> dict[str, Any]:
    """The extras with which a task is started."""
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
