r"""The platform's definition of JSON, the same on every engine and at ingestion.

Engines agree on plain records, which nearly all are. Where they differ (see ``docs/records.md``), a
record is rewritten before parsing into one that they agree on: with numbers as text in their
original spelling, and U+FFFD for an escape such as ``\ud800`` that is not a character. A record
that cannot be rewritten gets a reason instead.
"""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

BYTE_ORDER_MARK = "\ufeff"

# Sail 0.7.2 reads 127 levels, Apache Spark 1,000; the margin is for wrappers around a record.
DEEPEST = 100

# The longest field name that Apache Spark reads; Sail has no limit.
LONGEST_NAME = 50_000

# JSON as in RFC 8259. By default, engines differ in the extensions they accept.
STRICT = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}

# Marks a number: 1e3 is a whole number, the string "1e3" is not. Trimming removes the mark.
EXPONENT_MARK = "\x1f"

BLANK = r"[ \t\r\n]*"

# Possessive quantifiers: Java's regular expressions would recurse for each escape. Rust's never
# backtrack.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_HIGH, _LOW, _ANY_SURROGATE = (
    f"[dD]{second}[0-9a-fA-F]{{2}}" for second in ("[89abAB]", "[c-fC-F]", "[89a-fA-F]")
)
# Anchored at the start: otherwise half of a surrogate pair would match.
_LONE_SURROGATE = (
    rf"^(?:[^\\]++|\\[^u]|\\u[^dD]|\\u[dD][0-7]|\\u{_HIGH}\\u{_LOW})*+"
    rf"\\u(?:[dD][c-fC-F]|{_HIGH}(?:[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F]))"
)
_ESCAPED_LETTER = r"\\u00[5-7]"
# Control characters that are invalid in JSON text; some of them serve as marks below.
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
_MANY_LEVELS = rf"^(?:[^\[{{]*[\[{{]){{{DEEPEST + 1}}}"
# A cheap pre-filter: engines compile the pattern for each batch, and compiling the full one takes
# as long as matching the rows.
_SOME_LEVELS = r"^(?:[^\[{]*[\[{]){10}"
_FOLLOWED = r"\}[ \t\r\n]*[^ \t\r\n]"
_BASE64_OF_JSON = r"^(eyJ|eyA|ewo|ew0|ewk|e30|W3s|WwA|Wwo)[A-Za-z0-9+/_-]*={0,2}$"
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?$"

# Prefix of a refusal's reason. No JSON text starts with it.
_REFUSED = "\x00"

_LEVELS_AT_ONCE = 10


def odd(value: Column, text_fields: Sequence[str]) -> Column:
    """Whether a record needs further checks: one pass over the text, negative for most.

    Args:
        value: the column of record texts.
        text_fields: the fields in which numbers keep their original spelling.
    """
    forms = (
        r"^[^{]",
        _SOME_LEVELS,
        _FOLLOWED,
        _LONE_SURROGATE,
        *_odd_numbers(text_fields),
        *_nested(text_fields),
    )
    return value.rlike("|".join(forms)) | (F.octet_length(value) > LONGEST_NAME) | (value == "")


def _odd_numbers(text_fields: Sequence[str]) -> tuple[str, ...]:
    """Patterns of numbers that engines convert to text differently or do not all accept."""
    before = rf"[:\[,]{BLANK}"
    return (
        _ESCAPED_LETTER,
        rf'"(?:{"|".join(text_fields)})"{BLANK}:{BLANK}-?[0-9]+\.',
        # Up to 18 digits are exact and spelled alike on every engine.
        rf"{before}-?[0-9](?:[0-9.]*[eE]|[0-9.]{{18}})",
        rf"{before}-0{BLANK}[,\]}}]",
    )


def _nested(text_fields: Sequence[str]) -> tuple[str, ...]:
    return (_ESCAPED_LETTER, rf'"(?:{"|".join(text_fields)})"{BLANK}:{BLANK}[\[{{]')


