"""Access to the gateway: the token, the Host, and no web pages. The routes are in ``app``."""

import hmac
import ipaddress
from collections.abc import Collection
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from pinterest_platform.gateway.errors import answer

# A web site cannot use this name: browsers resolve it to this machine.
LOCAL_NAMES = ("localhost",)

_READING = ("GET", "HEAD", "OPTIONS")
_OWN_SITE = ("none", "same-origin")
_CHECKED_HEADERS = frozenset((b"authorization", b"x-api-key", b"origin", b"sec-fetch-site"))


class Access:
    """Passes on requests that have a known Host and the token, and do not come from a web page.

    - The Host must be an address, ``localhost`` or one of ``hosts``: a page whose own name resolves
      to this machine (DNS rebinding) sends that name.
    - A request that changes something must not come from a web page: browsers send some such
      requests without a preflight, with the page in Origin.
    - The token must be in ``Authorization: Bearer`` or ``x-api-key``. GET /health works without it,
      for load balancers; the answer is then the status alone.

    Args:
        app: the app behind it.
        hosts: names as in a URL, without a port; ``*.example.org`` matches any name below it, and
            ``*`` any name.
        token: empty to give every client access.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = (), token: str = "") -> None:
        self._app = app
        self._token = token.encode()
        self._is_known_host = lru_cache(1000)(_Hosts((*LOCAL_NAMES, *hosts)).include)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 401, 403 or 421, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hosts: list[str] = []
        found: dict[bytes, str] = {}
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value.decode("latin-1"))
            elif name in _CHECKED_HEADERS:
                found[name] = value.decode("latin-1")
        trusted = not self._token or self._has_token(found)
        scope.setdefault("state", {})["trusted"] = trusted
        status, message = self._refusal(scope, hosts, found, trusted)
        if status:
            more = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            await answer(scope["path"], status, message, headers=more)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(
        self, scope: Scope, hosts: list[str], found: dict[bytes, str], trusted: bool
    ) -> tuple[int, str]:
        # HTTP/1.0 requests of simple health checks have no Host.
        if len(hosts) > 1 or (not hosts and scope.get("http_version") == "1.1"):
            return 400, "the request needs one Host header"
        if hosts and not self._is_known_host(hosts[0]):
            return 421, (
                "the Host is not one of the gateway's names: add it to PINTEREST_GATEWAY_HOSTS"
            )
        if scope["method"] not in _READING and (
            b"origin" in found or found.get(b"sec-fetch-site", "none") not in _OWN_SITE
        ):
            return 403, "the gateway does not accept requests from web pages"
        if trusted or scope["path"] == "/health":
            return 0, ""
        return 401, (
            "the gateway requires its token: send it as 'Authorization: Bearer <token>' or "
            "'x-api-key: <token>' (the emulation: set PINTEREST_GATEWAY_TOKEN)"
        )

    def _has_token(self, found: dict[bytes, str]) -> bool:
        scheme, _, bearer = found.get(b"authorization", "").partition(" ")
        tokens = (bearer.strip() if scheme.lower() == "bearer" else "", found.get(b"x-api-key", ""))
        # In constant time: timing must not reveal how much of a token is right.
        matches = [hmac.compare_digest(one.encode("latin-1"), self._token) for one in tokens]
        return any(matches)


class _Hosts:
    def __init__(self, names: Collection[str]) -> None:
        self._names = {name.lower() for name in names}
        self._parents = tuple(name[1:] for name in self._names if name.startswith("*."))

    def include(self, host: str) -> bool:
        """Whether a Host header, ``name`` or ``name:port``, is one of the names."""
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        name = (name or port).lower().removesuffix(".")
        return (
            name in self._names
            or name.endswith(self._parents)
            or _is_address(name)
            or "*" in self._names
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
