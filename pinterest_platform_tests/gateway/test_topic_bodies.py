"""A value as a line."""

import json

import pytest

from pinterest_platform.gateway.errors import RestError
from pinterest_platform.gateway.topic_bodies import parse
from pinterest_platform.ingest.landing.lines import compact


@pytest.mark.parametrize(
    "text",
    ["1.10", "1e400", "-0", "-1.5E-7", "123456789012345678901234567890", "0.1000000000000000055"],
)
def test_numbers_keep_their_text(text: str) -> None:
    body = f'{{"records": [{{"value": {{"n": {text}, "list": [ {text} ]}}}}]}}'.encode()

    [record] = parse(body)

    assert record.line == f'{{"n":{text},"list":[{text}]}}'.encode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "two\nlines \t \"quoted\" back\\slash / \\n ,: {} [] 'x'",
        "café 😀 \u2028 \x7f \x00",
        {"": [], "a b": {}, "nested": [{"x": [True, False, None, 1.5]}]},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_value_is_compact_utf8(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    line = compact(text)

    assert line == json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_lone_surrogate_stays_an_escape() -> None:
    line = compact(r'{"a": "\u00e9 \ud800 \udc00\ud83d\ude00"}')

    assert line == '{"a":"é \\ud800 \\udc00😀"}'.encode()
    assert json.loads(line) == {"a": "é \ud800 \udc00😀"}


def test_the_last_of_two_members_with_one_name_counts() -> None:
    [record] = parse(b'{"records": [{"value": 1, "value": 2, "key": null, "partition": null}]}')

    assert (record.line, record.key, record.partition) == (b"2", None, None)


def test_the_value_limit_counts_bytes_of_compact_utf8() -> None:
    # Quotes and two two-byte characters: 6 bytes, although the request spells them with 14.
    body = rb'{"records": [{"value":   "\u00e9\u00e9"   }]}'

    assert parse(body, max_value_bytes=6)[0].line == '"éé"'.encode()
    with pytest.raises(RestError, match="record 0 has a value of more than 5 bytes"):
        parse(body, max_value_bytes=5)
