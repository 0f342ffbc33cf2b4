"""Errors with messages for the user."""

import re

from pinterest_platform.network import without_users


class PlatformError(Exception):
    """An error that the user can fix: one line with the fault, its location and the remedy.

    The command line prints the message without a traceback and exits with code 1. The message never
    contains a credential: user information in URLs is removed.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(without_users(message))


class ConfigurationError(PlatformError):
    """A setting, a permission or a file is wrong: a retry cannot succeed."""


class OutageError(PlatformError):
    """The network, a server or a lock fails or is busy: a retry may succeed.

    Steps are retried after this error and no other.
    """


class StreamError(PlatformError):
    """An error response about streams: ``{"__type": type, "message": message}`` with ``status``.

    ``type`` is AWS's error name. The message never contains a credential or signed header.
    """

    def __init__(self, status: int, type: str, message: str) -> None:
        super().__init__(f"{message} ({type})")
        self.status = status
        self.type = type
        self.message = message


class StreamOutageError(StreamError, OutageError):
    """Kinesis throttles, does not answer, or is unreachable."""


class RemoteError(PlatformError):
    """Work on another system failed; carries the page to open and the remote traceback."""

    def __init__(self, message: str, url: str, traceback: str) -> None:
        super().__init__(message)
        self.url = url
        self.traceback = traceback


class Unavailable(PlatformError):
    """The gateway cannot store records, and responds with 503."""


class LandingUnavailable(Unavailable):
    """The landing place cannot be read or written: no record of the request is acknowledged."""


class RemoteOutageError(RemoteError, OutageError):
    """Work on another system failed because of an outage there."""


# How HTTP clients, gRPC, the AWS SDKs and Java name temporary failures.
_OUTAGE = re.compile(
    "connection (refused|reset|error|closed)|connect error|error sending request|broken pipe"
    "|timed? ?out|timeout|dns error|name resolution|unknownhost|no route to host"
    "|slow ?down|throttl|too many requests|service ?unavailable|internal ?server ?error"
    r"|statuscode\.unavailable|deadline_exceeded|\b50[0234]\b",
    re.IGNORECASE,
)


def is_outage(text: str) -> bool:
    """Whether the text of a library's error names an outage."""
    return _OUTAGE.search(text) is not None


def error_for(text: str) -> type[PlatformError]:
    """The error class for a library's error text: outage or, for any other text, configuration."""
    return OutageError if is_outage(text) else ConfigurationError


def first_line(error: object) -> str:
    """The first line of an error's text: libraries put the cause there, and traces below."""
    return str(error).strip().split("\n", 1)[0]
