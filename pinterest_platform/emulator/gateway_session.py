"""The HTTP session with the gateway: retries, token and errors. Requests are in the proxies."""

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

# 5 s allow a connection across the world and two lost packets; API Gateway answers 504 after 29 s.
TIMEOUT_S = (5, 30)

UNAUTHORIZED = 401

RETRY_STATUS = (429, 500, 502, 503, 504)

# 15 s of waits: enough for a restart or a deployment of the gateway.
RETRIES = 5
BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 8
# Shorter before the first post, while somebody is watching: 0, 1 and 2 s.
CHECK_RETRIES = 3
# A gateway with a Retry-After of more than 5 minutes is down, not throttling.
LONGEST_RETRY_AFTER_S = 300

# Characters: one or two lines of a terminal.
LONGEST_MESSAGE = 200


@dataclass(frozen=True)
class Delivery:
    """The result of a request: how many records were acknowledged, and why the others were not."""

    acknowledged: int
    problem: str = ""


class Channel(Protocol):
    """An API of the gateway that takes records."""

    path: str
    """The path below the gateway's URL."""

    def send(self, destination: str, values: Sequence[Mapping[str, object]]) -> Delivery:
        """Send records, one JSON object each, to a topic or stream."""


class GatewaySession:
    """One HTTP session with the gateway.

    Requests are retried on 429, 500, 502, 503, 504 and connection errors, so a record arrives at
    least once: twice if the gateway accepted it and its answer was lost.

    Args:
        url: the gateway, ``http://host:port``, with a path if /topics and /streams are below one.
        stop: once set, waits between attempts end, and only one more attempt is made.
        token: the gateway's token, if it requires one.
        retries: attempts after the first.
        backoff: the first wait in seconds, doubled with every attempt.

    Raises:
        PlatformError: the URL is not an HTTP URL.
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
            # Not Authorization: requests sets it from the URL, and API Gateway may interpret it.
            self._session.headers["x-api-key"] = token
        # Messages show this name: no credentials of the URL.
        self.name = self._base.replace(f"{urlsplit(self._base).netloc.rpartition('@')[0]}@", "")
        self._mount(retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def check(self, path: str) -> None:
        """List the topics or streams, to find a missing gateway before the first post.

        Any answer but a server error or 401 is a success: a gateway may forbid listing.

        Raises:
            PlatformError: no answer, only server errors, or a missing or wrong token.
        """
        self._mount(min(self._retries, CHECK_RETRIES))
        try:
            answer = self._session.get(
                f"{self._base}/{path}", timeout=TIMEOUT_S, allow_redirects=False
            )
            error_text = f"it answers {answer.status_code} {message(answer)}".rstrip()
            if answer.status_code == UNAUTHORIZED:
                raise PlatformError(
                    f"the gateway {self.name} requires a token: set PINTEREST_GATEWAY_TOKEN to the "
                    "gateway's own"
                )
            problem = error_text if answer.status_code >= 500 else ""
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
        """The gateway's answer if it is 200, otherwise the reason as text, after all retries.

        Args:
            method: POST or PUT.
            path: below the gateway's URL, quoted.
            body: sent as compact JSON in UTF-8.
            headers: with a Content-Type.
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
    """urllib3's retries, with waits that end when the emulation is stopped."""

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
        # One more attempt after the stop: the gateway may have closed an idle connection.
        return super().is_exhausted() or (self.stop.is_set() and len(self.history) > 1)

    @override
    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        try:
            retry_after = self.get_retry_after(response) if response else None
        except InvalidHeader:
            retry_after = None
        self.stop.wait(retry_after or self.get_backoff_time())


def _split(url: str) -> str:
    """The URL without a trailing slash."""
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
    """The gateway's error: its JSON message and code, or else its text."""
    try:
        body = answer.json()
        code, text = body.get("error_code") or body.get("__type"), body.get("message")
    except (ValueError, AttributeError):
        return one_line(answer.text)
    suffix = f" ({code})" if code and code != answer.status_code else ""
    return f"{one_line(str(text or answer.reason))}{suffix}"


def one_line(text: str) -> str:
    """Foreign text for a terminal: one short line without control characters."""
    line = " ".join(text[: 10 * LONGEST_MESSAGE].split())
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}…"


def _reason(error: requests.RequestException) -> str:
    """The reason, from the innermost error of the operating system, or else the error's type."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    reason = ""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            reason = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return reason or type(error).__name__
