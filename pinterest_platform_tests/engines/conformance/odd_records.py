"""Odd records, fixed and random, and the rows or reasons that cleaning gives them."""

import base64
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from pinterest_platform.kinds import KINDS
from pinterest_platform.tables import raw
from pinterest_platform.tables.cleaned.geolocations import RECORD as GEO
from pinterest_platform.tables.cleaned.geolocations import clean_geolocations
from pinterest_platform.tables.cleaned.pins import RECORD as PIN
from pinterest_platform.tables.cleaned.pins import clean_pins
from pinterest_platform.tables.cleaned.users import RECORD as USER
from pinterest_platform.tables.cleaned.users import clean_users
from pinterest_platform.tables.records import parsed, unusable
from pinterest_platform_tests.rows import VOLATILE

RECORDS = {"pin": PIN, "geo": GEO, "user": USER}
CLEAN = {"pin": clean_pins, "geo": clean_geolocations, "user": clean_users}
ARRIVED = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)

_LINEAGE = {"channel", "arrived_at", "day", *raw.NATURAL_KEY, *VOLATILE}

NUMBERS = (
    *("0", "-0", "-0.0", "7", "-7", "1.0", "1.10", "30.0", "1e1", "1E5", "1e+2", "10e-1", "15e-1"),
    *("1e-7", "0.0001", "0.00001", "12345678.9", "10000000.0", "1e22", "1e400", "-1e400", "1e-400"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809", "12345678901234567890"),
    *("123456789012345678901234567890", "0.1234567890123456789012", "1" * 400, "1" * 1200),
    *("1.00000000001e1", "2147483647", "2147483648", "2147483647.0", "90", "90.0000000000001"),
    *("5e-324", "1.7976931348623157e308", "100000000000000000000000", "0.30000000000000004", "1e0"),
)
NO_NUMBERS = (
    *("01", "-01", "+1", "0x1", ".5", "5.", "1e", "1e+", "--1", "-", "1.2.3", "1 2", "1_000"),
    *("NaN", "Infinity", "-Infinity", "nan", "True", "None", "tru", "nul", "undefined", "1f", "1L"),
)
STRINGS = (
    *("", " ", "x", "7", "7.0", "1e1", "1e3", "-0", "007", "1,234", "136k", "1.5M", "true", "null"),
    *(
        "NaN",
        "Infinity",
        "\u00a0x\u3000",
        "é",
        "日本語",
        "😀",
        "\ufeff",
        "\ufffd",
        "{",
        "[1]",
        "} {",
    ),
    *("a, 1.5e3", ": 1e400,", "[", "{}", "\x7f", "\u2028", "User Info Error", "Local save in /x"),
)
ESCAPED = (
    *(r"\u0000", r"\u001f", r"\u0020", r"\ud83d\ude00", r"\ud83d", r"\ude00", r"\ude00\ud83d"),
    *(r"\ud800\ud800\udc00", r"\\ud800", r"\\\ud800", r"\\\\ud800", r"\uD83D\uDE00", r"\udfff"),
    *(r"\ud83d\\ude00", r"\ud83dx\ude00", r"\u0041", r"\/", r"\b\f\n\r\t", r"\"", r"\\", r"\ufeff"),
    *(r"1e1\u001f", r"\ud83d\u0041", r"\u005f", r"\uffff", r"\u00e9"),
)
NO_ESCAPES = (r"\x41", r"\u12", r"\'", r"\U0001F600", "\\", r"\ud83d\u", r"\u{41}", r"\0")
CONTROLS = ("\x00", "\x01", "\x02", "\x03", "\x08", "\x0b", "\x0c", "\x1f", "\t", "\n", "\r")
DATES = (
    *("2018-03-18T19:13:55", "2018-03-18 19:13:55.123456", "2018-03-18T19:13:55+00:00"),
    *("2018-03-18t19:13:55z", "2018-03-18 19:13", "2018/03/18", "2018:03:18 19:13:55"),
    *("2018-03-18T19:13:55+02", "2018-03-18T19:13:55+0200", "2018-03-18T19:13:55-11:59"),
    *("2018-03-18T19:13:55.Z", "2018-03-18T19:13:55,5", "0000-01-01", "10000-01-01", "0001-01-01"),
    *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59", "2016-12-31T23:59:60"),
    *("2018-03-18T24:00:00", "2018-03-18T23:60", "2018-02-29", "2020-02-29", "2018-3-8", "2018-03"),
    *("2018", "1521400435", "1521400435000", "1521400435.5", "20180318", "20180318T191355", "now"),
    *("2018-03-18T19:13:55 UTC", "2018-03-18T19:13:55Europe/Berlin", "2018-03-18T19", "today"),
    *("2018-03-18T19:13:55+18:00", "2018-03-18T19:13:55+18:01", "2018-03-18T19:13:55+14:00"),
    *("2018-03-18T19:13:55+23:59", "2018-03-18T19:13:55-00:00", "2018-03-18T19:13:55.1234567890"),
    *("2018-03-18  19:13:55", " 2018-03-18 ", "+2018-03-18", "-2018-03-18", "18/03/2018", "epoch"),
    *("2018-03-18T19:13:55+2", "2018-03-18T19:13:55 +02:00", "2018-03-18Z", "2018-03-18+02:00"),
    *("2018/03/18 19:13:55", "2018/03-18", "2018-03/18", "2018.03.18", "2018:03:18", "2018-03:18"),
    *("2018-03-18T19:13Z", "2018-03-18 19:13+02:00", "2018/03/18 19:13-02", "2018-03-18t19:13 UTC"),
    *("2018-03-18T19:13:55 -0200", "2018:03:18 19:13:55,25+01:00", "2018-03-18T19:13:55,Z"),
    *(
        "2018-13-01",
        "2018-00-10",
        "2018-01-00",
        "2018-01-32",
        "2018-03-18T25:00",
        "2018-03-18T-1:00",
    ),
    *("٢٠١٨-03-18", "1582-10-10", "1500-02-29", "1900-02-29", "2026-03-04T12:00:59", "2026-03-05"),
)
WHITE = ("", " ", "\t", "\n", "\r", "  ")
NO_WHITE = ("\u00a0", "\x0b", "\x0c", "\u2028", "\ufeff", "/*c*/", "//c\n", "#c\n", "\x00")


def fixed() -> Iterator[str]:
    """Records with one oddity each."""
    for depth in (99, 100, 101, 126, 127, 128, 500, 999, 1000, 1001, 2001, 20_000):
        yield '{"index":1,"ind":1,"z":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"
        yield '{"z":' * depth + "1" + "}" * depth
        yield "[" * depth + "]" * depth
        yield "[" * depth
        yield "[{" * depth
    yield '{"index":1,"ind":1,"z":[' + ",".join(['{"a":[]}'] * 3000) + "]}"
    yield '{"index":1,"ind":1,"z":[' + ",".join(['{"a":[]}'] * 3000) + "}"
    yield '{"index":1,"ind":1,"z":"' + "[{" * 3000 + '"}'
    for length in (49_990, 50_000, 50_001, 70_000):
        yield json.dumps({"index": 1, "ind": 1, "k" * length: 1, "title": "x"})
        yield json.dumps({"index": 1, "ind": 1, "title": "x" * length, "country": ":" * length})
    for digits in (18, 19, 20, 999, 1000, 1001, 5000):
        for name in ("index", "title", "age", "latitude", "z"):
            yield f'{{"index":1,"ind":1,"{name}":{"1" * digits}}}'
            yield f'{{"index":1,"ind":1,"{name}":0.{"1" * digits}}}'
    for text in (*NUMBERS, *NO_NUMBERS, "", " ", "null", "true", "x", '"x"', "not json at all"):
        yield text
        yield f"[{text}]"
    whole = '{"index":1,"ind":1,"title":"x"}'
    for before in (*WHITE, *NO_WHITE):
        yield before + whole
        yield whole + before
        yield f'{{{before}"index"{before}:{before}1{before},{before}"title":"x"{before}}}'
    for behind in ("x", "}", "]", ",", whole, f" {whole}", f",{whole}", '"', ":", "\\", "{", "["):
        yield whole + behind
    for value in (whole, f"[{whole}]", "[]", '"x"', "7", "{", "{}", '{"index": ', "[1,", " {} "):
        yield json.dumps(value)
        yield json.dumps(json.dumps(value))
        yield base64.b64encode(value.encode()).decode()
        yield base64.b64encode(value.encode()).decode().rstrip("=")
        yield json.dumps(base64.b64encode(value.encode()).decode())
    for data in (
        b'{"index":1,"title":"\xc3("}',
        b'{"index":1}\x00',
        b"{\xff",
        b'\xef\xbb\xbf{"index":1}',
    ):
        yield base64.b64encode(data).decode()
    yield "eyJpbmRleCI6MX1="
    yield "eyJhIjoxfR=="
    yield "eyJpbmRleCI6MX1=="
    yield from (
        '[[{}],"{"]',
        '["{}"]',
        '["[1]"]',
        "[{},[]]",
        "[[],[]]",
        '[{"a":1},{"b":2}]',
        "[{},null]",
    )
    yield '{"index":1,"ind":1,"_broken":"x"}'
    yield '{"index":1,"ind":1,"":1,"\\u0000":2}'
    yield '{"\\u0069ndex":1,"\\u0069nd":1,"\\u0074itle":{"a":1},"\\u0063ountry":[1]}'
    yield '{"index":1,"ind":1,"meta":{"title":{},"country":[]},"title":"{","country":"["}'
    yield '{"index":1,"ind":1,"meta":{"title":{}},"title":{},"country":[],"first_name":{}}'
    yield '{"index":1,"ind":1,"title":"a","title":{"b":1},"country":[],"country":"x"}'


def generated(kind: str, seed: int, count: int) -> list[str]:
    """Random records of a kind, most of them with one or a few oddities."""
    dice = random.Random(f"{kind} {seed}")
    return [_record(kind, dice) for _ in range(count)]


def cleaned(spark: SparkSession, kind: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    """The row or the reason for quarantine of each record."""
    types = ", ".join(f"{column.name} {column.type}" for column in raw.COLUMNS)
    # Each has its own day, so that none is a duplicate of another.
    rows = [
        (value, None, "any", "0", str(at), None, ARRIVED, ARRIVED, date(2000, 1, 1) + timedelta(at))
        for at, value in enumerate(values)
    ]
    frame = spark.createDataFrame(rows, types)
    found: dict[int, tuple[Any, ...]] = {}
    unusable_records = unusable(parsed(frame, RECORDS[kind]))
    for row in unusable_records.select("offset_or_sequence_number", "reason").collect():
        found[int(row["offset_or_sequence_number"])] = ("quarantine", row["reason"])
    for row in _printable(CLEAN[kind](frame)).collect():
        kept = {name: value for name, value in row.asDict().items() if name not in _LINEAGE}
        found[int(row["offset_or_sequence_number"])] = tuple(kept.items())
    return [found[at] for at in range(len(values))]


def _printable(frame: DataFrame) -> DataFrame:
    """Times as text: PySpark would convert them to the machine's time zone."""
    moments = [name for name, type_ in frame.dtypes if type_.startswith("timestamp")]
    return frame.withColumns({name: frame[name].cast("string") for name in moments})


def _record(kind: str, dice: random.Random) -> str:
    names = [KINDS[kind].id_fields[0], *RECORDS[kind].fields]
    dice.shuffle(names)
    members = []
    for name in names:
        odd = dice.random() < 0.25
        value = _odd_value(dice) if odd else _usual_value(name, dice)
        if name in ("timestamp", "date_joined") and dice.random() < 0.5:
            value = dice.choice(("1521400435", "1521400435.25", "1.5e9", "1521400435000"))
            if dice.random() < 0.9:
                value = json.dumps(dice.choice(DATES), ensure_ascii=False)
        members.append((_name(name, dice), value))
    for _ in range(dice.choice((0, 0, 0, 1, 2))):
        extra = dice.choice(("meta", dice.choice(names), dice.choice(names).upper(), ""))
        members.insert(dice.randrange(len(members) + 1), (_name(extra, dice), _odd_value(dice)))
    is_spaced = dice.random() >= 0.7

    def white() -> str:
        return dice.choice(WHITE) if is_spaced else ""

    text = ",".join(
        f"{white()}{name}{white()}:{white()}{value}{white()}" for name, value in members
    )
    text = f"{white()}{{{text}}}{white()}"
    return _broken(text, dice) if dice.random() < 0.15 else text


def _usual_value(name: str, dice: random.Random) -> str:
    if name in ("ind", "index", "age", "downloaded"):
        return dice.choice(("1", "7", '"7"', "30", "30.0", "1e1"))
    if name in ("latitude", "longitude"):
        return dice.choice(("12.5", "-0.0001", '"1e1"', "45", "51.50735092837465", "1E1", "-0"))
    if name in ("timestamp", "date_joined"):
        return '"2018-03-18T19:13:55"'
    return json.dumps(dice.choice(STRINGS), ensure_ascii=dice.random() < 0.5)


def _odd_value(dice: random.Random, levels: int = 3) -> str:
    form = dice.randrange(12)
    if form < 4:
        return dice.choice(NUMBERS)
    if form < 6:
        return json.dumps(dice.choice(STRINGS), ensure_ascii=dice.random() < 0.5)
    if form < 9:
        return '"' + "".join(dice.choice((*ESCAPED, "x")) for _ in range(dice.randrange(4))) + '"'
    if form == 9:
        return dice.choice(("true", "false", "null"))
    if not levels:
        return "{}"
    if form == 10:
        return f"[{', '.join(_odd_value(dice, levels - 1) for _ in range(dice.randrange(3)))}]"
    return f'{{"title": {_odd_value(dice, levels - 1)}, "a":{_odd_value(dice, levels - 1)}}}'


def _name(name: str, dice: random.Random) -> str:
    if name and dice.random() < 0.05:
        at = dice.randrange(len(name))
        name = f"{name[:at]}\\u{ord(name[at]):04x}{name[at + 1 :]}"
    return f'"{name}"'


def _broken(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    put = dice.choice(
        (
            *(dice.choice(CONTROLS), dice.choice(NO_WHITE), dice.choice(NO_NUMBERS)),
            *(dice.choice(NO_ESCAPES), dice.choice(('"', ",", ":", "{", "}", "[", "]", "'"))),
        )
    )
    form = dice.randrange(4)
    if form == 0:
        return text[:at] + put + text[at:]
    if form == 1:
        return text[:at] + text[at + 1 :]
    if form == 2:
        return text[:at] + put + text[at + 1 :]
    return text[:at]
