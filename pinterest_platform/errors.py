"""Errors with messages for the user."""

from pinterest_platform.network import without_users


class PlatformError(Exception):
    """An error that the user can fix: one line with the fault, its location and the remedy.

    The command line prints the message without a traceback and exits with code 1. The message never
    contains a credential: user information in URLs is removed.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(without_users(message))


class StreamError(PlatformError):
    """An error response about streams: ``{"__type": type, "message": message}`` with ``status``.

    ``type`` is AWS's error name. The message never contains a credential or signed header.
    """

    def __init__(self, status: int, type: str, message: str) -> None:
        super().__init__(f"{message} ({type})")
        self.status = status
        self.type = type
        self.message = message


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
