"""Standard output and error: they take every character, and show text as text."""

import io
import os
import re
import sys

# What turns the direction of text, or separates lines of it.
_TURNS = "\u200e\u200f\u2028-\u202e\u2066-\u2069"

# What a terminal acts on instead of showing it.
_ACTED_ON = re.compile(f"[\x00-\x1f\x7f-\x9f{_TURNS}]")

# The same, but for the ends of lines and the tabs that belong to a text of several lines.
_ACTED_ON_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNS}]")


def take_every_character() -> None:
    """Replace characters that standard output and error cannot encode, instead of raising.

    What is no terminal, a file or a pipe, gets UTF-8, unless PYTHONIOENCODING asks for something
    else.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            chosen = stream.isatty() or os.environ.get("PYTHONIOENCODING")
            stream.reconfigure(encoding=None if chosen else "utf-8", errors="replace")


def visible(text: str) -> str:
    """The text in one line, in which what a terminal would act on is spelt out, as in Python."""
    return _ACTED_ON.sub(_spelt_out, text)


def for_terminal(text: str) -> str:
    """Lines for standard output: on a terminal with nothing to act on, elsewhere as they are."""
    return _ACTED_ON_IN_LINES.sub(_spelt_out, text) if sys.stdout.isatty() else text


def _spelt_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
