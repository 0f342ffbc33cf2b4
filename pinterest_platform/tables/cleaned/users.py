"""cleaned.users: the user of each post."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.kinds import USER
from pinterest_platform.tables import records
from pinterest_platform.tables.cleaned.balance import reconciles
from pinterest_platform.tables.cleaned.references import has_pin
from pinterest_platform.tables.contract import Column, Table, violation
from pinterest_platform.tables.records import field, united
from pinterest_platform.tables.text import meaningful, moment, trimmed, whole_number

VALUE = records.values_of(USER)


def _problems() -> list[SparkColumn]:
    age = whole_number(field("age"))
    return [
        records.missing_or("age", age.between(0, 120), "impossible age"),
        records.date_problem("date_joined"),
    ]


def _values() -> dict[str, SparkColumn]:
    names = [meaningful(field(name)) for name in ("first_name", "last_name")]
    return {
        "user_name": trimmed(F.concat_ws(" ", *names)),
        "age": whole_number(field("age")),
        "date_joined": moment(field("date_joined")),
    }


RECORD = records.RecordContract(
    kind=USER,
    fields=("first_name", "last_name", "age", "date_joined"),
    text_fields=("first_name", "last_name"),
    problems=_problems,
    values=_values,
)


def clean_users(*raw_user: DataFrame) -> DataFrame:
    """Raw user rows of any channel -> one row per day and ``ind``, in ``USERS`` column order."""
    return records.cleaned(united(*raw_user), RECORD).select(*USERS.column_names)


USERS = Table(
    schema="cleaned",
    name=USER.cleaned,
    row="The newest user record of a post on a day.",
    columns=(
        records.ind_of(USER),
        Column(
            name="user_name",
            type="STRING",
            description="First and last name of the user.",
            derived_from=VALUE,
        ),
        Column(
            name="age", type="INT", description="Age in years.", derived_from=VALUE, nullable=False
        ),
        Column(
            name="date_joined",
            type="TIMESTAMP",
            description="When the user joined, UTC.",
            derived_from=VALUE,
            nullable=False,
        ),
        *records.lineage_of(USER),
    ),
    key=("day", "ind"),
    inputs=USER.raw_tables,
    transform=clean_users,
    own_checks=(
        violation(
            "age_possible",
            "Age is within 0 and 120 years.",
            "NOT age BETWEEN 0 AND 120",
        ),
        reconciles(USER),
        has_pin(USER.cleaned_table),
    ),
)
