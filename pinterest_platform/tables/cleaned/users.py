"""cleaned.users: who made a post."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.tables import records
from pinterest_platform.tables.cleaned.references import has_pin
from pinterest_platform.tables.contract import Column, Table, violation
from pinterest_platform.tables.records import field, united
from pinterest_platform.tables.text import meaningful, moment, trimmed, whole_number

RAW = ("raw.user", "raw.user_stream")
VALUE = records.values_of(RAW)


def _problems() -> list[SparkColumn]:
    age = whole_number(field("age"))
    return [
        records.missing_or("age", age.between(0, 120), "impossible age"),
        records.date_problem("date_joined"),
    ]


KIND = records.Kind(
    "user",
    ("first_name", "last_name", "age", "date_joined"),
    ("first_name", "last_name"),
    _problems,
)


def clean_users(*raw_user: DataFrame) -> DataFrame:
    """Raw user rows of any channels -> one row per day and ``ind``, in the order of ``USERS``."""
    names = [meaningful(field(name)) for name in ("first_name", "last_name")]
    values = {
        "user_name": trimmed(F.concat_ws(" ", *names)),
        "age": whole_number(field("age")),
        "date_joined": moment(field("date_joined")),
    }
    return records.usable(united(*raw_user), KIND, values).select(*USERS.column_names)


USERS = Table(
    "cleaned",
    "users",
    "The newest user record of a post on a day.",
    (
        Column("ind", "INT", "Number of the post.", VALUE, nullable=False),
        Column("user_name", "STRING", "First and last name of the user.", VALUE),
        Column("age", "INT", "Age in years.", VALUE, nullable=False),
        Column(
            "date_joined",
            "TIMESTAMP",
            "When the user joined, UTC.",
            VALUE,
            nullable=False,
        ),
        *records.lineage_of(RAW),
    ),
    key=("day", "ind"),
    inputs=RAW,
    transform=clean_users,
    own_checks=(
        violation(
            "cleaned.users",
            "age_possible",
            "Age is within 0 and 120 years.",
            "NOT age BETWEEN 0 AND 120",
        ),
        records.reconciles(KIND, RAW, "cleaned.users"),
        has_pin("cleaned.users"),
    ),
)
