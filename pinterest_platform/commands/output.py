"""Standard output and error: any character can be written, and text cannot control the terminal."""

import io
import os
import re
import sys

# Unicode controls for text direction, and Unicode line and paragraph separators.
_TURNS = "\u200e\u200f\u2028-\u202e\u2066-\u2069"

_ACTED_ON = re.compile(f"[\x00-\x1f\x7f-\x9f{_TURNS}]")

_ACTED_ON_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNS}]")


def take_every_character() -> None:
    """Replace characters that standard output and error cannot encode, instead of raising.

    Files and pipes get UTF-8, unless PYTHONIOENCODING sets another encoding.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            chosen = stream.isatty() or os.environ.get("PYTHONIOENCODING")
            stream.reconfigure(encoding=None if chosen else "utf-8", errors="replace")


def visible(text: str) -> str:
    """The text in one line, with characters that a terminal interprets escaped as in Python."""
    return _ACTED_ON.sub(_spelt_out, text)


def for_terminal(text: str) -> str:
    """Lines for standard output: without control characters on a terminal, elsewhere unchanged."""
    return _ACTED_ON_IN_LINES.sub(_spelt_out, text) if sys.stdout.isatty() else text


def _spelt_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
