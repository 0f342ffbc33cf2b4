"""The gateway's log lines on stderr: nothing of a client can pass for a line, or a colour."""

import logging
from typing import Any

from typing_extensions import override


class OneRecord(logging.Formatter):
    """A record with its traceback: control characters escaped, further lines indented."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")
        return "\n    ".join("".join(map(_visible, line)) for line in lines)


def _visible(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


# uvicorn's log_config. asyncio and the libraries log to the root.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "one": {"()": OneRecord, "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "one"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
