"""cleaned.users, row by row."""

import pytest

from pinterest_platform.tables.cleaned.users import USERS, clean_users
from pinterest_platform_tests.rows import records
from pinterest_platform_tests.tables.conftest import RawRows

USER = {
    "ind": 7,
    "first_name": "Ana",
    "last_name": "de la Cruz",
    "age": 36,
    "date_joined": "2015-12-08T20:02:43",
}


def test_a_user_becomes_a_row_in_the_order_of_the_contract(raw_rows: RawRows) -> None:
    cleaned = clean_users(raw_rows(USER))
    assert cleaned.columns[:4] == ["ind", "user_name", "age", "date_joined"]
    assert records(
        cleaned.selectExpr(
            "ind", "user_name", "age", "date_format(date_joined, 'yyyy-MM-dd HH:mm:ss')"
        )
    ) == [(7, "Ana de la Cruz", 36, "2015-12-08 20:02:43")]


def test_types_are_those_of_the_contract(raw_rows: RawRows) -> None:
    types = dict(clean_users(raw_rows(USER)).dtypes)
    assert types == {column.name: column.type.lower() for column in USERS.columns}


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [(" Ana ", "", "Ana"), (None, "Cruz", "Cruz"), ("", " ", None), ("李", "小龙", "李 小龙")],
)
def test_a_name_consists_of_its_present_parts(
    raw_rows: RawRows, first: str | None, last: str | None, name: str | None
) -> None:
    cleaned = clean_users(raw_rows(USER | {"first_name": first, "last_name": last}))
    assert records(cleaned, "user_name") == [(name,)]


@pytest.mark.parametrize("age", [0, 120, "36", 36.0])
def test_possible_ages(raw_rows: RawRows, age: object) -> None:
    assert records(clean_users(raw_rows(USER | {"age": age})), "age") == [(int(float(str(age))),)]
