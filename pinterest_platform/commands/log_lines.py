"""The log of ``pinterest gateway`` and ``pinterest sink`` on stderr, one record a line."""

import logging
import logging.config
from typing import Any

from typing_extensions import override


class OneRecord(logging.Formatter):
    """Escapes control characters and indents further lines, such as those of a traceback.

    So text from a client can neither look like a log line nor change a terminal's colours.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).split("\n")
        return "\n    ".join("".join(map(_visible, line)) for line in lines)


def _visible(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


# Libraries, asyncio and uvicorn log to the root.
_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "one": {"()": OneRecord, "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "one"}},
    "loggers": {"pinterest_platform": {"level": "INFO"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}


def log_to_stderr() -> None:
    """Log the platform's transitions (INFO), and warnings of everything else."""
    logging.config.dictConfig(_LOGGING)
