"""cleaned.pins: the content of each post."""

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pinterest_platform.kinds import PIN
from pinterest_platform.tables import records
from pinterest_platform.tables.cleaned.balance import reconciles
from pinterest_platform.tables.contract import Check, Column, Table
from pinterest_platform.tables.records import field, united
from pinterest_platform.tables.text import follower_count, meaningful, trimmed, whole_number

VALUE = records.values_of(PIN)

TEXT_FIELDS = (
    "unique_id",
    "title",
    "description",
    "follower_count",
    "poster_name",
    "tag_list",
    "is_image_or_video",
    "image_src",
    "save_location",
    "category",
)

# Values that the scraper writes for missing data.
PLACEHOLDERS = {
    "title": ("No Title Data Available",),
    "description": (
        "No description available",
        "No description available Story format",
        "Untitled",
    ),
    "poster_name": ("User Info Error",),
    "follower_count": ("User Info Error",),
    "tag_list": ("N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",),
    "image_src": ("Image src error.",),
}


def _problems() -> list[SparkColumn]:
    downloaded = field("downloaded")
    unreadable = trimmed(downloaded).isNotNull() & whole_number(downloaded).isNull()
    return [F.when(unreadable, F.lit("downloaded is not a whole number"))]


def _values() -> dict[str, SparkColumn]:
    text = {name: meaningful(field(name), PLACEHOLDERS.get(name, ())) for name in TEXT_FIELDS}
    followers = follower_count(field("follower_count"))
    return text | {
        "follower_count": followers,
        "unreadable_follower_count": F.when(followers.isNull(), text["follower_count"]),
        # Keep only the folder; an empty value after the prefix means no folder.
        "save_location": trimmed(
            F.regexp_replace(text["save_location"], r"^Local save in( |$)", "")
        ),
        "downloaded": whole_number(field("downloaded")),
    }


RECORD = records.RecordContract(
    kind=PIN,
    fields=(*TEXT_FIELDS, "downloaded"),
    text_fields=TEXT_FIELDS,
    problems=_problems,
    values=_values,
)


def clean_pins(*raw_pin: DataFrame) -> DataFrame:
    """Raw pin rows of any channel -> one row per day and ``ind``, in ``PINS`` column order."""
    return records.cleaned(united(*raw_pin), RECORD).select(*PINS.column_names)


PINS = Table(
    schema="cleaned",
    name=PIN.cleaned,
    row="The newest pin record of a post on a day.",
    columns=(
        records.ind_of(PIN),
        Column(
            name="unique_id",
            type="STRING",
            description="Identifier of the pin.",
            derived_from=VALUE,
        ),
        Column(name="title", type="STRING", description="Title of the pin.", derived_from=VALUE),
        Column(
            name="description",
            type="STRING",
            description="Description of the pin.",
            derived_from=VALUE,
        ),
        Column(
            name="follower_count",
            type="BIGINT",
            description="Followers of the poster.",
            derived_from=VALUE,
        ),
        Column(
            name="poster_name", type="STRING", description="Name of the poster.", derived_from=VALUE
        ),
        Column(
            name="tag_list", type="STRING", description="Tags, comma-separated.", derived_from=VALUE
        ),
        Column(
            name="is_image_or_video",
            type="STRING",
            description="Media type of the pin.",
            derived_from=VALUE,
        ),
        Column(
            name="image_src", type="STRING", description="URL of the image.", derived_from=VALUE
        ),
        Column(
            name="save_location",
            type="STRING",
            description="Folder the image was saved in.",
            derived_from=VALUE,
        ),
        Column(
            name="category", type="STRING", description="Category of the pin.", derived_from=VALUE
        ),
        Column(
            name="downloaded",
            type="INT",
            description="1 when the image was downloaded.",
            derived_from=VALUE,
        ),
        *records.lineage_of(
            PIN,
            Column(
                name="unreadable_follower_count",
                type="STRING",
                description="The follower count in the record, if it is unreadable.",
                derived_from=VALUE,
            ),
        ),
    ),
    key=("day", "ind"),
    inputs=PIN.raw_tables,
    transform=clean_pins,
    own_checks=(
        reconciles(PIN),
        Check(
            name="follower_count_readable",
            description="Every stated follower count is readable; an unreadable one is null.",
            severity="warn",
            over=lambda rows: rows("cleaned.pins").where(
                "follower_count IS NOT NULL OR unreadable_follower_count IS NOT NULL"
            ),
            offends="follower_count IS NULL",
            max_share=0.05,
        ),
        Check(
            name="category_known",
            description="A pin has a category.",
            severity="warn",
            offends="category IS NULL",
            max_share=0.05,
        ),
    ),
)
