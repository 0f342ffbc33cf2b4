r"""What the platform takes for JSON, the same on every engine and at ingestion.

Engines agree on the plain records that nearly all are; where they differ (see ``docs/records.md``)
a record is rewritten, before it is parsed, into one that they agree on: with numbers as text in
their own spelling, and U+FFFD where an escape such as ``\ud800`` is no character. What cannot be
rewritten gets a reason instead.
"""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

BYTE_ORDER_MARK = "\ufeff"

# Levels of objects and arrays in a record, its own one counted. Sail 0.7.2 reads 127, Apache Spark
# 1,000; with room for what is put around a record to look at it.
DEEPEST = 100

# The longest name that Apache Spark reads; Sail reads any.
LONGEST_NAME = 50_000

# JSON as RFC 8259 has it. By themselves, engines differ in what else they take.
STRICT = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}

# Behind a number with an exponent, so that as text it stays what it was: 1e3 is a whole number, the
# text "1e3" is none. It is white space, which every text is trimmed of.
EXPONENT_MARK = "\x1f"

BLANK = r"[ \t\r\n]*"

# Possessive: Java's regular expressions would recurse for each escape. Rust's never go back.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_HIGH, _LOW, _ANY_SURROGATE = (
    f"[dD]{second}[0-9a-fA-F]{{2}}" for second in ("[89abAB]", "[c-fC-F]", "[89a-fA-F]")
)
# Behind what is whole from the start on: without the start, half of a pair would do.
_LONE_SURROGATE = (
    rf"^(?:[^\\]++|\\[^u]|\\u[^dD]|\\u[dD][0-7]|\\u{_HIGH}\\u{_LOW})*+"
    rf"\\u(?:[dD][c-fC-F]|{_HIGH}(?:[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F]))"
)
# An ASCII letter as an escape, perhaps in the name of a field.
_ESCAPED_LETTER = r"\\u00[5-7]"
# Control characters that no JSON text has. Those that it cannot have serve as marks below.
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
_MANY_LEVELS = rf"^(?:[^\[{{]*[\[{{]){{{DEEPEST + 1}}}"
# The pattern is compiled for each batch of rows, and in full takes as long as the rows do.
_SOME_LEVELS = r"^(?:[^\[{]*[\[{]){10}"
_FOLLOWED = r"\}[ \t\r\n]*[^ \t\r\n]"
_BASE64_OF_JSON = r"^(eyJ|eyA|ewo|ew0|ewk|e30|W3s|WwA|Wwo)[A-Za-z0-9+/_-]*={0,2}$"
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?$"

# What stands before a reason. No JSON text begins with it.
_REFUSED = "\x00"

_LEVELS_AT_ONCE = 10


def odd(value: Column, text_fields: Sequence[str]) -> Column:
    """Whether a record is worth a closer look: one pass over the text, which most do not pass.

    Args:
        value: the records' texts.
        text_fields: the fields in which a number is kept in its own spelling.
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
    """Where engines differ in what a number is as text, or in whether it is one."""
    before = rf"[:\[,]{BLANK}"
    return (
        _ESCAPED_LETTER,
        rf'"(?:{"|".join(text_fields)})"{BLANK}:{BLANK}-?[0-9]+\.',
        # 18 digits are exact and spelled alike everywhere.
        rf"{before}-?[0-9](?:[0-9.]*[eE]|[0-9.]{{18}})",
        rf"{before}-0{BLANK}[,\]}}]",
    )


def _nested(text_fields: Sequence[str]) -> tuple[str, ...]:
    return (_ESCAPED_LETTER, rf'"(?:{"|".join(text_fields)})"{BLANK}:{BLANK}[\[{{]')


def with_agreed_text(rows: DataFrame, text_fields: Sequence[str]) -> DataFrame:
    """The rows with ``agreed``: null for a plain ``value``, else the text to parse, or a refusal.

    ``refusal`` reads the latter. The steps are columns of their own, so that none is repeated
    within another; they are null for plain values, which pay for none of them.
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
    """The reason in a refused text; null for a text that is to be parsed."""
    return F.when(agreed.startswith(_REFUSED), F.substring(agreed, 2, 1000))


def is_alone(text: Column) -> Column:
    """Whether a text that some value was read from has nothing behind that value.

    Apache Spark reads the first of several values, and does not look at what comes then.
    """
    return ~text.rlike(_FOLLOWED) | _is_one_value(text)


