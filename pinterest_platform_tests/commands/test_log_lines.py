"""Log lines: text from a client can neither look like a line nor change a colour."""

import logging
import sys

from pinterest_platform.commands.log_lines import OneRecord

FORGED = "x\x1b[31m\r\n2026-01-01 ERROR uvicorn.error: forged\u2028\x9b"


def fail() -> None:
    raise ValueError(FORGED)


def test_control_characters_are_escaped_and_lines_indented() -> None:
    try:
        fail()
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, "", 0, "of %s", (FORGED,), sys.exc_info())

    first, *others = OneRecord("%(levelname)s %(message)s").format(record).split("\n")

    assert first == r"ERROR of x\x1b[31m\r"
    assert all(line.startswith("    ") for line in others)
    assert all(line.isprintable() for line in (first, *others))