def with_agreed_text(rows: DataFrame, text_fields: Sequence[str]) -> DataFrame:
    """The rows with ``agreed``: null for a plain ``value``, else the text to parse or a refusal.

    ``refusal`` extracts the reason from a refusal. Each step is a separate column, so that no
    expression is repeated within another; for plain values all steps are null and cost nothing.
    """
    agreed, inner = F.col("agreed"), F.col("_inner")
    steps = (
        ("agreed", F.when(odd(F.col("value"), text_fields), _bare(F.col("value")))),
        ("agreed", _safe(agreed, text_fields)),
        ("_inner", _inner(agreed)),
        ("agreed", F.when(inner.isNull(), agreed).otherwise(_read(agreed, inner))),
        ("agreed", F.when(inner.isNull(), agreed).otherwise(_safe(agreed, text_fields))),
    )
    return reduce(lambda frame, step: frame.withColumn(*step), steps, rows).drop("_inner")


def refusal(agreed: Column) -> Column:
    """The reason in a refusal; null for a text to parse."""
    return F.when(agreed.startswith(_REFUSED), F.substring(agreed, 2, 1000))


def is_alone(text: Column) -> Column:
    """Whether nothing follows the first JSON value in a text.

    Apache Spark parses the first of several values and ignores the rest.
    """
    return ~text.rlike(_FOLLOWED) | _is_one_value(text)


def shape(text: Column, fields: Sequence[str]) -> Column:
    """A struct of the fields' values with all strings empty, so that ``{`` always starts an object.

    Null if no field can contain an object.
    """
    marked = F.regexp_replace(text, rf"({_STRING}{BLANK}:)|{_STRING}", "$1\x01")
    emptied = _replaced(_replaced(marked, ":\x01", ":"), "\x01", '""')
    schema = ", ".join(f"`{name}` STRING" for name in fields)
    return F.from_json(F.when(text.rlike("|".join(_nested(fields))), emptied), schema, STRICT)


def _bare(text: Column) -> Column:
    """The text without a byte order mark and surrounding white space."""
    # The control characters include the refusal mark, which would let a sender forge reasons.
    return F.when(text.rlike(_CONTROL), _refuse("not JSON")).otherwise(
        _trimmed(F.regexp_replace(text, f"^{BYTE_ORDER_MARK}", ""))
    )


def _safe(text: Column, text_fields: Sequence[str]) -> Column:
    """The text in a spelling all engines agree on, or a refusal if some engine cannot read it."""
    refused = text.startswith(_REFUSED)
    return (
        F.when(refused | text.rlike(_BASE64_OF_JSON), text)
        .when(text.rlike(_CONTROL), _refuse("not JSON"))
        .when(text.rlike(_MANY_LEVELS) & _is_too_deep(text), _refuse(f"more than {DEEPEST} levels"))
        .when(
            (F.octet_length(text) > LONGEST_NAME) & _has_long_name(text),
            _refuse(f"name of more than {LONGEST_NAME} characters"),
        )
        .otherwise(_numbers_as_text(_without_lone_surrogates(text), text_fields))
    )


def _inner(text: Column) -> Column:
    """The content of a JSON string, or another non-object text; null for an object."""
    content = F.when(text.startswith('"'), _trimmed(F.get(_elements(text), F.lit(0))))
    is_read = text.startswith("{") | text.startswith(_REFUSED)
    return F.when(~is_read, F.coalesce(content, text))


def _read(text: Column, inner: Column) -> Column:
    """The object encoded in a non-object text, or a refusal that names the text's type."""
    return (
        F.when(inner.rlike(_BASE64_OF_JSON), F.coalesce(_decoded(inner), _refuse("base64 text")))
        .when(~_is_one_value(text), _refuse("not JSON"))
        .when(text.startswith("["), F.concat(F.lit(_REFUSED), _kind_of_array(text)))
        .when(~text.startswith('"'), _refuse("not an object"))
        .when(inner.startswith("{"), inner)
        .when(inner.rlike(r'^[\["]'), _refuse("JSON in a string"))
        .otherwise(_refuse("not an object"))
    )


def _decoded(text: Column) -> Column:
    """The JSON object that a text encodes in strict base64; null if it encodes none."""
    # On invalid base64, Sail raises an error or, with try_to_binary, nulls the whole batch.
    binary = F.unbase64(F.when(text.rlike(_BASE64_OF_JSON) & text.rlike(_BASE64), text))
    exact = F.regexp_replace(F.base64(binary), "[\r\n]", "") == text
    decoded = F.when(exact, _trimmed(F.try_validate_utf8(binary)))
    return F.when(decoded.startswith("{"), decoded)


