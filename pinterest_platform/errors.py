"""The one error that a user is meant to read."""


class PlatformError(Exception):
    """Something the user can mend: one line that says what was wrong, where, and what to do.

    The command line prints it without a traceback and ends with exit code 1. The text never holds
    a credential.
    """
