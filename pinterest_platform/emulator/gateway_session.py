"""The gateway from the sender's side: an HTTP session with patience; what is sent is elsewhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from pinterest_platform.emulator.pace import Stop
from pinterest_platform.environment import reach_this_machine_directly
from pinterest_platform.errors import PlatformError

# 5 s cover a connection across the world and two lost packets; 30 s because API Gateway gives up
# on what is behind it after 29 s and says so.
TIMEOUT_S = (5, 30)

UNAUTHORIZED = 401

RETRY_STATUS = (429, 500, 502, 503, 504)

# Waits of 0, 1, 2, 4 and 8 s and up to 0.5 s more each: a gateway that is restarted or deployed
# anew comes back within them.
RETRIES = 5
BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 8
# Before the first post somebody is watching: 0, 1 and 2 s.
CHECK_RETRIES = 3
# A gateway that asks for more than 5 minutes is not throttling but down.
LONGEST_RETRY_AFTER_S = 300

# Enough of a gateway's message to understand it, and one line of a terminal or two.
LONGEST_MESSAGE = 200


@dataclass(frozen=True)
class Delivery:
    """What became of a request's records: how many were acknowledged, and why not the others."""

    acknowledged: int
    problem: str = ""


class Channel(Protocol):
    """A way on which records reach the gateway."""

    path: str
    """What lies below the gateway's URL."""

    def send(self, destination: str, values: Sequence[Mapping[str, object]]) -> Delivery:
        """Send records, one JSON object each, to a topic or stream."""


class GatewaySession:
    """The gateway over one HTTP session.

    A request is repeated on 429, 500, 502, 503, 504 and on connection errors, so a record arrives
    at least once: twice when the gateway took it and its answer was lost.

    Args:
        url: where the gateway is, ``http://host:port`` or with a path below which /topics and
            /streams lie.
        stop: when it is set, waits between attempts end and only one attempt more is made.
        token: that the gateway wants, if it wants one.
        retries: attempts after the first.
        backoff: seconds, doubled with every attempt.

    Raises:
        PlatformError: the URL is not one of HTTP.
    """

    def __init__(
        self,
        url: str,
        stop: Stop,
        *,
        token: str = "",
        retries: int = RETRIES,
        backoff: float = BACKOFF_S,
    ) -> None:
        self._base = _split(url)
        reach_this_machine_directly()
        self._stop = stop
        self._retries = retries
        self._backoff = backoff
        self._session = requests.Session()
        if token:
            # Not Authorization: that may hold what the URL says, and API Gateway has uses for it.
            self._session.headers["x-api-key"] = token
        # No credential from the URL in the name that messages show.
        self.name = self._base.replace(f"{urlsplit(self._base).netloc.rpartition('@')[0]}@", "")
        self._mount(retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def check(self, path: str) -> None:
        """Ask for the topics or streams, to learn before the first post whether anybody listens.

        Any answer but a server error or 401 will do: a gateway may let nobody list what it has.

        Raises:
            PlatformError: nobody answers, or with a server error only, or the token is missing or
                wrong.
        """
        self._mount(min(self._retries, CHECK_RETRIES))
        try:
            answer = self._session.get(
                f"{self._base}/{path}", timeout=TIMEOUT_S, allow_redirects=False
            )
            said = f"it answers {answer.status_code} {message(answer)}".rstrip()
            if answer.status_code == UNAUTHORIZED:
                raise PlatformError(
                    f"the gateway {self.name} wants a token: set PINTEREST_GATEWAY_TOKEN to the "
                    "gateway's own"
                )
            problem = said if answer.status_code >= 500 else ""
        except requests.RequestException as error:
            problem = _reason(error)
        finally:
            self._mount(self._retries)
        if problem:
            raise PlatformError(
                f"the gateway {self.name} cannot be used ({problem}): start it with pinterest "
                "gateway, or set PINTEREST_GATEWAY_URL"
            )

    def request(
        self, method: str, path: str, body: object, headers: Mapping[str, str]
    ) -> requests.Response | str:
        """The gateway's 200, or in words why there is none, with the retries of this class.

        Args:
            method: POST or PUT.
            path: below the gateway's URL, quoted.
            body: goes as compact JSON, text as UTF-8, not escaped.
            headers: Content-Type among them.
        """
        try:
            answer = self._session.request(
                method,
                f"{self._base}/{path}",
                data=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
                headers=headers,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return _reason(error)
        if answer.status_code != 200:
            return f"{answer.status_code} {message(answer)}".rstrip()
        return answer

    def _mount(self, retries: int) -> None:
        adapter = HTTPAdapter(
            max_retries=_StoppableRetry(
                total=retries,
                allowed_methods={"GET", "POST", "PUT"},
                status_forcelist=RETRY_STATUS,
                backoff_factor=self._backoff,
                backoff_max=LONGEST_BACKOFF_S,
                backoff_jitter=self._backoff,
                retry_after_max=LONGEST_RETRY_AFTER_S,
                raise_on_status=False,
                stop=self._stop,
            )
        )
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)


class _StoppableRetry(Retry):
    """urllib3's retries, whose waits end when the emulation is asked to end."""

    def __init__(self, *args: Any, stop: Stop | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stop = stop or Stop()

    @override
    def new(self, **kw: Any) -> Self:
        retry = super().new(**kw)
        retry.stop = self.stop
        return retry

    @override
    def is_exhausted(self) -> bool:
        # One attempt more after the stop, for a connection that the gateway closed while idle.
        return super().is_exhausted() or (self.stop.is_set() and len(self.history) > 1)

    @override
    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        try:
            asked = self.get_retry_after(response) if response else None
        except InvalidHeader:
            asked = None
        self.stop.wait(asked or self.get_backoff_time())


def _split(url: str) -> str:
    """The URL without a slash at its end."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise PlatformError(
            "the gateway's URL is not http://HOST:PORT or https://HOST/PATH: "
            "correct PINTEREST_GATEWAY_URL or --gateway"
        )
    return url.rstrip("/")


def message(answer: requests.Response) -> str:
    """What the gateway says about an error: its JSON message and code, else its text."""
    try:
        body = answer.json()
        code, told = body.get("error_code") or body.get("__type"), body.get("message")
    except (ValueError, AttributeError):
        return one_line(answer.text)
    suffix = f" ({code})" if code and code != answer.status_code else ""
    return f"{one_line(str(told or answer.reason))}{suffix}"


def one_line(text: str) -> str:
    """Text of somebody else, fit for a terminal: one line, no control characters, not long."""
    line = " ".join(text[: 10 * LONGEST_MESSAGE].split())
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}…"


def _reason(error: requests.RequestException) -> str:
    """What went wrong, from the deepest error that the system named, else the kind of error."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    reason = ""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return reason or type(error).__name__
