"""What Dagster's side and the task on Databricks tell each other, as JSON.

The request travels in the extras of the Pipes context, the outcomes as custom messages. Both sides
know outcomes only as ``engines.request`` has them, so that the events that a step makes of them are
the same on every engine.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pinterest_platform.build.request import Checked, Made, NotMade, Outcome, Places, Request

# The last message of a task that did all that was asked.
END = "end"

# What kept a task from it, in a sentence for people.
ERROR = "error"


@dataclass(frozen=True)
class Access:
    """Where the task finds credentials for S3 and Kinesis: by name, never themselves.

    With neither, the cluster has a role: its instance profile.
    """

    service_credential: str = ""  # of Unity Catalog
    secret_scope: str = ""  # with the keys aws_access_key_id and aws_secret_access_key


def extras_of(request: Request, places: Places, access: Access) -> dict[str, Any]:
    """What a task is asked for."""
    return {
        "tables": list(request.tables),
        "checks": [list(check) for check in request.checks],
        "days": [day.isoformat() for day in request.days],
        "places": {
            "lake": places.lake,
            "landing": places.landing,
            "topics": places.topics,
            "start_date": places.start_date.isoformat(),
            "parameters": {name: list(value) for name, value in places.parameters.items()},
            "streams": places.streams,
            "region": places.region,
        },
        "access": asdict(access),
    }


def asked_of(extras: Mapping[str, Any]) -> tuple[Request, Places, Access]:
    """What ``extras_of`` made, taken apart."""
    places = extras["places"]
    return (
        Request(
            tuple(extras["tables"]),
            tuple((table, check) for table, check in extras["checks"]),
            tuple(map(date.fromisoformat, extras["days"])),
        ),
        Places(**{**places, "start_date": date.fromisoformat(places["start_date"])}),
        Access(**extras["access"]),
    )


def message_of(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a message."""
    fields = asdict(outcome)
    if isinstance(outcome, Made):
        fields["rows"] = [[day and day.isoformat(), rows] for day, rows in outcome.rows.items()]
    return {type(outcome).__name__: fields}


def outcome_of(message: Mapping[str, Any]) -> Outcome:
    """What ``message_of`` made, taken apart."""
    ((name, fields),) = message.items()
    match name:
        case "Made":
            rows = {day and date.fromisoformat(day): count for day, count in fields["rows"]}
            return Made(**{**fields, "rows": rows})
        case "Checked":
            return Checked(**fields)
        case _:
            return NotMade(**fields)
