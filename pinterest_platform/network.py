"""Addresses: which are this machine, whether a proxy is set, and URLs without their users."""

import ipaddress
import os
import re
from collections.abc import Mapping

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")

# What stands before an @ in the authority of a URL; of several @, the last ends it. Not the form
# that messages ask for, nor what hides its password itself.
_USER = re.compile(r"(?<=://)(?!USER:PASSWORD@|[^/\s:@]*:\*\*\*@)[^/?#\s'\"<>]*@")


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address is this machine's own loopback."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def has_proxy(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names a proxy."""
    return any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES)


def without_users(text: str) -> str:
    """The text with ``http://host`` in place of each ``http://user:password@host``."""
    return _USER.sub("", text)
