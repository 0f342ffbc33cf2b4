"""cleaned.geolocations: the place and time of each post."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.kinds import GEO
from pinterest_platform.tables import records
from pinterest_platform.tables.cleaned.balance import reconciles
from pinterest_platform.tables.cleaned.references import has_pin
from pinterest_platform.tables.contract import Column, Table, violation
from pinterest_platform.tables.records import field, united
from pinterest_platform.tables.text import decimal_number, meaningful, moment

VALUE = records.values_of(GEO)


def _latitude() -> SparkColumn:
    return decimal_number(field("latitude"))


def _longitude() -> SparkColumn:
    return decimal_number(field("longitude"))


def _problems() -> list[SparkColumn]:
    on_globe = _latitude().between(-90, 90) & _longitude().between(-180, 180)
    return [
        records.missing_or("latitude", _latitude().isNotNull(), "unreadable latitude"),
        records.missing_or("longitude", _longitude().isNotNull(), "unreadable longitude"),
        F.when(~on_globe, F.lit("coordinates outside the globe")),
        records.date_problem("timestamp"),
    ]


def _values() -> dict[str, SparkColumn]:
    return {
        "country": meaningful(field("country")),
        "coordinates": F.array(_latitude(), _longitude()),
        "timestamp": moment(field("timestamp")),
    }


RECORD = records.RecordContract(
    kind=GEO,
    fields=("timestamp", "latitude", "longitude", "country"),
    text_fields=("country",),
    problems=_problems,
    values=_values,
)


def clean_geolocations(*raw_geo: DataFrame) -> DataFrame:
    """Raw geo rows of any channel -> one row per day and ``ind``, with ``GEOLOCATIONS`` columns."""
    return records.cleaned(united(*raw_geo), RECORD).select(*GEOLOCATIONS.column_names)


GEOLOCATIONS = Table(
    schema="cleaned",
    name=GEO.cleaned,
    row="The newest geolocation record of a post on a day.",
    columns=(
        records.ind_of(GEO),
        Column(
            name="country",
            type="STRING",
            description="Country the post was made in.",
            derived_from=VALUE,
        ),
        Column(
            name="coordinates",
            type="ARRAY<DOUBLE>",
            description="[latitude, longitude] in degrees.",
            derived_from=VALUE,
            nullable=False,
        ),
        Column(
            name="timestamp",
            type="TIMESTAMP",
            description="When the post was made, UTC.",
            derived_from=VALUE,
            nullable=False,
        ),
        *records.lineage_of(GEO),
    ),
    key=("day", "ind"),
    inputs=GEO.raw_tables,
    transform=clean_geolocations,
    own_checks=(
        violation(
            "coordinates_on_globe",
            "Latitude is within -90 and 90, longitude within -180 and 180.",
            # get(), because coordinates[1] fails on a shorter array, and Sail evaluates it first.
            "NOT coalesce(size(coordinates) = 2 AND get(coordinates, 0) BETWEEN -90 AND 90 "
            "AND get(coordinates, 1) BETWEEN -180 AND 180, false)",
        ),
        reconciles(GEO),
        has_pin(GEO.cleaned_table),
    ),
)
