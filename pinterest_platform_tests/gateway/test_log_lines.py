"""What the gateway logs: a client's text cannot pass for a line of its own, or for a colour."""

import logging
import sys

from pinterest_platform.gateway.log_lines import OneRecord
from pinterest_platform_tests.gateway.conftest import PIN, Gateway
from pinterest_platform_tests.gateway.test_access import ask

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


def test_requests_leave_no_line(landing: object) -> None:
    token = "correct-horse"
    with Gateway(str(landing), PINTEREST_GATEWAY_TOKEN=token) as gateway:
        ask(gateway, "GET", "/%1b%0aforged", x_api_key="swordfish")
        ask(gateway, "GET", "/%1b%0aforged", x_api_key=token)
        ask(gateway, "POST", f"/topics/{PIN}", "\x1b", x_api_key=token)
        ask(gateway, "GET", "/topics", Host="evil\x1b", x_api_key=token)
        ask(gateway, "BREW", "/topics")
        ask(gateway, "GET", "/topics", Connection="Upgrade", Upgrade="websocket")
        gateway.terminate()

        assert gateway.output() == (0, "", "")