def _kind_of_array(text: Column) -> Column:
    """The type of an array that ingestion did not split."""
    emptied = F.regexp_replace(text, _STRING, '"text"')
    elements = F.from_json(emptied, "ARRAY<STRING>", STRICT)
    joined = F.concat(F.lit("\x01"), F.array_join(elements, "\x01", "null"))
    first = F.regexp_extract(text, rf"^\[{BLANK}(.)", 1)
    return (
        F.when(first == "]", "empty array")
        .when((first == "{") & ~joined.rlike(r"\x01[^{]"), "unsplit array of objects")
        .when((first == "[") & ~joined.rlike(r"\x01[^\[]"), "array of arrays")
        .when(~joined.rlike(r"\x01[\[{]"), "array of single values")
        .otherwise("mixed array")
    )


def _elements(text: Column) -> Column:
    # Append an element: Apache Spark ignores text after the closing bracket.
    return F.from_json(F.concat(F.lit("["), text, F.lit(",0]")), "ARRAY<STRING>", STRICT)


def _is_one_value(text: Column) -> Column:
    return F.coalesce(F.size(_elements(text)) == 2, F.lit(False))


def _without_lone_surrogates(text: Column) -> Column:
    r"""The text with U+FFFD for every escaped lone surrogate."""
    # Replace escaped backslashes first: the characters after one are not an escape.
    aside = _replaced(text, "\\\\", "\x01")
    paired = F.regexp_replace(aside, rf"\\u({_HIGH})\\u({_LOW})", "\x02$1\x02$2")
    lone = F.regexp_replace(paired, rf"\\u{_ANY_SURROGATE}", "\ufffd")
    back = _replaced(_replaced(lone, "\x02", "\\u"), "\x01", "\\\\")
    return F.when(text.rlike(_LONE_SURROGATE), back).otherwise(text)


def _numbers_as_text(text: Column, text_fields: Sequence[str]) -> Column:
    """The JSON with every number quoted if engines would read one of them differently.

    A token that is not a valid JSON number stays as it is, and stays invalid.
    """
    marked = F.regexp_replace(
        text, rf"({_STRING})|({_NUMBER})({BLANK}(?:[,\]}}]|$))", "$1\x01$2\x02$3"
    )
    numbers = _replaced(marked, "\x01\x02", "")
    exponents = F.regexp_replace(numbers, r"\x01([^\x02]*[eE][^\x02]*)\x02", "\x01$1\x03\x02")
    escaped = _replaced(exponents, "\x03", f"\\u{ord(EXPONENT_MARK):04x}")
    quoted = F.translate(escaped, "\x01\x02", '""')
    forms = (*_odd_numbers(text_fields), "^-?[0-9]")
    return F.when(text.rlike("|".join(forms)), quoted).otherwise(text)


def _is_too_deep(text: Column) -> Column:
    """Whether nested brackets remain after removing ``DEEPEST`` levels."""
    bare = F.regexp_replace(F.regexp_replace(text, _STRING, ""), r"[^\[\]{}]+", "")
    brackets = F.translate(bare, "[]{}", "<><>")
    levels = reduce(lambda inner, _: f"<(?:{inner})*+>", range(_LEVELS_AT_ONCE - 1), "<>")
    rounds = range(DEEPEST // _LEVELS_AT_ONCE)
    return reduce(lambda left, _: F.regexp_replace(left, levels, ""), rounds, brackets).contains(
        "<>"
    )


def _has_long_name(text: Column) -> Column:
    names = F.regexp_replace(text, rf"({_STRING}){BLANK}:|{_STRING}|[^\"]+", "$1")
    return F.exists(F.split(names, '"'), lambda name: F.length(name) > LONGEST_NAME)


def _trimmed(text: Column) -> Column:
    return F.trim(text, F.lit(" \t\r\n"))


def _replaced(text: Column, old: str, new: str) -> Column:
    return F.replace(text, F.lit(old), F.lit(new))


def _refuse(reason: str) -> Column:
    return F.lit(f"{_REFUSED}{reason}")
