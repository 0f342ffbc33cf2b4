"""The errors that a user is meant to read."""

from pinterest_platform.network import without_users


class PlatformError(Exception):
    """Something the user can mend: one line that says what was wrong, where, and what to do.

    The command line prints it without a traceback and ends with exit code 1. The text never holds
    a credential: what a URL in it says of a user is left out.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(without_users(message))


class StreamError(PlatformError):
    """An answer about streams: ``{"__type": type, "message": message}`` with ``status``.

    ``type`` is AWS's name of the error. The message never holds a credential or signed header.
    """

    def __init__(self, status: int, type: str, message: str) -> None:
        super().__init__(f"{message} ({type})")
        self.status = status
        self.type = type
        self.message = message


class RemoteError(PlatformError):
    """Work on another system failed: the page to look at, and the traceback there."""

    def __init__(self, message: str, url: str, traceback: str) -> None:
        super().__init__(message)
        self.url = url
        self.traceback = traceback


class Unavailable(PlatformError):
    """The place where records go cannot be used: the gateway answers 503."""


class LandingUnavailable(Unavailable):
    """The landing place could not be read or written: nothing of the request is acknowledged."""
