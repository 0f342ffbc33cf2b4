"""All tables of the platform, in dependency order."""

from pinterest_platform.tables import raw
from pinterest_platform.tables.analytics import categories, followers
from pinterest_platform.tables.analytics.posts import POSTS
from pinterest_platform.tables.cleaned.contracts import CLEANED
from pinterest_platform.tables.cleaned.quarantine import QUARANTINE
from pinterest_platform.tables.contract import Table

OUTPUTS = (
    categories.CATEGORY_COUNTS_BY_COUNTRY,
    categories.TOP_CATEGORY_BY_COUNTRY,
    categories.CATEGORY_COUNTS_BY_YEAR,
    categories.TOP_CATEGORY_BY_YEAR,
    followers.TOP_USER_BY_COUNTRY,
    followers.COUNTRY_OF_TOP_USER,
    categories.TOP_CATEGORY_BY_AGE_GROUP,
    followers.MEDIAN_FOLLOWERS_BY_AGE_GROUP,
    followers.USERS_JOINED_BY_YEAR,
    followers.MEDIAN_FOLLOWERS_BY_JOINING_YEAR,
    followers.MEDIAN_FOLLOWERS_BY_JOINING_YEAR_AND_AGE_GROUP,
)

TABLES: dict[str, Table] = {
    table.full_name: table
    for table in (
        *raw.BATCH.values(),
        *raw.STREAM.values(),
        QUARANTINE,
        *(table for table, _ in CLEANED),
        POSTS,
        *OUTPUTS,
    )
}


def in_schema(schema: str) -> tuple[Table, ...]:
    """The tables of one schema, in dependency order."""
    return tuple(table for table in TABLES.values() if table.schema == schema)
