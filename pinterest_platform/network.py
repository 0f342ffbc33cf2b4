"""Addresses: loopback detection, proxy detection, and removal of users from URLs."""

import ipaddress
import os
import re
from collections.abc import Mapping

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")

# The user part of a URL, up to the last @ of the authority; except the placeholder in error
# messages, and already masked passwords.
_USER = re.compile(r"(?<=://)(?!USER:PASSWORD@|[^/\s:@]*:\*\*\*@)[^/?#\s'\"<>]*@")


def is_this_machine(host: str) -> bool:
    """Whether a host name or address is this machine's loopback."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def has_proxy(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment sets a proxy."""
    return any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES)


def without_users(text: str) -> str:
    """The text with each ``http://user:password@host`` replaced by ``http://host``."""
    return _USER.sub("", text)