def shape(text: Column, fields: Sequence[str]) -> Column:
    """A struct of the fields' values with all strings empty, so that ``{`` begins an object.

    Null where no field can have one.
    """
    marked = F.regexp_replace(text, rf"({_STRING}{BLANK}:)|{_STRING}", "$1\x01")
    emptied = _replaced(_replaced(marked, ":\x01", ":"), "\x01", '""')
    schema = ", ".join(f"`{name}` STRING" for name in fields)
    return F.from_json(F.when(text.rlike("|".join(_nested(fields))), emptied), schema, STRICT)


def _bare(text: Column) -> Column:
    """The text without a byte order mark and white space around it."""
    # Among the control characters is the mark of a refusal, which no sender is to give reasons by.
    return F.when(text.rlike(_CONTROL), _refuse("not JSON")).otherwise(
        _trimmed(F.regexp_replace(text, f"^{BYTE_ORDER_MARK}", ""))
    )


def _safe(text: Column, text_fields: Sequence[str]) -> Column:
    """The text as engines agree on it, or the refusal of one that some engine cannot read."""
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
    """What a JSON string holds, or another text that is no object; null for an object."""
    held = F.when(text.startswith('"'), _trimmed(F.get(_elements(text), F.lit(0))))
    is_read = text.startswith("{") | text.startswith(_REFUSED)
    return F.when(~is_read, F.coalesce(held, text))


def _read(text: Column, inner: Column) -> Column:
    """The object in a text that is none itself, or the refusal that names what it is."""
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
    """The JSON object that a text is the base64 of, to the bit; null when it is not."""
    # For what is no base64 Sail gives an error or, by try_to_binary, null for the whole batch.
    binary = F.unbase64(F.when(text.rlike(_BASE64_OF_JSON) & text.rlike(_BASE64), text))
    exact = F.regexp_replace(F.base64(binary), "[\r\n]", "") == text
    decoded = F.when(exact, _trimmed(F.try_validate_utf8(binary)))
    return F.when(decoded.startswith("{"), decoded)


def _kind_of_array(text: Column) -> Column:
    """What an array holds that ingestion did not take apart."""
    emptied = F.regexp_replace(text, _STRING, '"text"')
    elements = F.from_json(emptied, "ARRAY<STRING>", STRICT)
    joined = F.concat(F.lit("\x01"), F.array_join(elements, "\x01", "null"))
    first = F.regexp_extract(text, rf"^\[{BLANK}(.)", 1)
    return (
        F.when(first == "]", "empty array")
        # Ingested before arrays were taken apart.
        .when((first == "{") & ~joined.rlike(r"\x01[^{]"), "unsplit array of objects")
        .when((first == "[") & ~joined.rlike(r"\x01[^\[]"), "array of arrays")
        .when(~joined.rlike(r"\x01[\[{]"), "array of single values")
        .otherwise("mixed array")
    )


def _elements(text: Column) -> Column:
    # Something must follow: Apache Spark does not look at what is behind the bracket.
    return F.from_json(F.concat(F.lit("["), text, F.lit(",0]")), "ARRAY<STRING>", STRICT)


def _is_one_value(text: Column) -> Column:
    return F.coalesce(F.size(_elements(text)) == 2, F.lit(False))


def _without_lone_surrogates(text: Column) -> Column:
    r"""The text with U+FFFD for every escape that is half of a character."""
    # Escaped backslashes are put aside, as what follows one is no escape.
    aside = _replaced(text, "\\\\", "\x01")
    paired = F.regexp_replace(aside, rf"\\u({_HIGH})\\u({_LOW})", "\x02$1\x02$2")
    lone = F.regexp_replace(paired, rf"\\u{_ANY_SURROGATE}", "\ufffd")
    back = _replaced(_replaced(lone, "\x02", "\\u"), "\x01", "\\\\")
    return F.when(text.rlike(_LONE_SURROGATE), back).otherwise(text)


def _numbers_as_text(text: Column, text_fields: Sequence[str]) -> Column:
    """The text, its numbers in quotation marks if one is odd; what is no number stays none."""
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
    """Whether brackets are left in each other when those of ``DEEPEST`` levels are taken away."""
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
