r"""Converts text to values: column expressions shared by all cleaned tables.

Each takes a string column and returns null for unreadable text. Character classes are spelled out
([0-9], the white space below): engines differ in the meaning of \d, \s and trim().
"""

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F

from pinterest_platform.tables.json_text import EXPONENT_MARK

# The characters that Python's str.strip removes: all that Unicode calls white space.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

_WHOLE = r"^[+-]?[0-9]+(\.0*)?$"
# The spelling of large numbers in Apache Spark, and of JSON numbers marked by ``json_text``.
_WITH_EXPONENT = rf"^[+-]?([0-9]\.[0-9]+E[0-9]+|[0-9.]+[eE]\+?[0-9]+{EXPONENT_MARK})$"
_DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_FOLLOWERS = r"^([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]{1,9})?[kKmMbB]?$"
_MOMENT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})?)?)?$"
)
# See docs/records.md. Sail does not read an offset of hours only, UTC, or an offset after a time
# without seconds.
_MOMENT_SPELLED_OTHERWISE = (
    r"^[0-9]{4}(-[0-9]{2}-|/[0-9]{2}/|:[0-9]{2}:)[0-9]{2}"
    r"([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?"
    r"( ?([Zz]|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?)?$"
)
# Seconds or milliseconds since 1970, indistinguishable; the second form is Apache Spark's spelling.
_EPOCH = r"^([0-9]{9,}(\.[0-9]*)?|[0-9](\.[0-9]*)?[eE]\+?([89]|[1-9][0-9]+))$"


def trimmed(text: Column) -> Column:
    """The text without leading and trailing white space; null if nothing is left."""
    bare = F.trim(text, F.lit(WHITE_SPACE))
    return F.when(bare != "", bare)


def meaningful(text: Column, placeholders: Iterable[str] = ()) -> Column:
    """The trimmed text; null if it is one of the placeholders.

    The comparison ignores case and one final full stop.
    """
    bare = trimmed(text)
    known = [_comparable(placeholder) for placeholder in placeholders]
    if not known:
        return bare
    compared = F.regexp_replace(F.lower(bare), r"\.$", "")
    return F.when(~compared.isin(known), bare)


def whole_number(text: Column, type_name: str = "int") -> Column:
    """'7', '+7', '-7' and '7.0' as a number; null for other text and for overflow."""
    bare = _written_out(text)
    digits = F.regexp_replace(F.regexp_replace(bare, r"\.0*$", ""), r"^\+", "")
    return F.when(bare.rlike(_WHOLE), digits.try_cast(type_name))


def decimal_number(text: Column) -> Column:
    """'51.5', '-.5' and '1e3' as a double; null for other text, including NaN and Infinity."""
    bare = trimmed(text)
    return F.when(bare.rlike(_DECIMAL), bare.try_cast("double"))


def moment(text: Column) -> Column:
    """An ISO 8601 date, or date and time, as a timestamp; UTC unless it names an offset.

    Other unambiguous spellings are accepted, too; see ``docs/records.md``.
    """
    bare = trimmed(text)
    spelled = F.when(bare.rlike(_MOMENT), bare).when(
        bare.rlike(_MOMENT_SPELLED_OTHERWISE), _as_iso_8601(bare)
    )
    read = spelled.try_cast("timestamp")
    # Engines accept year 0, also by an offset from year 1; other readers of the lake fail on it.
    return F.when(F.year(read).between(1, 9999), read)


def is_epoch(text: Column) -> Column:
    """Whether a text that is not a ``moment`` is an epoch number, counted from 1970."""
    return trimmed(text).rlike(_EPOCH)


def follower_count(text: Column) -> Column:
    """'746', '136k', '1.2k', '2M', '1B', '1,234' as whole numbers (bigint); else null."""
    bare = _written_out(text)
    unit = F.lower(F.regexp_extract(bare, r"([kKmMbB]?)$", 1))
    number = F.regexp_replace(bare, r"[,kKmMbB]", "").try_cast("decimal(28,9)")
    factor = F.when(unit == "k", 1e3).when(unit == "m", 1e6).when(unit == "b", 1e9).otherwise(1)
    total = number * factor.cast("decimal(10,0)")
    return F.when(bare.rlike(_FOLLOWERS) & (total == F.floor(total)), total.try_cast("bigint"))


def _written_out(text: Column) -> Column:
    """The trimmed text, with a whole JSON number in exponent form (1.0E7) written in digits."""
    bare = trimmed(text)
    number = bare.try_cast("double")
    digits = F.when(number % 1 == 0, number.try_cast("decimal(38,0)").cast("string"))
    return F.when(text.rlike(_WITH_EXPONENT), digits).otherwise(bare)


def _as_iso_8601(spelled: Column) -> Column:
    day = F.regexp_replace(spelled, "^(....)[/:](..)[/:]", "$1-$2-")
    time = F.translate(day, "tz,", "TZ.")
    utc = F.regexp_replace(time, " ?(Z|UTC)$", "Z")
    seconds = F.regexp_replace(utc, "(T| )([0-9]{2}:[0-9]{2})(Z| |[+]|-)", "$1$2:00$3")
    # Only after a time: the day itself ends like an offset of hours.
    offset = F.regexp_replace(seconds, r"(:[0-9.]+) ?([+-][0-9]{2})$", "$1$2:00")
    return F.regexp_replace(offset, " ([+-])", "$1")


def _comparable(text: str) -> str:
    return text.strip().lower().removesuffix(".")
