"""msgspec and the exact parser read the same records from a body, or raise the same error.

msgspec rejects a byte order mark, so a body that starts with one is read by the exact parser.
"""

import codecs
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pinterest_platform.errors import StreamError
from pinterest_platform.gateway import stream_bodies, topic_bodies
from pinterest_platform.gateway.errors import RestError

Parse = Callable[[bytes], Any]

PARSERS: dict[str, Parse] = {
    "topic": topic_bodies.parse,
    "record": stream_bodies.parse_record,
    "records": stream_bodies.parse_records,
}

# To generate its first text, Hypothesis reads the Unicode tables, which counts as too slow.
thorough = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])

every_parser = pytest.mark.parametrize("parse", PARSERS.values(), ids=list(PARSERS))

# JSON that no serialiser writes, and text that is not JSON.
ODD = st.sampled_from(
    [
        *("-0", "1.10", "1e400", "01", "+1", "1.", ".5", "NaN", "-Infinity", "1E-7", "9" * 30),
        *(r'"\/"', r'"\u00e9"', r'"\ud83d\ude00"', r'"\ud800"', r'"\udc00x"', r'"\\u0041"'),
        *(r'"\q"', r'"\u12"', '"\x00"', '"\x7f"', '"\u2028"', r'"\u0000\b\f"', "tru", "[1,]"),
        *('{"a":1,"a":2}', "{1:2}", '"' + "x" * 4400 + '"', "9" * 4400, "[" * 5000 + "]" * 5000),
    ]
)

SERIALISED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=5,
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """JSON values, and text that is almost JSON."""
    if draw(st.booleans()):
        return draw(ODD)
    return json.dumps(
        draw(SERIALISED), indent=draw(st.sampled_from([None, 1])), ensure_ascii=draw(st.booleans())
    )


@st.composite
def objects(draw: st.DrawFn, *names: str) -> str:
    """Objects whose members have some of these names; a name may repeat."""
    members = draw(st.lists(st.tuples(st.sampled_from(names), texts()), max_size=4))
    blank = draw(st.sampled_from(["", " ", "\n\t"]))
    return "{" + f",{blank}".join(f'"{name}":{blank}{text}' for name, text in members) + "}"


RECORDS = objects("value", "value", "key", "partition", "extra")
STREAM_RECORDS = objects(
    *("Data", "Data", "data", "PartitionKey", "PartitionKey", "partition-key", "StreamName", "x")
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Valid and invalid request bodies; in a quarter of them, one byte is replaced."""
    record = draw(st.sampled_from([RECORDS, STREAM_RECORDS]))
    if draw(st.booleans()):
        text = draw(record)
    else:
        name = draw(st.sampled_from(["records", "records", "Records", "other"]))
        rest = draw(st.sampled_from(["", ',"key_schema":null', ',"StreamName":"s"', ',"x":1', "]"]))
        text = f'{{"{name}":[{",".join(draw(st.lists(record, max_size=3)))}]{rest}}}'
    body = bytearray(text.encode("utf-8", "surrogatepass"))
    if body and draw(st.integers(0, 3)) == 0:
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


def parsed(parse: Parse, body: bytes) -> Any:
    try:
        return parse(body)
    except (RestError, StreamError) as error:
        return error.status, str(error)


@every_parser
@thorough
@given(body=bodies())
def test_both_parsers_agree(parse: Parse, body: bytes) -> None:
    assert parsed(parse, body) == parsed(parse, codecs.BOM_UTF8 + body)


@every_parser
@pytest.mark.parametrize("key", ['"k"', "7", "null"])
@thorough
@given(text=ODD)
def test_both_parsers_agree_on_odd_values(parse: Parse, key: str, text: str) -> None:
    record = f'{{"Data": {text}, "PartitionKey": {key}}}'
    lists = (f'{{"records": [{{"value": {text}, "key": {key}}}]}}', f'{{"records": [{record}]}}')
    for body in map(str.encode, (record, *lists)):
        assert parsed(parse, body) == parsed(parse, codecs.BOM_UTF8 + body)


@pytest.mark.parametrize(
    ("parse", "record", "most"),
    [
        (topic_bodies.parse, '{"value":1}', topic_bodies.MAX_RECORDS),
        (stream_bodies.parse_records, '{"data":1,"partition-key":"k"}', stream_bodies.MAX_RECORDS),
    ],
)
@pytest.mark.parametrize("more", [0, 1])
def test_both_parsers_check_every_list_of_records(
    parse: Parse, record: str, most: int, more: int
) -> None:
    many = ",".join([record] * (most + more))
    for text in (f'{{"records":[{many}]}}', f'{{"records":[{many}],"records":[{record}]}}'):
        body = text.encode()
        assert parsed(parse, body) == parsed(parse, codecs.BOM_UTF8 + body)


@every_parser
def test_no_depth_of_nesting_is_an_internal_error(parse: Parse) -> None:
    for depth in range(850, 1050):
        value = "[" * depth + "]" * depth
        record = f'{{"Data":{value},"PartitionKey":"k"}}'
        for text in (record, f'{{"records":[{{"value":{value}}}]}}', f'{{"Records":[{record}]}}'):
            parsed(parse, text.encode())
